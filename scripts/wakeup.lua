-- WAKEUP: send magic packets, and look at nothing.
--
--     ctys wakeup -i eth0 52:54:00:12:34:56
--     ctys wakeup -t 192.168.3.255 -p 4711 l:lab02 l:lab03
--     ctys wakeup l:lab01                  # as its CANCEL has kept, else as its row says
--
-- One packet a machine and destination (or as many as -r says), no wait: nothing
-- on the wire tells whether a machine woke. `ctys -t pm -a create=…` waits for that.

local targets = require "targets"

local M = {}

M.head = {
  what = "Send magic packets (Wake-on-LAN) and do not wait.",
  usage = "ctys wakeup [-i IF [-u|-b] | -b | -t ADDR[/BITS]… [-p PORT]] [-n] [-r N] [-s FILE] MAC|ADDRESS…",
  arguments = {
    { name = "interface", option = "i", type = "string", value = "IF", help = "send a raw Ethernet frame on it; without -i, -b and -t the machine's way back is taken, else the first interface" },
    { name = "unicast", option = "u", type = "flag", help = "address the raw frame to the machine itself, not to all" },
    { name = "address", option = "t", type = "list", value = "ADDR[/BITS]", help = "send UDP to this name or address, or with a prefix length to the directed broadcast address of its subnet; given several times, each is tried" },
    { name = "broadcast", option = "b", type = "flag", help = "send UDP to the directed broadcast address of a subnet: that of -i, else the machine's, else that of the first interface" },
    { name = "port", option = "p", type = "integer", min = 1, max = 65535, help = "UDP port; 9 where left out" },
    { name = "plan", option = { "n", "dry" }, type = "flag", help = "show packet and way, send nothing" },
    { name = "repeat", option = "r", type = "integer", value = "N", min = 1, max = 1000, help = "send each packet N times" },
    { name = "password", option = "s", type = "string", value = "FILE", help = "file whose first line is the SecureOn password, in etherwake's notation; - is standard input. It crosses the wire in clear" },
    { name = "machines", type = "list", value = "MAC|ADDRESS", required = true,
      help = "MAC in any notation, l:LABEL, t:NAME, u:UUID or another address of the inventory, or a machine's name" },
  },
  examples = {
    "ctys wakeup 52:54:00:12:34:56",
    "ctys wakeup -t 192.168.3.255 l:lab02",
    "ctys wakeup -t 192.168.3.17/24 -t 10.7.0.1/16 l:lab02",
    "ctys wakeup -n -i eth1 5254.0012.3456",
  },
  categories = { "safe" },
  touches = { "wol", "nic.read" },
}

--- What ctys calls. Everything typed is checked before the first packet. Each
--- destination of each machine has a result of its own.
function M.action(request)
  local wanted = request.arguments
  M.check(wanted)
  local machines, list = {}, {}
  for i, word in ipairs(wanted.machines) do machines[i] = M.machine(word) end
  local password = wanted.password and M.password(wanted.password)
  for _, machine in ipairs(machines) do
    for _, way in ipairs(M.ways(wanted, machine)) do list[#list + 1] = { name = machine.name, machine = machine, way = way } end
  end
  return targets.each({ targets = list, options = request.options }, "wakeup", function(one)
    return M.wake(one.machine, one.way, wanted["repeat"] or 1, password)
  end)
end

--- What contradicts itself.
function M.check(wanted)
  local udp = wanted.address or wanted.broadcast
  if wanted.interface and wanted.address then targets.invalid('"-i" and "-t": a raw frame on an interface, or UDP to an address; one of them') end
  if wanted.port and not udp then targets.invalid('"-p": a port goes with -t or -b; a raw frame has none') end
  if wanted.unicast and udp then targets.invalid('"-u": it goes with a raw frame, not with -t or -b') end
end

-- The machine of a name, or of the hardware address that its row or what was kept
-- of it has.
local function known(name, row)
  local back = require("way_back").kept(name)
  local macs = back and require("way_back").macs(back) or { row and row.mac }
  return macs[1] and { name = name, macs = macs, back = back, row = row or {} }
end

--- The machine that a word names: { name =, macs =, back =, row = }.
function M.machine(word)
  local ok, packet = pcall(wol.packet, { mac = word })
  if ok then return { name = word, macs = { packet.mac }, row = {} } end
  local kind, value = word:match("^(%a+):(.+)$")
  local rows = { inventory.machine(word) }
  if kind then rows = inventory.lookup(kind, value) end
  if #rows > 1 then targets.invalid(string.format('"%s" is more than one machine: %s and %s', word, rows[1].name, rows[2].name)) end
  local typed = kind and kind:lower():find("^m")
  if typed then return { name = rows[1] and rows[1].name or value, macs = { wol.packet{ mac = value }.mac }, row = rows[1] or {} } end
  local machine = known(rows[1] and rows[1].name or value or word, rows[1])
  if machine then return machine end
  if rows[1] then targets.invalid(string.format('"%s" is %s, whose MAC the inventory does not know', word, rows[1].name)) end
  targets.invalid(string.format(
    '"%s" is neither a MAC (52:54:00:12:34:56, 52-54-00-12-34-56, 5254.0012.3456, 5254-0012-3456, 525400-123456, 525400123456) nor in the inventory (l:LABEL, t:NAME, u:UUID, or a name)', word))
end

-- Destinations that need nothing but what was typed; nil where more is meant.
local function as_typed(wanted)
  if not wanted.address or wanted.broadcast then return nil end
  local list = {}
  for i, address in ipairs(wanted.address) do
    if address:find("/", 1, true) then return nil end
    list[i] = { address = address, port = wanted.port }
  end
  return list
end

--- How the packets of one machine leave: each destination as wol.send takes it,
--- with from, the words for who says so, where nobody typed it as it is.
function M.ways(wanted, machine)
  return as_typed(wanted) or require("wakeup_ways").of(wanted, machine)
end

--- The SecureOn password. Typed as it is, everybody could read it in the
--- process list, so only the name of a file is taken.
function M.password(file)
  if file:find("^%x%x?[:-]%x%x?[:-]%x%x?[:-]%x%x?") or file:find("^%d+%.%d+%.%d+%.%d+$") then
    targets.invalid('"-s": the name of a file is wanted, not the password itself, which everybody could read in the process list; put it into a file that only you can read, or pipe it in and type "-s -"')
  end
  local password = secret.file(file, { typed = true })
  wol.password_ok(password)
  step.note("the SecureOn password crosses the wire in clear")
  return password
end

--- Sends one machine's packets to one destination, so many times.
function M.wake(machine, way, times, password)
  local sent
  for _, mac in ipairs(machine.macs) do
    for _ = 1, times do
      sent = M.send{ mac = mac, interface = way.interface, unicast = way.unicast, address = way.address, port = way.port, password = password }
    end
  end
  local told = string.format("%s bytes for %s by %s to %s", sent.bytes, table.concat(machine.macs, " and "), sent.way, sent.destination)
    .. (way.interface and " on " .. way.interface or "") .. (way.from and " (" .. way.from .. ")" or "") .. (times > 1 and string.format(", %d times", times) or "")
  local data = { mac = machine.macs[1], way = sent.way, interface = way.interface, destination = sent.destination, bytes = sent.bytes, times = times }
  if not step.planning() then return { state = "sent", text = told, data = data } end
  data.packet = wol.packet{ mac = machine.macs[1] }.hex
  return { state = "planned", text = told .. ": " .. data.packet .. (password and " and the password" or ""), data = data }
end

--- One packet. One that did not leave is exit 1, whatever kept it.
function M.send(request)
  local ok, sent = pcall(wol.send, request)
  if ok then return sent end
  sent.exit = 1
  error(sent, 0)
end

return M
