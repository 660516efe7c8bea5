-- fleet_turns: who switches on next, so that a supply does not trip: one after
-- the other, in the order of a list, with a pause between two.
--
--     local turns = require("fleet_turns").new(2.5, request.targets)
--     turns.take(target)     -- returns when it may switch on
--     turns.pass(target)     -- it ended, with or without a turn
--
-- Each waits until those before it have had their turn, or have passed.

local M = {}

---@param spacing number seconds
---@param list table[]
function M.new(spacing, list)
  local place, over, happened = {}, {}, {}
  local front, free = 1, 0
  for i, item in ipairs(list) do place[item] = i end

  local function pass(item)
    over[place[item]] = true
    while over[front] do front = front + 1 end
    if happened[front] then happened[front]:set() end
  end

  local function take(item)
    local mine = place[item]
    if front < mine then
      happened[mine] = task.event()
      happened[mine]:wait()
    end
    local now = task.now()
    if free > now then task.sleep(free - now) end
    free = math.max(now, free) + spacing
    pass(item)
  end

  return { take = take, pass = pass }
end

return M
