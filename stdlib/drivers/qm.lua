-- qm: the virtual machines of Proxmox VE on this node. Root's tool.
--
--     for _, guest in ipairs(stack.list{ uri = "qm:///system" }) do print(guest.name, guest.state) end

local M = {}

M.head = {
  what = "the virtual machines of Proxmox VE",
  runs = { "qm list", "qm shutdown", "qm reset", "qm stop", "qm start", "qm suspend", "qm resume" },
  source = "qm(1) of Proxmox VE 8, https://pve.proxmox.com/pve-docs/qm.1.html; the table is that of PVE/CLI/qm.pm; the states are QEMU's (qapi/run-state.json) and \"stopped\"",
  tested = "output written after its documentation",
}

M.type = "kvm"
M.asks = "acpi"

-- The states in which a machine moves to another node, or is taken over from
-- one, are left out: it may run there by now.
M.states = {
  stopped = "off", shutdown = "off", running = "running", paused = "paused", prelaunch = "paused", debug = "paused",
  ["io-error"] = "paused", watchdog = "paused", ["save-vm"] = "paused", ["restore-vm"] = "paused",
  suspended = "suspended", ["guest-panicked"] = "crashed", ["internal-error"] = "crashed",
}

-- Where there is no machine it prints nothing, heading included. A name may have
-- a space: one without a name is called "VM 100". What stays is the number.
M.list = {
  argv = { "qm", "list", "--full", "1" },
  output = "lines",
  header = "^%s*VMID%s+NAME%s+STATUS%s+MEM%(MB%)%s+BOOTDISK%(GB%)%s+PID%s*$",
  each = function(line)
    local words = {}
    for word in line:gmatch("%S+") do words[#words + 1] = word end
    local vmid, status, pid = words[1], words[#words - 3], words[#words]
    if #words < 6 or not vmid:find("^%d+$") or not pid:find("^%d+$") then return nil end
    return { name = table.concat(words, " ", 2, #words - 4), identity = vmid, vmid = vmid, status = status, id = tonumber(pid), witness = pid ~= "0" and "process " .. pid or nil }
  end,
}

M.probe = { argv = M.list.argv, parse = function() return "" end }

local function verb(name, ...)
  local options = { ... }
  return { argv = function(guest) return { "qm", name, guest.vmid, unpack(options) } end }
end

-- It presses the power button, and then waits, for a second at least. That the
-- guest is not off by then is no fault.
M.shutdown = verb("shutdown", "--timeout", "1")
function M.shutdown.passed(result)
  return result.exit == 0 or (result.stdout .. result.stderr):find("got timeout", 1, true) ~= nil
end

M.reset = verb("reset")
M.destroy = verb("stop")
M.start = verb("start")
M.suspend = verb("suspend")
M.resume = verb("resume")
M.managed_save = verb("suspend", "--todisk", "1")
M.managed_save.deadline = 3600

return M
