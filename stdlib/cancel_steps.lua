-- cancel_steps: what the steps of CANCEL do in detail. The story they belong to
-- is scripts/cancel.lua; a site replaces a step there.

local checks = require "cancel_checks"
local choose = require "choose"
local ladder = require "ladder"
local power = require "power"
local reset = require "cancel_reset"
local resolve = require "resolve"
local targets = require "targets"
local walk = require "walk"

local M = {}

-- What an inner level gets of the deadline of the guest that carries it: the
-- rest is for that guest's own shutdown.
local INNER_SHARE = 0.75

-- How much of its time a guest that carries others may take until it lets us in.
local BOOT_SHARE = 0.5

-- The request ----------------------------------------------------------------

local later = { "wol", "pause", "suspend" }

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

local caller -- looked at once

--- What travels to a target: plain data.
function M.order(request, wanted, target)
  caller = caller or checks.who_am_i()
  local row = inventory.machine(target.name)
  return {
    machine = target.name,
    wanted = wanted,
    types = targets.option(request, target, "types"),
    ambiguous = targets.option(request, target, "ambiguous"),
    yes = request.options and request.options.yes,
    by = request.options and request.options.by or "an operator",
    desk = caller,
    has_bmc = row ~= nil and row.bmc ~= nil,
  }
end

--- What INIT does to each guest. A type of virtual machine addresses guests, so
--- it is their run level that changes, from inside; where the machine goes down
--- too, they do first.
function M.init_of_guests(wanted)
  local keeps_running = wanted.level >= 2 and wanted.level <= 5
  if wanted.type ~= "pm" and (keeps_running or not wanted.self) then return "init" end
  return keeps_running and "leave" or "shut_down"
end

--- What the method does to each guest: the name of a step of CANCEL.
function M.method(wanted)
  if wanted.method == "reboot" or wanted.method == "reset" then return wanted.self and "shut_down" or "reboot" end
  if wanted.method == "init" then return M.init_of_guests(wanted) end
  if wanted.method == "pause" or wanted.method == "suspend" then return wanted.method end
  return "shut_down"
end

--- What the method does to the machine itself.
function M.machine_method(wanted)
  if wanted.method == "init" then return wanted.level == 0 and "poweroff" or wanted.level == 6 and "reboot" or "runlevel" end
  return wanted.method == "reset" and "reboot" or wanted.method
end

-- What runs here -------------------------------------------------------------

-- The guests that were last seen here: in the inventory, or earlier in this run.
local function last_known(order, report)
  local known, have = walk.known(order.machine), {}
  for _, name in ipairs(known) do have[name] = true end
  for _, guest in ipairs(report.guests or {}) do
    if not have[guest.name] then known[#known + 1] = guest.name end
  end
  return known
end

-- The names without those of guests that a hypervisor speaks for.
local function not_among(known, guests)
  local seen, list = {}, {}
  for _, guest in ipairs(guests) do seen[guest.name] = true end
  for _, name in ipairs(known) do
    if not seen[name] then list[#list + 1] = name end
  end
  return list
end

--- Every guest here. Where a hypervisor does not answer, what it carries is not
--- known to be off: only FORCE goes on, with those of the others.
function M.walk(order, report)
  local goes_on, silent = order.wanted.force and order.wanted.self, nil
  local ok, all = pcall(walk.guests, goes_on and function(err) silent = silent or err end)
  if ok and not silent then return all end
  local err, known = silent or all, last_known(order, report)
  local message = tostring(err.message or err) .. "; last known there: " .. (#known > 0 and table.concat(known, ", ") or "nothing")
  if not goes_on then
    error({ kind = err.kind or "internal", op = err.op, host = err.host, message = message, exit = 1 }, 0)
  end
  step.warn(message .. "; FORCE goes on without having seen them off")
  report.unseen = not_among(known, ok and all or {})
  return ok and all or {}
end

--- For pm everything that is not off; for a VM type the guests that were
--- addressed: none is an error, several need ALL or -A 1. -T narrows both.
function M.choose(order, all)
  if order.wanted.type ~= "pm" then
    return choose.guests(order.wanted, all, { machine = order.machine, op = "cancel", types = order.types, ambiguous = order.ambiguous })
  end
  local list = {}
  for _, guest in ipairs(walk.not_off(all)) do
    if walk.among(guest, order.types) then list[#list + 1] = guest end
  end
  return list
end

--- Looks into the guests that the inventory says nothing of: one that carries
--- others must cancel them before it goes down. A row with hypervisors = {} is
--- known to carry none.
---@return table<string, boolean> by the names of their rows
function M.look_inside(order, list)
  local names = {}
  for _, guest in ipairs(order.wanted.force and {} or walk.not_off(list)) do
    local row = walk.row(guest, order.machine)
    if row and row.address and not row.hypervisors and not walk.carries(row) then names[#names + 1] = row.name end
  end
  if #names == 0 then return {} end
  local ok, seen = pcall(action.carry, names)
  return ok and seen or {}
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

-- How many guests of one hypervisor at once; nil: all.
local function limit()
  return inventory.setting("limit_per_hypervisor") or inventory.setting("limit")
end

--- How often the limit makes guests wait for others: a level's share of time
--- has to do for all of them, one after the other.
function M.waves(list)
  local most = 1
  for _, group in ipairs(by_uri(list)) do
    most = math.max(most, math.ceil(#group / (limit() or #group)))
  end
  return most
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
  task.settle(by_uri(list), function(group)
    task.settle(group, function(guest)
      local began = task.now()
      local ok, value = pcall(fn, guest)
      note_end(report, guest, { ok = ok, value = value, error = value }, task.now() - began)
    end, { limit = limit() })
  end)
end

--- The same, but one guest when all others have reached their goal: ctys itself
--- runs in it.
function M.each_but(last, list, fn, order, report)
  if not last then return M.each(list, fn, report) end
  local others = {}
  for _, guest in ipairs(list) do
    if guest ~= last then others[#others + 1] = guest end
  end
  M.each(others, fn, report)
  order.with_desk = last.uuid
  M.each({ last }, function(guest)
    if report.exit ~= 0 then
      error({ kind = "busy", op = "cancel", host = guest.name, message = "ctys runs in it and others are still on: it was left alone" }, 0)
    end
    return fn(guest)
  end, report)
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
  return math.min(deadline, order.budget and order.budget / (order.waves or 1) or deadline)
end

function M.at_deadline(guest, order)
  if typed(order) then return "destroy" end
  local row = walk.row(guest, order.machine) or {}
  return row.at_deadline or inventory.setting("at_deadline") or "stop"
end

function M.still_on(guest, order, deadline)
  local now = guest:refresh()
  if ladder.is_off(now) then return "off" end
  error({ kind = "timeout", op = "cancel", host = guest.name, message = string.format(
    'still %s after %.0f s and left so%s; to have it destroyed then, add at_deadline = "destroy" to its row in machines.lua, or type TIMEOUT:%.0f',
    now.state, deadline, now.cause and " (" .. tostring(now.cause) .. ")" or "", math.ceil(deadline)) }, 0)
end

local function inner_order(row, order, finish, level)
  return {
    machine = row.name, by = order.by, yes = order.yes, desk = order.desk,
    budget = (finish - task.now()) * INNER_SHARE, announce = 0, checked = true,
    wanted = { type = "pm", method = level and "init" or "poweroff", level = level, self = true, stack = true, force = false, wol = false,
      all = true, addresses = {}, timeout = typed(order) },
  }
end

-- An order that did not end well: what counts is the guest. Somebody else may
-- have taken it down; one that took ctys itself along goes on alone.
local function not_cancelled(guest, row, err, seconds, patience)
  local looked, off = pcall(ladder.wait_off, guest, patience)
  if looked and off then return { ran = "lost" } end
  local why = "could not be asked to cancel them, so it was left alone: " .. tostring(err.message or err)
  if err.kind == "timeout" then why = string.format("did not end within %.0f s, so it was left alone", seconds) end
  error({ kind = err.kind or "internal", op = "cancel", host = guest.name, message = string.format(
    "it carries guests (%s) and %s", table.concat(walk.known(row.name), ", "), why) }, 0)
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
---@param level integer? run level that it goes to; nil: it powers off
function M.climb(guest, row, order, finish, level)
  M.wait_for_login(row, task.now() + (finish - task.now()) * BOOT_SHARE)
  step.progress("cancels its own stack")
  local seconds = math.max(finish - task.now(), 0)
  local ok, told = pcall(task.deadline, seconds, action.at, row.name, "cancel", inner_order(row, order, finish, level), { take_down = true })
  if not ok then told = not_cancelled(guest, row, told, seconds, order.with_desk == guest.uuid and finish - task.now() or 0) end
  if told.exit and told.exit ~= 0 then left_inside(guest, told) end
  M.ran_inside[guest.uuid] = told.ran or "lost"
  return told
end

-- What ran inside a guest before, by the guest's UUID; "lost" where the guest
-- went down before it could say so.
M.ran_inside = {}

--- Tells a guest from inside; nil where there is no way in (or the guest agent,
--- which needs no network, is there for it), or where it is not off yet after
--- a third of the time.
function M.inside(guest, order, finish)
  local row = walk.row(guest, order.machine)
  if not row then return nil end
  if walk.carries(row) or (order.carry or {})[row.name] then
    M.climb(guest, row, order, finish)
    return ladder.wait_off(guest, finish - task.now())
  end
  if guest.agent or not row.address or not M.lets_in(row) then return nil end
  local share = task.now() + (finish - task.now()) / 3
  step.otherwise("ask through its hypervisor", { after = share - task.now() })
  local ok, err = pcall(task.deadline, math.max(share - task.now(), 0), action.shut_down, { machine = row.name, method = "poweroff", guest = guest })
  if not ok and err.kind ~= "timeout" then
    step.progress("not from inside: " .. tostring(err.message or err))
    return nil
  end
  step.progress(ok and "asked its own system" or "its own system does not answer")
  return ladder.wait_off(guest, share - task.now())
end

--- A guest that is booting, or slow, lets us in later.
function M.wait_for_login(row, finish)
  if step.planning() or M.lets_in(row) then return end
  step.progress("does not let us in yet")
  while task.now() < finish do
    task.sleep(2)
    if M.lets_in(row) then return end
  end
end

--- Whether an SSH server answers at a machine's address.
function M.lets_in(row)
  local ok, answer = pcall(probe.ssh, (row.address or row.name) .. ":" .. (row.port or 22), { deadline = 3 })
  return ok and answer.up
end

-- The machine ----------------------------------------------------------------

local function request_of(order)
  return { method = M.machine_method(order.wanted), level = order.wanted.method == "init" and order.wanted.level or nil }
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

--- What did not reach its goal, in words, and the kind of the first failure.
function M.failures(report)
  local list, kind = {}, nil
  for _, guest in ipairs(report.guests) do
    if guest.error then
      list[#list + 1] = guest.name .. " (" .. guest.error.message .. ")"
      kind = kind or guest.error.kind
    end
  end
  return list, kind
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
  local unseen, named = (not ok or report.unseen) and M.failures(report) or {}, {}
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
  local leaves = M.method(order.wanted) ~= "shut_down"
  if order.wanted.force and not leaves then return by_force(order, report, policy) end
  if report.exit ~= 0 then return barred(report, "not off: " .. table.concat(M.failures(report), ", ")) end
  if leaves then return true end
  local ok, back, others, unknown = pcall(look_again, order, report, policy)
  if not ok then return barred(report, "cannot be looked at again: " .. tostring(back.message or back), back.kind) end
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

-- What the desk says in the end ----------------------------------------------

function M.failed(order, told)
  local list, kind = M.failures(told)
  local why = told.barred or table.concat(list, ", ")
  return { exit = told.exit, state = "left running", text = string.format("%s: %s", order.machine, why), data = { guests = told.guests },
    error = { kind = told.kind or kind or "busy", op = "cancel", host = order.machine, message = why } }
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
  if M.method(order.wanted) == "leave" then
    return { state = "left alone", text = string.format("%s: run level %d leaves what runs there alone", order.machine, order.wanted.level), data = { guests = told.guests } }
  end
  if step.planning() then
    return { state = "stack would be cancelled", text = count == 0 and nothing(order, "runs") or "guests: " .. targets.names(told.guests) }
  end
  return { state = "stack cancelled", data = { guests = told.guests },
    text = count == 0 and nothing(order, "was running") or string.format("%s: %d of %d done: %s", order.machine, count, count, targets.names(told.guests)) }
end

return M
