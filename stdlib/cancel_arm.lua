-- cancel_arm: the way back of a machine that CANCEL takes down: which of its
-- interfaces are armed for the magic packet, checked before anything is touched,
-- armed late, and looked at again just before the power-off.
--
--     local arm = require "cancel_arm"
--     local way = arm.needed(order) and arm.way(order)   -- raises: exit 3
--     arm.make(order, report, way)                       -- false: the machine is barred
--     arm.make_sure(order, report, way)                  -- network scripts reset it
--     arm.asking(way, function() … end)                  -- asks for the power-off
--     arm.undo(order, way)                               -- the machine stays up

local bridges = require "cancel_bridge"
local machines = require "cancel_machine"
local reset = require "cancel_reset"
local targets = require "targets"
local wakes = require "cancel_wake"
local way_back = require "way_back"

local M = {}

---@class cancel.Way
---@field cards table[] interfaces that are armed, as elements of nic.list
---@field back way_back.Way
---@field bridge table<string, string> by the name of an interface: the bridge that it is a port of
---@field left cancel.Left? a bridge that was dissolved for it
---@field asked boolean? the power-off was asked for, and nobody has said no

--- Whether the machine must be armed for the magic packet.
function M.needed(order)
  return order.wanted.wol or reset.by_packet(order)
end

-- What can be armed ------------------------------------------------------------

local function cannot_be_armed(why)
  targets.refuse("cannot be armed: " .. why)
end

local function ask_nic(call, name)
  local ok, answer = pcall(call, name)
  if ok then return answer end
  cannot_be_armed(string.format("%s: %s", name or "no interface was typed with IF", tostring(answer.message or answer)))
end

local function has_magic(card)
  return (card.wake.supported or ""):find("g", 1, true) ~= nil
end

-- What an interface is and can; where it tells nothing, why.
local function lacks(card, asked)
  local modes, cause = card.wake.supported or "", card.wake.cause
  return string.format("%s (asked for: %s, driver %s%s) %s", card.name, asked, card.driver or "unknown", card.bus and " at " .. card.bus or "",
    modes ~= "" and "supports " .. modes .. " for Wake-on-LAN, not g (magic packet)" or "shows no mode of Wake-on-LAN" .. (cause and ": " .. cause or ""))
end

local function others_with_magic(words)
  if words:find("CAP_NET_ADMIN", 1, true) then return "" end -- nobody knows then
  local names = {}
  for _, card in ipairs(nic.list()) do
    if has_magic(card) then names[#names + 1] = card.name end
  end
  return #names > 0 and "; name one that does with IF: " .. table.concat(names, ", ") or "; no interface here does: wake it by its BMC, or a guest by its hypervisor"
end

-- Of several that carry the asked one, a packet comes in by those with a link.
local function with_link(cards)
  local linked = {}
  for _, card in ipairs(cards) do
    if card.carrier then linked[#linked + 1] = card end
  end
  return #linked > 0 and linked or cards
end

local function armable(cards, asked)
  local list, words = {}, {}
  for _, card in ipairs(with_link(cards)) do
    if has_magic(card) then list[#list + 1] = card else words[#words + 1] = lacks(card, asked) end
  end
  local why = table.concat(words, "; ")
  if #list == 0 then cannot_be_armed(why .. others_with_magic(why)) end
  for _, word in ipairs(words) do step.note("not armed: " .. word) end
  return list
end

local function bridges_of(cards)
  local of = {}
  for _, known in ipairs(bridge.list()) do
    for _, card in ipairs(cards) do
      if card.master == known.name then of[card.name] = known.name end
    end
  end
  return of
end

-- Whether another of the interfaces is a port of the same bridge.
local function is_alone(way, card)
  for _, other in ipairs(way.cards) do
    if other.name ~= card.name and way.bridge[other.name] == way.bridge[card.name] then return false end
  end
  return true
end

-- A bridge that may not be dissolved must not have to be: whether its port takes
-- the setting as it is only shows by trying, which hurts nothing.
local function try_in_bridge(order, way, card)
  local name = way.bridge[card.name]
  local why = name and bridges.cannot_be_dissolved(order, name, card.name, is_alone(way, card))
  if not why then return end
  local ok, seen = pcall(nic.arm, { name = card.name })
  if ok then return end
  if seen.kind ~= "unsupported" then error(seen, 0) end
  cannot_be_armed(string.format("%s, and %s", tostring(seen.message or seen), why))
end

--- Check first, act later: what is to be armed, or a refusal.
---@return cancel.Way
function M.way(order)
  local typed = order.wanted.interface
  local asked = typed and ask_nic(nic.get, typed) or ask_nic(nic.default)
  local cards = {}
  for i, port in ipairs(ask_nic(nic.descend, asked.name)) do cards[i] = ask_nic(nic.get, port) end
  if #cards == 0 then cannot_be_armed(asked.name .. ": nothing physical carries it") end
  cards = armable(cards, asked.name)
  step.note(string.format("the interface to be armed is %s%s", targets.names(cards),
    typed and "" or string.format("%s (the default route's, else the first physical one)", cards[1].name ~= asked.name and ", which carries " .. asked.name or "")))
  local way = { cards = cards, back = way_back.of(order, asked, cards), bridge = bridges_of(cards) }
  if reset.by_packet(order) then wakes.check_sender(order, way.back) end
  for _, card in ipairs(order.wanted.self and cards or {}) do try_in_bridge(order, way, card) end
  return way
end

-- Arming -----------------------------------------------------------------------

local function is_armed(card)
  return (card.wake.set or ""):find("g", 1, true) ~= nil and card.wake.device ~= "disabled"
end

local function armed_or_raise(card)
  if is_armed(card) or step.planning() then return card end
  error({ kind = "internal", op = "cancel", host = card.name, message = string.format(
    "set to g, and it reads back %s (power/wakeup %s)", card.wake.set or "d", card.wake.device or "unknown") }, 0)
end

local function refuse_without_self(name, port, why)
  targets.refuse(string.format("cannot be armed: %s while it is a port of %s, which is not dissolved under a machine that stays up: %s; with SELF it is, or name another interface with IF",
    port, name, tostring(why.message or why)))
end

-- What a plan cannot know: whether the driver takes it.
local function or_else(order, card, name)
  if not name then return end
  if not order.wanted.self then
    step.otherwise(string.format("where %s cannot be armed as a port of %s: refuse", card.name, name))
  else
    step.otherwise(string.format("where %s cannot be armed as a port of %s: %s", card.name, name, bridges.words(order, name)))
  end
end

local function arm_card(order, way, card)
  local name = way.bridge[card.name]
  or_else(order, card, name)
  local ok, seen = pcall(nic.arm, { name = card.name })
  if ok then return armed_or_raise(seen) end
  if seen.kind ~= "unsupported" or not name or way.left then error(seen, 0) end
  if not order.wanted.self then refuse_without_self(name, card.name, seen) end
  step.progress(tostring(seen.message or seen))
  bridges.dissolve(order, way, name, card.name)
  return armed_or_raise(nic.arm{ name = card.name })
end

local function arm_all(order, way)
  step.run("arm " .. targets.names(way.cards) .. " for the magic packet", function()
    for i, card in ipairs(way.cards) do way.cards[i] = arm_card(order, way, card) end
    return "armed"
  end)
  way_back.take_over(way.back, way.cards)
  way.back.armed_at = task.now()
  local beyond = way.cards[1].wake.beyond
  if beyond then step.note("what decides beside that and cannot be seen from here: " .. beyond) end
  step.would("have the caller keep the way back: " .. way_back.words(way.back))
end

--- Arms the interfaces and reads them back. Where a driver does not take it on a
--- bridge's port, and the machine goes down, the bridge is dissolved before. False
--- where that fails, which bars the machine; a machine that stays up raises.
function M.make(order, report, way)
  local ok, err = pcall(arm_all, order, way)
  if ok then
    report.way_back = way.back
    return true
  end
  if not order.wanted.self then error(err, 0) end
  M.undo(order, way)
  return machines.not_armed(order, report, err)
end

local function look_again(way, card)
  local seen = nic.get(card.name)
  if way.left and seen.master then bridges.came_back(way, seen) end
  if is_armed(seen) then return end
  step.warn(string.format("%s was armed and is not any more (set to %s, power/wakeup %s): somebody has reset it, and it is armed again",
    card.name, seen.wake.set or "d", seen.wake.device or "unknown"))
  armed_or_raise(nic.arm{ name = card.name })
end

--- Looks again just before the power-off, since network scripts reset it. False
--- where it cannot be armed any more, which bars the machine.
function M.make_sure(order, report, way)
  if report.unarmed then return true end
  local ok, err = pcall(function()
    for _, card in ipairs(way.cards) do look_again(way, card) end
  end)
  return ok or machines.not_armed(order, report, err)
end

-- What the machine's system has said to a request, where it has said so: it was
-- not taken.
local refused = { denied = true, unsupported = true, busy = true, invalid = true, auth = true }

--- Calls fn, which asks for the power-off. One that was taken, or may have been,
--- is not worked against any more.
---@param way cancel.Way?
function M.asking(way, fn)
  if not (way and way.left) then return fn() end
  way.asked = true
  local ok, accepted = pcall(fn)
  if not ok then
    way.asked = not refused[accepted.kind]
    error(accepted, 0)
  end
  bridges.leave(way)
  return accepted
end

--- The machine stays up: what was dissolved is restored.
function M.undo(order, way)
  if not (way and way.left) then return end
  if way.asked then
    step.warn(string.format("whether %s goes down is not known, so %s is left to its guards, which restore it if it does not", order.machine, way.left.bridge))
    return
  end
  bridges.restore(order, way)
end

return M
