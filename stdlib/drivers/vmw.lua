-- vmw: the virtual machines of VMware Workstation that run under the account
-- under which ctys runs. Its tool knows no others, so that one which has gone off
-- cannot be found and started again.
--
--     for _, guest in ipairs(stack.list{ uri = "vmw:///system" }) do print(guest.name, guest.state) end

local M = {}

M.head = {
  what = "the virtual machines of VMware Workstation that run",
  runs = { "vmrun -T ws" },
  source = "Using vmrun to Control Virtual Machines, VMware Workstation Pro 17",
  tested = "output written after its documentation",
}

-- Its soft power operations are scripts of VMware Tools in the guest.
M.asks = "agent"

M.states = { running = "running" }

M.list = {
  argv = { "vmrun", "-T", "ws", "list" },
  output = "lines",
  header = "^Total running VMs: %d+%s*$",
  each = function(line)
    local name = line:match("^/.*/([^/]+)%.vmx%s*$") or line:match("^/([^/]+)%.vmx%s*$")
    return name and { name = name, identity = line, vmx = line, status = "running", persistent = false } or nil
  end,
}

M.probe = { argv = M.list.argv, parse = function() return "" end }

local function verb(name, ...)
  local options = { ... }
  return { argv = function(guest) return { "vmrun", "-T", "ws", name, guest.vmx, unpack(options) } end }
end

M.shutdown = verb("stop", "soft")
M.destroy = verb("stop", "hard")
M.reboot = verb("reset", "soft")
M.reset = verb("reset", "hard")
M.suspend = verb("pause")
M.resume = verb("unpause")
M.managed_save = verb("suspend", "hard")
M.managed_save.deadline = 3600

return M
