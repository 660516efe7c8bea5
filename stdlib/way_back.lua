-- way_back: how a machine that was taken down is woken again. CANCEL describes it
-- on the machine, the desk keeps it, CREATE and wakeup go by it.
--
--     local way_back = require "way_back"
--     local back = way_back.of(order, nic.get("br0"), { nic.get("eth0") })   -- on the machine
--     way_back.words(back)
--     --> "a raw frame for 52:54:00:12:34:56 in the segment of eth0 (192.168.3.0/24)"
--     local back = way_back.kept("lab01")                                    -- at the desk, later

local moment = require "moment"
local subnet = require "subnet"
local targets = require "targets"

local M = {}

---@class way_back.Way
---@field method "raw"|"udp" a raw frame in the segment of the interface, or UDP to address
---@field mac string of the interface that is armed
---@field also string[]? further hardware addresses that may count when it sleeps
---@field interface string of the machine, which is armed
---@field subnet string? of that interface: "192.168.3.0/24"
---@field address string? for UDP
---@field port integer?
---@field by string? machine of the inventory that sends the packet; left out: the caller
---@field armed_at number? when it was armed
---@field kept_at number? when the desk has kept it
---@field slept boolean? the machine was suspended to RAM: its BMC calls that on

-- The machine ------------------------------------------------------------------

-- What stands on an interface: its master, and each whose lower one it is.
local function above(card, all)
  local list = {}
  for _, other in ipairs(all) do
    local stands = other.name == card.master
    for _, lower in ipairs(other.lower or {}) do stands = stands or lower == card.name end
    if stands then list[#list + 1] = other end
  end
  return list
end

-- The subnet of an interface, or of the nearest that stands on it: a bridge's
-- port has no addresses of its own.
local function net_of(card)
  local all, queue, seen = nic.list(), { card }, {}
  while #queue > 0 do
    local one = table.remove(queue, 1)
    local net = subnet.of(one)
    if net then return net end
    seen[one.name] = true
    for _, other in ipairs(above(one, all)) do
      if not seen[other.name] then queue[#queue + 1] = other end
    end
  end
end

-- The hardware addresses that the cards may answer to: a bond gives its ports
-- one address, and which of them counts when they sleep is the driver's affair.
local function macs_of(cards)
  local list, seen = {}, {}
  for _, field in ipairs{ "mac", "permanent_mac" } do
    for _, card in ipairs(cards) do
      local mac = card[field]
      if mac and not seen[mac] then
        seen[mac] = true
        list[#list + 1] = mac
      end
    end
  end
  return list
end

-- Where the packet goes: as the request says, else as the machine's row.
local function destination(order, net, asked)
  local typed, row = order.wanted.broadcast, inventory.machine(order.machine) or {}
  if typed and typed.address then return typed.address, typed.port end
  if not typed then return row.broadcast, row.broadcast_port end
  if not net then
    targets.refuse(string.format('"BROADCAST:": no IPv4 address of %s has a subnet to broadcast in; type the address', asked.name))
  end
  return net.broadcast, typed.port or row.broadcast_port
end

--- Describes the way back of the machine that this runs on.
---@param asked table the interface that was asked for, as one element of nic.list
---@param cards table[] those that carry it and are to be armed
---@return way_back.Way
function M.of(order, asked, cards)
  local net, macs = net_of(asked), macs_of(cards)
  local address, port = destination(order, net, asked)
  return {
    method = address and "udp" or "raw", mac = table.remove(macs, 1), also = #macs > 0 and macs or nil,
    interface = cards[1].name, subnet = net and net.prefix, address = address, port = port, by = order.waker,
  }
end

--- Takes over the hardware addresses that the cards have when they are armed: a
--- port has that of the bridge that was dissolved onto it, and sleeps with it.
---@param cards table[] as nic.arm gave them
function M.take_over(back, cards)
  local macs, seen = macs_of(cards), {}
  for _, mac in ipairs(macs) do seen[mac] = true end
  for _, mac in ipairs(M.macs(back)) do
    if not seen[mac] then macs[#macs + 1] = mac end
  end
  back.mac, back.also = table.remove(macs, 1), #macs > 0 and macs or nil
end

-- The desk ---------------------------------------------------------------------

local function is_text(value) return value == nil or type(value) == "string" end

-- Whether what was read from a file is a way back.
local function is_sound(back)
  local known = type(back.mac) == "string" and (back.method == "raw" or back.method == "udp" and type(back.address) == "string")
  for _, field in ipairs{ "interface", "subnet", "address", "by" } do known = known and is_text(back[field]) end
  for _, mac in ipairs(M.macs(back)) do known = known and pcall(wol.packet, { mac = mac }) end
  return known and (back.port == nil or type(back.port) == "number")
end

-- Another machine may have had the name: that of another inventory, or the one
-- before its card was changed. Gives what its row said then and does not say now.
local function of_another(record, name)
  local row = inventory.machine(name) or {}
  for _, field in ipairs{ "address", "mac" } do
    local was = record[field]
    if row[field] and was and row[field] ~= was then return string.format("%s %s", field == "mac" and "MAC" or field, tostring(was)) end
  end
end

-- What was kept last of a machine, by its name or by the address that it was reached
-- by.
local function record_of(name)
  local row, record = inventory.machine(name), inventory.kept(name)
  local by_address = row and row.address and row.address ~= name and inventory.kept(row.address) or nil
  if not (record and by_address) then return record or by_address end
  return by_address.kept_at > record.kept_at and by_address or record
end

--- All that was kept of a machine; nil where nothing is, or it is of another one.
function M.record(name)
  local record = record_of(name)
  return record and not of_another(record, name) and record or nil
end

--- The way back of a machine that an earlier run has kept; nil where there is none.
---@param name string
---@return way_back.Way?
function M.kept(name)
  local record = record_of(name)
  local back = record and record.way_back
  if back == nil then return nil end
  if type(back) ~= "table" or not is_sound(back) then
    step.warn("what was kept of " .. name .. " says nothing of how it is woken, and is not used")
    return nil
  end
  local other = of_another(record, name)
  if other then
    step.warn(string.format("the way back that was kept of %s is of a machine with the %s, and is not used", name, other))
    return nil
  end
  back.kept_at, back.slept = record.kept_at, record.method == "pause"
  return back
end

--- Every hardware address that a packet is for, the likeliest first.
function M.macs(back)
  local list = { back.mac }
  for _, mac in ipairs(type(back.also) == "table" and back.also or {}) do list[#list + 1] = mac end
  return list
end

-- The interface of this machine that is in a subnet, and whether it is in any.
local function interface_in(net)
  local in_any = false
  for _, card in ipairs(nic.list()) do
    for _, address in ipairs(card.kind ~= "loopback" and card.addresses or {}) do
      local own = subnet.parse(address)
      if own and own.prefix == net then return card.name, true end
      in_any = in_any or own ~= nil
    end
  end
  return nil, in_any
end

--- The interface here on which a raw frame reaches the machine: one in its
--- subnet, else the first.
function M.interface(back)
  local near, in_any
  if back.subnet then near, in_any = interface_in(back.subnet) end
  if near then return near end
  local first = nic.default().name
  if in_any then
    step.warn(string.format("no interface here is in %s, and a raw frame does not leave its segment: it is sent on %s all the same", back.subnet, first))
  end
  return first
end

--- How the packet leaves here, as wol.send takes it.
function M.sending(back)
  if back.method == "udp" then return { address = back.address, port = back.port } end
  return { interface = M.interface(back) }
end

-- In words ---------------------------------------------------------------------

local function udp_words(back)
  local net = back.subnet and subnet.parse(back.subnet)
  return string.format("UDP for %s to %s port %d%s", back.mac, back.address, back.port or 9,
    net and net.broadcast == back.address and ", the directed broadcast of " .. net.prefix or "")
end

--- What wakes the machine.
function M.words(back)
  local words = back.method == "udp" and udp_words(back)
    or string.format("a raw frame for %s in the segment of %s%s", back.mac, back.interface or "it", back.subnet and " (" .. back.subnet .. ")" or "")
  return words .. (back.by and ", sent by " .. back.by or "")
end

--- Where the way back is from.
function M.source(back)
  return back.kept_at and "as kept on " .. moment.minute(back.kept_at) or "as its CANCEL has said"
end

return M
