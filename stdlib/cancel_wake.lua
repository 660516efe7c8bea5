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

--- Check first, at the desk: who is to send the packet lets us in.
function M.check_waker(order)
  if not order.waker or action.is_here(order.waker) then return end
  local ok, err = pcall(action.login, { machine = order.waker })
  if not ok then refuse(order, order.waker .. ", which cannot be entered: " .. tostring(err.message or err)) end
end

-- What is left to do by hand.
local function not_woken(order, kind, why, back)
  local text = string.format("%s is down and was not woken: %s%s", order.machine, why, back and "; woken by " .. way_back.words(back) or "")
  return { exit = 1, state = "off", text = text, error = { kind = kind, op = "cancel", host = order.machine, message = text } }
end

-- What CREATE is asked: to use the machine as it is if it is up by itself, else to
-- wake it by the way that it has told.
local function waking(order, back)
  local create, steps, resolve = require "create", require "create_steps", require "resolve"
  local machine = resolve.target(order.machine)
  machine.back = back
  local wanted = create.parse{ type = "pm", subopts = "reuse,wol,m:" .. back.mac }
  local target = { name = back.by or "localhost", options = {} }
  return create, steps.order({ options = { by = order.by, yes = order.yes } }, wanted, machine, target), target
end

--- Wakes the machine and sees it up.
---@param told table what it has told before it went down
---@return targets.End
function M.wake(order, told)
  local back = told.way_back
  if not back then return not_woken(order, "unreachable", "its way back did not arrive") end
  local create, request, target = waking(order, back)
  if step.planning() then
    create.wake(request, {}) -- a plan's machine still answers, so a look would show it up
    return { state = "up" }
  end
  local ok, seen = pcall(create.carry, request, target)
  if not ok then return not_woken(order, seen.kind or "internal", tostring(seen.message or seen), back) end
  if (seen.exit or 0) ~= 0 then return not_woken(order, seen.error and seen.error.kind or "timeout", seen.text, back) end
  return seen
end

return M
