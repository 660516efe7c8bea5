-- sequence: in which order the guests of one machine are started and taken down. A
-- guest is started after those that its row names in `after`, and taken down before
-- them. Stage 1 is started first and taken down last; guests without a stage are
-- started last and taken down first.
--
--     local sequence = require "sequence"
--     local order = sequence.of(list, function(guest) return walk.row(guest, "lab01") end)
--     order.list                   --> the guests, each behind those that it needs
--     order.needs(order.list[3])   --> the guests that must be ready before
--     order.stage(order.list[3])   --> 1
--     sequence.backwards(order)    --> the same the other way round
--     local turn = sequence.turns(order)
--     local barring = turn.wait(guest) ... turn.over(guest, true)

local M = {}

local function id(guest) return guest.uri .. " " .. guest.uuid end

-- The stage of a guest whose row names none.
local LAST = math.huge

-- The guests of each row, which are several where two hypervisors have one of the
-- same name. What has no row is in nobody's `after`.
local function by_name(list, row_of)
  local named = {}
  for _, guest in ipairs(list) do
    local row = row_of(guest)
    if row then
      named[row.name] = named[row.name] or {}
      table.insert(named[row.name], guest)
    end
  end
  return named
end

-- Those of the list that each guest's row names. What is not in it is not waited
-- for.
local function needs_of(list, row_of)
  local named, needs = by_name(list, row_of), {}
  for _, guest in ipairs(list) do
    local of = {}
    for _, name in ipairs((row_of(guest) or {}).after or {}) do
      for _, needed in ipairs(named[name] or {}) do of[#of + 1] = needed end
    end
    needs[id(guest)] = of
  end
  return needs
end

-- Puts guest into the list behind all that it needs. The inventory has no machines
-- that wait for each other.
local function put(guest, needs, list, met)
  if met[guest] then return end
  met[guest] = true
  for _, needed in ipairs(needs[id(guest)]) do put(needed, needs, list, met) end
  list[#list + 1] = guest
end

-- A guest is of no later stage than those that need it.
local function pull_forward(list, needs, stages)
  for i = #list, 1, -1 do
    for _, needed in ipairs(needs[id(list[i])]) do
      stages[needed] = math.min(stages[needed], stages[list[i]])
    end
  end
end

---@class sequence.Order
---@field list table[] each guest behind those that come before it
---@field needs fun(guest: table): table[] those that come before it by name
---@field stage fun(guest: table): number all of a lower one come before it

--- The order in which guests of one machine are started.
---@param list table[] with uri, uuid and name
---@param row_of fun(guest: table): table? its row in the inventory
---@return sequence.Order
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
    needs = function(guest) return needs[id(guest)] end,
    stage = function(guest) return stages[guest] end,
  }
end

--- The order in which they are taken down.
---@param order sequence.Order
---@return sequence.Order
function M.backwards(order)
  local list, needed_by = {}, {}
  for i, guest in ipairs(order.list) do
    list[#order.list + 1 - i], needed_by[guest] = guest, {}
  end
  for _, guest in ipairs(list) do
    for _, needed in ipairs(order.needs(guest)) do table.insert(needed_by[needed], guest) end
  end
  return {
    list = list,
    needs = function(guest) return needed_by[guest] end,
    stage = function(guest) return -order.stage(guest) end,
  }
end

--- Whether the order says anything: whether some come before others.
function M.matters(order)
  for _, guest in ipairs(order.list) do
    if order.stage(guest) ~= order.stage(order.list[1]) or #order.needs(guest) > 0 then return true end
  end
  return false
end

-- How many guests of each stage there are, and what is behind each.
local function stages_of(order)
  local left, over, before, last = {}, {}, {}, nil
  for _, guest in ipairs(order.list) do
    local stage = order.stage(guest)
    if not left[stage] then
      left[stage], over[stage], before[stage] = 0, task.event(), last
      last = stage
    end
    left[stage] = left[stage] + 1
  end
  return left, over, before
end

--- Lets the guests of an order wait for each other. turn.wait(guest) comes back when
--- the stage before has ended and those that come before it by name have; it gives
--- the one of these that did not end well. turn.over(guest, well) says how it ended.
---@param order sequence.Order
function M.turns(order)
  local left, over, before = stages_of(order)
  local ended, well, turn = {}, {}, {}
  for _, guest in ipairs(order.list) do ended[guest] = task.event() end
  function turn.wait(guest)
    local stage = before[order.stage(guest)]
    if stage then over[stage]:wait() end
    for _, first in ipairs(order.needs(guest)) do
      ended[first]:wait()
      if not well[first] then return first end
    end
  end
  function turn.over(guest, ok)
    local stage = order.stage(guest)
    well[guest], left[stage] = ok, left[stage] - 1
    ended[guest]:set()
    if left[stage] == 0 then over[stage]:set() end
  end
  return turn
end

--- The guests in turns: those of one go side by side.
---@return table[][]
function M.in_turns(order)
  local turns, turn_of, floor, stage = {}, {}, 1, nil
  for _, guest in ipairs(order.list) do
    if stage ~= nil and order.stage(guest) ~= stage then floor = #turns + 1 end
    stage = order.stage(guest)
    local turn = floor
    for _, needed in ipairs(order.needs(guest)) do turn = math.max(turn, turn_of[needed] + 1) end
    turn_of[guest] = turn
    turns[turn] = turns[turn] or {}
    table.insert(turns[turn], guest)
  end
  return turns
end

--- The order in words: guests that go side by side have a comma between them.
function M.words(order)
  local words = {}
  for i, turn in ipairs(M.in_turns(order)) do
    local names = {}
    for k, guest in ipairs(turn) do names[k] = guest.name end
    words[i] = table.concat(names, ", ")
  end
  return table.concat(words, ", then ")
end

return M
