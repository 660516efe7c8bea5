-- cancel_machine: the machine itself: whether it may go down, when, and how.

local power = require "power"
local requests = require "cancel_request"
local stacks = require "cancel_stack"
local targets = require "targets"
local walk = require "walk"
local what_ran = require "what_ran"

local M = {}

-- What the system calls a method that it does to itself.
local system_word = { pause = "suspend", suspend = "hibernate" }

local function request_of(order)
  local method = requests.machine_method(order.wanted)
  return { method = system_word[method] or method, level = order.wanted.method == "init" and order.wanted.level or nil }
end

--- Whether its system can do what the method asks of it; it raises otherwise.
function M.can_go_down(order)
  if not requests.reset_by_bmc(order) then shutdown.supported(request_of(order)) end
end

-- Which boot of the machine this is, and how long it has slept in it.
local function identity()
  local ok, known = pcall(shutdown.identity)
  return ok and known or {}
end

--- What a look afterwards is compared with.
function M.note_witness(report)
  local now = identity()
  report.boot_id, report.slept = now.boot_id, now.slept
end

--- Whether the machine has gone down for this run already and is up again: a run
--- that is resumed must not take it down a second time, nor what runs on it now.
function M.has_gone_before(order, report)
  local now = identity()
  local first = journal.keep("this run of " .. order.machine, function() return { boot_id = now.boot_id, slept = now.slept } end)
  if first.boot_id == now.boot_id and first.slept == now.slept then return false end
  step.note(order.machine .. " has gone down for this run before, and is up again: nothing more is done to it")
  report.boot_id, report.slept, report.up_again = first.boot_id, first.slept, true
  report.ran = journal.keep("ran in the guests of " .. order.machine, function()
    return journal.keep("ran on " .. order.machine, function() return {} end)
  end)
  return true
end

--- Which boot of the machine this is, and whether it is in the run level of the
--- order.
function M.witness(order)
  return { boot_id = identity().boot_id, in_run_level = order.level and shutdown.in_run_level(order.level) or nil }
end

local function barred(report, why, kind)
  report.exit, report.barred, report.kind = 1, why, kind
  step.warn(why .. "; the machine itself is left alone")
  return false
end

-- The state in which a method leaves what runs here before the machine itself.
local goal_of = { shut_down = "off", pause = "paused", suspend = "saved" }

local function reached(guest, goal)
  return goal == "paused" and (guest.state == "paused" or guest.state == "suspended")
end

-- What is neither off nor at its goal now: guests that were cancelled, others,
-- and those of which their hypervisor says what nobody knows.
local function look_again(order, report, policy)
  local cancelled, back, others, unknown = {}, {}, {}, {}
  local goal = goal_of[requests.method(order.wanted)]
  for _, guest in ipairs(report.guests) do cancelled[guest.uri .. " " .. guest.uuid] = true end
  for _, guest in ipairs(walk.not_off(policy.walk(order, report))) do
    local list = cancelled[guest.uri .. " " .. guest.uuid] and back or others
    if power.of_guest(guest) == "unknown" then list = unknown end
    if not reached(guest, goal) then list[#list + 1] = guest end
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
  local goal = goal_of[requests.method(order.wanted)]
  if #unseen > 0 then step.warn(string.format("FORCE: not seen %s: %s", goal, table.concat(unseen, ", "))) end
  report.exit = 0
  return true
end

--- Only when every guest has reached its goal, by its hypervisor's word now.
function M.may_go_down(order, report, policy)
  local goal = goal_of[requests.method(order.wanted)]
  if order.wanted.force and goal then return by_force(order, report, policy) end
  if report.exit ~= 0 then return barred(report, string.format("not %s: %s", goal or "done", table.concat(stacks.failures(report), ", "))) end
  if not goal then return true end
  local ok, back, others, unknown = pcall(look_again, order, report, policy)
  if not ok then return barred(report, "cannot be looked at again: " .. tostring(back.message or back), back.kind) end
  if report.silent then return barred(report, "cannot be looked at again: " .. report.silent.message, report.silent.kind) end
  if #unknown > 0 then return barred(report, string.format("not known to be %s: %s (%s)", goal, targets.names(unknown), unknown[1].cause or unknown[1].state)) end
  if #back > 0 then return barred(report, "somebody has started meanwhile: " .. targets.names(back)) end
  if #others > 0 then return barred(report, string.format("not %s, and not among what was cancelled: %s", goal, targets.names(others))) end
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

-- Seconds after which a look at the guests is too old to take the machine down.
local FRESH = 1

--- Whether a look at a moment may still be gone by.
function M.is_fresh(looked) return task.now() - looked <= FRESH end

local function say(order, words)
  shutdown.announce{ message = string.format("ctys: %s of %s %s", string.upper(order.wanted.method), order.machine, words) }
end

--- Tells the users of the machine, and waits the delay.
function M.announce(order, policy)
  local delay = M.delay(order)
  task.finally(function()
    say(order, string.format("in %g s, asked for by %s", delay, order.by))
    step.run(string.format("announced, %g s", delay), function() task.sleep(delay) end, { deadline = delay })
  end, function(stopped)
    if stopped then policy.call_off(order) end
  end)
end

--- Tells them that it does not come to it: the run was stopped, a guest was
--- started during the delay, or the way back was lost.
function M.call_off(order) say(order, "was called off") end

--- What the caller has on disk before the machine goes, or when its stack has gone:
--- how it ended so far, how it is woken, and what ran. False where the caller does
--- not say so.
function M.tell(order, report)
  local keep = what_ran.record(order, report)
  if not keep and (report.barred or not order.wanted.self) then return nil end
  local told = what_ran.keep(order.machine, keep,
    { exit = 0, boot_id = report.boot_id, slept = report.slept, ran = report.ran, guests = report.guests, way_back = report.way_back, unarmed = report.unarmed })
  if not told then step.warn("the caller has not said in 5 s that it has what it needs to know" .. (report.way_back and ", the way back among it" or "")) end
  return told
end

--- Why the machine stays up though its stack is cancelled, and true where FORCE
--- goes on without the way back. A RESET that is a power-off never does: it would
--- end there.
function M.not_armed(order, report, err)
  local why = "not armed for the magic packet: " .. tostring(type(err) == "table" and err.message or err)
  report.way_back = nil
  if order.wanted.force and not requests.reset_by_packet(order) then
    report.unarmed = why
    step.warn(string.format("FORCE: %s is %s", order.machine, why))
    return true
  end
  return barred(report, why, type(err) == "table" and err.kind or "internal")
end

function M.apply(order)
  if requests.reset_by_bmc(order) then return { via = "bmc" } end
  local request = request_of(order)
  request.machine = order.machine
  return shutdown.apply(request)
end

return M
