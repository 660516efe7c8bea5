-- slots: how many at once.
--
--     local slots = require "slots"
--     local two = slots.of(2)
--     two(guest.start, guest)     -- waits while two others are at it; gives what it returns

local M = {}

local function open(count)
  local free, waiting = count, {}
  local function take()
    if free > 0 then
      free = free - 1
      return
    end
    local mine = task.event()
    waiting[#waiting + 1] = mine
    mine:wait()
  end
  local function give()
    local first = table.remove(waiting, 1)
    if first then first:set() else free = free + 1 end
  end
  return take, give
end

--- Calls functions, so many at a time, in the order in which they come.
---@param count integer? nil: as many as come
---@return fun(fn: function, ...): any calls fn with the further arguments, and gives its first result
function M.of(count)
  if not count then return function(fn, ...) return fn(...) end end
  local take, give = open(count)
  return function(fn, ...)
    take()
    local ok, result = pcall(fn, ...)
    give()
    if not ok then error(result, 0) end
    return result
  end
end

return M
