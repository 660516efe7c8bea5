-- cancel_grammar: what CANCEL's sub-options are and which go together.
--
--     local cancel = require "cancel_grammar"
--     local request = cancel.parse("l:tst100,force,POWEROFF:0", { type = "xen" })
--     request.address.value  --> "tst100"
--     request.method         --> "poweroff"
--     request.delay          --> 0
--
--     CANCEL = [<address>|ALL] [FORCE|STACK] [SELF]
--              [RESET|REBOOT|INIT:<level>|(PAUSE|S3)|(SUSPEND|S4)|(POWEROFF|S5)[:<delay>]]
--              [TIMEOUT:<s>] [WOL [IF:<interface>|BROADCAST:[addr]]]     VM types also: [CLIENT|SERVER|BOTH]
--     <address> = L:<label> | T:<name or IP address> | M:<mac> | U:<uuid> | F:<file name>
--              | ID:<path> | DBREC:<record> | BASE:<folder>
--
-- Only what can be said from the text alone is said here; whether an address
-- fits the target, or TIMEOUT:0 is confirmed, is for the script.

local subopts = require "subopts"
local values = subopts.types

local M = {}

---@class cancel.Broadcast
---@field default boolean? true: none was typed, the directed broadcast of the interface's subnet is meant
---@field address string?
---@field port integer?

---@class cancel.Request
---@field type string "pm" or a type of virtual machine
---@field address subopts.Address? the address that decides; for pm with kind "L" only a name for display
---@field addresses subopts.Address[] all that were typed, in order
---@field all boolean
---@field force boolean
---@field stack boolean the stack is cancelled in order: everything but FORCE
---@field self boolean
---@field method "poweroff"|"reboot"|"reset"|"init"|"pause"|"suspend"
---@field level integer? run level 0 to 6, with the method "init"
---@field delay integer? seconds typed behind POWEROFF
---@field timeout integer? seconds typed behind TIMEOUT
---@field wol boolean
---@field interface string? typed behind IF
---@field broadcast cancel.Broadcast? where BROADCAST was typed
---@field viewers "server"|"client"|"both"|nil for the types of virtual machine; "server" when none was typed
---@field text string the sub-options as typed
---@field hints string[] lines for the user about what this request does not do

local METHODS = { "poweroff", "reboot", "reset", "init", "pause", "suspend" }

local keys = {
  all = { help = "every guest" },
  force = { group = "reach", help = "nothing is asked: cut off at the lowest hypervisor at once" },
  stack = { group = "reach", help = "guests first, in order" },
  self = { help = "the machine itself, too" },

  reset = { group = "method", help = "reset" },
  reboot = { group = "method", help = "reboot" },
  init = { group = "method", value = values.integer(0, 6), required = true, noun = "the run level", help = "change the run level" },
  pause = { alias = { "s3" }, group = "method", help = "suspend to RAM" },
  suspend = { alias = { "s4" }, group = "method", help = "suspend to disk" },
  poweroff = { alias = { "s5" }, group = "method", value = "seconds", optional = true, noun = "the delay", help = "shut down" },

  timeout = { value = "seconds", noun = "the timeout", help = "the time of each guest; one that misses it is destroyed" },
  wol = { help = "arm wake-on-LAN before the machine goes down" },
  ["if"] = { value = "interface", noun = "the interface", needs = { "wol" }, group = "way", help = "interface to arm" },
  broadcast = { value = "endpoint", optional = true, noun = "the address", needs = { "wol" }, group = "way",
    help = "where a later wake-up is sent" },

  client = { group = "viewers", refused = subopts.only_vm, help = "only the consoles" },
  server = { group = "viewers", refused = subopts.only_vm, help = "the guests" },
  both = { group = "viewers", refused = subopts.only_vm, help = "consoles and guests" },
}

local function method_of(parsed)
  for _, name in ipairs(METHODS) do
    if parsed[name] ~= nil then return name end
  end
end

local function all_or_an_address(parsed, context, refuse)
  local address = subopts.addresses(parsed)
  if parsed.all and address then
    refuse("they exclude each other: an address or ALL", address.kind:lower(), "all")
  end
  if not parsed.all and not address and subopts.is_vm(context.type) then
    refuse("an address (L, T, M, U, F, ID, DBREC, BASE) or ALL is missing: it says which guests")
  end
end

local function force_needs_self_for_pm(parsed, context, refuse)
  if context.type == "pm" and parsed.force and not parsed.self then
    refuse("FORCE needs SELF beside it with the type pm", "force")
  end
end

local function wol_needs_an_end_to_wake_from(parsed, _, refuse)
  if not parsed.wol then return end
  local method = method_of(parsed)
  local leaves_it_down = method == "poweroff" or method == "suspend" or method == "pause" or parsed.init == 0
  if not leaves_it_down then
    refuse("WOL goes with POWEROFF, SUSPEND, PAUSE and INIT:0 only", "wol", method)
  end
end

-- Where the machine goes down too, INIT takes the guests down before it, which
-- FORCE can do.
local function force_acts_inside_nobody(parsed, context, refuse)
  if not (parsed.force and parsed.init and subopts.is_vm(context.type)) then return end
  local goes_down = parsed.self and (parsed.init <= 1 or parsed.init == 6)
  if not goes_down then
    refuse("INIT acts inside the guests, where FORCE asks nothing: leave FORCE out, or say POWEROFF or REBOOT", "init", "force")
  end
end

local function client_takes_nothing_down(parsed, _, refuse)
  if not parsed.client then return end
  if parsed.self then refuse("CLIENT closes consoles only, and SELF takes the machine down: leave one of them out", "client", "self") end
  if parsed.wol then refuse("CLIENT closes consoles only, after which there is nobody to wake: leave one of them out", "client", "wol") end
end

local function self_needs_a_target(parsed, context, refuse)
  if parsed.self and context.targets == 0 then
    refuse("SELF needs the target typed, localhost too", "self")
  end
end

--- The grammar itself; a site's action may build on its keys.
M.grammar = subopts.grammar{
  action = "cancel",
  keys = subopts.with_addresses(keys),
  groups = { method = { required = true, what = "a method" } },
  rules = { all_or_an_address, force_needs_self_for_pm, force_acts_inside_nobody, client_takes_nothing_down, wol_needs_an_end_to_wake_from, self_needs_a_target },
}

local function number_of(value)
  if type(value) == "number" then return value end
end

local function broadcast_of(value)
  if value == true then return { default = true } end
  return value
end

local function viewers_of(parsed, type)
  if not subopts.is_vm(type) then return nil end
  return parsed.client and "client" or parsed.both and "both" or "server"
end

local no_viewers = {
  client = "CLIENT: a console of ctys ends with the terminal or window that it was opened in, so there is none to close; the guests are left alone",
  both = "BOTH: a console of ctys ends with the terminal or window that it was opened in, so there is none to close; the guests are cancelled",
}

local function hints_for(parsed, type)
  local viewers = no_viewers[viewers_of(parsed, type)]
  if viewers then return { viewers } end
  if type == "pm" and parsed.init and not parsed.self then
    if parsed.init >= 2 and parsed.init <= 5 then
      return { "INIT:" .. parsed.init .. " without SELF changes nothing: run levels 2 to 5 leave what runs on the machine alone; add SELF to change the machine's own" }
    end
    return { "INIT without SELF cancels what runs on the machine and leaves the machine's own run level alone; add SELF to change it" }
  end
  return {}
end

--- Reads and checks CANCEL's sub-options; errors are those of `subopts`.
---@param text string? what stands behind `-a cancel=`
---@param context { type: string, targets: integer? } the type of machine, and how many targets were typed (nil: not checked)
---@return cancel.Request
function M.parse(text, context)
  local type = subopts.machine_type("cancel", context.type)
  local parsed = M.grammar:parse(text, { type = type, targets = context.targets })
  local address, addresses = subopts.addresses(parsed)
  return {
    type = type,
    address = address,
    addresses = addresses,
    all = parsed.all == true,
    force = parsed.force == true,
    stack = parsed.force ~= true,
    self = parsed.self == true,
    method = method_of(parsed),
    level = number_of(parsed.init),
    delay = number_of(parsed.poweroff),
    timeout = number_of(parsed.timeout),
    wol = parsed.wol == true,
    interface = parsed["if"] ~= true and parsed["if"] or nil,
    broadcast = broadcast_of(parsed.broadcast),
    viewers = viewers_of(parsed, type),
    text = text or "",
    hints = hints_for(parsed, type),
  }
end

return M
