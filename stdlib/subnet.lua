-- subnet: IPv4 subnets and their directed broadcast addresses (RFC 919, RFC 4632).
--
--     local subnet = require "subnet"
--     local net = subnet.parse("192.168.3.17/24")
--     net.prefix                          --> "192.168.3.0/24"
--     net.broadcast                       --> "192.168.3.255"
--     subnet.contains(net, "192.168.3.9") --> true

local M = {}

---@class subnet.Subnet
---@field prefix string "192.168.3.0/24"
---@field bits integer 0 to 32
---@field broadcast string? its directed broadcast address; a /31 or /32 has none (RFC 3021)

-- Four bytes as one number; nil where the text is no IPv4 address.
local function number_of(address)
  local a, b, c, d = address:match("^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$")
  if not a then return nil end
  local value = 0
  for _, octet in ipairs{ a, b, c, d } do
    if tonumber(octet, 10) > 255 then return nil end
    value = value * 256 + tonumber(octet, 10)
  end
  return value
end

local function text_of(value)
  local octets = {}
  for i = 4, 1, -1 do
    octets[i] = string.format("%d", value % 256)
    value = math.floor(value / 256)
  end
  return table.concat(octets, ".")
end

local function first_of(value, bits)
  local size = 2 ^ (32 - bits)
  return value - value % size, size
end

--- The subnet of an address with its prefix length; nil where the text is none.
---@param text string "192.168.3.17/24"
---@return subnet.Subnet?
function M.parse(text)
  local address, length = text:match("^([%d.]+)/(%d%d?)$")
  local value, bits = address and number_of(address), tonumber(length or "", 10)
  if not value or bits > 32 then return nil end
  local first, size = first_of(value, bits)
  return {
    prefix = string.format("%s/%d", text_of(first), bits), bits = bits,
    broadcast = bits < 31 and text_of(first + size - 1) or nil,
  }
end

--- Whether an IPv4 address is in a subnet.
function M.contains(net, address)
  local value = number_of(address)
  return value ~= nil and text_of((first_of(value, net.bits))) .. "/" .. net.bits == net.prefix
end

-- What an interface gives itself (RFC 3927) is no subnet that others know of.
local function is_link_local(net) return net.prefix:find("^169%.254%.") ~= nil end

--- The subnets among the addresses of an interface that have a directed broadcast
--- address.
---@param card table as one element of nic.list
---@return subnet.Subnet[]
function M.all(card)
  local list = {}
  for _, address in ipairs(card.kind ~= "loopback" and card.addresses or {}) do
    local net = M.parse(address)
    if net and net.broadcast and not is_link_local(net) then list[#list + 1] = net end
  end
  return list
end

--- The first of them; nil where there is none.
---@return subnet.Subnet?
function M.of(card) return M.all(card)[1] end

return M
