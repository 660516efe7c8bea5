-- ladder: take one guest down, step by step, each step seen by its hypervisor.
--
--     local ladder = require "ladder"
--     ladder.wait_off(guest, 30)     --> the guest as it is now, off; or nil: still on after 30 s
--
-- The steps are fields of the policy's own table and are called through it, so
-- that a site replaces one: see scripts/cancel.lua.

local M = {}

-- How often the power button is pressed: a guest that still boots loses the
-- first press. And how long the guest agent is given of a deadline.
local PRESS_EVERY, AGENT_SHARE = 10, 0.2

-- The shortest wait in which a hypervisor can still say what it sees.
local A_LOOK = 1

-- The longest that a hypervisor may take to answer one request.
local ANSWER = 30

-- The way in which a hypervisor asks the guests of a type; a driver says its own.
local asking = { qemu = "acpi", kvm = "acpi", test = "acpi", lxc = "initctl", xen = "paravirt" }

-- A container may have no /dev/initctl (systemd has none since 255), and libvirt
-- takes that for heeded. So its init is sent the signal too on which systemd powers
-- off and which no other init sees. When half of the time is over, every other time
-- the one that ends a program that is no init; not before, since systemd begins anew
-- on it and busybox's init reboots, which a slow shutdown must not come to.
local in_turns = { initctl = { { "initctl", "systemd" }, { "signal" } } }

local function mode_of(guest) return guest.asks or asking[guest.type] end

--- Whether a guest is off by its hypervisor's word.
function M.is_off(guest)
  return guest.state == "off" or guest.state == "saved"
end

--- Calls a method of a guest; a hypervisor that does not answer raises.
---@param seconds number? how long it may take to answer
function M.ask(guest, method, options, seconds)
  return task.deadline(math.max(math.min(seconds or ANSWER, ANSWER), A_LOOK), guest[method], guest, options)
end

--- Waits until the hypervisor says that the guest is off.
---@return table? guest as it is now; nil where it is not off after that time
function M.wait_off(guest, seconds)
  local finish = task.now() + math.max(seconds, A_LOOK)
  repeat
    local ok, seen = pcall(guest.await, guest, { states = { "off", "saved" }, deadline = finish - task.now() })
    if ok then return seen end
    if seen.kind ~= "timeout" then error(seen, 0) end
    local left = finish - task.now() -- more than nothing where the hypervisor gave up before
    if left > 0 then task.sleep(left < 2 * A_LOOK and left or A_LOOK) end
  until left < 2 * A_LOOK or step.planning()
end

--- A request that is not taken, or whose answer does not come (an agent in a
--- guest that hangs), is a step that fails: the guest's state is what counts,
--- and the next step. A hypervisor that is not there is an error.
---@return string? kind of the error; nil where the request was taken
local function try(guest, method, options, seconds)
  local ok, err = pcall(M.ask, guest, method, options, seconds)
  if ok then return nil end
  if err.kind == "unreachable" then error(err, 0) end
  step.progress(string.format("not by %s: %s", options and options.mode or method, tostring(err.message or err)))
  return err.kind or "internal"
end

--- Lets a paused guest run again, so that it can shut down.
function M.resume(guest, finish)
  try(guest, "resume", nil, finish - task.now())
end

--- Asks the guest agent where its channel is connected, and gives it a short
--- share of the time that is left.
function M.by_agent(guest, finish)
  if not guest.agent or task.now() >= finish then return nil end
  local share = task.now() + (finish - task.now()) * AGENT_SHARE
  local mode = mode_of(guest)
  if mode then step.otherwise(string.format("ask through %s, every %d s", mode, PRESS_EVERY), { after = share - task.now() }) end
  local failed = try(guest, "shutdown", { mode = "agent" }, share - task.now())
  if failed and failed ~= "timeout" then return nil end
  if not failed then step.progress("asked through the guest agent") end
  return M.wait_off(guest, share - task.now())
end

-- Asks in each of some ways; false where none of them is to be had.
local function ask_by(modes, guest, seconds)
  local asked = false
  for _, mode in ipairs(modes) do
    local failed = try(guest, "shutdown", { mode = mode }, seconds)
    asked = asked or failed ~= "unsupported"
    if not failed then step.progress("asked through " .. mode) end
  end
  return asked
end

--- Asks as the guest's hypervisor does (power button, init control, control
--- ring), again and again until it is off or the time is over. Where that cannot
--- be asked for, the guest still has its time: what was asked for before may
--- take a while.
function M.by_hypervisor(guest, finish)
  local mode, times, late = mode_of(guest), 0, (task.now() + finish) / 2
  local turns = in_turns[mode] or { { mode } }
  local function turn() return task.now() < late and turns[1] or turns[times % #turns + 1] end
  while mode and task.now() < finish and ask_by(turn(), guest, finish - task.now()) do
    local seen = M.wait_off(guest, math.min(PRESS_EVERY, finish - task.now()))
    if seen or task.now() >= finish - A_LOOK then return seen end
    times = times + 1
  end
  return task.now() < finish and M.wait_off(guest, finish - task.now()) or nil
end

--- Climbs the steps of a policy one after the other until the guest is off. Where
--- the last one ends early, the guest still has its time.
---@param policy table with inside(guest, order, finish), by_agent(guest, finish), by_hypervisor(guest, finish)
---@param ways string[] "inside", "agent", "hypervisor"
---@return table? guest as it is now; nil where it is still on
function M.climb(policy, guest, order, finish, ways)
  for _, way in ipairs(ways) do
    local off
    if way == "inside" then off = policy.inside(guest, order, finish)
    elseif way == "agent" then off = policy.by_agent(guest, finish)
    else off = policy.by_hypervisor(guest, finish) end
    if off then return off end
  end
  return task.now() < finish and M.wait_off(guest, finish - task.now()) or nil
end

-- Whether a request was never sent: what it was meant to do could not be written down.
local function was_not_sent(err)
  local cause = type(err) == "table" and err.cause
  return type(cause) == "table" and tostring(cause.op):find("^journal%.") ~= nil
end

-- What a hypervisor answers that has done nothing.
local refusals = { denied = true, unsupported = true }

--- Cuts the guest off. A reply that was lost is not asked for again: the
--- guest's state is read.
function M.destroy(guest)
  local ok, err = pcall(M.ask, guest, "destroy")
  if not ok and was_not_sent(err) then
    error({ kind = err.kind, op = "stack.destroy", host = guest.name, message = "not asked: " .. tostring(err.message) }, 0)
  end
  if not ok and refusals[err.kind] then
    local looked, seen = pcall(M.wait_off, guest, A_LOOK)
    if looked and seen then return seen end
    error({ kind = err.kind, op = "stack.destroy", host = guest.name, message = "its hypervisor refuses to cut it off: " .. tostring(err.message) }, 0)
  end
  step.progress(ok and "cut off at its hypervisor" or "its hypervisor was asked to cut it off, and has not confirmed that")
  local looked, seen = pcall(M.wait_off, guest, ANSWER)
  if looked and seen then return seen end
  if looked and ok then
    error({ kind = "timeout", op = "stack.destroy", host = guest.name, message = "its hypervisor took the request and still shows it on" }, 0)
  end
  if not looked then err = seen end
  error({ kind = err.kind, op = "stack.destroy", host = guest.name, message = "unknown, not repeated: " .. tostring(err.message) }, 0)
end

--- Starts a guest and waits until its hypervisor shows it running.
function M.start(guest, seconds)
  local ok, err = pcall(M.ask, guest, "start")
  local seen_ok, seen = pcall(guest.await, guest, { states = { "running" }, deadline = seconds })
  if seen_ok then return seen end
  error(ok and seen or err, 0)
end

return M
