-- observe: is a machine up? Whoever answers first is believed.
--
--     local observe = require "observe"
--     local seen = observe.look{ address = "10.0.0.5", port = 22 }
--     --> { up = true, way = "icmp", seen_by = "probe" }
--
-- A machine here is a plain table: name, address, port. An answer proves that
-- it is up; silence is { up = false } and proves nothing, unless its BMC says
-- that the power is off.

local power = require "power"

local M = {}

-- Seconds that one probe has; how often the first look asks, with a second
-- between; what a BMC has, whose session alone can take seconds.
local PROBE, LOOKS, BMC = 1, 3, 5

local SSH = 22

local function endpoint(machine)
  local host = machine.address
  if host:find(":", 1, true) then host = "[" .. host .. "]" end
  return host .. ":" .. (machine.port or SSH)
end

-- Calls all at once; the first that gives something ends the others.
local function first(tries)
  local winner
  local ok, err = pcall(task.map, tries, function(try)
    local found = try()
    if not found then return end
    winner = winner or found
    error(winner, 0)
  end)
  if not ok and not winner then error(err, 0) end
  return winner
end

local function asks(probe_of, object)
  return function()
    local ok, answer = pcall(probe_of, object, { deadline = PROBE })
    return ok and answer.up and { up = true, way = answer.way, seen_by = "probe" } or nil
  end
end

--- What the machine's BMC says of its power; nil without one or an answer.
function M.by_bmc(machine)
  local bmc = power.bmc(inventory.machine(machine.name or ""))
  if not bmc then return nil end
  local ok, state = pcall(bmc.power_status, bmc, { deadline = BMC })
  return ok and { up = state == "on", way = "bmc", seen_by = "bmc" } or nil
end

--- Whether an SSH server answers there.
function M.ssh(machine)
  local ok, answer = pcall(probe.ssh, endpoint(machine), { deadline = 3 * PROBE })
  return ok and answer.up and { up = true, way = "ssh", seen_by = "probe" } or nil
end

--- One round of probes: ICMP, ARP and TCP at once; on loopback, where this
--- host itself answers those, only the SSH server. Where no address is known the
--- BMC is asked.
---@return table? seen nil: nobody answered
function M.answers(machine)
  if not machine.address then
    local seen = M.by_bmc(machine)
    return seen and seen.up and seen or nil
  end
  if power.is_loopback(machine.address) then return M.ssh(machine) end
  return first{ asks(probe.ping, machine.address), asks(probe.arp, machine.address), asks(probe.tcp, endpoint(machine)) }
end

local function some_rounds(machine)
  for round = 1, machine.address and LOOKS or 0 do
    local seen = M.answers(machine)
    if seen then return seen end
    if round < LOOKS and not step.planning() then task.sleep(PROBE) end
  end
end

-- A BMC calls a machine on that is suspended to RAM.
local function unless_asleep(machine, seen)
  local slept = machine.back and machine.back.slept
  return not (slept and seen and seen.up) and seen or nil
end

--- The first look: up, or not seen up. A machine of which only the MAC is
--- known is not seen up.
function M.look(machine)
  return first{
    function() return unless_asleep(machine, M.by_bmc(machine)) end,
    function() return some_rounds(machine) end,
  } or { up = false }
end

--- Whether anything could ever answer for the machine.
function M.can_be_seen(machine)
  local row = inventory.machine(machine.name or "")
  return machine.address ~= nil or (row ~= nil and row.bmc ~= nil)
end

return M
