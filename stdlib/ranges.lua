-- ranges: many names as few words, the inverse of what the inventory expands.
--
--     local ranges = require "ranges"
--     ranges.text{ "bmc003", "bmc001", "bmc002", "lab1" }   --> "bmc[001-003],lab1"
--
-- A word is one name, or names that differ in one number, with the zeros in
-- front that they have. Each word, typed as a TARGET or given to
-- inventory.expand, means those names again.

local M = {}

-- The inventory reads no number of a range that has more digits.
local MOST_DIGITS = 9

-- The pieces of a name by which it is sorted: text and numbers in turn.
local function pieces(name)
  local list = {}
  for text, digits in name:gmatch("(%D*)(%d*)") do
    if text ~= "" then list[#list + 1] = text end
    if digits ~= "" then list[#list + 1] = digits end
  end
  return list
end

local function is_number(piece) return piece:find("^%d") ~= nil end

-- Numbers of any length: the zeros in front do not count.
local function less_number(a, b)
  local x, y = a:gsub("^0+", ""), b:gsub("^0+", "")
  if #x ~= #y then return #x < #y end
  if x ~= y then return x < y end
  return #a < #b
end

local function less(a, b)
  for i = 1, math.max(#a, #b) do
    local x, y = a[i], b[i]
    if not x or not y then return x == nil and y ~= nil end
    if x ~= y then
      if is_number(x) and is_number(y) then return less_number(x, y) end
      return x < y
    end
  end
  return false
end

--- Sorts names as people do: lab2 before lab10. Doubles are dropped.
---@param names string[]
---@return string[]
function M.sorted(names)
  local keyed, seen = {}, {}
  for _, name in ipairs(names) do
    if not seen[name] then
      seen[name] = true
      keyed[#keyed + 1] = { name = name, key = pieces(name) }
    end
  end
  table.sort(keyed, function(a, b) return less(a.key, b.key) end)
  local list = {}
  for i, item in ipairs(keyed) do list[i] = item.name end
  return list
end

-- The last number of a name is what its range runs over.
local function parts(name)
  local head, digits, tail = name:match("^(.-)(%d+)(%D*)$")
  while head and head:find("%d$") do -- a lazy match takes too few digits
    digits, head = head:sub(-1) .. digits, head:sub(1, -2)
  end
  if not head or #digits > MOST_DIGITS or name:find("[%[%]]") then return nil end
  return head, digits, tail
end

-- A run of numbers: each is one more than the last, in the width of the first.
local function continues(run, digits)
  return string.format("%0" .. run.width .. "d", run.last + 1) == digits
end

local function add(group, digits)
  local run = group.runs[#group.runs]
  if run and continues(run, digits) then
    run.last, run.to = run.last + 1, digits
    return
  end
  group.runs[#group.runs + 1] = { width = #digits, last = tonumber(digits), from = digits, to = digits }
end

local function word_of(group)
  local spans = {}
  for i, run in ipairs(group.runs) do
    spans[i] = run.from == run.to and run.from or run.from .. "-" .. run.to
  end
  local inside = table.concat(spans, ",")
  if inside:find("^%d+$") then return group.head .. inside .. group.tail end
  return group.head .. "[" .. inside .. "]" .. group.tail
end

--- The words that stand for names, sorted.
---@param names string[]
---@return string[]
function M.fold(names)
  local groups, by_text = {}, {}
  for _, name in ipairs(M.sorted(names)) do
    local head, digits, tail = parts(name)
    local id = head and head .. "\0" .. tail
    local group = id and by_text[id]
    if not group then
      group = { head = head or name, tail = tail or "", runs = {} }
      groups[#groups + 1] = group
      if id then by_text[id] = group end
    end
    if digits then add(group, digits) end
  end
  local words = {}
  for i, group in ipairs(groups) do words[i] = #group.runs > 0 and word_of(group) or group.head end
  return words
end

--- The words in one text, with commas between them as powerman has them.
function M.text(names)
  return table.concat(M.fold(names), ",")
end

return M
