-- CANCEL: take down what runs on a machine and, with SELF, the machine itself.
--
-- Read from top to bottom it is the story of one run: the desk checks the
-- request and sends an order to each target; there the stack goes first, each
-- guest up its ladder, then with WOL the way back is made, then the machine goes;
-- the desk looks whether it is true. Every step is a field of M and called
-- through M, so a site replaces one:
--
--     local cancel = require "stock.cancel"
--     function cancel.at_deadline(guest, order) return "destroy" end
--     return cancel

-- What only the desk needs, or few runs do, is loaded where it is needed.
local guests = require "cancel_guest"
local hooks = require "cancel_hooks"
local ladder = require "ladder"
local machines = require "cancel_machine"
local requests = require "cancel_request"
local stacks = require "cancel_stack"
local targets = require "targets"
local turns = require "cancel_turns"

local M = {}

M.head = {
  what = "Take down what runs on a machine, in order, and with SELF the machine itself.",
  usage = "ctys -t TYPE -a cancel=SUBOPT[,SUBOPT…] TARGET…",
  examples = {
    "ctys -t pm -a cancel=poweroff:0 lab01",
    "ctys -t pm -a cancel=self,poweroff:30 --plan lab01",
    "ctys -t pm -a cancel=self,wol,poweroff:0 lab01",
    "ctys -t kvm -a cancel=l:web1,poweroff lab01",
  },
  grammar = "cancel_grammar",
  categories = { "destructive" },
  touches = { "stack", "shutdown", "action", "probe", "ipmi.power_status", "ipmi.power_reset", "ipmi.power_cycle", "nic", "bridge", "wol.send" },
}

-- The desk -------------------------------------------------------------------

--- What ctys calls: the whole request, on the desk.
function M.action(request)
  local wanted = M.parse(request)
  M.check(request, wanted)
  return targets.each(request, "cancel", function(target) return M.target(request, wanted, target) end)
end

--- The sub-options, checked; a bad one ends the request before any contact.
M.parse = requests.parse

--- What can be refused from the request and the inventory alone.
function M.check(request, wanted)
  requests.in_this_version(wanted)
  requests.address_fits(request, wanted)
  requests.note_order(request, wanted)
  requests.confirm_timeout(wanted)
  targets.limit(request, "Take power away from")
end

--- One target: its order is carried to it, and what it says is looked at.
function M.target(request, wanted, target)
  local _, seen = step.run(target.name, function()
    local order = requests.order(request, wanted, target)
    local told = require "cancel_reset".carry(order, function() return M.carry(order, target) end)
    local seen = told.is_off or M.confirm(order, told)
    return seen.state, seen
  end, { object = target.name })
  return seen
end

--- Carries the order to the target and gives what M.here returned there.
function M.carry(order, target) return require "cancel_goal".carry(order, target) end

--- Whether what the machine reported is true of it.
function M.confirm(order, told)
  local ends = require "cancel_report"
  if told.exit and told.exit ~= 0 then return ends.failed(order, told) end
  local seen = order.wanted.self and require "cancel_goal".reached(order, told, M) or ends.cancelled(order, told)
  return ends.with_way_back(order, told, seen)
end

--- Resets the machine by its BMC, and sees another boot of it.
function M.reset(order, told) return require "cancel_goal".reset(order, told) end

--- Wakes a machine that has no BMC to reset it, when it is down.
function M.wake(order, told) return require "cancel_wake".wake(order, told) end

--- After a reboot of the machine: what ran on it and did not come back alone.
function M.bring_back(order, told, seen) return require "cancel_reboot".bring_back(order, told, seen) end

-- The machine ----------------------------------------------------------------

--- Runs on the machine that the order names: first what is on it, then itself. A
--- bridge that was dissolved comes back where the machine stays up.
function M.here(order)
  local report = { machine = order.machine, exit = 0, guests = {} }
  if order.wanted.self and machines.has_gone_before(order, report) then return report end
  local way = M.check_here(order)
  if not way then return M.carry_out(order, report) end
  return task.finally(function() return M.carry_out(order, report, way) end, function() require "cancel_arm".undo(order, way) end)
end

--- What only the machine can tell, asked before anything is touched. Gives the
--- way back, where the machine is to be woken later.
function M.check_here(order)
  if order.wanted.self then machines.can_go_down(order) end
  return requests.needs_way_back(order) and require "cancel_arm".way(order) or nil
end

--- The stack and, with SELF, the machine. What stays up is armed before.
function M.carry_out(order, report, way)
  local begun, why = pcall(function()
    local list = M.look(order, report)
    if way and not order.wanted.self then M.arm(order, report, way) end
    M.stack(order, report, list)
  end)
  if not begun then return machines.not_begun(report, why) end
  if order.wanted.self then
    local ok, err = pcall(M.take_down, order, report, way)
    if not ok then machines.not_taken_down(order, report, err) end
  end
  if report.receipt == nil then report.receipt = M.tell(order, report) end
  return report
end

--- Which guests the order means, and whether they may be touched; those too that
--- the run which this one resumes has taken down already.
function M.look(order, report)
  local all = M.walk(order, report)
  local list = M.choose(order, all)
  M.check_stack(order, all, list)
  report.ran = journal.keep("ran on " .. order.machine, function() return stacks.running(list) end)
  return stacks.with(list, all, report.ran)
end

--- Cancels what runs here, all at once.
function M.stack(order, report, list)
  require "what_ran".tell(order, report)
  order.carry = M.look_inside(order, list)
  turns.each(order, list, function(guest) return M.guest(guest, order) end, report)
  report.ran = journal.keep("ran in the guests of " .. order.machine, function() return guests.note_inside(report.ran, order) end)
end

--- Every guest on this machine, by its hypervisors' word.
M.walk = stacks.walk

--- For pm everything that runs, for a VM type the guests that were addressed.
M.choose = stacks.choose

--- Which guests carry others, where the inventory does not say.
M.look_inside = stacks.look_inside

--- What must not be touched: a guest that ctys was called in, one that somebody
--- else would start again, and with SELF one that the request does not name.
M.check_stack = stacks.check

--- One guest, by the method of the request (see the table in the reference).
function M.guest(guest, order)
  local what = requests.method(order.wanted)
  return step.run(guest.name, function()
    return hooks.around(M, guest, order, M[what])
  end, { object = guest.uri .. " " .. guest.uuid, deadline = M.deadline(guest, order) })
end

--- What a site has done before a guest is asked, where an error leaves it alone, and
--- after it has ended: after(guest, order, { state = "off" } or { error = … }).
M.before, M.after = hooks.none, hooks.none

--- Takes a guest down: from inside, through its hypervisor, at the deadline.
function M.shut_down(guest, order)
  if ladder.is_off(guest) then return "off" end
  if order.wanted.force then return M.destroy(guest, order) end
  local deadline = M.deadline(guest, order)
  local finish = guests.finish(guest, deadline)
  if guest.state == "paused" and deadline > 0 then ladder.resume(guest, finish) end
  step.otherwise(M.at_deadline(guest, order) == "destroy" and "destroy" or "leave it running, and leave the machine alone", { after = deadline })
  if deadline > 0 and ladder.climb(M, guest, order, finish, M.ways(guest, order)) then return "off" end
  if M.at_deadline(guest, order) == "destroy" then return M.destroy(guest, order) end
  return guests.still_on(guest, order, deadline)
end

--- Seconds that a guest has: what was typed, else its row's, else the site's.
M.deadline = guests.deadline

--- What happens to a guest that is still on at its deadline: "destroy" where a
--- deadline was typed or the guest or the site says so, else "stop".
M.at_deadline = guests.at_deadline

--- The steps of the ladder for a guest: M.inside, by which one that carries others
--- cancels them and then itself, M.by_agent, M.by_hypervisor.
M.ways = guests.ways
M.inside, M.by_agent, M.by_hypervisor = guests.inside, ladder.by_agent, ladder.by_hypervisor

--- Cuts a guest off at the hypervisor that carries it.
M.destroy = guests.destroy

--- Reboots a guest: down, seen off, started, seen running by another witness.
function M.reboot(guest, order) return require "cancel_reboot".guest(guest, order, M) end

--- Changes the run level of a guest that was addressed, from inside.
function M.init(guest, order) return require "cancel_init".guest(guest, order, M.deadline(guest, order)) end

--- Run levels 2 to 5 leave the guests alone.
function M.leave(guest) return guest.state end

--- Stops a guest in memory, or puts its memory away, at its hypervisor.
function M.pause(guest, order) return guests.pause(guest, M.deadline(guest, order)) end
function M.suspend(guest, order) return guests.suspend(guest, M.deadline(guest, order)) end

--- The machine itself: only when every guest has reached its goal, and with WOL
--- the way back is made, or by FORCE.
function M.take_down(order, report, way)
  machines.note_witness(report) -- before the looks, which are to be fresh
  local looked = task.now()
  if not M.may_go_down(order, report) then return end
  if way and not M.arm(order, report, way) then return end
  M.announce(order)
  report.receipt = M.tell(order, report)
  if not machines.is_fresh(looked) and not M.may_go_down(order, report) then return M.call_off(order) end
  local told = report.way_back
  if way and not M.arm_again(order, report, way) then return M.call_off(order) end
  if report.way_back ~= told then report.receipt = M.tell(order, report) end -- FORCE goes on without it
  if not way then report.accepted = M.apply(order) return end
  report.accepted = require "cancel_arm".asking(way, function() return M.apply(order) end)
end

--- Looks again at every guest: nothing unknown, nobody's new guest is on.
function M.may_go_down(order, report) return machines.may_go_down(order, report, M) end

--- Makes the way back; false where it is not made, which bars the machine.
function M.arm(order, report, way) return require "cancel_arm".make(order, report, way) end

--- Looks just before the power-off whether it is still there.
function M.arm_again(order, report, way) return require "cancel_arm".make_sure(order, report, way) end

--- Tells the users of the machine, and waits the delay.
function M.announce(order) machines.announce(order, M) end

--- What the caller has on disk before the machine goes (false where it has not), how
--- its users hear that it does not come to it, and who asks its system for the method.
M.tell, M.call_off, M.apply = machines.tell, machines.call_off, machines.apply

--- Runs on a machine that is up again: starts those of the list that are off.
function M.start_again(order) return require "cancel_reboot".start_again(order) end

--- Runs on a machine: which boot of it this is, and its run level.
M.witness = machines.witness

return M
