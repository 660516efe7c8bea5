-- cancel_needed: guests that others need (`after` in the rows of these), where the others
-- do not go down in the same order: they are left on, not seen, or elsewhere.

local targets = require "targets"
local walk = require "walk"

local M = {}

--- The end of a guest that is not touched.
function M.not_asked(guest, kind, why)
  return step.run(guest.name, function()
    error({ kind = kind, op = "cancel", host = guest.name, message = "not asked: " .. why }, 0)
  end, { object = guest.uri .. " " .. guest.uuid })
end

local function id(guest) return guest.uri .. " " .. guest.uuid end

-- What of the list is needed by a guest that is on and not among them, in words.
local function needed_by_others(order, on, list)
  local going, rows, words = {}, {}, {}
  for _, guest in ipairs(list) do
    going[id(guest)], rows[(walk.row(guest, order.machine) or {}).name or id(guest)] = true, guest
  end
  for _, guest in ipairs(on) do
    for _, name in ipairs(not going[id(guest)] and (walk.row(guest, order.machine) or {}).after or {}) do
      if rows[name] then words[#words + 1] = string.format("%s, which needs %s", guest.name, rows[name].name) end
    end
  end
  return words
end

--- Before anything is touched: a guest that stays on must not lose what it needs
--- unasked.
---@param all table[] guests of the machine
---@param list table[] those that the request names
function M.by_those_left_on(order, all, list)
  if order.wanted.force then return end
  local words = needed_by_others(order, walk.not_off(all), walk.not_off(list))
  if #words == 0 then return end
  local message = "the request leaves on: " .. table.concat(words, "; ")
  if not order.yes and not step.planning() then targets.refuse(message .. "; name these too, or add --yes") end
  step.warn(message)
end

-- Which rows are needed by a guest of which nobody knows whether it is on, since its
-- hypervisor does not answer.
local function by_unseen(order, report)
  local needed = {}
  for _, name in ipairs(not order.wanted.force and report.unseen or {}) do
    for _, other in ipairs((inventory.machine(name) or {}).after or {}) do needed[other] = name end
  end
  return needed
end

--- The same as fn, but what is needed by a guest that nobody sees is not touched.
function M.unless_by_unseen(order, report, fn)
  local needed = by_unseen(order, report)
  if next(needed) == nil then return fn end
  return function(guest)
    local by = needed[(walk.row(guest, order.machine) or {}).name]
    if by then return M.not_asked(guest, "unreachable", by .. ", which needs it, is on a hypervisor that does not answer") end
    return fn(guest)
  end
end

local function elsewhere(row, words)
  for _, name in ipairs(row.after or {}) do
    local needed = inventory.machine(name)
    if needed and needed.parent ~= row.parent then words[#words + 1] = string.format("%s after %s", row.name, name) end
  end
end

--- At the desk: says which guests need one that another machine carries, for which
--- nobody waits.
---@param rows_in fun(name: string): table[] what a machine carries, at any depth
function M.note_elsewhere(request, rows_in)
  local words = {}
  for _, target in ipairs(targets.of(request)) do
    for _, row in ipairs(rows_in(target.name)) do elsewhere(row, words) end
  end
  if #words > 0 then
    step.note("after orders the guests of one machine, so these do not wait for each other: " .. table.concat(words, ", "))
  end
end

return M
