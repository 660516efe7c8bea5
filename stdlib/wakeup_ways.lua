-- wakeup_ways: the destinations of the magic packets of `ctys wakeup`.
--
--     local destinations = require "wakeup_ways"
--     destinations.directed("192.168.3.17/24")
--     --> { address = "192.168.3.255", from = "the directed broadcast address of 192.168.3.0/24" }

local subnet = require "subnet"
local targets = require "targets"
local way_back = require "way_back"

local M = {}

local function words(net) return "the directed broadcast address of " .. net.prefix end

--- The directed broadcast address of the subnet of an address with its prefix.
---@param text string as typed: "192.168.3.17/24"
function M.directed(text, port)
  local net = subnet.parse(text)
  if not net or not net.broadcast then
    targets.invalid(string.format('"-t": "%s" has no directed broadcast address; accepted: an IPv4 address with a prefix length from 0 to 30, such as 192.168.3.17/24, or an address or name without one', text))
  end
  return { address = net.broadcast, port = port, from = words(net) }
end

-- The subnet of an interface here, which the packet then leaves through.
local function of_interface(card, port)
  local net = subnet.of(card)
  if not net then
    targets.invalid(string.format('"-b": no IPv4 address of %s has a subnet to broadcast in; type the address with -t', card.name))
  end
  return { interface = card.name, address = net.broadcast, port = port, from = words(net) }
end

-- The subnet of the machine, as an earlier CANCEL has kept it, else its row.
local function of_machine(machine, port)
  local net = subnet.parse(machine.back and machine.back.subnet or machine.row.subnet or "")
  if net and net.broadcast then return { address = net.broadcast, port = port, from = words(net) } end
  if machine.row.broadcast then
    return { address = machine.row.broadcast, port = port or machine.row.broadcast_port, from = "as in the inventory" }
  end
end

local function broadcast(wanted, machine)
  if wanted.interface then return of_interface(nic.get(wanted.interface), wanted.port) end
  return of_machine(machine, wanted.port) or of_interface(nic.default(), wanted.port)
end

-- Where nothing was typed: the way back, else the machine's row, else a raw frame
-- on the first interface.
local function untold(machine)
  local back, row = machine.back, machine.row
  if not back then
    if row.broadcast then return { address = row.broadcast, port = row.broadcast_port, from = "as in the inventory" } end
    return { interface = row.interface or nic.default().name }
  end
  if back.by and not action.is_here(back.by) then
    step.note(string.format("the way back of %s names %s as who sends the packet; this one leaves from here", machine.name, back.by))
  end
  local way = way_back.sending(back)
  way.from = way_back.source(back)
  return way
end

--- Every destination that was typed, else the one that is known.
---@param wanted table the arguments of the script
---@param machine table { name =, back = way_back.Way?, row = its row, or empty }
---@return table[] as wol.send takes them, with from: who says so
function M.of(wanted, machine)
  local list = {}
  for _, text in ipairs(wanted.address or {}) do
    list[#list + 1] = text:find("/", 1, true) and M.directed(text, wanted.port) or { address = text, port = wanted.port }
  end
  if wanted.broadcast then list[#list + 1] = broadcast(wanted, machine) end
  if #list > 0 then return list end
  if wanted.interface then return { { interface = wanted.interface, unicast = wanted.unicast } } end
  local way = untold(machine)
  if wanted.unicast and not way.interface then
    targets.invalid(string.format('"-u": it goes with a raw frame, and the packet for %s goes by UDP to %s (%s); name an interface with -i', machine.name, way.address, way.from))
  end
  way.unicast = wanted.unicast
  return { way }
end

return M
