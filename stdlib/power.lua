-- power: whom to believe about a machine's power.
--
--     local power = require "power"
--     local seen = power.state("lab01")
--     --> { state = "on"|"off"|"unknown", seen_by = "bmc"|"hypervisor"|"probe", at = …, cause = … }
--
-- A BMC is believed, then the hypervisor that carries the machine. An answer
-- to a probe proves "on"; silence proves nothing, so it is "unknown".

local M = {}

local SSH = 22

--- The BMC of a machine, or nil where the inventory has none.
function M.bmc(row)
  if not row or not row.bmc then return nil end
  return ipmi.connect{
    host = row.bmc.host, port = row.bmc.port, user = row.bmc.user, password = row.bmc.password, machine = row.name,
  }
end

local function by_bmc(row)
  return M.bmc(row):power_status()
end

local words = { running = "on", paused = "on", suspended = "on", ["shutting-down"] = "on", off = "off", saved = "off" }

--- The power of a guest in the words of its hypervisor; a state that is not
--- known is "unknown", never "off".
function M.of_guest(guest)
  return words[guest.state] or "unknown"
end

--- The guest that a row describes, as the hypervisors of its parent show it.
---@return table? guest
function M.guest(row)
  for _, hypervisor in ipairs(stack.hypervisors{ host = not action.is_here(row.parent) and row.parent or nil }) do
    for _, guest in ipairs(stack.list{ uri = hypervisor.uri }) do
      if guest.uuid == row.uuid or (not row.uuid and guest.name == (row.label or row.name)) then return guest end
    end
  end
end

local function by_hypervisor(row)
  local guest = M.guest(row)
  if not guest then return "unknown" end
  return M.of_guest(guest)
end

--- Whether an address is this host's own loopback, as that of a tunnel or of
--- the lab is: then ping is answered here, and only a server speaks for the
--- machine behind it.
function M.is_loopback(address)
  return address:find("^127%.") ~= nil or address == "::1" or address == "localhost"
end

--- Whether anything answers at a machine's address. It never raises.
---@return boolean up
---@return table answer the probe's answer, or its error
function M.answers(address, port)
  local ways = { function() return probe.ssh(address .. ":" .. (port or SSH)) end }
  if not M.is_loopback(address) then ways[2] = function() return probe.ping(address) end end
  local tries = task.settle(ways, function(try) return try() end)
  local last
  for _, outcome in ipairs(tries) do
    last = outcome.ok and outcome.value or outcome.error
    if outcome.ok and outcome.value.up then return true, outcome.value end
  end
  return false, last
end

local function by_probe(row)
  local address = row.address or row.name
  local up = M.answers(address, row.port)
  return up and "on" or "unknown"
end

local function ask(seen_by, fn, row)
  local ok, value = pcall(fn, row)
  return {
    state = ok and value or "unknown", seen_by = seen_by, at = task.now(),
    cause = not ok and value or nil,
  }
end

--- The power of a machine. It never raises for a state that cannot be seen.
---@param name string a machine in the inventory, or an address
function M.state(name)
  local row = inventory.machine(name) or { name = name, address = name }
  if row.bmc then return ask("bmc", by_bmc, row) end
  if row.parent then return ask("hypervisor", by_hypervisor, row) end
  return ask("probe", by_probe, row)
end

return M
