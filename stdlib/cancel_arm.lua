-- cancel_arm: the way back of a machine that CANCEL takes down. What cannot be
-- armed is refused before anything is touched.
--
--     local arm = require "cancel_arm"
--     local cards = arm.needed(order) and arm.cards(order)   -- raises: exit 3
--     arm.arm(order, cards)

local targets = require "targets"

local M = {}

-- Without a BMC a RESET is a power-off from which a magic packet brings back.
local function resets_by_packet(order)
  return order.wanted.method == "reset" and order.wanted.self and not order.has_bmc
end

--- Whether the machine must be armed for the magic packet.
function M.needed(order)
  return order.wanted.wol or resets_by_packet(order)
end

local function cannot_be_armed(why)
  targets.refuse("cannot be armed: " .. why)
end

local function ask_nic(call, name)
  local ok, answer = pcall(call, name)
  if ok then return answer end
  cannot_be_armed(string.format("%s: %s", name or "no interface was typed with IF", tostring(answer.message or answer)))
end

-- An interface that carries an asked one, with its modes; one that does not know
-- the magic packet is refused.
local function armable(port, asked)
  local card = ask_nic(nic.get, port)
  local modes = card.wake.supported or ""
  if not modes:find("g", 1, true) then
    cannot_be_armed(string.format("%s (asked for: %s, driver %s) supports %s for Wake-on-LAN, not g (magic packet)%s",
      card.name, asked, card.driver or "unknown", modes ~= "" and modes or "nothing", card.wake.cause and ": " .. card.wake.cause or ""))
  end
  return card
end

--- Check first, act later: the interfaces to be armed, or a refusal.
function M.cards(order)
  local typed = order.wanted.interface
  local name = typed or ask_nic(nic.default).name
  step.note("the interface to be armed is " .. name .. (typed and "" or " (the default route's, else the first physical one)"))
  local cards = {}
  for i, port in ipairs(ask_nic(nic.descend, name)) do cards[i] = armable(port, name) end
  if #cards == 0 then cannot_be_armed(name .. ": nothing physical carries it") end
  return cards
end

local function bridged(order, card)
  if not card.master then return "" end
  return string.format("; it stays a port of %s where its driver accepts that, else %s", card.master,
    order.wanted.self and card.master .. " is dissolved before" or "this is refused, since the machine stays up")
end

--- Names what arming comes to; this version only plans it.
function M.arm(order, cards)
  for _, card in ipairs(cards) do
    step.would(string.format("arm %s for the magic packet and read it back (driver %s, supports %s, set to %s)%s",
      card.name, card.driver or "unknown", card.wake.supported, card.wake.set or "d", bridged(order, card)))
  end
  local way = order.wanted.broadcast
  if way then
    step.would(string.format("keep for a later CREATE: broadcast address %s", way.address and way.address .. (way.port and ":" .. way.port or "") or "of the interface's subnet"))
  end
end

return M
