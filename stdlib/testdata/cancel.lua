-- CANCEL: which sub-options go together.

local cancel = require "cancel_grammar"
local function pm(text, targets) return cancel.parse(text, { type = "pm", targets = targets }) end
local function xen(text) return cancel.parse(text, { type = "Xen" }) end

for typed, method in pairs{
  POWEROFF = "poweroff", S5 = "poweroff", ["s5:3"] = "poweroff", REBOOT = "reboot", RESET = "reset", ["INIT:3"] = "init",
  PAUSE = "pause", S3 = "pause", SUSPEND = "suspend", s4 = "suspend",
} do
  same(pm(typed).method, method)
end
contains(pm("poweroff:90,timeout:120"), { delay = 90, timeout = 120, text = "poweroff:90,timeout:120" })
contains(pm("poweroff:,timeout:"), { delay = false, timeout = false })
contains(pm("all,poweroff"), { all = true, address = false, viewers = false })
contains(pm("poweroff,self,wol,broadcast:192.168.3.255:9"), { broadcast = { address = "192.168.3.255", port = 9 } })
contains(pm("poweroff,self,wol,broadcast"), { broadcast = { default = true } })
contains(pm("poweroff,self,wol,if:"), { interface = false, wol = true })
for _, method in ipairs{ "poweroff", "s5:0", "suspend", "s4", "pause", "s3", "init:0" } do
  same(pm("self,wol," .. method).wol, true)
end
contains(pm("self,poweroff", 1), { self = true })
for level = 0, 6 do same(pm("init:" .. level).level, level) end
contains(xen("all,poweroff"), { type = "xen", all = true, viewers = "server" })
contains(xen("l:a,poweroff,CLIENT"), { viewers = "client" })
contains(xen("l:a,poweroff,both"), { viewers = "both" })
contains(xen("l:a,poweroff,server"), { viewers = "server" })
contains(xen("dr:3,l:a,stack,self,poweroff"), { address = { kind = "DBREC", value = 3, text = "dr:3" }, self = true, stack = true })
same(#xen("t:a,m:525400123456,poweroff").addresses, 2)
for _, type in ipairs{ "pm", "xen", "kvm", "qemu", "vbox", "vmw", "lxc", "vm" } do
  same(cancel.parse("l:a,poweroff", { type = type:upper() }).type, type)
end

pm("")                          -- error: CANCEL: "": a method is missing: exactly one of INIT:<0-6>, PAUSE|S3, POWEROFF|S5[:<seconds>], REBOOT, RESET, SUSPEND|S4
pm("l:tst100")                  -- error: CANCEL: "l:tst100": a method is missing
xen("all")                      -- error: CANCEL: "all": a method is missing
pm("POWEROFF:x")                -- error: CANCEL: "POWEROFF:x": the delay is a whole number of seconds, 0 or more (POWEROFF[:<seconds>])
pm("POWEROFF:-1")               -- error: CANCEL: "POWEROFF:-1": the delay is
pm("S5:x")                      -- error: CANCEL: "S5:x": the delay is a whole number
pm("INIT:9")                    -- error: CANCEL: "INIT:9": the run level is a whole number from 0 to 6 (INIT:<0-6>)
pm("INIT")                      -- error: CANCEL: "INIT": the run level is missing
pm("INIT:")                     -- error: CANCEL: "INIT:": the run level is missing
pm("INIT:s")                    -- error: CANCEL: "INIT:s": the run level is
pm("POWEROFF,REBOOT")           -- error: CANCEL: "POWEROFF" and "REBOOT": they exclude each other: at most one of
pm("s3,S4")                     -- error: CANCEL: "s3" and "S4": they exclude each other
pm("POWEROFF,s5:0")             -- error: CANCEL: "POWEROFF" and "s5:0": POWEROFF is given twice
pm("self,force,stack,poweroff") -- error: CANCEL: "force" and "stack": they exclude each other: at most one of FORCE, STACK
xen("l:a,FORCE,STACK,poweroff") -- error: CANCEL: "FORCE" and "STACK": they exclude each other
pm("force,poweroff")            -- error: CANCEL: "force": FORCE needs SELF beside it with the type pm
pm("self,wol,reboot")           -- error: CANCEL: "wol" and "reboot": WOL goes with POWEROFF, SUSPEND, PAUSE and INIT:0 only
pm("self,wol,RESET")            -- error: CANCEL: "wol" and "RESET": WOL goes with
pm("self,wol,init:6")           -- error: CANCEL: "wol" and "init:6": WOL goes with
pm("self,wol:3,poweroff")       -- error: CANCEL: "wol:3": it takes no value (WOL)
pm("self,if:eth2,poweroff")     -- error: CANCEL: "if:eth2": it needs WOL beside it
pm("poweroff,broadcast:")       -- error: CANCEL: "broadcast:": it needs WOL beside it
pm("self,wol,if:eth2,broadcast:,poweroff") -- error: CANCEL: "if:eth2" and "broadcast:": they exclude each other
pm("self,wol,if:a/b,poweroff")  -- error: CANCEL: "if:a/b": the interface is the name of a network interface
pm("self,wol,if:sixteencharacter,poweroff") -- error: the name of a network interface: at most 15 bytes
pm("self,wol,broadcast:a:b,poweroff") -- error: CANCEL: "broadcast:a:b": the address is a name or IP address and, after a colon, a port
pm("poweroff,timeout:soon")     -- error: CANCEL: "timeout:soon": the timeout is a whole number of seconds, 0 or more (TIMEOUT:<seconds>)
pm("poweroff,timeout")          -- error: CANCEL: "timeout": the timeout is missing
pm("poweroff,client")           -- error: CANCEL: "client": it goes with the types of virtual machine only
xen("poweroff")                 -- error: CANCEL: "poweroff": an address (L, T, M, U, F, ID, DBREC, BASE) or ALL is missing
xen("self,poweroff")            -- error: or ALL is missing
xen("l:a,all,poweroff")         -- error: CANCEL: "l:a" and "all": they exclude each other: an address or ALL
xen("l:a,client,both,poweroff") -- error: CANCEL: "client" and "both": they exclude each other: at most one of BOTH, CLIENT, SERVER
pm("POWROFF")                   -- error: CANCEL: "POWROFF": there is no such sub-option; did you mean POWEROFF?; accepted: ALL, BASE
pm("connect,poweroff")          -- error: CANCEL: "connect": there is no such sub-option
pm("poweroff,,wol")             -- error: CANCEL: "poweroff,,wol": there is no such sub-option
pm("self,poweroff", 0)          -- error: CANCEL: "self": SELF needs the target typed, localhost too
cancel.parse("poweroff", { type = "vnc" }) -- error: CANCEL: "-t vnc": the type is pm or one of the types of virtual machine
cancel.parse("poweroff", {})    -- error: CANCEL: "-t ": the type is pm
