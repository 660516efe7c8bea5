-- create_way: for which hardware address and by which way CREATE sends a magic
-- packet: as the request says, else as an earlier CANCEL has kept it, else as the
-- machine's row, else as a raw frame on the first interface here.
--
--     local ways = require "create_way"
--     order.macs = ways.macs(order.wanted, order.machine)
--     ways.send(order, ways.way(order))

local subnet = require "subnet"
local way_back = require "way_back"

local M = {}

-- Where a packet goes that is to be broadcast and nobody says where: to the
-- segment of who sends it (RFC 919).
local LIMITED_BROADCAST = "255.255.255.255"

--- The hardware addresses that the packet is for; nil where none is known.
---@param machine table as resolve.machine gives it, with its way back
---@return string[]?
function M.macs(wanted, machine)
  if wanted.bmac then return { wanted.bmac } end
  if machine.back and not machine.typed_mac then return way_back.macs(machine.back) end
  return machine.mac and { machine.mac } or nil
end

-- The directed broadcast address of the machine's subnet, as far as it is known.
local function directed(machine)
  for _, prefix in ipairs{ machine.back and machine.back.subnet or "", machine.subnet or "" } do
    local net = subnet.parse(prefix)
    if net and net.broadcast then return net.broadcast, "the directed broadcast of " .. net.prefix end
  end
end

-- BROADCAST without an address: as kept, else the machine's row, else its subnet.
local function broadcast(machine, port)
  local back = machine.back
  if back and back.method == "udp" then return { address = back.address, port = port or back.port }, way_back.source(back) end
  if machine.broadcast then return { address = machine.broadcast, port = port or machine.broadcast_port }, "as in the inventory" end
  local address, words = directed(machine)
  if address then return { address = address, port = port }, words end
  return { address = LIMITED_BROADCAST, port = port }, "which stays in the segment, since no address is known"
end

local function by_row(machine)
  if machine.broadcast then return { address = machine.broadcast, port = machine.broadcast_port }, "as in the inventory" end
  if machine.interface then return { interface = machine.interface }, "as in the inventory" end
  return { interface = nic.default().name }, "the first interface, since nothing else is known"
end

-- The way, and who says so.
local function choose(wanted, machine)
  if wanted.interface then return { interface = wanted.interface }, "as typed" end
  local typed = wanted.broadcast
  if typed and typed.address then return { address = typed.address, port = wanted.port }, "as typed" end
  if typed then return broadcast(machine, wanted.port) end
  if machine.back then return way_back.sending(machine.back), way_back.source(machine.back) end
  return by_row(machine)
end

--- How the packet leaves, and says so.
---@return table way as wol.send takes it
function M.way(order)
  local way, source = choose(order.wanted, order.machine)
  step.note(string.format("the packet for %s goes %s (%s)", order.machine.name,
    way.address and "to " .. way.address or "out on " .. way.interface, source))
  return way
end

--- Sends one packet, or one for each hardware address that may count, and says
--- which way it took.
function M.send(order, way)
  local told
  for _, mac in ipairs(order.macs) do
    local sent = wol.send{ mac = mac, interface = way.interface, address = way.address, port = way.port }
    told = told and told .. ", and for " .. mac
      or string.format("%s by %s to %s%s", mac, sent.way, sent.destination, way.interface and " on " .. way.interface or "")
  end
  return told
end

return M
