-- create_grammar: what CREATE's sub-options are and which go together.
--
--     local create = require "create_grammar"
--     local request = create.parse("wol,t:hostX,broadcast:192.168.3.251:4711", { type = "pm" })
--     request.address.value      --> "hostX"
--     request.wol                --> true
--     request.broadcast.port     --> 4711
--
--     CREATE = [<address>] [REUSE|CONNECT|RECONNECT|RESUME] [WOL[:delay]] [IPMI]
--              [BROADCAST:<addr>[:<port>] [PORT:<n>] [BMAC:<mac>] | IF:<interface>]
--              [STACK] [PING:ON|OFF|n%s] [SSHPING:ON|OFF|n%s] [WAITC:s] [WAITS:s] [STACKCHECK:…]
--              [CONSOLE:CLI|XTERM|GTERM|EMACS|EMACSA|VNC|SOL|VM|NONE] [USER:<user>] [CALLOPTS:…] [XOPTS:…]
--     <address> = L:<label> | T:<name or IP address> | M:<mac> | U:<uuid> | F:<file name>
--              | ID:<path> | DBREC:<record> | BASE:<folder>
--
-- A value that was not typed is nil, so that the machine's row and the site's
-- settings can fill it; the defaults of the action are the script's.

local subopts = require "subopts"
local values = subopts.types

local M = {}

---@class create.Broadcast
---@field default boolean? true: `BROADCAST:` was typed without an address
---@field address string?
---@field port integer? also where it was typed as PORT

---@class create.Request
---@field type string "pm" or a type of virtual machine
---@field address subopts.Address? the address that decides; nil: the target itself
---@field addresses subopts.Address[] all that were typed, in order
---@field mode "connect"|"reuse"|"reconnect"|"resume"|nil "connect" also where no address was typed and no mode
---@field wol boolean a magic packet is meant: typed, RESUME, or an address for pm without CONNECT and IPMI
---@field wol_delay integer? seconds typed behind WOL
---@field ipmi boolean
---@field start boolean a guest is started by its hypervisor: a type of virtual machine without CONNECT
---@field broadcast create.Broadcast? where BROADCAST was typed
---@field port integer? typed behind PORT or in BROADCAST's value
---@field bmac string? hardware address typed behind BMAC
---@field interface string? typed behind IF
---@field stack boolean what its CANCEL has taken down is started again
---@field ping subopts.Trials?
---@field sshping subopts.Trials?
---@field waitc integer? seconds
---@field waits integer? seconds
---@field stackcheck create.StackCheck?
---@field console "cli"|"xterm"|"gterm"|"emacs"|"emacsa"|"vnc"|"sol"|"vm"|"none"|nil
---@field user string?
---@field callopts string?
---@field xopts string?
---@field text string the sub-options as typed

---@class create.StackCheck
---@field off boolean? nothing is checked
---@field context boolean?
---@field hwcap boolean?
---@field stackcap boolean?

local CHECKS = { "CONTEXT", "NOCONTEXT", "HWCAP", "NOHWCAP", "STACKCAP", "NOSTACKCAP", "OFF" }

-- CONTEXT, HWCAP and STACKCAP, each with NO before it, or OFF alone.
local function read_checks(text)
  local words = values.list(values.word(CHECKS)).read(text)
  if not words then return nil end
  local checks = {}
  for _, word in ipairs(words) do
    local name = word:match("^no(.+)$")
    local wanted = name == nil
    name = name or word
    if checks[name] ~= nil or checks.off or (word == "off" and #words > 1) then
      return nil, "the checks contradict each other: each is named once, with or without NO before it, and OFF stands alone"
    end
    checks[name] = wanted
  end
  return checks
end

local stackcheck = {
  shape = "OFF|[NO]CONTEXT%[NO]HWCAP%[NO]STACKCAP",
  accepts = "OFF, or a list with % between its elements of CONTEXT, HWCAP, STACKCAP, each with NO before it or not",
  separates = true,
  read = read_checks,
}

local consoles = values.word{ "CLI", "XTERM", "GTERM", "EMACS", "EMACSA", "VNC", "SOL", "VM", "NONE" }

local only_pm = subopts.only_pm

local keys = {
  connect = { group = "mode", help = "only a console" },
  reuse = { group = "mode", help = "a console if it is up, else wake it" },
  reconnect = { group = "mode", help = "end the user's consoles, reboot, console" },
  resume = { group = "mode", help = "wake it" },

  wol = { value = "seconds", optional = true, noun = "the delay", excludes = { "connect" }, refused = only_pm,
    help = "send a magic packet" },
  ipmi = { excludes = { "connect" }, refused = only_pm, help = "chassis power on" },
  broadcast = { value = "endpoint", noun = "the address", group = "way", excludes = { "connect" }, refused = only_pm,
    help = "send the packet as UDP to this address" },
  ["if"] = { value = "interface", noun = "the interface", group = "way", excludes = { "connect" }, refused = only_pm,
    help = "send the packet as a raw frame on this interface" },
  port = { value = "port", needs = { "broadcast" }, noun = "the port", refused = only_pm, help = "UDP port" },
  bmac = { value = "mac", needs = { "broadcast" }, noun = "the value", refused = only_pm,
    help = "hardware address in the packet" },

  stack = { refused = only_pm, help = "start again what ran on it when it was cancelled" },
  ping = { value = values.trials(40, 3), default = { on = true }, help = "wait until it answers" },
  sshping = { value = values.trials(20, 3), default = { on = true }, help = "wait until SSH answers" },
  waitc = { value = "seconds", noun = "the time", help = "pause before the console" },
  waits = { value = "seconds", noun = "the time", help = "pause before the first probe" },
  stackcheck = { value = stackcheck, help = "what is checked before a guest starts" },
  console = { value = consoles, default = "cli", noun = "the console", help = "console to open" },
  user = { value = "user", noun = "the value", help = "user of SSHPING and CONSOLE" },
  callopts = { value = "text", colons = true, help = "options of the call" },
  xopts = { value = "text", colons = true, help = "options of the console's program" },
}

-- Keys of the original's plugins for virtual machines, which describe how a
-- guest is made or booted.
local VM_PLUGIN_KEYS = {
  "addkernelparam", "appargs", "arch", "bootmode", "cpu", "dist", "distrel", "exec", "hwcap", "hwreq", "image",
  "initrdimage", "instmode", "kernelimage", "os", "osrel", "stackcap", "stackreq", "vcpu", "vmstate", "vram",
}

local foreign = {}
for _, name in ipairs(VM_PLUGIN_KEYS) do
  foreign[name] = "a guest is started as its hypervisor has it configured; the keys that make or boot one differently "
    .. "(BOOTMODE, INSTMODE, KERNELIMAGE, …) have no counterpart"
end

local function the_target_itself_needs_no_wake(parsed, context, refuse)
  if subopts.addresses(parsed) then return end
  if subopts.is_vm(context.type) then
    refuse("an address (L, T, M, U, F, ID, DBREC, BASE) is missing: it says which guest")
  end
  for _, key in ipairs{ "wol", "ipmi", "resume", "broadcast", "if" } do
    if parsed[key] ~= nil then
      refuse("an address (L, T, M, U, F, ID, DBREC, BASE) is missing: without one the target itself is meant, "
        .. "and it cannot be woken from itself", key)
    end
  end
end

local function packet_is_meant(parsed)
  return parsed.wol ~= nil or parsed.resume ~= nil or not parsed.ipmi
end

local function a_way_needs_a_packet(parsed, _, refuse)
  if packet_is_meant(parsed) then return end
  for _, key in ipairs{ "broadcast", "if" } do
    if parsed[key] ~= nil then
      refuse("it says where the magic packet goes, and IPMI alone sends none; add WOL", key, "ipmi")
    end
  end
end

local function one_port(parsed, _, refuse)
  if parsed.port and type(parsed.broadcast) == "table" and parsed.broadcast.port then
    refuse("the port is given twice: in BROADCAST's value or as PORT", "broadcast", "port")
  end
end

--- The grammar itself; a site's action may build on its keys.
M.grammar = subopts.grammar{
  action = "create",
  keys = subopts.with_addresses(keys),
  foreign = foreign,
  rules = { the_target_itself_needs_no_wake, a_way_needs_a_packet, one_port },
}

local function typed(value)
  if value ~= true then return value end
end

local function mode_of(parsed, address)
  for _, name in ipairs{ "connect", "reuse", "reconnect", "resume" } do
    if parsed[name] then return name end
  end
  if not address then return "connect" end
  if parsed.stack then return "reuse" end
end

local function broadcast_of(parsed)
  local given = parsed.broadcast
  if given == nil then return nil end
  if given == true then return { default = true, port = typed(parsed.port) } end
  return { address = given.address, port = given.port or typed(parsed.port) }
end

--- Reads and checks CREATE's sub-options; errors are those of `subopts`.
---@param text string? what stands behind `-a create=`
---@param context { type: string } the type of machine
---@return create.Request
function M.parse(text, context)
  local type = subopts.machine_type("create", context.type)
  local parsed = M.grammar:parse(text, { type = type })
  local address, addresses = subopts.addresses(parsed)
  local connect = parsed.connect == true
  local broadcast = broadcast_of(parsed)
  return {
    type = type,
    address = address,
    addresses = addresses,
    mode = mode_of(parsed, address),
    wol = type == "pm" and address ~= nil and not connect and packet_is_meant(parsed),
    wol_delay = typed(parsed.wol),
    ipmi = parsed.ipmi == true,
    start = type ~= "pm" and not connect,
    broadcast = broadcast,
    port = broadcast and broadcast.port,
    bmac = typed(parsed.bmac),
    interface = typed(parsed["if"]),
    stack = parsed.stack == true,
    ping = parsed.ping,
    sshping = parsed.sshping,
    waitc = typed(parsed.waitc),
    waits = typed(parsed.waits),
    stackcheck = typed(parsed.stackcheck),
    console = parsed.console,
    user = typed(parsed.user),
    callopts = typed(parsed.callopts),
    xopts = typed(parsed.xopts),
    text = text or "",
  }
end

return M
