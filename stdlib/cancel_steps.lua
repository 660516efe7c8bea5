-- cancel_steps: what the steps of CANCEL do in detail. The story they belong to
-- is scripts/cancel.lua; a site replaces a step there.

local choose = require "choose"
local ladder = require "ladder"
local power = require "power"
local resolve = require "resolve"
local targets = require "targets"
local walk = require "walk"

local M = {}

-- What an inner level gets of the deadline of the guest that carries it: the
-- rest is for that guest's own shutdown.
local INNER_SHARE = 0.75

-- How long a guest that was started may take until it lets us in again.
local COMES_UP = 300

local function names(list)
  local words = {}
  for i, item in ipairs(list) do words[i] = item.name end
  return table.concat(words, ", ")
end

-- The request ----------------------------------------------------------------

local later = { "wol", "reset", "pause", "suspend" }

--- What this version only plans is refused before anything is contacted.
function M.in_this_version(wanted)
  choose.in_this_version(wanted.type)
  if wanted.viewers == "client" then targets.invalid('CANCEL: "CLIENT": not in this version, which keeps no consoles open') end
  if step.planning() then return end
  for _, word in ipairs(later) do
    if wanted[word] == true or wanted.method == word then
      targets.invalid(string.format('CANCEL: "%s": not in this version; --plan shows what it would do', word:upper()))
    end
  end
  if wanted.viewers == "both" then targets.invalid('CANCEL: "BOTH": not in this version, which keeps no consoles open; say SERVER') end
end

local function is_target(row, target)
  return row.name == target.name or row.address == target.name
end

--- For pm an address other than a label must be that of each target; for a VM
--- type it says which guests, as far as the inventory knows.
function M.address_fits(request, wanted)
  if wanted.type ~= "pm" then return choose.resolve(wanted) end
  for _, address in ipairs(resolve.counting(wanted.address, wanted.addresses)) do
    for _, target in ipairs(address.kind == "L" and {} or targets.of(request)) do
      local fits = address.kind == "T" and address.value == target.name
      for _, row in ipairs(resolve.rows(address)) do
        if is_target(row, target) then
          fits = true
          resolve.note_record(address, row)
        end
      end
      if not fits then
        targets.invalid(string.format('CANCEL: "%s" is not %s: for pm an address must be that of the TARGET; a label is for display', address.text, target.name))
      end
    end
  end
end

local function uuid_here()
  local ok, identity = pcall(shutdown.identity)
  return ok and identity.product_uuid or nil
end

--- What travels to a target: plain data.
function M.order(request, wanted, target)
  local row = inventory.machine(target.name)
  return {
    machine = target.name,
    wanted = wanted,
    types = targets.option(request, target, "types"),
    ambiguous = targets.option(request, target, "ambiguous"),
    yes = request.options and request.options.yes,
    by = request.options and request.options.by or "an operator",
    desk = uuid_here(),
    has_bmc = row ~= nil and row.bmc ~= nil,
  }
end

--- What the method does to each guest: the name of a step of CANCEL.
function M.method(wanted)
  if wanted.method == "reboot" or wanted.method == "reset" then return wanted.self and "shut_down" or "reboot" end
  if wanted.method == "init" and wanted.level >= 2 and wanted.level <= 5 then return "leave" end
  if wanted.method == "pause" or wanted.method == "suspend" then return wanted.method end
  return "shut_down"
end

--- What the method does to the machine itself.
function M.machine_method(wanted)
  if wanted.method == "init" then return wanted.level == 0 and "poweroff" or wanted.level == 6 and "reboot" or "runlevel" end
  return wanted.method == "reset" and "reboot" or wanted.method
end

-- What runs here -------------------------------------------------------------

-- A machine takes along what it carries. What the request leaves on, by its type
-- or address or by -T, must not lose its power with it unasked.
local function refuse_what_self_would_cut(order, all, list)
  if not order.wanted.self or M.method(order.wanted) == "leave" then return end
  local going, left = {}, {}
  for _, guest in ipairs(list) do going[guest.uri .. " " .. guest.uuid] = true end
  for _, guest in ipairs(walk.not_off(all)) do
    if not going[guest.uri .. " " .. guest.uuid] then left[#left + 1] = guest end
  end
  if #left == 0 then return end
  if order.wanted.force then
    step.warn("FORCE: SELF takes along what the request does not name, not seen off: " .. names(left))
    return
  end
  targets.refuse(string.format("SELF would take along what the request leaves on: %s; say -t pm without -T to cancel all that %s carries, or add FORCE", names(left), order.machine))
end

local function refuse_if_inside(order, all)
  for _, guest in ipairs(all) do
    if order.desk and guest.uuid == order.desk then
      targets.refuse(string.format("ctys was called inside %s, which %s carries: call it from outside the stack", guest.name, order.machine))
    end
  end
end

local function refuse_if_managed(order, all)
  for _, guest in ipairs(all) do
    local row = walk.row(guest, order.machine)
    if row and row.managed_by and not order.yes and not step.planning() then
      targets.refuse(string.format("%s is managed by %s, which would start it again: stop it there first, or add --yes", guest.name, row.managed_by))
    end
  end
end

local function refuse_xen(all)
  for _, guest in ipairs(all) do
    if guest.type == "xen" and not step.planning() and power.of_guest(guest) ~= "off" then
      targets.refuse(guest.name .. " is a Xen domain: not in this version; --plan shows what it would do")
    end
  end
end

--- Every guest here. Where a hypervisor does not answer, what it carries is not
--- known to be off: only FORCE goes on.
function M.walk(order, report)
  local ok, all = pcall(walk.guests)
  if ok then return all end
  local known = walk.known(order.machine)
  local message = tostring(all.message or all) .. "; last known there: " .. (#known > 0 and table.concat(known, ", ") or "nothing")
  if not (order.wanted.force and order.wanted.self) then
    error({ kind = all.kind or "internal", op = all.op, host = all.host, message = message, exit = 1 }, 0)
  end
  step.warn(message .. "; FORCE goes on without having seen them off")
  report.unseen = known
  return {}
end

local function chosen(order, all)
  if order.wanted.type ~= "pm" then
    return choose.guests(order.wanted, all, { machine = order.machine, op = "cancel", types = order.types, ambiguous = order.ambiguous })
  end
  local list = {}
  for _, guest in ipairs(walk.not_off(all)) do
    if walk.among(guest, order.types) then list[#list + 1] = guest end
  end
  return list
end

--- For pm everything that is not off; for a VM type the guests that were
--- addressed: none is an error, several need ALL or -A 1. -T narrows both.
--- What must not be touched is refused before anything is.
function M.choose(order, all)
  local list = chosen(order, all)
  refuse_if_inside(order, list)
  refuse_if_managed(order, list)
  refuse_xen(list)
  refuse_what_self_would_cut(order, all, list)
  return list
end

--- What runs among them: kept, because it cannot be seen later.
function M.running(list)
  local ran = {}
  for _, guest in ipairs(list) do
    if power.of_guest(guest) == "on" then ran[#ran + 1] = { name = guest.name, uuid = guest.uuid, uri = guest.uri } end
  end
  return ran
end

local function by_uri(list)
  local groups, of = {}, {}
  for _, guest in ipairs(list) do
    if not of[guest.uri] then
      of[guest.uri] = {}
      groups[#groups + 1] = of[guest.uri]
    end
    table.insert(of[guest.uri], guest)
  end
  return groups
end

local function note_end(report, guest, outcome, seconds)
  local line = { name = guest.name, uuid = guest.uuid, uri = guest.uri, seconds = seconds }
  if outcome.ok then
    line.state = outcome.value
  else
    local err = type(outcome.error) == "table" and outcome.error or { kind = "internal", message = tostring(outcome.error) }
    line.error = { kind = err.kind, message = tostring(err.message) }
    report.exit = 1
  end
  table.insert(report.guests, line)
end

--- Every guest is asked before any is waited for; one that fails never keeps
--- another from being asked.
function M.each(list, fn, report)
  local limit = inventory.setting("limit_per_hypervisor") or inventory.setting("limit")
  task.settle(by_uri(list), function(group)
    task.settle(group, function(guest)
      local began = task.now()
      local ok, value = pcall(fn, guest)
      note_end(report, guest, { ok = ok, value = value, error = value }, task.now() - began)
    end, { limit = limit })
  end)
end

-- One guest ------------------------------------------------------------------

--- The deadline that the operator typed: TIMEOUT, or POWEROFF:n of a VM type.
local function typed(order)
  local wanted = order.wanted
  if wanted.timeout then return wanted.timeout end
  if wanted.type ~= "pm" and (wanted.delay or 0) > 0 then return wanted.delay end
end

function M.deadline(guest, order)
  local row = walk.row(guest, order.machine) or {}
  local deadline = typed(order) or row.deadline or inventory.setting("deadline")
  return math.min(deadline, order.budget or deadline)
end

function M.at_deadline(guest, order)
  if typed(order) then return "destroy" end
  local row = walk.row(guest, order.machine) or {}
  return row.at_deadline or inventory.setting("at_deadline") or "stop"
end

function M.still_on(guest, order, deadline)
  local now = guest:refresh()
  error({ kind = "timeout", op = "cancel", host = guest.name, message = string.format(
    'still %s after %.0f s and left so; to have it destroyed then, add at_deadline = "destroy" to its row in machines.lua, or type TIMEOUT:%.0f',
    now.state, deadline, math.ceil(deadline)) }, 0)
end

local function inner_order(row, order, finish)
  return {
    machine = row.name, by = order.by, yes = order.yes, desk = order.desk,
    budget = (finish - task.now()) * INNER_SHARE,
    wanted = { type = "pm", method = "poweroff", delay = 0, self = true, stack = true, force = false, wol = false,
      all = true, addresses = {}, timeout = typed(order) },
  }
end

local function cannot_enter(guest, row, err)
  error({ kind = err.kind or "internal", op = "cancel", host = guest.name, message = string.format(
    "it carries guests (%s) and could not be asked to cancel them, so it was left alone: %s",
    table.concat(walk.known(row.name), ", "), tostring(err.message or err)) }, 0)
end

local function left_inside(guest, told)
  local words = {}
  for _, inner in ipairs(told.guests or {}) do
    if inner.error then words[#words + 1] = inner.name .. ": " .. inner.error.message end
  end
  error({ kind = "timeout", op = "cancel", host = guest.name, message = "left alone because of what runs in it: "
    .. (told.barred or table.concat(words, "; ")) }, 0)
end

--- A guest that carries others runs CANCEL on itself; its own power-off is the
--- last thing it does.
local function climb(guest, row, order, finish)
  step.progress("cancels its own stack")
  local ok, told = pcall(action.at, row.name, "cancel", inner_order(row, order, finish), { take_down = true })
  if not ok then cannot_enter(guest, row, told) end
  if told.exit and told.exit ~= 0 then left_inside(guest, told) end
  M.ran_inside[guest.uuid] = told.ran
  return ladder.wait_off(guest, finish - task.now())
end

-- What ran inside a guest before, by the guest's UUID.
M.ran_inside = {}

--- Tells a guest from inside; nil where there is no way in (or the guest agent,
--- which needs no network, is there for it), or where it is not off yet after
--- a third of the time.
function M.inside(guest, order, finish)
  local row = walk.row(guest, order.machine)
  if not row then return nil end
  if walk.carries(row) then return climb(guest, row, order, finish) end
  if guest.agent or not row.address or not M.lets_in(row) then return nil end
  local ok, err = pcall(action.shut_down, { machine = row.name, method = "poweroff", guest = guest })
  if not ok then
    step.progress("not from inside: " .. tostring(err.message or err))
    return nil
  end
  step.progress("asked its own system")
  return ladder.wait_off(guest, (finish - task.now()) / 3)
end

--- Whether an SSH server answers at a machine's address.
function M.lets_in(row)
  local ok, answer = pcall(probe.ssh, row.address .. ":" .. (row.port or 22), { deadline = 3 })
  return ok and answer.up
end

-- Reboot ---------------------------------------------------------------------

-- Has a guest that runs again start what ran inside it; what it cannot start is
-- this guest's failure.
local function start_inside(guest, machine, ran)
  local row = walk.row(guest, machine)
  if not row or not ran or #ran == 0 then return end
  local finish = task.now() + COMES_UP
  while not M.lets_in(row) and task.now() < finish and not step.planning() do task.sleep(2) end
  local back = action.at(row.name, "cancel", { machine = row.name, ran = ran }, { call = "start_again" })
  if back.exit ~= 0 then
    error({ kind = "internal", op = "cancel", host = guest.name, message = "it runs again, but not all that ran in it: "
      .. table.concat(M.failures(back), ", ") }, 0)
  end
end

function M.reboot(guest, order, policy)
  policy.shut_down(guest, order)
  local now = ladder.start(guest, inventory.setting("deadline"))
  start_inside(guest, order.machine, M.ran_inside[guest.uuid])
  if not step.planning() and (now.witness or "") == (guest.witness or "") then
    error({ kind = "internal", op = "cancel", host = guest.name, message = "asked to reboot, not confirmed: its hypervisor shows the same run as before" }, 0)
  end
  return "rebooted"
end

--- Starts those of the list that are off, and what ran inside of each.
function M.start_again(order)
  local ran_before, report = {}, { exit = 0, guests = {} }
  for _, ran in ipairs(order.ran or {}) do ran_before[ran.uuid] = ran end
  local list = {}
  for _, guest in ipairs(walk.guests()) do
    if ran_before[guest.uuid] then list[#list + 1] = guest end
  end
  M.each(list, function(guest)
    return step.run("start " .. guest.name, function()
      local off = ladder.is_off(guest) or step.planning()
      local state = off and ladder.start(guest, inventory.setting("deadline")).state or guest.state
      start_inside(guest, order.machine, ran_before[guest.uuid].inside)
      return state
    end)
  end, report)
  return report
end

--- Adds to what ran here what ran inside of each.
function M.note_inside(ran)
  for _, guest in ipairs(ran) do guest.inside = M.ran_inside[guest.uuid] end
end

function M.bring_back(order, told, seen)
  if (seen.exit or 0) ~= 0 or #(told.ran or {}) == 0 then return seen end
  local ok, back = pcall(action.at, order.machine, "cancel", { machine = order.machine, ran = told.ran }, { call = "start_again" })
  if ok and back.exit == 0 then
    seen.text = string.format("%s; what ran on it %s again: %s", seen.text, step.planning() and "would run" or "runs", names(told.ran))
    return seen
  end
  return { exit = 1, state = seen.state, text = seen.text .. "; not all that ran on it could be started: " .. names(told.ran), error = not ok and back or nil }
end

-- The machine ----------------------------------------------------------------

local function request_of(order)
  return { method = M.machine_method(order.wanted), level = order.wanted.method == "init" and order.wanted.level or nil }
end

local planned_only = { pause = "suspend %s to RAM", suspend = "hibernate %s" }

function M.can_go_down(order)
  if planned_only[order.wanted.method] then return end
  shutdown.supported(request_of(order))
end

-- Without a BMC a RESET is a power-off from which a magic packet brings back.
local function resets_by_packet(order)
  return order.wanted.method == "reset" and order.wanted.self and not order.has_bmc
end

--- Whether the machine must be armed for the magic packet.
function M.needs_arming(order)
  return order.wanted.wol or resets_by_packet(order)
end

local function cannot_be_armed(why)
  targets.refuse("cannot be armed: " .. why)
end

local function ask_nic(call, name)
  local ok, answer = pcall(call, name)
  if ok then return answer end
  cannot_be_armed(string.format("%s: %s", name or "no interface was typed with IF", tostring(answer.message or answer)))
end

-- An interface that carries an asked one, with its modes; one that does not know
-- the magic packet is refused.
local function armable(port, asked)
  local card = ask_nic(nic.get, port)
  local modes = card.wake.supported or ""
  if not modes:find("g", 1, true) then
    cannot_be_armed(string.format("%s (asked for: %s, driver %s) supports %s for Wake-on-LAN, not g (magic packet)%s",
      card.name, asked, card.driver or "unknown", modes ~= "" and modes or "nothing", card.wake.cause and ": " .. card.wake.cause or ""))
  end
  return card
end

--- Check first, act later: the interfaces to be armed, or a refusal.
function M.can_be_armed(order)
  local typed = order.wanted.interface
  local name = typed or ask_nic(nic.default).name
  step.note("the interface to be armed is " .. name .. (typed and "" or " (the default route's, else the first physical one)"))
  local cards = {}
  for i, port in ipairs(ask_nic(nic.descend, name)) do cards[i] = armable(port, name) end
  if #cards == 0 then cannot_be_armed(name .. ": nothing physical carries it") end
  return cards
end

local function bridged(order, card)
  if not card.master then return "" end
  return string.format("; it stays a port of %s where its driver accepts that, else %s", card.master,
    order.wanted.self and card.master .. " is dissolved before" or "this is refused, since the machine stays up")
end

--- Names what arming comes to; this version only plans it.
function M.arm(order, cards)
  for _, card in ipairs(cards) do
    step.would(string.format("arm %s for the magic packet and read it back (driver %s, supports %s, set to %s)%s",
      card.name, card.driver or "unknown", card.wake.supported, card.wake.set or "d", bridged(order, card)))
  end
  local way = order.wanted.broadcast
  if way then
    step.would(string.format("keep for a later CREATE: broadcast address %s", way.address and way.address .. (way.port and ":" .. way.port or "") or "of the interface's subnet"))
  end
end

function M.own_boot_id()
  local ok, identity = pcall(shutdown.identity)
  return ok and identity.boot_id or nil
end

function M.boot_id(machine)
  local ok, told = pcall(task.deadline, 15, action.at, machine, "cancel", { machine = machine }, { call = "witness" })
  return ok and told.boot_id or nil
end

local function barred(report, why)
  report.exit, report.barred = 1, why
  step.warn(why .. "; the machine itself is left alone")
  return false
end

function M.failures(report)
  local list = {}
  for _, guest in ipairs(report.guests) do
    if guest.error then list[#list + 1] = guest.name .. " (" .. guest.error.message .. ")" end
  end
  return list
end

--- Only when every guest has reached its goal, by its hypervisor's word now.
function M.may_go_down(order, report, policy)
  if order.wanted.force then
    local unseen = M.failures(report)
    for _, name in ipairs(report.unseen or {}) do unseen[#unseen + 1] = name end
    if #unseen > 0 then step.warn("FORCE: not seen off: " .. table.concat(unseen, ", ")) end
    report.exit = 0
    return true
  end
  if report.exit ~= 0 then return barred(report, "not off: " .. table.concat(M.failures(report), ", ")) end
  if M.method(order.wanted) ~= "shut_down" then return true end
  local ok, again = pcall(policy.walk, order, report)
  if not ok then return barred(report, "cannot be looked at again: " .. tostring(again.message or again)) end
  local on = walk.not_off(again)
  if #on > 0 then return barred(report, "somebody has started meanwhile: " .. names(on)) end
  return true
end

--- Seconds between announcement and act.
function M.delay(order)
  local wanted = order.wanted
  if wanted.force then return 0 end
  if wanted.method == "poweroff" then return wanted.delay or inventory.setting("poweroff_delay") end
  return wanted.timeout or inventory.setting("announce_delay")
end

function M.apply(order)
  local only = planned_only[order.wanted.method]
  if order.wanted.method == "reset" then
    only = order.has_bmc and "reset the chassis of %s by its BMC" or "power %s off, see it off and send it a magic packet"
  end
  if only then
    step.would(only:format(order.machine))
    return { via = "plan" }
  end
  local request = request_of(order)
  request.machine = order.machine
  return shutdown.apply(request)
end

-- What the desk says in the end ----------------------------------------------

function M.failed(order, told)
  local why = told.barred or table.concat(M.failures(told), ", ")
  return { exit = told.exit, state = "left running", text = string.format("%s: %s", order.machine, why), data = { guests = told.guests },
    error = { kind = "timeout", op = "cancel", host = order.machine, message = why } }
end

--- A machine that was put to sleep; this version only plans it.
function M.asleep(order)
  local state = order.wanted.method == "pause" and "suspended" or "hibernated"
  return { state = state, text = string.format("%s would be %s", order.machine, state) }
end

-- What was looked for: a machine may carry guests of other types than -T names.
local function nothing(order, verb)
  local only = order.types and #order.types > 0 and " of the types " .. table.concat(order.types, ", ") or ""
  return string.format("nothing%s %s on %s", only, verb, order.machine)
end

function M.cancelled(order, told)
  local count = #(told.guests or {})
  if step.planning() then
    return { state = "stack would be cancelled", text = count == 0 and nothing(order, "runs") or "guests: " .. names(told.guests) }
  end
  return { state = "stack cancelled", data = { guests = told.guests },
    text = count == 0 and nothing(order, "was running") or string.format("%s: %d of %d done: %s", order.machine, count, count, names(told.guests)) }
end

return M
