-- cancel_machine: the machine itself: whether it may go down, when, and how.

local power = require "power"
local requests = require "cancel_request"
local reset = require "cancel_reset"
local stacks = require "cancel_stack"
local targets = require "targets"
local walk = require "walk"

local M = {}

local function request_of(order)
  return { method = requests.machine_method(order.wanted), level = order.wanted.method == "init" and order.wanted.level or nil }
end

local planned_only = { pause = "suspend %s to RAM", suspend = "hibernate %s" }

function M.can_go_down(order)
  if planned_only[order.wanted.method] or reset.by_bmc(order) then return end
  shutdown.supported(request_of(order))
end

function M.own_boot_id()
  local ok, identity = pcall(shutdown.identity)
  return ok and identity.boot_id or nil
end

-- What a machine says of itself now; nothing where it does not answer.
local function witness(machine, level)
  local ok, told = pcall(task.deadline, 15, action.at, machine, "cancel", { machine = machine, level = level }, { call = "witness" })
  return ok and told or {}
end

function M.boot_id(machine)
  return witness(machine).boot_id
end

function M.in_run_level(order)
  return witness(order.machine, order.wanted.level).in_run_level
end

-- Whether a machine that is off is where the method would have brought it.
local function ends_off(wanted)
  return not wanted.self or wanted.method == "poweroff" or wanted.level == 0
end

--- A machine that does not answer and is off by the word of its BMC or of the
--- hypervisor above it: nothing runs on it. Nil where nobody says so.
---@param err table why it could not be asked; one that was asked may have been
--- cut off in the middle, with what ran on it
---@return targets.End?
function M.is_off_already(order, err)
  local never_begun = err.op == "remote.connect" and (err.kind == "unreachable" or err.kind == "timeout")
  if not never_begun or not ends_off(order.wanted) then return nil end
  local seen = power.state(order.machine)
  if seen.state ~= "off" then return nil end
  return { state = "off", seen_by = seen.seen_by, text = string.format("%s is off already, by the word of its %s", order.machine, seen.seen_by) }
end

local function barred(report, why, kind)
  report.exit, report.barred, report.kind = 1, why, kind
  step.warn(why .. "; the machine itself is left alone")
  return false
end

-- What is not off now: guests that were cancelled, others, and those of which
-- their hypervisor says what nobody knows.
local function look_again(order, report, policy)
  local cancelled, back, others, unknown = {}, {}, {}, {}
  for _, guest in ipairs(report.guests) do cancelled[guest.uri .. " " .. guest.uuid] = true end
  for _, guest in ipairs(walk.not_off(policy.walk(order, report))) do
    local list = cancelled[guest.uri .. " " .. guest.uuid] and back or others
    if power.of_guest(guest) == "unknown" then list = unknown end
    list[#list + 1] = guest
  end
  return back, others, unknown
end

-- FORCE goes on whatever it sees, and says what was not seen off.
local function by_force(order, report, policy)
  local ok, back, others, unknown = pcall(look_again, order, report, policy)
  local unseen, named = (not ok or report.unseen) and stacks.failures(report) or {}, {}
  local function name(guest)
    if not named[guest] then unseen[#unseen + 1] = guest end
    named[guest] = true
  end
  for _, list in ipairs(ok and { back, others, unknown } or {}) do
    for _, guest in ipairs(list) do name(guest.name) end
  end
  for _, guest in ipairs(report.unseen or {}) do name(guest) end
  if #unseen > 0 then step.warn("FORCE: not seen off: " .. table.concat(unseen, ", ")) end
  report.exit = 0
  return true
end

--- Only when every guest has reached its goal, by its hypervisor's word now.
function M.may_go_down(order, report, policy)
  local leaves = requests.method(order.wanted) ~= "shut_down"
  if order.wanted.force and not leaves then return by_force(order, report, policy) end
  if report.exit ~= 0 then return barred(report, "not off: " .. table.concat(stacks.failures(report), ", ")) end
  if leaves then return true end
  local ok, back, others, unknown = pcall(look_again, order, report, policy)
  if not ok then return barred(report, "cannot be looked at again: " .. tostring(back.message or back), back.kind) end
  if report.silent then return barred(report, "cannot be looked at again: " .. report.silent.message, report.silent.kind) end
  if #unknown > 0 then return barred(report, string.format("not known to be off: %s (%s)", targets.names(unknown), unknown[1].cause or unknown[1].state)) end
  if #back > 0 then return barred(report, "somebody has started meanwhile: " .. targets.names(back)) end
  if #others > 0 then return barred(report, "not off, and not among what was cancelled: " .. targets.names(others)) end
  return true
end

--- What the report says when the stack could not be cancelled. A refusal stays
--- an error, which says that nothing was changed; any other is the run's end.
function M.not_begun(report, err)
  if type(err) ~= "table" or err.exit ~= 1 then error(err, 0) end
  report.exit, report.barred, report.kind = 1, err.message, err.kind
  return report
end

--- What the report says when the machine itself could not be taken down.
function M.not_taken_down(order, report, err)
  report.exit, report.kind = 1, type(err) == "table" and err.kind or "internal"
  report.barred = string.format("the stack of %s is cancelled, and %s itself was not taken down: %s",
    order.machine, order.machine, type(err) == "table" and err.message or tostring(err))
end

--- Seconds between announcement and act.
function M.delay(order)
  local wanted = order.wanted
  if wanted.force then return 0 end
  if order.announce then return order.announce end
  if wanted.method == "poweroff" then return wanted.delay or inventory.setting("poweroff_delay") end
  return wanted.timeout or inventory.setting("announce_delay")
end

function M.apply(order)
  if reset.by_bmc(order) then return { via = "bmc" } end
  local only = planned_only[order.wanted.method]
  if order.wanted.method == "reset" then only = "power %s off, see it off and send it a magic packet" end
  if only then
    step.would(only:format(order.machine))
    return { via = "plan" }
  end
  local request = request_of(order)
  request.machine = order.machine
  return shutdown.apply(request)
end

return M
