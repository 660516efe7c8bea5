-- CREATE: wake a machine, or start a guest, see it up, and open a console.
--
-- Read from top to bottom it is the story of one run: the desk checks the
-- request and finds the machine in the inventory; the target looks whether it
-- is up, wakes it and waits; the desk opens the console. Every step is a field
-- of M and called through M, so a site replaces one:
--
--     local create = require "stock.create"
--     function create.wake(order, report) … end
--     return create

local grammar = require "create_grammar"
local observe = require "observe"
local power = require "power"
local stacks = require "create_stack"
local steps = require "create_steps"
local targets = require "targets"

local M = {}

M.head = {
  what = "Wake a machine or start a guest, wait until it is up, and open a console.",
  usage = "ctys -t TYPE -a create=SUBOPT[,SUBOPT…] [TARGET…]",
  examples = {
    "ctys -t pm -a create=wol,l:lab02",
    "ctys -t pm -a create=reuse,l:lab02,broadcast:192.168.3.255:4711,console:cli lab01",
    "ctys -t pm -a create=stack,l:lab02",
    "ctys -t kvm -a create=l:web1,ping:off lab01",
  },
  grammar = "create_grammar",
  categories = { "intrusive" },
  touches = { "wol.send", "nic.read", "bridge.read", "probe", "ipmi.power_status", "ipmi.power_on", "stack", "shutdown", "action" },
}

-- The desk -------------------------------------------------------------------

--- What ctys calls: the whole request, on the desk.
function M.action(request)
  local wanted = M.parse(request)
  M.check(request, wanted)
  local orders = M.orders(request, wanted, M.resolve(wanted))
  return targets.each({ targets = orders, options = request.options }, "create", M.target)
end

--- The sub-options, checked; a bad one ends the request before any contact.
function M.parse(request)
  return grammar.parse(request.subopts or "", { type = request.type })
end

--- What can be refused from the request alone.
function M.check(request, wanted)
  steps.in_this_version(wanted)
  steps.one_terminal(request, wanted)
  steps.one_reboot(request, wanted)
  steps.note_what_is_without_effect(wanted)
  steps.confirm_reconnect(wanted)
end

--- The machine that the addresses name: what one says, the inventory fills in
--- for the others. Nil without an address: each target itself is meant.
function M.resolve(wanted)
  return steps.resolve(wanted)
end

--- What travels to each target. An order that lacks what its method needs ends
--- the request before any contact. A result is about the machine, not about
--- the target that sends the packet, so it goes by the machine's name.
function M.orders(request, wanted, machine)
  local orders = {}
  for i, target in ipairs(steps.senders(request, wanted, machine)) do
    local order = steps.order(request, wanted, machine, target)
    if wanted.stack then stacks.check(order.machine.name) end
    orders[i] = { name = order.machine.name, order = order, target = target }
  end
  return orders
end

--- One target: it wakes the machine and sees it up; then the console is here.
function M.target(one)
  local order, target = one.order, one.target
  local _, ended = step.run(one.name, function()
    local told = steps.console_proves(order) and M.itself(order) or M.carry(order, target)
    if told.reconnect then told = M.reconnect(order, target) end
    local ended = M.confirm(order, told, target)
    return ended.state, ended
  end, { object = one.name })
  return ended
end

--- Carries the order to the target and gives what M.here returned there.
function M.carry(order, target)
  return action.at(target.name, "create", order, { user = target.user, rows = { order.machine.name }, about = order.machine.name })
end

--- Reboots the machine, which ends the consoles there (the operator has agreed
--- to that), and has the target wait for it as after a wake.
function M.reconnect(order, target)
  local ended = steps.reboot(order)
  if (ended.exit or 0) ~= 0 then return ended end
  order.rebooted = true
  return M.carry(order, target)
end

--- How it ended, with the login and the console that was asked for.
function M.confirm(order, told, target)
  if (told.exit or 0) ~= 0 then return told end
  local refused = M.lets_in(order, told, target)
  if not refused and order.wanted.stack then
    told = M.bring_back(order, told, target)
    refused = (told.exit or 0) ~= 0 and told or nil
  end
  if refused or not steps.wants_console(order.wanted) then return refused or told end
  local ok, err = pcall(M.console, order, told, target)
  if ok then return told end
  return { exit = 1, state = told.seen_by and told.state or "unknown", seen_by = told.seen_by, text = told.text .. "; no console: " .. tostring(err.message or err), error = err }
end

--- STACK: what the machine's CANCEL has taken down, as far as it was kept here.
function M.bring_back(order, told, target) return stacks.bring_back(order, told, target) end

--- SSHPING with a USER: whether that account is let in.
function M.lets_in(order, told, target)
  return steps.lets_in(order, told, target)
end

--- A login in this terminal, until its shell ends.
function M.console(order, told, target)
  local pause = order.wanted.waitc
  if pause then step.run(string.format("WAITC, %g s before the console", pause), function() task.sleep(pause) end) end
  return step.run("console " .. order.wanted.console:upper(), function() return steps.console(order, told, target) end)
end

-- The target -----------------------------------------------------------------

--- Runs on the machine that the order names as its host.
function M.here(order)
  if order.itself then return M.itself(order) end
  if order.wanted.type ~= "pm" then return M.guest(order) end
  local report = { packets = 0 }
  if order.rebooted then return M.wait(order, report) or steps.rebooted(order) end
  local seen = M.look(order)
  if seen.up then return M.found_up(order, report, seen) end
  if order.wanted.mode == "connect" then return steps.down(order, seen) end
  M.wake(order, report)
  return M.wait(order, report) or M.sent(order, report)
end

--- The machine is the one that would send the packet: no look, no wake.
function M.itself(order)
  return steps.itself(order)
end

--- The first look: whoever answers first is believed.
function M.look(order)
  local _, seen = step.run("is it up?", function()
    local seen = observe.look(order.machine)
    return seen.up and "up, " .. seen.way or seen.seen_by and "off, " .. seen.seen_by or "not seen up", seen
  end)
  return seen
end

--- It is up. Without REUSE, CONNECT or RECONNECT that is an error. A BMC says
--- only that the power is on: PING is then still waited for.
function M.found_up(order, report, seen)
  local mode = order.wanted.mode
  if mode == "reconnect" then return { reconnect = true } end
  if mode ~= "reuse" and mode ~= "connect" then return steps.up_already(order, seen) end
  report.up = seen.seen_by == "probe"
  return M.wait(order, report) or steps.up(order, seen, "is up already")
end

--- Sends the packet, or switches the chassis on, and pauses as WOL:delay says.
function M.wake(order, report)
  step.run("wake", function()
    if order.chassis then report.told = steps.chassis_on(order) end
    if order.macs then
      report.way = steps.way(order)
      report.told = (report.told and report.told .. "; " or "") .. steps.send(order, report.way)
      report.packets = 1
    end
    local delay = order.wanted.wol_delay
    if delay then task.sleep(delay) end
    return report.told
  end)
end

--- Waits for PING and SSHPING and sends the packet again meanwhile; nil where
--- nothing is to be waited for.
function M.wait(order, report)
  return steps.wait(order, report)
end

--- Nothing was to be waited for: the goal is that the packet left.
function M.sent(order, report)
  return steps.sent(order, report)
end

-- The stack ------------------------------------------------------------------

--- Runs on a machine: starts again what ran there, in the reverse of CANCEL's order.
function M.start_stack(order) return stacks.start(order, M) end

--- One guest of it: started, or let go on.
M.start_ran = stacks.start_guest

--- Waits until it is ready, as its row says, before what needs it is started.
M.wait_ready = require "create_ready".wait

--- What ran in it, as soon as it lets us in.
M.start_inside = stacks.start_inside

-- A guest --------------------------------------------------------------------

--- Starts a guest at its hypervisor, which runs on this machine.
function M.guest(order)
  local guest = steps.choose(order)
  order.machine = steps.machine_of(order, guest)
  local ended = M.start_guest(order, guest)
  ended.machine = order.machine
  if (ended.exit or 0) ~= 0 then return ended end
  if not order.machine.address and not M.needs_address(order) then order.ping = nil end
  local waited = M.wait(order, { packets = 0 })
  if waited then waited.machine = order.machine end
  return waited or ended
end

--- Whether a guest whose address nobody knows cannot reach what was asked for.
function M.needs_address(order)
  if order.sshping or (order.ping and order.ping.typed) then
    targets.invalid(string.format("the address of %s is not known; add one to its row in machines.lua, or say PING:OFF,SSHPING:OFF", order.machine.name))
  end
  return false
end

--- The rules of the first look, by the hypervisor's word.
function M.start_guest(order, guest)
  local mode, state = order.wanted.mode, power.of_guest(guest)
  local seen = { up = state == "on", way = "hypervisor", seen_by = "hypervisor" }
  if state == "unknown" then
    local text = string.format("%s is %s, by the word of its hypervisor: it is left alone", guest.name, guest.state)
    return { exit = 1, state = state, seen_by = "hypervisor", text = text, error = { kind = "unsupported", op = "create", host = guest.name, message = text } }
  end
  if seen.up and guest.state ~= "paused" then
    if mode == "reconnect" then
      steps.reboot_guest(order, guest)
    elseif mode ~= "reuse" and mode ~= "connect" then
      return steps.up_already(order, seen)
    end
    return steps.up(order, seen, "runs")
  end
  if mode == "connect" then return steps.down(order, seen) end
  step.run("start " .. guest.name, function() return steps.start(guest).state end, { object = guest.uri .. " " .. guest.uuid })
  return steps.up(order, seen, step.planning() and "would run" or "runs")
end

return M
