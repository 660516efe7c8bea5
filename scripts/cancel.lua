-- CANCEL: take down what runs on a machine and, with SELF, the machine itself.
--
-- Read from top to bottom it is the story of one run: the desk checks the
-- request and sends an order to each target; there the stack goes first, each
-- guest up its ladder, then the machine; the desk looks whether it is true.
-- Every step is a field of M and called through M, so a site replaces one:
--
--     local cancel = require "stock.cancel"
--     function cancel.at_deadline(guest, order) return "destroy" end
--     return cancel

local arm = require "cancel_arm"
local checks = require "cancel_checks"
local goal = require "goal"
local init = require "cancel_init"
local reboot = require "cancel_reboot"
local guests = require "cancel_guest"
local machines = require "cancel_machine"
local ends = require "cancel_report"
local requests = require "cancel_request"
local stacks = require "cancel_stack"
local ladder = require "ladder"
local reset = require "cancel_reset"
local targets = require "targets"
local walk = require "walk"

local M = {}

-- Seconds after which a look at the guests is too old to take the machine down.
local FRESH = 1

M.head = {
  what = "Take down what runs on a machine, in order, and with SELF the machine itself.",
  usage = "ctys -t TYPE -a cancel=SUBOPT[,SUBOPT…] TARGET…",
  examples = {
    "ctys -t pm -a cancel=poweroff:0 lab01",
    "ctys -t pm -a cancel=self,poweroff:30 --plan lab01",
    "ctys -t kvm -a cancel=l:web1,poweroff lab01",
  },
  grammar = "cancel_grammar",
  categories = { "destructive" },
  touches = { "stack", "shutdown", "action", "probe", "ipmi.power_status", "ipmi.power_reset", "ipmi.power_cycle", "nic.read", "bridge.read" },
}

-- The desk -------------------------------------------------------------------

--- What ctys calls: the whole request, on the desk.
function M.action(request)
  local wanted = M.parse(request)
  M.check(request, wanted)
  return targets.each(request, "cancel", function(target) return M.target(request, wanted, target) end)
end

--- The sub-options, checked; a bad one ends the request before any contact.
function M.parse(request)
  local grammar = require "cancel_grammar" -- the desk alone needs it, not each machine
  local wanted = grammar.parse(request.subopts or "", { type = request.type, targets = #(request.targets or {}) })
  for _, hint in ipairs(wanted.hints or {}) do step.note(hint) end
  return wanted
end

--- What can be refused from the request and the inventory alone.
function M.check(request, wanted)
  requests.in_this_version(wanted)
  reset.in_this_version(request, wanted)
  requests.address_fits(request, wanted)
  if wanted.timeout == 0 and not wanted.force and not step.planning()
      and not step.confirm("TIMEOUT:0 destroys every guest at once. Go on?") then
    targets.refuse('"TIMEOUT:0" goes to the deadline at once: add FORCE, or --yes')
  end
  targets.limit(request, "Take power away from")
end

--- One target: its order is carried to it, and what it says is looked at.
function M.target(request, wanted, target)
  local _, seen = step.run(target.name, function()
    local order = requests.order(request, wanted, target)
    local told = reset.carry(order, function() return M.carry(order, target) end)
    local seen = told.is_off or M.confirm(order, told)
    return seen.state, seen
  end, { object = target.name })
  return seen
end

--- Carries the order to the target and gives what M.here returned there. A
--- machine that is off already has reached what would have taken it down.
function M.carry(order, target)
  local ok, told = pcall(action.at, target.name, "cancel", order, { user = target.user, take_down = order.wanted.self })
  if ok then return told end
  local off = machines.is_off_already(order, told)
  if not off then error(told, 0) end
  return { is_off = off }
end

--- Whether what the machine reported is true of it.
function M.confirm(order, told)
  if told.exit and told.exit ~= 0 then return ends.failed(order, told) end
  if not order.wanted.self then return ends.cancelled(order, told) end
  if reset.by_bmc(order) then return M.bring_back(order, told, M.reset(order, told)) end
  local method, seconds = requests.machine_method(order.wanted), inventory.setting("deadline")
  if method == "reboot" then
    return M.bring_back(order, told, goal.rebooted(order.machine, told.boot_id, seconds, function() return machines.boot_id(order.machine) end))
  elseif method == "pause" or method == "suspend" then
    return ends.asleep(order)
  elseif method == "runlevel" then
    return goal.run_level(order.machine, order.wanted.level, seconds, function() return machines.in_run_level(order) end)
  end
  local accepted = told.accepted
  return goal.off(order.machine, { accepted = accepted, at = type(accepted) == "table" and accepted.at or told.at }, seconds)
end

--- Resets the machine by its BMC, and sees another boot of it.
function M.reset(order, told)
  return reset.reset(order, told.boot_id, function() return machines.boot_id(order.machine) end)
end

-- The machine ----------------------------------------------------------------

--- Runs on the machine that the order names: first what is on it, then itself.
function M.here(order)
  local report = { machine = order.machine, exit = 0, guests = {} }
  local way_back = M.check_here(order)
  local begun, why = pcall(M.stack, order, report)
  if not begun then return machines.not_begun(report, why) end
  if way_back then M.arm(order, report, way_back) end
  if order.wanted.self then
    local ok, err = pcall(M.take_down, order, report)
    if not ok then machines.not_taken_down(order, report, err) end
  end
  return report
end

--- What only the machine can tell, asked before anything is touched. Gives the
--- interfaces to be armed, where the machine is to be woken later.
function M.check_here(order)
  if order.wanted.self then machines.can_go_down(order) end
  return arm.needed(order) and arm.cards(order) or nil
end

--- Cancels what runs here, all at once, and notes what ran before.
function M.stack(order, report)
  local all = M.walk(order, report)
  local list = M.choose(order, all)
  M.check_stack(order, all, list)
  order.waves, order.carry = stacks.waves(list), M.look_inside(order, list)
  report.ran = journal.keep("ran on " .. order.machine, function() return stacks.running(list) end)
  stacks.each_but(checks.last(order, list), list, function(guest) return M.guest(guest, order) end, order, report)
  report.ran = journal.keep("ran in the guests of " .. order.machine, function() return reboot.note_inside(report.ran) end)
end

--- Every guest on this machine. A hypervisor that cannot be asked ends the run
--- here: what it carries is not known to be off.
function M.walk(order, report)
  return stacks.walk(order, report)
end

--- Makes the way back: arms the interfaces, unless the stack bars it.
function M.arm(order, report, interfaces)
  if report.exit == 0 or order.wanted.force then arm.arm(order, interfaces) end
end

--- For pm everything that runs, for a VM type the guests that were addressed.
function M.choose(order, all)
  return stacks.choose(order, all)
end

--- Which guests carry others, where the inventory does not say.
function M.look_inside(order, list)
  return stacks.look_inside(order, list)
end

--- What must not be touched: a guest that ctys was called in, one that somebody
--- else would start again, one that a reboot would lose; and with SELF one that
--- the request does not name.
function M.check_stack(order, all, list)
  local method = requests.method(order.wanted)
  if method ~= "leave" then checks.stack(order, order.wanted.self and all or list) end
  if order.wanted.self and method ~= "leave" and method ~= "init" then checks.taken_along(order, all, list) end
end

--- One guest, by the method of the request (see the table in the reference).
function M.guest(guest, order)
  local what = requests.method(order.wanted)
  return step.run(guest.name, function()
    return M[what](guest, order)
  end, { object = guest.uri .. " " .. guest.uuid, deadline = M.deadline(guest, order) })
end

--- Takes a guest down: from inside, through its hypervisor, at the deadline.
function M.shut_down(guest, order)
  if ladder.is_off(guest) then return "off" end
  if order.wanted.force then return M.destroy(guest, order) end
  local deadline = M.deadline(guest, order)
  local finish = task.now() + deadline
  if guest.state == "paused" and deadline > 0 then ladder.resume(guest, finish) end
  step.otherwise(M.at_deadline(guest, order) == "destroy" and "destroy" or "leave it running, and leave the machine alone", { after = deadline })
  local off = deadline > 0 and (M.inside(guest, order, finish) or M.by_agent(guest, finish) or M.by_hypervisor(guest, finish))
  if off then return "off" end
  if M.at_deadline(guest, order) == "destroy" then return M.destroy(guest, order) end
  return guests.still_on(guest, order, deadline)
end

--- Seconds that a guest has: what was typed, else its row's, else the site's.
function M.deadline(guest, order)
  return guests.deadline(guest, order)
end

--- What happens to a guest that is still on at its deadline: "destroy" where a
--- deadline was typed or the guest or the site says so, else "stop".
function M.at_deadline(guest, order)
  return guests.at_deadline(guest, order)
end

--- From inside: a guest that carries others cancels them and then itself; any
--- other that lets us in is told by its own system.
function M.inside(guest, order, finish)
  return guests.inside(guest, order, finish)
end

M.by_agent = ladder.by_agent
M.by_hypervisor = ladder.by_hypervisor

--- Cuts a guest off at the hypervisor that carries it.
function M.destroy(guest, order)
  ladder.destroy(guest)
  return "off, destroyed"
end

--- Reboots a guest: down, seen off, started, seen running by another witness.
function M.reboot(guest, order)
  if ladder.is_off(guest) then return "off" end
  return reboot.guest(guest, order, M)
end

--- Changes the run level of a guest that was addressed, from inside.
function M.init(guest, order)
  return init.guest(guest, order, M.deadline(guest, order))
end

--- Run levels 2 to 5 leave the guests alone.
function M.leave(guest) return guest.state end

function M.pause(guest) guest:suspend() return "paused" end
function M.suspend(guest) guest:managed_save() return "saved" end

--- The machine itself: only when every guest has reached its goal, or by FORCE.
function M.take_down(order, report)
  report.boot_id = machines.own_boot_id() -- before the looks, which are to be fresh
  local looked = task.now()
  if not M.may_go_down(order, report) then return end
  M.announce(order)
  report.receipt = journal.receipt{ deadline = 5, report = { exit = 0, boot_id = report.boot_id, ran = report.ran, guests = report.guests } }
  if task.now() - looked > FRESH and not M.may_go_down(order, report) then return M.call_off(order) end
  report.accepted = M.apply(order)
end

--- Looks again at every guest: nothing unknown, nobody's new guest is on.
function M.may_go_down(order, report)
  return machines.may_go_down(order, report, M)
end

--- Tells the users of the machine, and waits the delay.
function M.announce(order)
  local delay = machines.delay(order)
  local what = string.upper(order.wanted.method)
  task.finally(function()
    shutdown.announce{ message = string.format("ctys: %s of %s in %g s, asked for by %s", what, order.machine, delay, order.by) }
    step.run(string.format("announced, %g s", delay), function() task.sleep(delay) end, { deadline = delay })
  end, function(stopped)
    if stopped then M.call_off(order) end
  end)
end

--- Tells them that it does not come to it: the run was stopped, or a guest was
--- started during the delay.
function M.call_off(order)
  shutdown.announce{ message = string.format("ctys: %s of %s was called off", string.upper(order.wanted.method), order.machine) }
end

--- Asks the machine's system for the method.
function M.apply(order)
  return machines.apply(order)
end

--- After a reboot of the machine: what ran on it and did not come back alone.
function M.bring_back(order, told, seen)
  return reboot.bring_back(order, told, seen)
end

--- Runs on a machine that is up again: starts those of the list that are off.
function M.start_again(order)
  return reboot.start_again(order)
end

--- Runs on a machine: which boot of it this is, and whether it is in the run
--- level of the order.
function M.witness(order)
  return { boot_id = machines.own_boot_id(), in_run_level = order.level and shutdown.in_run_level(order.level) or nil }
end

return M
