-- power: whom to believe about a machine's power.
--
--     local power = require "power"
--     local seen = power.state("lab01")
--     --> { state = "on"|"off"|"unknown", seen_by = "bmc"|"hypervisor"|"probe", at = …, cause = … }
--
-- A BMC is believed, then the hypervisor that carries the machine. An answer
-- to a probe proves "on", also where its BMC or hypervisor cannot be asked;
-- silence proves nothing, so it is "unknown". Nothing unknown is ever "off".

local M = {}

local SSH = 22

-- Seconds between two looks at a machine that was switched.
local LOOK_EVERY = 1

-- Seconds after which an observer is late, and that a probe has at most.
local LATE, PROBE = 1, 3

local function connect(row)
  return ipmi.connect{
    host = row.bmc.host, port = row.bmc.port, user = row.bmc.user, password = row.bmc.password, machine = row.name,
  }
end

-- A BMC that is spoken to by another machine: each of its methods is called
-- there, by that machine's agent.
local function through(row)
  return setmetatable({}, { __index = function(_, method)
    return function(_, options)
      local order = { machine = row.name, method = method, options = options or {} }
      return action.at(row.bmc.via, "power", order, { call = "at_bmc", rows = { row.name }, about = row.name .. " " .. method }).value
    end
  end })
end

--- Runs on the machine through which a BMC is reached.
function M.at_bmc(order)
  local bmc = connect(inventory.machine(order.machine))
  local value = bmc[order.method](bmc, order.options)
  if order.method == "events" then -- bytes do not travel as text
    for _, event in ipairs(value) do event.data = nil end
  end
  return { value = value }
end

--- The BMC of a machine, or nil where the inventory has none. The desk speaks to
--- it, or where its row has `via`, that machine.
function M.bmc(row)
  if not row or not row.bmc then return nil end
  local via = row.bmc.via
  if via and not action.here() and not action.is_here(via) then return through(row) end
  return connect(row)
end

local function by_bmc(row, seconds)
  return M.bmc(row):power_status{ deadline = seconds }
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
  if not guest then error({ kind = "internal", op = "power.state", host = row.name, message = "no hypervisor of " .. row.parent .. " shows it" }, 0) end
  local state = M.of_guest(guest)
  if state ~= "unknown" then return state end
  error({ kind = "internal", op = "power.state", host = row.name,
    message = string.format("%s is neither on nor off, by the word of its hypervisor: %s", guest.name, guest.cause or guest.state) }, 0)
end

--- Whether an address is this host's own loopback, as that of a tunnel or of
--- the lab is: then ping is answered here, and only a server speaks for the
--- machine behind it.
function M.is_loopback(address)
  return address:find("^127%.") ~= nil or address == "::1" or address == "localhost"
end

--- Whether anything answers at a machine's address. It never raises.
---@param seconds number? that it has, 3 at most
---@return boolean up
---@return table answer the probe's answer, or its error
function M.answers(address, port, seconds)
  local options = { deadline = math.min(seconds or PROBE, PROBE) }
  local ways = { function() return probe.ssh(address .. ":" .. (port or SSH), options) end }
  if not M.is_loopback(address) then ways[2] = function() return probe.ping(address, options) end end
  local tries = task.settle(ways, function(try) return try() end)
  local last
  for _, outcome in ipairs(tries) do
    last = outcome.ok and outcome.value or outcome.error
    if outcome.ok and outcome.value.up then return true, outcome.value end
  end
  return false, last
end

local function by_probe(row, seconds)
  local address = row.address or row.name
  local up, last = M.answers(address, row.port, seconds)
  if up then return "on" end
  local why = last.kind == "unreachable" and last.message -- a name that does not resolve, a network without a way
  error({ kind = "unreachable", op = "power.state", host = row.name,
    message = why or string.format("nothing answers at %s, and that proves nothing", address) }, 0)
end

local function ask(seen_by, fn, row, seconds)
  local ok, value = pcall(fn, row, seconds)
  return {
    state = ok and value or "unknown", seen_by = seen_by, at = task.now(),
    cause = not ok and value or nil,
  }
end

-- What an observer cannot tell, a probe may: an answer proves "on". It begins
-- when the observer is late, so that both together take no longer than one.
local function or_by_probe(seen_by, fn, row, seconds)
  if not row.address then return ask(seen_by, fn, row, seconds) end
  local late = math.min(LATE, (seconds or math.huge) / 4)
  local probing = task.later(late, ask, "probe", by_probe, row, seconds and math.max(LATE, seconds - late))
  local seen = ask(seen_by, fn, row, seconds)
  if seen.state ~= "unknown" then
    probing:cancel()
    return seen
  end
  local probed = probing:wait()
  return probed.state == "on" and probed or seen
end

--- The power of a machine. It never raises for a state that cannot be seen.
--- The parent of a machine that has a BMC is a chassis or a switch: no
--- hypervisor is asked about it.
---@param name string a machine in the inventory, or an address
---@param seconds number? what its BMC has for its answer
function M.state(name, seconds)
  local row = inventory.machine(name) or { name = name, address = name }
  if row.bmc then return or_by_probe("bmc", by_bmc, row, seconds) end
  if row.parent then return or_by_probe("hypervisor", by_hypervisor, row) end
  return ask("probe", by_probe, row)
end

-- Switching, by a machine's BMC -----------------------------------------------

--- Looks until a BMC sees the goal, "on" or "off", or the time is over. A plan
--- looks once.
---@param timeout number? seconds that the BMC has for each answer
---@return string state as it was seen last; raises where it could not be read last
function M.await(bmc, goal, seconds, timeout)
  local finish = task.now() + seconds
  while true do
    local ok, state = pcall(bmc.power_status, bmc, { deadline = timeout })
    if ok and state == goal or step.planning() then return state end
    if task.now() >= finish then
      if ok then return state end
      error(state, 0)
    end
    task.sleep(LOOK_EVERY)
  end
end

-- One command, and a look until its goal is seen. What a plan would see is its
-- goal.
local function switch(bmc, method, goal, seconds, timeout)
  local seen = bmc[method](bmc, { deadline = timeout })
  if seen == goal or step.planning() then return goal end
  return M.await(bmc, goal, seconds, timeout)
end

--- Switches on, and sees it on. A machine that is on is sent nothing.
---@param seconds number for it to be seen on
---@param timeout number? seconds that the BMC has for each answer, 20 where left out
---@return string state seen last, in time or not
function M.on(bmc, seconds, timeout) return switch(bmc, "power_on", "on", seconds, timeout) end

--- Cuts the power, and sees it off.
---@return string state seen last, in time or not
function M.off(bmc, seconds, timeout) return switch(bmc, "power_off", "off", seconds, timeout) end

--- Presses the power button and sees the machine off, in time or not.
---@return string state seen last
function M.soft(bmc, seconds, timeout) return switch(bmc, "power_soft", "off", seconds, timeout) end

--- Off, seen off, on, seen on. A machine that is not seen off in time is not
--- switched on again, and raises.
---@param timeout number? seconds that the BMC has for each answer
---@param before_on fun()? called when it is off: a supply that must not trip wants its pause here
---@return string state seen last, in time or not
function M.cycle(bmc, seconds, timeout, before_on)
  local seen = M.off(bmc, seconds, timeout)
  if seen ~= "off" then
    error({ kind = "timeout", op = "power.cycle", exit = 1,
      message = string.format("its BMC took the command and still says %s after %g s, so it was not switched on again", seen, seconds) }, 0)
  end
  if before_on then before_on() end
  return M.on(bmc, seconds, timeout)
end

--- Resets a machine's chassis, and where its BMC cannot do that, cycles it.
---@return "reset"|"cycle" how
function M.reset(row)
  local bmc = M.bmc(row)
  local ok, err = pcall(bmc.power_reset, bmc)
  if ok then return "reset" end
  if err.kind ~= "unsupported" then error(err, 0) end
  step.progress("its BMC refuses a reset, so it is switched off and on: " .. tostring(err.message))
  bmc:power_cycle()
  return "cycle"
end

return M
