-- pct: the containers of Proxmox VE on this node. Root's tool. What it calls
-- suspend does not show in its list, so it is left out here.
--
--     for _, guest in ipairs(stack.list{ uri = "pct:///system" }) do print(guest.name, guest.state) end

local M = {}

M.head = {
  what = "the containers of Proxmox VE",
  runs = { "pct list", "pct shutdown", "pct stop", "pct start" },
  source = "pct(1) of Proxmox VE 8, https://pve.proxmox.com/pve-docs/pct.1.html; the table is that of PVE/CLI/pct.pm",
  tested = "output written after its documentation",
}

M.type = "lxc"
M.asks = "signal"

M.states = { running = "running", stopped = "off" }

-- Where there is no container it prints nothing, heading included. The column of
-- the lock is empty where nothing holds one. What stays of one is its number.
M.list = {
  argv = { "pct", "list" },
  output = "lines",
  header = "^VMID%s+Status%s+Lock%s+Name%s*$",
  each = function(line)
    local words = {}
    for word in line:gmatch("%S+") do words[#words + 1] = word end
    local vmid, status = words[1], words[2]
    if #words < 3 or #words > 4 or not vmid:find("^%d+$") then return nil end
    return { name = words[#words], identity = vmid, vmid = vmid, status = status }
  end,
}

M.probe = { argv = M.list.argv, parse = function() return "" end }

local function verb(name, ...)
  local options = { ... }
  return { argv = function(guest) return { "pct", name, guest.vmid, unpack(options) } end }
end

-- It asks, and then waits, for a second at least. That the container is not off
-- by then is no fault.
M.shutdown = verb("shutdown", "--timeout", "1")
function M.shutdown.passed(result)
  local said = result.stdout .. result.stderr
  return result.exit == 0 or said:find("timeout", 1, true) ~= nil
end

M.destroy = verb("stop")
M.start = verb("start")

return M
