-- cancel_reset: RESET of a machine itself, by its BMC.
--
-- The machine cancels what runs on it and announces the reset, as for any
-- method; then the desk, which speaks to BMCs, resets it and sees another boot
-- of it. Without a BMC a RESET is a power-off from which a magic packet brings
-- the machine back: see stdlib/cancel_wake.lua.

local goal = require "goal"
local power = require "power"
local requests = require "cancel_request"
local targets = require "targets"
local wakes = require "cancel_wake"
local walk = require "walk"

local M = {}

local function row_of(machine)
  local row = inventory.machine(machine)
  return row and row.bmc and row
end

-- Before anything is touched: its BMC answers, and there is something to reset.
local function can_be_reset(order)
  if power.bmc(row_of(order.machine)):power_status() == "off" then
    targets.refuse(order.machine .. " is off, by the word of its BMC: there is nothing to reset; CREATE with IPMI switches it on")
  end
end

local stuck = { unreachable = true, timeout = true }

--- Sends an order to its target by carry, and gives what was told there. FORCE
--- resets by its BMC also a machine that lets nobody in.
---@param carry fun(): table
function M.carry(order, carry)
  if requests.reset_by_packet(order) then wakes.check_waker(order) end
  if not requests.reset_by_bmc(order) then return carry() end
  can_be_reset(order)
  local ok, told = pcall(carry)
  if ok then return told end
  if not (order.wanted.force and stuck[told.kind]) then error(told, 0) end
  local known = walk.known(order.machine)
  step.warn(string.format("%s cannot be entered; FORCE goes on, without having seen off what was last known there: %s (%s)",
    order.machine, #known > 0 and table.concat(known, ", ") or "nothing", tostring(told.message)))
  return { exit = 0, guests = {} }
end

-- Whether a machine was reset though its BMC did not say so.
local function was_it_reset(order, before, boot_id, err)
  if not before or not stuck[err.kind] then error(err, 0) end
  step.warn("whether it was reset is seen by its boot_id: " .. tostring(err.message))
  local seen = goal.rebooted(order.machine, before, inventory.setting("deadline"), boot_id)
  if (seen.exit or 0) ~= 0 then error(err, 0) end
  return seen
end

--- Resets the chassis. Another boot_id than before proves it; of a machine that
--- has none to tell, the BMC's word that it was off and is on again. So it does
--- where the reply of the reset is lost: that is not sent again.
---@param before string? its boot_id before
---@param boot_id fun(): string? asks the machine for its boot_id
---@return targets.End
function M.reset(order, before, boot_id)
  local ok, how = pcall(step.run, "reset by its BMC", function() return power.reset(row_of(order.machine)) end)
  if not ok then return was_it_reset(order, before, boot_id, how) end
  if how == "cycle" and not before and not step.planning() then
    return { state = "on", seen_by = "bmc", text = order.machine .. " was off and is on again, by the word of its BMC" }
  end
  return goal.rebooted(order.machine, before, inventory.setting("deadline"), boot_id)
end

return M
