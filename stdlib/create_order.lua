-- create_order: in which order CREATE starts what ran: the reverse of CANCEL's. The
-- lowest stage comes first, guests without one last, and a guest comes after those
-- that its row names in `after`.
--
--     local order = require("create_order").of(list, function(guest) return walk.row(guest, "lab01") end)
--     order.list                  --> the guests, each behind those that it needs
--     order.needs(order.list[3])  --> the guests that must be ready before
--     order.stage(order.list[3])  --> 1

local what_ran = require "what_ran"

local M = {}

-- The stage of a guest whose row names none.
local LAST = math.huge

local function by_name(list, row_of)
  local named = {}
  for _, guest in ipairs(list) do
    local row = row_of(guest) or {}
    for _, name in ipairs{ guest.name, row.label or guest.name, row.name or guest.name } do named[name] = guest end
  end
  return named
end

-- Those of the list that each guest's row names. What did not run then is not
-- waited for: the guest has run without it.
local function needs_of(list, row_of)
  local named, needs = by_name(list, row_of), {}
  for _, guest in ipairs(list) do
    local of = {}
    for _, name in ipairs((row_of(guest) or {}).after or {}) do
      if named[name] and named[name] ~= guest then of[#of + 1] = named[name] end
    end
    needs[what_ran.id(guest)] = of
  end
  return needs
end

-- Puts guest into the list behind all that it needs. The inventory has no machines
-- that wait for each other.
local function put(guest, needs, list, met)
  if met[guest] then return end
  met[guest] = true
  for _, needed in ipairs(needs[what_ran.id(guest)]) do put(needed, needs, list, met) end
  list[#list + 1] = guest
end

-- A guest is of no later stage than those that need it.
local function pull_forward(list, needs, stages)
  for i = #list, 1, -1 do
    for _, needed in ipairs(needs[what_ran.id(list[i])]) do
      stages[needed] = math.min(stages[needed], stages[list[i]])
    end
  end
end

---@class create.Order
---@field list table[] each guest behind those that it needs, lower stages first
---@field needs fun(guest: table): table[]
---@field stage fun(guest: table): number

--- The order of what ran on one machine.
---@param list table[] as what_ran.kept has them
---@param row_of fun(guest: table): table? its row in the inventory
---@return create.Order
function M.of(list, row_of)
  local needs, sorted, met, stages, place = needs_of(list, row_of), {}, {}, {}, {}
  for _, guest in ipairs(list) do
    put(guest, needs, sorted, met)
    stages[guest] = (row_of(guest) or {}).stage or LAST
  end
  pull_forward(sorted, needs, stages)
  for i, guest in ipairs(sorted) do place[guest] = i end
  table.sort(sorted, function(a, b)
    if stages[a] ~= stages[b] then return stages[a] < stages[b] end
    return place[a] < place[b]
  end)
  return {
    list = sorted,
    needs = function(guest) return needs[what_ran.id(guest)] end,
    stage = function(guest) return stages[guest] end,
  }
end

--- The order in words: guests that start side by side have a comma between them.
function M.words(order)
  local turns, turn_of, floor, stage = {}, {}, 1, nil
  for _, guest in ipairs(order.list) do
    if stage ~= nil and order.stage(guest) ~= stage then floor = #turns + 1 end
    stage = order.stage(guest)
    local turn = floor
    for _, needed in ipairs(order.needs(guest)) do turn = math.max(turn, turn_of[needed] + 1) end
    turn_of[guest] = turn
    turns[turn] = (turns[turn] and turns[turn] .. ", " or "") .. guest.name
  end
  return table.concat(turns, ", then ")
end

return M
