-- fleet_parents: whether what carries machines is dead (a chassis, a switch),
-- while they do not answer.
--
--     local parents = require("fleet_parents").new(20)
--     parents.look("blade07", 19)       -- asks all above it, without waiting
--     parents.dead("blade07")           --> "chassis1", "no reply …"
--
-- Each is asked once, whoever asks.

local power = require "power"

local M = {}

-- Silence of a machine that may be that of what carries it.
M.silent = { timeout = true, unreachable = true }

-- What is wrong with a parent of which nothing answers, neither its BMC nor its
-- address. One that has neither cannot be told dead.
local function cause(row, seconds)
  local ways, why = {}, nil
  if row.address then
    why = "nothing answers at " .. row.address
    ways[1] = function() return power.answers(row.address, row.port, seconds) end
  end
  if row.bmc then
    ways[#ways + 1] = function()
      local ok, err = pcall(function() return power.bmc(row):power_status{ deadline = seconds } end)
      if ok or not M.silent[err.kind] then return true end
      why = tostring(err.message or err)
    end
  end
  for _, answers in ipairs(task.map(ways, function(ask) return ask() or false end)) do
    if answers then return nil end
  end
  return why
end

---@param seconds number what a parent's BMC has for its answer where nothing else is said
function M.new(seconds)
  local asked, found = {}, {}

  local function ask(row, left)
    asked[row.name] = asked[row.name] or task.spawn(function()
      found[row.name] = cause(row, left or seconds) or false
      return found[row.name]
    end)
    return asked[row.name]
  end

  -- The outermost of those above a machine that are dead without a break.
  local function outermost(name, why_of)
    local dead, why
    local row = inventory.machine(name)
    while row and row.parent do
      row = inventory.machine(row.parent)
      local reason = row and why_of(row)
      if not reason then break end
      dead, why = row.name, reason
    end
    return dead, why
  end

  return {
    --- Has all above a machine asked, beside the caller's other work.
    ---@param left number seconds that they have
    look = function(name, left)
      outermost(name, function(row) return ask(row, left) end)
    end,
    --- Waits until it is known, and gives the one to blame, and why.
    ---@return string? dead its name
    ---@return string? why
    dead = function(name)
      return outermost(name, function(row) return ask(row):wait() end)
    end,
    --- The same as far as it is known by now.
    known = function(name)
      return outermost(name, function(row) return found[row.name] end)
    end,
  }
end

return M
