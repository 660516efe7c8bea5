-- tree_wake: whether a magic packet would wake this machine, as its network card
-- says now.
--
--     require("tree_wake").words()    --> "a magic packet on eth0 wakes it"

local M = {}

local function has_magic(letters) return (letters or ""):find("g", 1, true) ~= nil end

local function of_card(card)
  local wake = card.wake or {}
  if has_magic(wake.set) and wake.device ~= "disabled" then return string.format("a magic packet on %s wakes it", card.name) end
  if has_magic(wake.supported) then return string.format("%s is not armed: a magic packet does not wake it", card.name) end
  return string.format("%s cannot be armed%s", card.name, wake.cause and ": " .. tostring(wake.cause) or "")
end

--- In words, of the interfaces that carry the one of the default route. It never raises.
function M.words()
  local ok, told = pcall(function()
    local words = {}
    for _, name in ipairs(nic.descend(nic.default().name)) do words[#words + 1] = of_card(nic.get(name)) end
    return table.concat(words, "; ")
  end)
  return ok and told ~= "" and told or "not known: " .. tostring(type(told) == "table" and told.message or told)
end

return M
