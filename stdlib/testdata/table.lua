-- The lines of the manual that must run, and what each means.

local create = require "create_grammar"
local cancel = require "cancel_grammar"

local function label(text, value) return { kind = "L", value = value, text = text } end

contains(create.parse("wol,t:hostX,broadcast:hostXDirectedCast", { type = "pm" }), {
  type = "pm", address = { kind = "T", value = "hostX", text = "t:hostX" }, mode = false, wol = true, ipmi = false,
  wol_delay = false, broadcast = { address = "hostXDirectedCast" }, port = false, interface = false, console = false,
  ping = false, sshping = false, start = false,
})
contains(create.parse("wol,t:hostX,broadcast:192.168.3.251:4711", { type = "pm" }), {
  wol = true, broadcast = { address = "192.168.3.251", port = 4711 }, port = 4711,
})
contains(create.parse("CONSOLE:cli", { type = "pm" }), {
  address = false, addresses = {}, mode = "connect", wol = false, ipmi = false, console = "cli",
})
for _, console in ipairs{ "XTERM", "GTERM", "EMACS", "VNC" } do
  contains(create.parse("CONSOLE:" .. console, { type = "pm" }), { console = console:lower(), wol = false })
end

contains(cancel.parse("l:tst100,POWEROFF:0", { type = "pm" }), {
  type = "pm", address = label("l:tst100", "tst100"), all = false, force = false, stack = true, self = false,
  method = "poweroff", delay = 0, timeout = false, level = false, wol = false, viewers = false, hints = {},
})
contains(cancel.parse("l:tst100,force,POWEROFF:0", { type = "xen" }), {
  type = "xen", address = label("l:tst100", "tst100"), force = true, stack = false, self = false,
  method = "poweroff", delay = 0, viewers = "server",
})
contains(cancel.parse("l:tst100,POWEROFF,wol", { type = "xen" }), {
  method = "poweroff", delay = false, wol = true, interface = false, broadcast = false, self = false, stack = true,
})
contains(cancel.parse("l:tst100,POWEROFF,wol,broadcast:", { type = "xen" }), {
  method = "poweroff", wol = true, broadcast = { default = true },
})
contains(cancel.parse("l:tst100,POWEROFF,wol,broadcast:192.168.3.255", { type = "xen" }), {
  broadcast = { address = "192.168.3.255" },
})
contains(cancel.parse("wol,self,stack,poweroff:0", { type = "pm" }), {
  address = false, wol = true, self = true, stack = true, force = false, method = "poweroff", delay = 0,
})
contains(cancel.parse("wol,self,stack,poweroff:0,if:eth2", { type = "pm" }), { interface = "eth2" })
contains(cancel.parse("self,force,wol,poweroff:0,timeout:0", { type = "pm" }), {
  self = true, force = true, stack = false, wol = true, method = "poweroff", delay = 0, timeout = 0,
})
contains(cancel.parse("l:tst001,REBOOT", { type = "pm" }), { method = "reboot", self = false, stack = true })
contains(cancel.parse("l:tst001,REBOOT,SELF", { type = "pm" }), { method = "reboot", self = true })
contains(cancel.parse("l:tst100,REBOOT,FORCE", { type = "xen" }), { method = "reboot", force = true, stack = false })
contains(cancel.parse("l:tst100,INIT:0", { type = "PM" }), { type = "pm", method = "init", level = 0, self = false })
same(#cancel.parse("l:tst100,INIT:0", { type = "PM" }).hints, 1)
same(#cancel.parse("l:tst100,INIT:3", { type = "PM" }).hints, 1)
assert(cancel.parse("INIT:3", { type = "PM" }).hints[1]:find("changes nothing", 1, true))
same(#cancel.parse("l:tst100,INIT:0,self", { type = "PM" }).hints, 0)
contains(cancel.parse("l:tst100,RESET", { type = "pm" }), { method = "reset", self = false, stack = true })
