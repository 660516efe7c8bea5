-- cancel_goal: whether a machine that was told to go down has done so, seen from
-- the desk, by what its method leads to.
--
--     local goals = require "cancel_goal"
--     local seen = goals.reached(order, told, policy)    -- end of the target

local goal = require "goal"
local power = require "power"
local requests = require "cancel_request"
local reset = require "cancel_reset"
local way_back = require "way_back"

local M = {}

-- What a machine says of itself now; nothing where it does not answer.
local function witness(machine, level)
  local ok, told = pcall(task.deadline, 15, action.at, machine, "cancel", { machine = machine, level = level }, { call = "witness" })
  return ok and told or {}
end

--- A function that asks a machine which boot of it this is.
---@return fun(): string?
function M.boot_id_of(machine)
  return function() return witness(machine).boot_id end
end

local function in_run_level(order)
  return function() return witness(order.machine, order.wanted.level).in_run_level end
end

-- Whether a machine that is off is where the method would have brought it.
local function ends_off(wanted)
  return not wanted.self or wanted.method == "poweroff" or wanted.level == 0
end

-- One that is off cannot be armed any more; an earlier run may have done so.
local function with_way_back(order, ended)
  if not order.wanted.wol then return ended end
  local back = way_back.kept(order.machine)
  if back then
    ended.text = string.format("%s; woken by %s, %s", ended.text, way_back.words(back), way_back.source(back))
    return ended
  end
  ended.exit, ended.text = 1, ended.text .. ", and whether a packet wakes it nobody can tell"
  ended.error = { kind = "unsupported", op = "cancel", host = order.machine, message = ended.text }
  return ended
end

-- A machine that does not answer and is off by the word of its BMC or of the
-- hypervisor above it: nothing runs on it. Nil where nobody says so. One that was
-- asked may have been cut off in the middle, with what ran on it.
local function is_off_already(order, err)
  local never_begun = err.op == "remote.connect" and (err.kind == "unreachable" or err.kind == "timeout")
  if not never_begun or not ends_off(order.wanted) then return nil end
  local seen = power.state(order.machine)
  if seen.state ~= "off" then return nil end
  local text = string.format("%s is off already, by the word of its %s", order.machine, seen.seen_by)
  return with_way_back(order, { state = "off", seen_by = seen.seen_by, text = text })
end

--- Carries an order to its target and gives what was told there. A machine that
--- is off already has reached what would have taken it down: { is_off = its end }.
function M.carry(order, target)
  local ok, told = pcall(action.at, target.name, "cancel", order, { user = target.user, take_down = order.wanted.self })
  if ok then return told end
  local off = is_off_already(order, told)
  if not off then error(told, 0) end
  return { is_off = off }
end

--- Resets the machine by its BMC, and sees another boot of it.
function M.reset(order, told)
  return reset.reset(order, told.boot_id, M.boot_id_of(order.machine))
end

-- What the machine's agent said last.
local function last_word(told)
  local accepted = told.accepted
  return { accepted = accepted, at = type(accepted) == "table" and accepted.at or told.at, slept = told.slept }
end

local function off(order, told, seconds)
  return goal.off(order.machine, last_word(told), seconds)
end

local function asleep(order, told, seconds)
  return goal.asleep(order.machine, order.wanted.method == "pause", last_word(told), seconds)
end

local function rebooted(order, told, seconds)
  return goal.rebooted(order.machine, told.boot_id, seconds, M.boot_id_of(order.machine))
end

-- Down first, as far as that can be seen, then up by a packet, as another boot.
local function reset_by_packet(order, told, policy, seconds)
  local down = off(order, told, seconds)
  if (down.exit or 0) ~= 0 then return down end
  if down.text then step.note(down.text) end
  local woken = policy.wake(order, told)
  if (woken.exit or 0) ~= 0 then return woken end
  return rebooted(order, told, seconds)
end

--- The end of a target whose machine has taken the request.
---@param told table what it has told before it went down
---@param policy table the steps of CANCEL
---@return targets.End
function M.reached(order, told, policy)
  local method, seconds = requests.machine_method(order.wanted), inventory.setting("deadline")
  if requests.reset_by_bmc(order) then return policy.bring_back(order, told, policy.reset(order, told)) end
  if requests.reset_by_packet(order) then return policy.bring_back(order, told, reset_by_packet(order, told, policy, seconds)) end
  if method == "reboot" then return policy.bring_back(order, told, rebooted(order, told, seconds)) end
  if requests.sleeps(order.wanted) then return asleep(order, told, seconds) end
  if method == "runlevel" then return goal.run_level(order.machine, order.wanted.level, seconds, in_run_level(order)) end
  return off(order, told, seconds)
end

return M
