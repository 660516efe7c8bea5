-- CREATE: which sub-options go together.

local create = require "create_grammar"
local function pm(text) return create.parse(text, { type = "PM" }) end
local function kvm(text) return create.parse(text, { type = "kvm" }) end

-- what is meant where it is not typed
contains(pm(nil), { address = false, mode = "connect", wol = false, start = false, text = "" })
contains(pm("t:a"), { wol = true, mode = false, ipmi = false })
contains(pm("t:a,connect"), { wol = false, mode = "connect" })
contains(pm("t:a,ipmi"), { wol = false, ipmi = true })
contains(pm("t:a,ipmi,wol"), { wol = true, ipmi = true })
contains(pm("t:a,resume,ipmi"), { wol = true, ipmi = true, mode = "resume" })
contains(pm("t:a,reuse"), { wol = true, mode = "reuse" })
contains(pm("t:a,reconnect"), { wol = true, mode = "reconnect" })
contains(pm("t:a,resume"), { wol = true, mode = "resume" })
contains(pm("reuse,console:cli"), { wol = false, mode = "reuse" })
-- the wake
contains(pm("t:a,wol:10"), { wol_delay = 10 })
contains(pm("t:a,wol,if:eth1"), { interface = "eth1", broadcast = false })
contains(pm("t:a,wol,if:"), { interface = false })
contains(pm("m:525400123456,broadcast:192.168.3.255,port:7,bmac:52-54-00-00-00-01"), {
  broadcast = { address = "192.168.3.255", port = 7 }, port = 7, bmac = "52:54:00:00:00:01",
  address = { kind = "M", value = "52:54:00:12:34:56", text = "m:525400123456" },
})
contains(pm("t:a,broadcast:,port:7"), { broadcast = { default = true, port = 7 }, port = 7 })
contains(pm("t:a,broadcast:,port:,bmac:"), { broadcast = { default = true }, port = false, bmac = false })
contains(pm("t:a,broadcast:[ff02::1]:9"), { broadcast = { address = "ff02::1", port = 9 } })
-- the waits
contains(pm("t:a,PING:ON"), { ping = { on = true } })
contains(pm("t:a,ping:"), { ping = { on = true } })
contains(pm("t:a,PING:off,sshping:oN"), { ping = { on = false }, sshping = { on = true } })
contains(pm("t:a,PING:5%2,sshping:7%%1"), {
  ping = { on = true, trials = 5, wait = 2 }, sshping = { on = true, trials = 7, wait = 1 },
})
contains(pm("t:a,ping:1%0,waits:5,waitc:6"), { ping = { on = true, trials = 1, wait = 0 }, waits = 5, waitc = 6 })
-- the rest
contains(pm("t:a,stackcheck:CONTEXT%NOHWCAP%%stackcap"), { stackcheck = { context = true, hwcap = false, stackcap = true } })
contains(pm("t:a,stackcheck:off"), { stackcheck = { off = true } })
contains(pm("t:a,stackcheck:"), { stackcheck = false })
for _, console in ipairs{ "CLI", "XTERM", "GTERM", "EMACS", "EMACSA", "VNC", "SOL", "VM", "NONE" } do
  same(pm("t:a,console:" .. console).console, console:lower())
end
contains(pm("t:a,console:,user:wol1"), { console = "cli", user = "wol1" })
contains(pm("t:a,callopts:-o%%x::y,xopts:-geometry%80x24,,1"), { callopts = "-o%x:y", xopts = "-geometry 80x24,1" })
-- virtual machines
contains(kvm("l:web1"), { start = true, wol = false, mode = false })
contains(kvm("l:web1,connect,console:vm"), { start = false, mode = "connect" })
contains(kvm("l:web1,reuse,ping:off,sshping:3%1,console:cli"), { start = true, mode = "reuse" })

pm("wol")                       -- error: CREATE: "wol": an address (L, T, M, U, F, ID, DBREC, BASE) is missing: without one the target itself is meant
pm("ipmi")                      -- error: CREATE: "ipmi": an address
pm("resume")                    -- error: CREATE: "resume": an address
pm("broadcast:1.2.3.4")         -- error: CREATE: "broadcast:1.2.3.4": an address
pm("t:a,reuse,CONNECT")         -- error: CREATE: "reuse" and "CONNECT": they exclude each other: at most one of CONNECT, RECONNECT, RESUME, REUSE
pm("t:a,reuse:x")               -- error: CREATE: "reuse:x": it takes no value (REUSE)
pm("t:a,connect,wol")           -- error: CREATE: "wol" and "connect": they exclude each other
pm("t:a,connect,ipmi")          -- error: CREATE: "ipmi" and "connect": they exclude each other
pm("t:a,connect,if:eth0")       -- error: CREATE: "if:eth0" and "connect": they exclude each other
pm("t:a,broadcast:b,if:eth0")   -- error: CREATE: "broadcast:b" and "if:eth0": they exclude each other
pm("t:a,port:9")                -- error: CREATE: "port:9": it needs BROADCAST beside it
pm("t:a,bmac:525400123456")     -- error: CREATE: "bmac:525400123456": it needs BROADCAST beside it
pm("t:a,broadcast:b:7,port:9")  -- error: CREATE: "broadcast:b:7" and "port:9": the port is given twice
pm("t:a,ipmi,broadcast:b")      -- error: CREATE: "broadcast:b" and "ipmi": it says where the magic packet goes
pm("t:a,broadcast")             -- error: CREATE: "broadcast": the address is missing
pm("t:a,broadcast:b,port:0")    -- error: CREATE: "port:0": the port is a whole number from 1 to 65535 (PORT:<port>)
pm("t:a,broadcast:b,port:x")    -- error: CREATE: "port:x": the port is
pm("t:a,broadcast:b,bmac:1:2")  -- error: CREATE: "bmac:1:2": the value is a MAC address
pm("t:a,wol:soon")              -- error: CREATE: "wol:soon": the delay is a whole number of seconds, 0 or more (WOL[:<seconds>])
pm("t:a,ping:40")               -- error: CREATE: "ping:40": the value is ON (40%3), OFF, or the number of trials, 1 or more, and the seconds between them: 40%3
pm("t:a,ping:0%3")              -- error: CREATE: "ping:0%3": the value is ON
pm("t:a,ping:on%3")             -- error: CREATE: "ping:on%3": the value is ON
pm("t:a,ping:4%%%3")            -- error: CREATE: "ping:4%%%3": the value is ON
pm("t:a,ping")                  -- error: CREATE: "ping": the value is missing
pm("t:a,sshping:maybe")         -- error: CREATE: "sshping:maybe": the value is ON (20%3), OFF
pm("t:a,waits:-1")              -- error: CREATE: "waits:-1": the time is a whole number
pm("t:a,stackcheck:all")        -- error: CREATE: "stackcheck:all": the value is OFF, or a list
pm("t:a,stackcheck:off%context") -- error: CREATE: "stackcheck:off%context": the checks contradict each other
pm("t:a,stackcheck:hwcap%nohwcap") -- error: the checks contradict each other
pm("t:a,console:screen")        -- error: CREATE: "console:screen": the console is one of CLI, XTERM, GTERM
pm("t:a,console:cli,console:vnc") -- error: CREATE: "console:cli" and "console:vnc": CONSOLE is given twice
pm("t:a,user:-oProxyCommand=x") -- error: CREATE: "user:-oProxyCommand=x": the value is a user's name
pm("t:a,user:a%b")              -- error: CREATE: "user:a%b": the value is a user's name
pm("t:a,conect")                -- error: CREATE: "conect": there is no such sub-option; did you mean CONNECT?
pm("t:a,poweroff")              -- error: CREATE: "poweroff": there is no such sub-option
kvm("")                         -- error: CREATE: "": an address (L, T, M, U, F, ID, DBREC, BASE) is missing: it says which guest
kvm("l:web1,wol")               -- error: CREATE: "wol": it goes with the type pm only, not with kvm
kvm("l:web1,if:eth0")           -- error: CREATE: "if:eth0": it goes with the type pm only
kvm("l:web1,BOOTMODE:PXE")      -- error: CREATE: "BOOTMODE:PXE": a guest is started as its hypervisor has it configured
kvm("l:web1,instmode")          -- error: CREATE: "instmode": a guest is started as its hypervisor has it configured
create.parse("t:a", { type = "cli" }) -- error: CREATE: "-t cli": the type is pm or one
