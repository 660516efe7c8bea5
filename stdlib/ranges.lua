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

-- A number of any length as text that sorts by its value; the zeros in front
-- count only between equal ones.
local function number_key(digits)
  local value = digits:match("^0*(.*)$")
  return string.format("0%04d%s%04d", #value, value, #digits - #value)
end

-- What stands for a name where names are sorted by their bytes: its text, each
-- piece with an end that sorts before all else, and its numbers by value.
local function key_of(name)
  local list = {}
  for text, digits in name:gmatch("(%D*)(%d*)") do
    if text ~= "" then list[#list + 1] = text .. "\0" end
    if digits ~= "" then list[#list + 1] = number_key(digits) end
  end
  return table.concat(list)
end

--- Sorts names as people do: lab2 before lab10. Doubles are dropped.
---@param names string[]
---@return string[]
function M.sorted(names)
  local keys, by_key = {}, {}
  for _, name in ipairs(names) do
    local key = key_of(name)
    if not by_key[key] then
      by_key[key] = name
      keys[#keys + 1] = key
    end
  end
  table.sort(keys)
  local list = {}
  for i, key in ipairs(keys) do list[i] = by_key[key] end
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
