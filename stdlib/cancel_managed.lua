-- cancel_managed: guests that somebody else keeps running, and would start again.
--
--     local managed = require "cancel_managed"
--     managed.check(order, guests, rows)    -- raises: exit 3, with every one of them
--
-- By the word of the inventory (managed_by), of the guest's own definition (a cloud
-- that owns it), and of the cluster managers on this machine. A manager that does
-- not answer may own any of them.

local targets = require "targets"
local walk = require "walk"

local M = {}

-- The longest that the managers of a machine may take.
local ANSWER = 40

-- Who keeps which guest running, by the guest's name, and why that is not known.
local function owners()
  local ok, managers = pcall(task.deadline, ANSWER, stack.managers)
  if not ok then return {}, { tostring(managers.message or managers) } end
  local by, silent = {}, {}
  for _, manager in ipairs(managers) do
    for _, owned in ipairs(manager.owns or {}) do
      by[owned.guest] = string.format("%s (%s)", manager.name, owned.resource)
    end
    if manager.problem then silent[#silent + 1] = tostring(manager.problem.message or manager.problem) end
  end
  return by, silent
end

local function line(name, by)
  return string.format("%s is managed by %s, which would start it again", name, by)
end

--- What is said of each guest that somebody keeps running; and of managers that do
--- not say which they do.
---@param guests table[] that are on
---@param rows table[] what the inventory places in them
---@return string[] lines
---@return string[] silent
function M.of(order, guests, rows)
  if #guests == 0 then return {}, {} end
  local by, silent = owners()
  local lines = {}
  for _, guest in ipairs(guests) do
    local row = walk.row(guest, order.machine)
    local owner = row and row.managed_by or guest.managed_by or by[guest.name]
    if owner then lines[#lines + 1] = line(row and row.name or guest.name, owner) end
  end
  for _, row in ipairs(rows) do
    if row.managed_by then lines[#lines + 1] = line(row.name, row.managed_by) end
  end
  return lines, silent
end

--- Before anything is touched: only --yes goes on.
function M.check(order, guests, rows)
  local lines, silent = M.of(order, guests, rows)
  for _, why in ipairs(silent) do
    lines[#lines + 1] = "whether what runs on " .. order.machine .. " would be started again is not known: " .. why
  end
  if #lines == 0 then return end
  local message = table.concat(lines, "; ")
  if not order.yes and not step.planning() then targets.refuse(message .. ": stop it there first, or add --yes") end
  step.warn(message)
end

return M
