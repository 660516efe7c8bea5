-- moment: points in time as people read them, in UTC.
--
--     local moment = require "moment"
--     moment.hour(task.now())    --> "14:03:59 UTC"
--     moment.minute(0)           --> "1970-01-01 00:00 UTC"

local M = {}

local function of_day(seconds)
  local second = math.floor(seconds) % 86400
  return math.floor(second / 3600), math.floor(second / 60) % 60, second % 60
end

-- The Gregorian calendar: days of a year, and of its months.
local function leaps(year) return year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0) end

local function date(days)
  local year = 1970
  while days >= (leaps(year) and 366 or 365) do
    days = days - (leaps(year) and 366 or 365)
    year = year + 1
  end
  for month, length in ipairs{ 31, leaps(year) and 29 or 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 } do
    if days < length then return year, month, days + 1 end
    days = days - length
  end
end

--- The time of day of a moment.
---@param seconds number since 1970, 0 or more
function M.hour(seconds)
  return string.format("%02d:%02d:%02d UTC", of_day(seconds))
end

--- The day and the minute of a moment.
---@param seconds number since 1970, 0 or more
function M.minute(seconds)
  local year, month, day = date(math.floor(seconds / 86400))
  local hour, minute = of_day(seconds)
  return string.format("%d-%02d-%02d %02d:%02d UTC", year, month, day, hour, minute)
end

return M
