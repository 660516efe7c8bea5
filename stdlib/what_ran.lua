-- what_ran: what ran on a machine before it was cancelled, as the desk keeps it, so
-- that CREATE with STACK can bring it back.
--
--     local what_ran = require "what_ran"
--     local kept = what_ran.kept("lab01")            -- at the desk
--     what_ran.tell(order, report)                   -- on the machine, before a guest is asked
--     --> kept there: ran = { { name = "web1", uuid = …, uri = …, inside = { … } }, … }
--
-- What ran stays kept until it was brought back: a second CANCEL, which finds the
-- guests off, adds to it and takes nothing away.

local way_back = require "way_back"

local M = {}

-- Seconds for the desk to have it on disk.
local RECEIPT = 5

--- What tells a guest from any other.
function M.id(guest) return guest.uri .. " " .. guest.uuid end

--- What is kept of a machine at the desk, as an order takes it along; nil where
--- nothing is, or it is of another machine.
function M.kept(name)
  local record = way_back.record(name)
  if not record or record.ran ~= nil and type(record.ran) ~= "table" then return nil end
  return { way_back = record.way_back, ran = record.ran, method = record.method, address = record.address, mac = record.mac }
end

local function both_inside(old, new)
  if type(old) == "table" and type(new) == "table" then return M.with(old, new) end
  return new or old
end

--- What ran then and what ran now: each guest once, at every level.
---@param kept table[]? as an earlier run has kept it
---@param ran table[]? as this one has seen it
function M.with(kept, ran)
  local list, at = {}, {}
  for _, some in ipairs{ kept or {}, ran or {} } do
    for _, guest in ipairs(some) do
      local known = at[M.id(guest)]
      if not known then
        list[#list + 1] = { name = guest.name, uuid = guest.uuid, uri = guest.uri, inside = guest.inside }
        at[M.id(guest)] = #list
      else
        list[known].name, list[known].inside = guest.name, both_inside(list[known].inside, guest.inside)
      end
    end
  end
  return list
end

--- The list without those of another.
function M.without(list, others)
  local left, out = {}, {}
  for _, guest in ipairs(others) do out[M.id(guest)] = true end
  for _, guest in ipairs(list or {}) do
    if not out[M.id(guest)] then left[#left + 1] = guest end
  end
  return left
end

-- Which methods leave something that is to be brought back. A guest that was
-- addressed alone is started again by its address.
local brings_down = { poweroff = true, reboot = true, reset = true, pause = true, suspend = true, init = true }

local function counts(wanted)
  if wanted.method == "init" and wanted.level >= 2 and wanted.level <= 5 then return false end
  return brings_down[wanted.method] and (wanted.type == "pm" or wanted.all or wanted.self) or false
end

-- What is down after this run, as far as it is now: guests that were rebooted are
-- back already, and one that was paused or saved goes on with all that runs in it.
local function down(order, report)
  local method, asleep = order.wanted.method, {}
  if method == "pause" or method == "suspend" then
    for i, guest in ipairs(report.ran or {}) do asleep[i] = { name = guest.name, uuid = guest.uuid, uri = guest.uri } end
    return asleep
  end
  if order.wanted.self or method ~= "reboot" and method ~= "reset" then return report.ran end
  local back = {}
  for _, guest in ipairs(report.guests or {}) do
    if not guest.error then back[#back + 1] = guest end
  end
  return M.without(report.ran, back)
end

--- What the desk is to keep of the machine of an order; nil where that is nothing,
--- and for an inner level: the record of what carries it has it.
function M.record(order, report)
  if order.budget then return nil end
  local kept, row = order.kept or {}, inventory.machine(order.machine) or {}
  local ran = counts(order.wanted) and M.with(kept.ran, down(order, report)) or kept.ran or {}
  if not report.way_back and #ran == 0 and not order.kept then return nil end
  return {
    way_back = report.way_back or kept.way_back, ran = ran,
    method = order.wanted.self and order.wanted.method or kept.method,
    address = row.address or kept.address, mac = row.mac or kept.mac,
  }
end

--- Has the desk keep a record of the machine that this runs on; false where it
--- does not say in time that it has it.
---@param keep table? nil: nothing
---@param report table? what the caller takes for the result where the machine is gone before it
function M.keep(machine, keep, report)
  return journal.receipt{ deadline = RECEIPT, keep = keep, machine = not action.here() and machine or nil, report = report }
end

--- Has the desk keep what runs here before the first guest is asked: a run that is
--- cut short loses nothing.
function M.tell(order, report)
  if not report.ran or #report.ran == 0 or not counts(order.wanted) or step.planning() then return end
  local keep = M.record(order, report)
  if keep and not M.keep(order.machine, keep) then
    step.warn("the caller has not said in " .. RECEIPT .. " s that it has kept what runs here: CREATE with STACK could not bring it back")
  end
end

return M
