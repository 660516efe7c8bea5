-- create_steps: what the steps of CREATE do in detail. The story they belong
-- to is scripts/create.lua; a site replaces a step there.

local choose = require "choose"
local create_way = require "create_way"
local ladder = require "ladder"
local observe = require "observe"
local power = require "power"
local resolve = require "resolve"
local targets = require "targets"
local walk = require "walk"
local way_back = require "way_back"

local M = {}

-- What one probe may take, for the lengths that are shown.
local PROBE = 1

-- How long a chassis may take until its BMC says that it is on.
local CHASSIS = 60

-- An end that is not the goal: exit 1, with an error of this kind.
local function failed(order, kind, ended)
  ended.exit = 1
  ended.error = { kind = kind, op = "create", host = order.machine.name, message = ended.text }
  return ended
end

-- The request ----------------------------------------------------------------

--- What this version only plans is refused before anything is contacted.
function M.in_this_version(wanted)
  choose.in_this_version(wanted.type)
  if step.planning() then return end
  local console = wanted.console
  if console and console ~= "cli" and console ~= "none" then
    targets.invalid(string.format('CREATE: "CONSOLE:%s": not in this version, which opens CLI; --plan shows what it would do', console:upper()))
  end
end

--- What was typed and does nothing here.
function M.note_what_is_without_effect(wanted)
  if wanted.stackcheck then
    step.note("STACKCHECK is without meaning for " .. (wanted.type == "pm" and "pm" or "a guest that starts as its hypervisor has it configured"))
  end
  if wanted.waitc and not M.wants_console(wanted) then step.note("WAITC is a pause before a console, and none is asked for") end
  for _, key in ipairs{ "callopts", "xopts" } do
    if wanted[key] then step.note(key:upper() .. " is for a console in a program of its own") end
  end
end

--- Whether a console is to be opened.
function M.wants_console(wanted)
  return wanted.console ~= nil and wanted.console ~= "none"
end

--- One terminal holds one console.
function M.one_terminal(request, wanted)
  if wanted.console == "cli" and #targets.of(request) > 1 then
    targets.invalid(string.format('CREATE: "CONSOLE:CLI": it takes this terminal, so it goes with one TARGET, not with %d', #request.targets))
  end
end

--- One machine is rebooted once.
function M.one_reboot(request, wanted)
  if wanted.mode == "reconnect" and wanted.address and #targets.of(request) > 1 then
    targets.invalid(string.format('CREATE: "RECONNECT": it reboots one machine, so with an address it goes with one TARGET, not with %d', #request.targets))
  end
end

--- A reboot of a machine on which somebody works needs the operator's word.
function M.confirm_reconnect(wanted)
  if wanted.mode ~= "reconnect" then return end
  if not step.confirm("RECONNECT ends every session on the machine and reboots it if it is up. Go on?") then
    targets.refuse('"RECONNECT" reboots a machine that is up: add --yes, or agree on a terminal')
  end
end

--- The machine that the addresses name; nil where none was typed.
function M.resolve(wanted)
  if not wanted.address then return nil end
  if wanted.type ~= "pm" then
    choose.resolve(wanted)
    return { name = wanted.address.rows and wanted.address.rows[1] or tostring(wanted.address.value) }
  end
  local machine = resolve.machine(wanted.address, wanted.addresses)
  resolve.note_record(wanted.address, machine)
  machine.back = wanted.wol and way_back.kept(machine.name) or nil
  return machine
end

--- Who sends the packet: the TARGETs, else the machine that the way back or its
--- row names, else this host.
function M.senders(request, wanted, machine)
  local by = #(request.targets or {}) == 0 and wanted.wol and machine and (machine.back and machine.back.by or machine.waker)
  if not by then return targets.of(request) end
  step.note(string.format("%s sends the packet for %s", by, machine.name))
  return { { name = by, options = {} } }
end

local function is_target(machine, target)
  if machine.name == target.name or machine.address == target.name then return true end
  return action.is_here(target.name) and (action.is_here(machine.name) or machine.address ~= nil and action.is_here(machine.address))
end

local function trials(given, setting)
  return {
    trials = given.trials or inventory.setting(setting .. "_trials"),
    wait = given.wait or inventory.setting(setting .. "_wait"),
  }
end

-- PING is on unless switched off, where anything can answer.
local function ping(wanted, machine)
  local given = wanted.ping
  if given and not given.on then return nil end
  if not given and wanted.type == "pm" and not observe.can_be_seen(machine) then
    step.note(machine.name .. ": no address is known, so nobody can be asked whether it is up")
    return nil
  end
  local wait = trials(given or {}, "ping")
  wait.typed = given ~= nil
  return wait
end

-- SSHPING is off unless asked for, or a console needs it.
local function sshping(wanted)
  local given = wanted.sshping
  if given and not given.on then return nil end
  if not given and not M.wants_console(wanted) and not wanted.stack then return nil end
  return trials(given or {}, "sshping")
end

local function needs_address(wanted, machine)
  for key, asked in pairs{ PING = wanted.ping and wanted.ping.on and not machine.has_bmc, SSHPING = wanted.sshping and wanted.sshping.on, CONSOLE = M.wants_console(wanted), STACK = wanted.stack } do
    if asked and not machine.address then
      targets.invalid(string.format('CREATE: "%s": the address of %s is not known; add T:<name or IP address>', key, machine.name))
    end
  end
end

-- Each way of waking needs only what it uses.
local function ways(wanted, machine)
  local packet, chassis = wanted.wol, wanted.ipmi
  local macs = create_way.macs(wanted, machine)
  if packet and not macs and machine.has_bmc then packet, chassis = false, true end
  if packet and not macs then
    targets.invalid(string.format('CREATE: "%s": the MAC of %s is not known; add M:<mac>, or BMAC:<mac> beside BROADCAST', wanted.address.text, machine.name))
  end
  if chassis and not machine.has_bmc then
    targets.invalid(string.format('CREATE: "IPMI": the inventory has no bmc for %s', machine.name))
  end
  return packet and macs or nil, chassis
end

--- What travels to a target: plain data. It is complete, or kind invalid.
function M.order(request, wanted, machine, target)
  local options = request.options or {}
  local order = {
    host = target.name, wanted = wanted, machine = machine or resolve.target(target.name),
    ambiguous = targets.option(request, target, "ambiguous"), types = targets.option(request, target, "types"), yes = options.yes, by = options.by or "an operator",
  }
  order.forward_agent = M.wants_console(wanted) and targets.option(request, target, "agent") or nil
  order.itself = wanted.type == "pm" and is_target(order.machine, target)
  if order.itself and wanted.mode == "reconnect" and action.is_here(target.name) then
    targets.invalid('CREATE: "RECONNECT": it would reboot this host, from which it is asked; -a cancel=reboot,self does that')
  end
  if wanted.type == "pm" and not order.itself then
    needs_address(wanted, order.machine)
    order.macs, order.chassis = ways(wanted, order.machine)
  end
  if not order.itself then
    order.ping, order.sshping = ping(wanted, order.machine), sshping(wanted)
  end
  return order
end

-- Waking ---------------------------------------------------------------------

M.way, M.send = create_way.way, create_way.send

--- Chassis power on at the machine's BMC, and seen on there.
---@return string told
function M.chassis_on(order)
  local name = order.machine.name
  local seen = power.on(power.bmc(inventory.machine(name)), CHASSIS)
  if seen ~= "on" then
    error({ kind = "timeout", op = "create", host = name, exit = 1,
      message = string.format("its BMC took the command and still says %s after %d s", seen, CHASSIS) }, 0)
  end
  return step.planning() and "chassis power on" or "chassis power on, by the word of its BMC"
end

-- Sends the packet again and again until it is cancelled. One that does not
-- leave is told and tried again.
local function again_and_again(order, report)
  while true do
    task.sleep(inventory.setting("resend"))
    local ok, told = pcall(M.send, order, report.way)
    if ok then
      report.packets = report.packets + 1
      step.progress(string.format("packet %d sent: %s", report.packets, told))
    else
      step.warn("the packet was not sent again: " .. tostring(told.message or told))
    end
  end
end

-- Calls fn and repeats the packet meanwhile; a packet can be lost, or come
-- while the machine still goes down.
local function resending(order, report, fn)
  if not report.way or step.planning() then return fn() end
  local repeats = task.spawn(again_and_again, order, report)
  return task.finally(fn, function() repeats:cancel() end)
end

-- Waiting --------------------------------------------------------------------

local function length(trials, seconds)
  return string.format("%d tries, %g s after each that fails", trials.trials, trials.wait), trials.trials * (trials.wait + seconds)
end

-- Asks so many times. A plan lists the wait.
local function try(what, trials, look)
  local words, longest = length(trials, PROBE)
  return step.run(string.format("%s: %s", what, words), function()
    if step.planning() then
      task.sleep(longest)
      return "planned", { up = true, way = "plan", seen_by = "plan" }
    end
    for _ = 1, trials.trials do
      local seen = look()
      if seen then return "answers " .. seen.way, seen end
      task.sleep(trials.wait)
    end
    return "no answer"
  end, { deadline = longest })
end

local function not_reached(order, report, what, trials)
  local words = length(trials, PROBE)
  local count = report.packets == 1 and "1 packet was" or report.packets .. " packets were"
  local packets = report.packets > 0 and string.format("; %s sent: %s", count, report.told) or report.told and "; " .. report.told or ""
  local text = string.format("%s %s (%s)%s", order.machine.name, what, words, packets)
  return failed(order, "timeout", { state = "unknown", seen_by = "probe", text = text })
end

local function waits_for(order, report)
  local waits = {}
  if order.ping and not report.up then
    waits[1] = { what = "answers", no = "does not answer", trials = order.ping, look = function() return observe.answers(order.machine) end }
  end
  if order.sshping then
    waits[#waits + 1] = { what = "answers SSH", no = "does not answer SSH", trials = order.sshping, look = function() return observe.ssh(order.machine) end }
  end
  return waits
end

--- Waits for what was asked for; the packet is sent again until something
--- answers. Nil where nothing was to be waited for.
---@return targets.End?
function M.wait(order, report)
  local waits = waits_for(order, report)
  if #waits == 0 then return nil end
  if order.wanted.waits then
    step.run(string.format("WAITS, %g s before the first probe", order.wanted.waits), function() task.sleep(order.wanted.waits) end)
  end
  local function ask(wait)
    local _, seen = try(order.machine.name .. " " .. wait.what, wait.trials, wait.look)
    return seen
  end
  local seen
  for i, wait in ipairs(waits) do
    if i == 1 then seen = resending(order, report, function() return ask(wait) end) else seen = ask(wait) end
    if not seen then return not_reached(order, report, wait.no, wait.trials) end
  end
  return M.up(order, seen, "is up")
end

local seen_words = { bmc = "by the word of its BMC", hypervisor = "by the word of its hypervisor", plan = "planned" }

--- The end of a machine that was seen up.
function M.up(order, seen, how)
  if seen.way == "plan" then return { state = "up", text = order.machine.name .. " would be up" } end
  return { state = "up", seen_by = seen.seen_by, text = string.format("%s %s, %s", order.machine.name, how, seen_words[seen.way] or "it answers " .. seen.way) }
end

--- The end of a wake that nothing was to be waited for after.
function M.sent(order, report)
  local what = step.planning() and "would be sent" or "sent, not seen up"
  if order.chassis and not step.planning() then return { state = "on", seen_by = "bmc", text = order.machine.name .. ": " .. report.told } end
  return { state = "sent", text = string.format("%s: %s: %s", order.machine.name, what, report.told) }
end

--- The end of a reboot, which was seen, that nothing was to be waited for after.
function M.rebooted(order)
  return { state = "up", seen_by = "boot_id", text = order.machine.name .. " has rebooted" }
end

--- Whether the order asks nothing of the target but a console on it: that proves
--- that it is up, so nothing need be carried there before.
function M.console_proves(order)
  return order.itself and M.wants_console(order.wanted) and order.wanted.mode ~= "reconnect"
end

--- The end of a machine that is the target itself.
function M.itself(order)
  if order.rebooted then return M.rebooted(order) end
  if order.wanted.mode == "reconnect" then return { reconnect = true } end
  local asleep = order.wanted.wol or order.wanted.ipmi
  return { state = "up", text = order.machine.name .. " is the executing host itself" .. (asleep and ": neither looked at nor woken" or "") }
end

--- A machine that is up and was to be woken.
function M.up_already(order, seen)
  local text = string.format("%s is up already (%s); say REUSE to use it as it is, CONNECT for a console alone, RECONNECT to reboot it",
    order.machine.name, seen_words[seen.way] or "it answers " .. seen.way)
  return failed(order, "busy", { state = "up", seen_by = seen.seen_by, text = text })
end

--- A machine that is down and was not to be woken.
function M.down(order, seen)
  local text = string.format("%s is not seen up%s, and CONNECT never wakes; say REUSE to have it woken",
    order.machine.name, seen.seen_by and " (" .. (seen_words[seen.way] or seen.seen_by) .. ")" or "")
  return failed(order, "unreachable", { state = seen.seen_by and "off" or "unknown", seen_by = seen.seen_by, text = text })
end

-- Reconnecting ---------------------------------------------------------------

local function as_cancel(order, subopts, type)
  local cancel = require "cancel"
  local request = { type = type, subopts = subopts, targets = { { name = order.host } },
    options = { by = order.by, yes = order.yes, ambiguous = order.ambiguous } }
  return cancel, request, cancel.parse(request)
end

--- Reboots a machine as CANCEL does with REBOOT,SELF: what runs on it goes
--- down cleanly before and is started again after, and another boot is the proof.
---@return targets.End
function M.reboot(order)
  local cancel, request, wanted = as_cancel(order, "reboot,self", "pm")
  return cancel.target(request, wanted, { name = order.machine.name, user = order.wanted.user, options = {} })
end

--- Reboots a guest at its hypervisor as CANCEL does.
function M.reboot_guest(order, guest)
  local cancel, request, wanted = as_cancel(order, "all,reboot", order.wanted.type)
  return cancel.reboot(guest, { machine = order.host, wanted = wanted, by = order.by, yes = request.options.yes })
end

-- Guests ---------------------------------------------------------------------

--- The guest that was addressed.
function M.choose(order)
  local wanted = order.wanted
  local list = choose.guests(wanted, walk.guests(), { machine = order.host, op = "create", types = order.types, several = "name one" })
  return list[1]
end

--- The guest as a machine: what its row and its hypervisor tell.
function M.machine_of(order, guest)
  local row = walk.row(guest, order.host) or {}
  return { name = row.name or guest.name, address = row.address or (guest.addresses or {})[1], port = row.port, known = row.name ~= nil }
end

--- Starts a guest, or lets a paused one go on, and sees it run.
function M.start(guest)
  if guest.state == "paused" then
    ladder.ask(guest, "resume")
    return guest:await{ states = { "running" }, deadline = inventory.setting("deadline") }
  end
  return ladder.start(guest, inventory.setting("deadline"))
end

-- The console ----------------------------------------------------------------

-- Straight where there is a way, else through the host that sent the packet.
local function via(order, machine)
  if action.is_here(order.host) or machine.name == order.host or not machine.address then return nil end
  if step.planning() or observe.ssh(machine) then return nil end
  return { order.host }
end

-- How the desk reaches the machine that told is about.
local function login_on(order, told, target)
  local machine = told.machine or order.machine
  local name = machine.name
  if not inventory.machine(name) and not order.itself then name = machine.address or name end
  if order.itself and action.is_here(order.host) then name = "localhost" end
  return { machine = name, user = order.wanted.user or (order.itself and target.user or nil), via = via(order, machine) }
end

--- SSHPING for a USER logs in as that, as often as it says. Nil where it was let
--- in, or no user was named.
---@return targets.End?
function M.lets_in(order, told, target)
  local trials, user = order.sshping, order.wanted.user
  if not trials or not user then return nil end
  local way, last = login_on(order, told, target), nil
  local _, seen = try(order.machine.name .. " lets " .. user .. " in", trials, function()
    local ok, err = pcall(action.login, way)
    if ok then return { up = true, way = "and lets in", seen_by = "probe" } end
    last = tostring(err.message or err)
  end)
  if seen then return nil end
  local ended = not_reached(order, { packets = 0 }, "does not let " .. user .. " in", trials)
  ended.text = ended.text .. ": " .. last
  return ended
end

--- Gives the operator's terminal a login on the machine.
function M.console(order, told, target)
  local way = login_on(order, told, target)
  way.forward_agent = order.forward_agent
  return action.console(way)
end

return M
