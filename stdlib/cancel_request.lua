-- cancel_request: what CANCEL's request asks of whom: checked at the desk, carried as an
-- order to each target, and read there as the steps that it means.

local checks = require "cancel_checks"
local targets = require "targets"

local M = {}

--- The sub-options, checked; a bad one ends the request before any contact.
function M.parse(request)
  local grammar = require("cancel_grammar").parse -- the desk alone needs it, not each machine
  local wanted = grammar(request.subopts or "", { type = request.type, targets = #(request.targets or {}) })
  for _, hint in ipairs(wanted.hints or {}) do step.note(hint) end
  return wanted
end

--- What the order of the guests cannot mean.
function M.note_order(request, wanted)
  if not wanted.force then require "cancel_needed".note_elsewhere(request, checks.rows_in) end
end

--- TIMEOUT:0 leaves no guest any time.
function M.confirm_timeout(wanted)
  if wanted.timeout ~= 0 or wanted.force or step.planning() then return end
  if not step.confirm("TIMEOUT:0 destroys every guest at once. Go on?") then
    targets.refuse('"TIMEOUT:0" goes to the deadline at once: add FORCE, or --yes')
  end
end

--- What this version does not do is refused before anything is contacted.
function M.in_this_version(wanted)
  require "choose".in_this_version(wanted.type)
end

local function is_target(row, target)
  return row.name == target.name or row.address == target.name
end

--- For pm an address other than a label must be that of each target; for a VM
--- type it says which guests, as far as the inventory knows.
function M.address_fits(request, wanted)
  if wanted.type ~= "pm" then return require "choose".resolve(wanted) end
  local resolve = require "resolve"
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
    waker = row and row.waker,
    kept = require "what_ran".kept(target.name),
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
  if wanted.viewers == "client" then return "leave" end
  if wanted.method == "reboot" or wanted.method == "reset" then return wanted.self and "shut_down" or "reboot" end
  if wanted.method == "init" then return M.init_of_guests(wanted) end
  if wanted.method == "pause" or wanted.method == "suspend" then return wanted.method end
  return "shut_down"
end

--- Whether the machine of an order is reset by its BMC.
function M.reset_by_bmc(order)
  return order.wanted.method == "reset" and order.wanted.self and order.has_bmc
end

--- Whether it is powered off and woken by a magic packet, since nobody has
--- another way to it.
function M.reset_by_packet(order)
  return order.wanted.method == "reset" and order.wanted.self and not order.has_bmc
end

--- Whether the machine must be armed for the magic packet.
function M.needs_way_back(order)
  return order.wanted.wol or M.reset_by_packet(order)
end

--- What the method does to the machine itself. A RESET that its BMC does not do
--- is a power-off, from which it is woken.
function M.machine_method(wanted)
  if wanted.method == "init" then return wanted.level == 0 and "poweroff" or wanted.level == 6 and "reboot" or "runlevel" end
  return wanted.method == "reset" and "poweroff" or wanted.method
end

--- Whether the machine only sleeps, and its system goes on when it wakes.
function M.sleeps(wanted)
  return wanted.method == "pause" or wanted.method == "suspend"
end

return M
