-- cancel_wake: RESET of a machine without a BMC: it was powered off with its way
-- back kept, and is woken like any other by CREATE, from the desk or from whom
-- the way back names.
--
--     local wakes = require "cancel_wake"
--     wakes.check_sender(order, way.back)      -- on the machine; raises: exit 3
--     local seen = wakes.wake(order, told)     -- at the desk, when it is down

local targets = require "targets"
local way_back = require "way_back"

local M = {}

local function refuse(order, why)
  targets.refuse(string.format("RESET: the inventory has no bmc for %s, so it would be powered off and woken by %s", order.machine, why))
end

local function has(list, word)
  for _, item in ipairs(list) do
    if item == word then return true end
  end
  return false
end

-- Whether ctys was called on this machine, also where it came here by SSH.
local function is_desk(desk)
  if not action.here() then return true end
  for _, card in ipairs(nic.list()) do
    if card.kind == "physical" and card.mac and has(desk and desk.macs or {}, card.mac) then return true end
  end
  return false
end

--- Check first: a packet that cannot reach the machine would leave it off.
---@param back way_back.Way
function M.check_sender(order, back)
  if is_desk(order.desk) then refuse(order, "nobody: ctys was called on it; call from another machine") end
  local nets = order.desk and order.desk.subnets or {}
  if back.method == "udp" or back.by or not back.subnet or #nets == 0 or has(nets, back.subnet) then return end
  refuse(order, string.format("%s, which the desk cannot send: it is in %s; add waker (a machine in that segment) or broadcast to its row in machines.lua",
    way_back.words(back), table.concat(nets, ", ")))
end

--- Wakes the machine and sees it up.
---@param told table what it has told before it went down
---@return targets.End
function M.wake(order, told)
  local create, steps, resolve = require "create", require "create_steps", require "resolve"
  local back = told.way_back
  if not back then
    return { exit = 1, state = "off", text = order.machine .. " is down, and its way back did not arrive: it is not woken",
      error = { kind = "unreachable", op = "cancel", host = order.machine, message = "its way back did not arrive" } }
  end
  local machine = resolve.target(order.machine)
  machine.back = back
  local wanted = create.parse{ type = "pm", subopts = "reuse,wol,m:" .. back.mac }
  local target = { name = back.by or "localhost", options = {} }
  local waking = steps.order({ options = { by = order.by, yes = order.yes } }, wanted, machine, target)
  if not step.planning() then return create.carry(waking, target) end
  create.wake(waking, {}) -- a plan's machine still answers, so a look would show it up
  return { state = "up" }
end

return M
