-- WAKEUP: send magic packets, and look at nothing.
--
--     ctys wakeup -i eth0 52:54:00:12:34:56
--     ctys wakeup -t 192.168.3.255 -p 4711 l:lab02 l:lab03
--
-- One packet a machine (or as many as -r says), no wait: nothing on the wire
-- tells whether a machine woke. `ctys -t pm -a create=…` waits for that.

local targets = require "targets"

local M = {}

M.head = {
  what = "Send magic packets (Wake-on-LAN) and do not wait.",
  usage = "ctys wakeup [-i IF [-u] | -t ADDR [-p PORT]] [-n] [-r N] [-s FILE] MAC|ADDRESS…",
  arguments = {
    { name = "interface", option = "i", type = "string", value = "IF", help = "send a raw Ethernet frame on it; without -i and -t the first interface is taken" },
    { name = "unicast", option = "u", type = "flag", help = "address the raw frame to the machine itself, not to all" },
    { name = "address", option = "t", type = "string", value = "ADDR", help = "send UDP to this name or address, which may be a directed broadcast" },
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
    "ctys wakeup -n -i eth1 5254.0012.3456",
  },
  categories = { "safe" },
  touches = { "wol", "nic.default" },
}

--- What ctys calls. Everything typed is checked before the first packet.
function M.action(request)
  local wanted = request.arguments
  M.check(wanted)
  local list = {}
  for i, word in ipairs(wanted.machines) do list[i] = M.machine(word) end
  local way = M.way(wanted)
  return targets.each({ targets = list, options = request.options }, "wakeup", function(machine)
    return M.wake(machine, way, wanted["repeat"] or 1)
  end)
end

--- What contradicts itself.
function M.check(wanted)
  if wanted.interface and wanted.address then targets.invalid('"-i" and "-t": a raw frame on an interface, or UDP to an address; one of them') end
  if wanted.port and not wanted.address then targets.invalid('"-p": a port goes with -t; a raw frame has none') end
  if wanted.unicast and wanted.address then targets.invalid('"-u": it goes with a raw frame, not with -t') end
end

--- The machine that a word names: { name =, mac =, … }.
function M.machine(word)
  local ok, packet = pcall(wol.packet, { mac = word })
  if ok then return { name = word, packet = packet } end
  local kind, value = word:match("^(%a+):(.+)$")
  local rows = { inventory.machine(word) }
  if kind then rows = inventory.lookup(kind, value) end
  if #rows > 1 then targets.invalid(string.format('"%s" is more than one machine: %s and %s', word, rows[1].name, rows[2].name)) end
  if rows[1] and rows[1].mac then return { name = rows[1].name, packet = wol.packet{ mac = rows[1].mac } } end
  if kind and kind:lower():find("^m") then return { name = value, packet = wol.packet{ mac = value } } end
  if rows[1] then targets.invalid(string.format('"%s" is %s, whose MAC the inventory does not know', word, rows[1].name)) end
  targets.invalid(string.format(
    '"%s" is neither a MAC (52:54:00:12:34:56, 52-54-00-12-34-56, 5254.0012.3456, 5254-0012-3456, 525400-123456, 525400123456) nor in the inventory (l:LABEL, t:NAME, u:UUID, or a name)', word))
end

--- How the packets leave, as wol.send takes it.
function M.way(wanted)
  local way = { interface = wanted.interface, unicast = wanted.unicast, address = wanted.address, port = wanted.port }
  if wanted.password then way.password = M.password(wanted.password) end
  if not way.interface and not way.address then way.interface = nic.default().name end
  return way
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

--- Sends one machine's packet so many times.
function M.wake(machine, way, times)
  local request = { mac = machine.packet.mac }
  for key, value in pairs(way) do request[key] = value end
  local sent
  for _ = 1, times do sent = M.send(request) end
  local told = string.format("%s bytes for %s by %s to %s", sent.bytes, machine.packet.mac, sent.way, sent.destination)
    .. (way.interface and " on " .. way.interface or "") .. (times > 1 and string.format(", %d times", times) or "")
  local data = { mac = machine.packet.mac, way = sent.way, interface = way.interface, destination = sent.destination, bytes = sent.bytes, times = times }
  if step.planning() then
    data.packet = machine.packet.hex
    return { state = "planned", text = told .. ": " .. machine.packet.hex .. (way.password and " and the password" or ""), data = data }
  end
  return { state = "sent", text = told, data = data }
end

--- One packet. One that did not leave is exit 1, whatever kept it.
function M.send(request)
  local ok, sent = pcall(wol.send, request)
  if ok then return sent end
  sent.exit = 1
  error(sent, 0)
end

return M
