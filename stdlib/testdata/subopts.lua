-- How the text is read, whatever the action.

local subopts = require "subopts"
local values = subopts.types
local grammar = subopts.grammar{
  action = "try",
  keys = subopts.with_addresses{
    text = { value = "text" },
    opts = { value = "text", colons = true },
    list = { value = values.list(values.text) },
    off = { alias = { "s5" }, value = "seconds", optional = true, noun = "the delay" },
    flag = {},
    at = { value = "endpoint", default = { address = "here" } },
  },
}
local function value(text)
  return grammar:parse(text)[1].value
end

-- commas
same(#grammar:parse(nil), 0)
same(#grammar:parse(""), 0)
same(value("text:a,,b"), "a,b")
same(value("text:a,,,flag"), "a,")
same(value("text:,,"), ",")
same(value("text:,,,,"), ",,")
same(grammar:parse("text:a,,b,flag")[2].key, "flag")
same(grammar:parse("text:a,,b")[1].text, "text:a,,b")
-- the first colon
same(value("text:a:b"), "a:b")
same(value("text::b"), ":b")
same(value("text:a::b"), "a::b")
same(value("opts:a::b:c"), "a:b:c")
same(value("opts:-o::x,,y"), "-o:x,y")
same(value("m:52:54:00:12:34:56"), "52:54:00:12:34:56")
same(value("t:fe80::1"), "fe80::1")
same(value("t:::1"), "::1")
same(value("at:192.168.3.251:4711"), { address = "192.168.3.251", port = 4711 })
same(value("at:[fe80::1%%eth0]:9"), { address = "fe80::1%eth0", port = 9 })
same(value("at:[::]"), { address = "::" })
same(value("at:ff02::1"), { address = "ff02::1" })
same(value("at:lab-01.example.org:65535"), { address = "lab-01.example.org", port = 65535 })
-- percent signs
same(value("text:a%b"), "a b")
same(value("text:a%%b"), "a%b")
same(value("text:a%%%b"), "a% b")
same(value("list:a%b%%c"), { "a", "b", "c" })
same(value("base:/a%/b"), { "/a", "/b" })
-- case
same(value("TeXt:AbC"), "AbC")
same(value("FLAG"), true)
same(grammar:parse("S5:3").off, 3)
same(grammar:parse("S5:3")[1], { key = "off", typed = "S5", text = "S5:3", value = 3 })
-- present, take the default
same(value("flag:"), true)
same(value("off"), true)
same(value("off:"), true)
same(value("text:"), true)
same(value("at:"), { address = "here" })
same(value("base:"), { "." })
-- every spelling of an address
for spelling, kind in pairs{
  l = "L", label = "L", f = "F", fname = "F", filename = "F", t = "T", tcp = "T",
} do
  local address = subopts.addresses(grammar:parse(spelling:upper() .. ":x1"))
  same(address, { kind = kind, value = "x1", text = spelling:upper() .. ":x1" })
end
for _, spelling in ipairs{ "i", "id", "p", "pname", "pathname" } do
  same(subopts.addresses(grammar:parse(spelling .. ":/x")).kind, "ID")
end
for _, spelling in ipairs{ "dr", "dbrec", "dbrecord" } do
  same(subopts.addresses(grammar:parse(spelling .. ":7")), { kind = "DBREC", value = 7, text = spelling .. ":7" })
end
for _, spelling in ipairs{ "b", "base", "basepath" } do
  same(subopts.addresses(grammar:parse(spelling .. ":x")).value, { "x" })
end
same(value("mac:0:1B:21:a:b:c"), "00:1b:21:0a:0b:0c")
same(value("m:52-54-00-12-34-56"), "52:54:00:12:34:56")
same(value("m:5254.0012.34AB"), "52:54:00:12:34:ab")
same(value("m:5254001234AB"), "52:54:00:12:34:ab")
same(value("m:0x5254001234AB"), "52:54:00:12:34:ab")
same(value("uuid:0F5A1C3E-0000-1111-2222-333344445555"), "0f5a1c3e-0000-1111-2222-333344445555")
same(value("u:0F5A1C3E000011112222333344445555"), "0f5a1c3e-0000-1111-2222-333344445555")
-- DBREC wins, BASE only searches
local decides, all = subopts.addresses(grammar:parse("base:/vm,l:a,t:b,dr:3"))
same(decides.kind, "DBREC")
same(#all, 4)
same(subopts.addresses(grammar:parse("base:/vm,l:a,t:b")).kind, "L")
same(subopts.addresses(grammar:parse("flag")), nil)

grammar:parse("flog")                   -- error: TRY: "flog": there is no such sub-option; did you mean FLAG?; accepted: AT:<address>[:<port>], BASE|B|BASEPATH:
grammar:parse("LABLE:x")                -- error: did you mean LABEL?
grammar:parse("zzzzzzzzz")              -- error: TRY: "zzzzzzzzz": there is no such sub-option; accepted: AT:
grammar:parse(" flag")                  -- error: TRY: " flag": there is no such sub-option; did you mean FLAG?
grammar:parse(":x")                     -- error: TRY: ":x": there is no such sub-option
grammar:parse("flag:x")                 -- error: TRY: "flag:x": it takes no value (FLAG)
grammar:parse("flag,")                  -- error: a sub-option is missing beside a comma
grammar:parse(",flag")                  -- error: a sub-option is missing beside a comma
grammar:parse(",,")                     -- error: TRY: ",,": there is no such sub-option
grammar:parse("flag,,off")              -- error: TRY: "flag,,off": there is no such sub-option
grammar:parse("text")                   -- error: TRY: "text": the value is missing: a text of more than blanks (TEXT:<text>)
grammar:parse("text:%")                 -- error: TRY: "text:%": the value is a text of more than blanks
grammar:parse("l:")                     -- error: TRY: "l:": the label is missing
grammar:parse("label")                  -- error: TRY: "label": the label is missing
grammar:parse("off:x")                  -- error: TRY: "off:x": the delay is a whole number of seconds, 0 or more (OFF[:<seconds>])
grammar:parse("s5:-1")                  -- error: TRY: "s5:-1": the delay is a whole number
grammar:parse("off:1.5")                -- error: whole number of seconds
grammar:parse("off:0x10")               -- error: whole number of seconds
grammar:parse("off:1000000000")         -- error: whole number of seconds
grammar:parse("off:1%2")                -- error: whole number of seconds
grammar:parse("flag,FLAG")              -- error: TRY: "flag" and "FLAG": FLAG is given twice
grammar:parse("off:1,S5:1")             -- error: TRY: "off:1" and "S5:1": OFF is given twice
grammar:parse("m:52:54:00:12:34")       -- error: TRY: "m:52:54:00:12:34": the address is a MAC address such as
grammar:parse("m:52:54:00:12:34:5g")    -- error: MAC address
grammar:parse("m:52:54:00:12:34:56:78") -- error: MAC address
grammar:parse("m:52:54-00:12:34:56")    -- error: MAC address
grammar:parse("m:525400123456ff")       -- error: MAC address
grammar:parse("u:0f5a1c3e")             -- error: the UUID is a UUID: 32 hexadecimal digits
grammar:parse("u:0f5a1c3e00-00-1111-2222-333344445555") -- error: 32 hexadecimal digits
grammar:parse("u:zf5a1c3e000011112222333344445555") -- error: 32 hexadecimal digits
grammar:parse("t:a b")                  -- error: the address is a host's name or IP address
grammar:parse("t:300.1.1.1")            -- error: a host's name or IP address
grammar:parse("t:1.2.3")                -- error: a host's name or IP address
grammar:parse("t:-x")                   -- error: a host's name or IP address
grammar:parse("t:fe80:::1")             -- error: a host's name or IP address
grammar:parse("t:1:2:3:4:5:6:7:8:9")    -- error: a host's name or IP address
grammar:parse("t:1::2::3")              -- error: a host's name or IP address
grammar:parse("at:lab01:0")             -- error: a port from 1 to 65535
grammar:parse("at:lab01:65536")         -- error: a port from 1 to 65535
grammar:parse("at:lab01:")              -- error: a port from 1 to 65535
grammar:parse("at:[lab01]:9")           -- error: an IPv6 address with a port stands in brackets
grammar:parse("at:[::1")                -- error: stands in brackets
grammar:parse("at:[::1]9")              -- error: stands in brackets
grammar:parse("id:vm.conf")             -- error: TRY: "id:vm.conf": the path is an absolute path (ID:<absolute path>)
grammar:parse("dr:0")                   -- error: the number of a record of the inventory, 1 or more
grammar:parse("list:a%%%b")             -- error: a list with % between its elements
grammar:parse("list:%")                 -- error: a list with % between its elements
grammar:parse("text:a\nb")              -- error: TRY: "text:a\nb": it has a control character
grammar:parse("text:a\27[31m")          -- error: TRY: "text:a\027[31m": it has a control character
grammar:parse('x"y')                    -- error: TRY: "x\"y": there is no such
grammar:parse(17)                       -- error: the sub-options are a string
---
-- Groups, neighbours and rules.

local subopts = require "subopts"
local function define()
  return subopts.grammar{
    action = "maintenance",
    keys = {
      drain = { value = "seconds", optional = true, default = 60, noun = "the time to drain" },
      reason = { alias = { "r" }, value = "text" },
      soft = { group = "way" },
      hard = { group = "way", needs = { "reason" } },
      quiet = { excludes = { "reason" } },
      guests = { refused = subopts.only_vm },
      bmc = { refused = subopts.only_pm },
    },
    groups = { way = { required = true, what = "a way" } },
    foreign = { gently = "say SOFT" },
    rules = {
      function(parsed, _, refuse)
        if parsed.drain == 0 and parsed.soft then refuse("a soft maintenance needs time to drain", "soft", "drain") end
      end,
    },
  }
end
local grammar = define()
local parsed = grammar:parse("drain:,Hard,r:disk%change")
same(parsed.drain, 60)
same(parsed.hard, true)
same(parsed.reason, "disk change")
same(subopts.entry(parsed, "reason").text, "r:disk%change")
same(subopts.entry(parsed, "soft"), nil)
grammar:parse("soft,guests", { type = "xen" })
grammar:parse("soft,bmc", { type = "pm" })
grammar:parse("soft,bmc,guests")

grammar:parse("")                       -- error: MAINTENANCE: "": a way is missing: exactly one of HARD, SOFT
grammar:parse("drain")                  -- error: MAINTENANCE: "drain": a way is missing: exactly one of HARD, SOFT
grammar:parse("soft,HARD")              -- error: MAINTENANCE: "soft" and "HARD": they exclude each other: at most one of HARD, SOFT
grammar:parse("hard")                   -- error: MAINTENANCE: "hard": it needs REASON beside it
grammar:parse("soft,quiet,r:x")         -- error: MAINTENANCE: "quiet" and "r:x": they exclude each other
grammar:parse("soft,drain:0")           -- error: MAINTENANCE: "soft" and "drain:0": a soft maintenance needs time to drain
grammar:parse("soft,guests", { type = "pm" }) -- error: "guests": it goes with the types of virtual machine only (xen, kvm, qemu, vbox, vmw, lxc, vm), not with pm
grammar:parse("soft,bmc", { type = "lxc" })   -- error: "bmc": it goes with the type pm only, not with lxc
grammar:parse("soft,gently")            -- error: MAINTENANCE: "gently": say SOFT
grammar:parse("x", { type = "lxc" })    -- error: accepted: DRAIN[:<seconds>], GUESTS, HARD, QUIET, REASON|R:<text>, SOFT
---
-- A mistake in a definition.

local subopts = require "subopts"
subopts.grammar{ action = "x", keys = {}, colour = 1 }      -- error: a grammar has no field "colour"
subopts.grammar{ keys = {} }                                -- error: a grammar needs an action and its keys
subopts.grammar{ action = "x", keys = { a = { colour = 1 } } }        -- error: key "a" has no field "colour"
subopts.grammar{ action = "x", keys = { a = { value = "colour" } } }  -- error: there is no type of value "colour"
subopts.grammar{ action = "x", keys = { a = { value = "word" } } }    -- error: there is no type of value "word"
subopts.grammar{ action = "x", keys = { a = { needs = { "b" } } } }   -- error: needs names "b", which is no key
subopts.grammar{ action = "x", keys = { A = {} } }                    -- error: key "A" is not in lower case
subopts.grammar{ action = "x", keys = { a = { alias = { "b" } }, b = {} } } -- error: is a spelling of
