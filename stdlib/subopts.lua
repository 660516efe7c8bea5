-- subopts: the grammar of the sub-options of an action.
--
-- What stands behind `-a ACTION=` is a list of KEY or KEY:VALUE with commas
-- between them. An action says which keys it knows; this module reads the text,
-- checks it and refuses it with one line that quotes what was typed and says
-- what is accepted:
--
--     local subopts = require "subopts"
--
--     local grammar = subopts.grammar{
--       action = "maintenance",
--       keys = {
--         drain  = { value = "seconds", optional = true, default = 60, noun = "the time to drain" },
--         reason = { alias = { "r" }, value = "text" },
--         soft   = { group = "way" },
--         hard   = { group = "way", needs = { "reason" } },
--       },
--       groups = { way = { required = true, what = "a way" } },
--       rules = {
--         function(parsed, context, refuse)
--           if parsed.drain == 0 and parsed.soft then
--             refuse("a soft maintenance needs time to drain", "soft", "drain")
--           end
--         end,
--       },
--     }
--
--     local parsed = grammar:parse("drain:30,Hard,r:disk%change")
--     parsed.drain           --> 30
--     parsed.hard            --> true
--     parsed.reason          --> "disk change"
--     parsed[1].text         --> "drain:30"
--     grammar:parse("drain:x,hard")
--     --> error{kind="invalid", op="subopts", message=
--     --    'MAINTENANCE: "drain:x": the time to drain is a whole number of seconds, 0 or more (DRAIN[:<seconds>])'}
--
-- How the text is read:
--   * a comma separates, `,,` is a comma within a value;
--   * the first colon separates key and value and the rest is the value, so a
--     MAC or IPv6 address and `address:port` keep theirs; where a key has
--     `colons`, `::` in its value is one colon;
--   * a `%` in a value is a blank and `%%` a percent sign, but in a value where
--     `%` separates (`separates` of its type) one or two mean the same;
--   * keys are read without regard to case, values keep theirs;
--   * `KEY:` with nothing behind it is "present, take the default".

local values = require "subopts_values"

---@class subopts.Key
---@field alias string[]? other spellings, in lower case
---@field value string|subopts.Type|nil type of the value: a name of `subopts.types`, or a type; nil: the key takes none
---@field optional boolean? KEY without a colon is accepted too
---@field required boolean? an empty value has no default to stand for
---@field default any what an empty value stands for; nil: the key's entry is `true`
---@field noun string? begins the sentence of an error: "the delay"; "the value" without it
---@field group string? at most one key of the same group may be given
---@field needs string[]? at least one of these keys must be given too
---@field excludes string[]? none of these keys may be given too
---@field colons boolean? `::` in the value is one colon
---@field refused (fun(context: table): string?)? why the key is not accepted in this context, or nil
---@field help string? one line for people

---@class subopts.Group
---@field required boolean? one key of the group must be given
---@field what string? what the group is called in errors: "a method"

---@alias subopts.Refuse fun(message: string, ...: string) raises the error; names the keys whose typed text it quotes, none for the whole text
---@alias subopts.Rule fun(parsed: subopts.Parsed, context: table, refuse: subopts.Refuse)

---@class subopts.Definition
---@field action string name of the action
---@field keys table<string, subopts.Key> by canonical key, in lower case
---@field groups table<string, subopts.Group>?
---@field foreign table<string, string>? keys that are known and refused, with the reason
---@field rules subopts.Rule[]? further rules, called in order

---@class subopts.Entry
---@field key string canonical key, in lower case
---@field typed string the key as typed
---@field value any its value; true where it has none
---@field text string the sub-option as typed

--- The entries in the order in which they were typed, and under each canonical
--- key its value (true where there is none).
---@class subopts.Parsed
---@field [integer] subopts.Entry
---@field [string] any

---@class subopts.Grammar
---@field action string
---@field keys table<string, subopts.Key>
---@field types table<string, subopts.Type> by canonical key; none for a key that takes no value
---@field groups table<string, subopts.Group>
---@field foreign table<string, string>
---@field rules subopts.Rule[]
---@field canonical table<string, string> canonical key by every spelling
---@field order string[] canonical keys, sorted
local Grammar = {}
Grammar.__index = Grammar

local M = {}

--- The types of value, see `subopts_values`.
M.types = values

--- The types of machine that `-t` names and that are carried by a hypervisor;
--- `vm` is whatever hypervisor is found.
M.vm_types = { "xen", "kvm", "qemu", "vbox", "vmw", "lxc", "vm" }

local is_vm_type = {}
for _, name in ipairs(M.vm_types) do is_vm_type[name] = true end

--- Whether `type` is a type of virtual machine.
---@param type string?
---@return boolean
function M.is_vm(type)
  return type ~= nil and is_vm_type[type] == true
end

--- For `refused` of a key: it goes with the type `pm` only.
---@param context table
---@return string?
function M.only_pm(context)
  if M.is_vm(context.type) then
    return ("it goes with the type pm only, not with %s"):format(context.type)
  end
end

--- For `refused` of a key: it goes with the types of virtual machine only.
---@param context table
---@return string?
function M.only_vm(context)
  if context.type == "pm" then
    return "it goes with the types of virtual machine only (" .. table.concat(M.vm_types, ", ") .. "), not with pm"
  end
end

--- The keys that say which machine is meant; a grammar takes them in with
--- `subopts.with_addresses`. The upper-case key is the `kind` of an address.
---@type table<string, subopts.Key>
M.address_keys = {
  l = { alias = { "label" }, value = "text", required = true, noun = "the label", help = "label of a machine" },
  t = { alias = { "tcp" }, value = "host", required = true, noun = "the address", help = "name or IP address" },
  m = { alias = { "mac" }, value = "mac", required = true, noun = "the address", help = "hardware address" },
  u = { alias = { "uuid" }, value = "uuid", required = true, noun = "the UUID", help = "UUID" },
  f = { alias = { "fname", "filename" }, value = "text", required = true, noun = "the file name",
    help = "name of the configuration file" },
  id = { alias = { "i", "p", "pname", "pathname" }, value = "path", required = true, noun = "the path",
    help = "path of the configuration file" },
  dbrec = { alias = { "dr", "dbrecord" }, value = "record", required = true, noun = "the value",
    help = "number of the record in the inventory" },
  base = { alias = { "b", "basepath" }, value = values.list(values.text), default = { "." }, noun = "the value",
    help = "folders to search" },
}

---@class subopts.Address
---@field kind string "L", "T", "M", "U", "F", "ID", "DBREC" or "BASE"
---@field value any
---@field text string as typed

--- The addresses among the entries, in the order typed, and the one that
--- decides: DBREC wins over all others, else the first; BASE says only where to
--- search, so it decides when it stands alone.
---@param parsed subopts.Parsed
---@return subopts.Address? decides
---@return subopts.Address[] all
function M.addresses(parsed)
  local all, first, base, record = {}, nil, nil, nil
  for _, entry in ipairs(parsed) do
    if M.address_keys[entry.key] then
      local address = { kind = entry.key:upper(), value = entry.value, text = entry.text }
      all[#all + 1] = address
      if entry.key == "dbrec" then
        record = address
      elseif entry.key == "base" then
        base = address
      else
        first = first or address
      end
    end
  end
  return record or first or base, all
end

--- A copy of `keys` with the address keys in it.
---@param keys table<string, subopts.Key>
---@return table<string, subopts.Key>
function M.with_addresses(keys)
  local all = {}
  for name, key in pairs(M.address_keys) do all[name] = key end
  for name, key in pairs(keys) do all[name] = key end
  return all
end

--- The entry of a canonical key, or nil.
---@param parsed subopts.Parsed
---@param key string
---@return subopts.Entry?
function M.entry(parsed, key)
  for _, entry in ipairs(parsed) do
    if entry.key == key then return entry end
  end
end

-- Errors -------------------------------------------------------------------

local ESCAPES = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ['"'] = '\\"' }

-- A message is one line that a terminal shows as it is, so control characters
-- are spelt out.
local function quote(text)
  text = text:gsub('[%z\1-\31\127"]', function(c) return ESCAPES[c] or ("\\%03d"):format(c:byte()) end)
  return '"' .. text .. '"'
end

local function refuse(action, quoted, message)
  error({
    kind = "invalid",
    op = "subopts",
    suboption = quoted,
    message = ("%s: %s: %s"):format(action:upper(), quoted, message),
  }, 0)
end

local function misuse(message)
  error({ kind = "invalid", op = "subopts.grammar", message = message }, 0)
end

-- Making a grammar -----------------------------------------------------------

local KEY_FIELDS = {
  alias = true, value = true, optional = true, required = true, default = true, noun = true, group = true,
  needs = true, excludes = true, colons = true, refused = true, help = true,
}

local function check_fields(where, given, known)
  for field in pairs(given) do
    if not known[field] then misuse(("%s has no field %q"):format(where, tostring(field))) end
  end
end

local function type_of(name, value)
  if type(value) ~= "string" then return value end
  if not values[value] or type(values[value]) ~= "table" then
    misuse(("key %q: there is no type of value %q"):format(name, value))
  end
  return values[value]
end

local function check_names(keys, name, field)
  for _, other in ipairs(keys[name][field] or {}) do
    if not keys[other] then misuse(("key %q: %s names %q, which is no key"):format(name, field, other)) end
  end
end

-- Every spelling leads to its canonical key.
local function spellings(keys)
  local canonical = {}
  local function add(spelling, name)
    if spelling ~= spelling:lower() then misuse(("key %q is not in lower case"):format(spelling)) end
    if canonical[spelling] then
      misuse(("%q is a spelling of %q and of %q"):format(spelling, canonical[spelling], name))
    end
    canonical[spelling] = name
  end
  for name, key in pairs(keys) do
    add(name, name)
    for _, alias in ipairs(key.alias or {}) do add(alias, name) end
  end
  return canonical
end

local function sorted(set)
  local list = {}
  for name in pairs(set) do list[#list + 1] = name end
  table.sort(list)
  return list
end

--- Makes a grammar. A mistake in the definition itself raises `invalid` with
--- the op "subopts.grammar".
---@param definition subopts.Definition
---@return subopts.Grammar
function M.grammar(definition)
  check_fields("a grammar", definition, { action = true, keys = true, groups = true, foreign = true, rules = true })
  if type(definition.action) ~= "string" or type(definition.keys) ~= "table" then
    misuse("a grammar needs an action and its keys")
  end
  local keys, types = definition.keys, {}
  for name, key in pairs(keys) do
    check_fields(("key %q"):format(name), key, KEY_FIELDS)
    types[name] = type_of(name, key.value)
    check_names(keys, name, "needs")
    check_names(keys, name, "excludes")
  end
  return setmetatable({
    action = definition.action,
    keys = keys,
    types = types,
    groups = definition.groups or {},
    foreign = definition.foreign or {},
    rules = definition.rules or {},
    canonical = spellings(keys),
    order = sorted(keys),
  }, Grammar)
end

-- What is accepted -------------------------------------------------------------

local function spelling_of(key, name)
  local all = { name:upper() }
  for _, alias in ipairs(key.alias or {}) do all[#all + 1] = alias:upper() end
  return table.concat(all, "|")
end

--- How a key is written: `POWEROFF[:<seconds>]`.
---@param name string canonical key
---@param spelling string? in place of the key
---@return string
function Grammar:usage(name, spelling)
  local key, type = self.keys[name], self.types[name]
  spelling = spelling or name:upper()
  if not type then return spelling end
  if key.optional then return spelling .. "[:" .. type.shape .. "]" end
  return spelling .. ":" .. type.shape
end

--- All keys that are accepted in a context, as they are written, sorted.
---@param context table?
---@param group string? only the keys of this group
---@return string
function Grammar:accepted(context, group)
  local list = {}
  for _, name in ipairs(self.order) do
    local key = self.keys[name]
    local fits = not group or key.group == group
    if fits and not (key.refused and key.refused(context or {})) then
      list[#list + 1] = self:usage(name, spelling_of(key, name))
    end
  end
  return table.concat(list, ", ")
end

local function column(text, width)
  local pad = width - #text
  return text .. (pad > 0 and (" "):rep(pad) or "")
end

--- The help on all keys, a line each: how it is written, and what it is for.
---@return string
function Grammar:help()
  local lines = { "sub-options, with commas between them:" }
  for _, name in ipairs(self.order) do
    local key = self.keys[name]
    lines[#lines + 1] = ("  " .. column(self:usage(name, spelling_of(key, name)), 40) .. "  " .. (key.help or "")):gsub("%s+$", "")
  end
  return table.concat(lines, "\n") .. "\n"
end

-- Optimal string alignment distance: insertions, deletions, substitutions and
-- swaps of neighbours.
local function distance(a, b)
  local before, last = nil, {}
  for j = 0, #b do last[j] = j end
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      row[j] = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + cost)
      local swapped = i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j)
      if swapped then row[j] = math.min(row[j], before[j - 2] + 1) end
    end
    before, last = last, row
  end
  return last[#b]
end

-- The spelling that the typed one most likely meant, where one is near enough:
-- a third of its letters may be wrong.
local function nearest(canonical, typed)
  if #typed > 32 then return nil end
  local best, least = nil, math.huge
  for _, spelling in ipairs(sorted(canonical)) do
    local d = distance(typed, spelling)
    if d < least then best, least = spelling, d end
  end
  if best and least <= math.max(1, math.floor(#best / 3)) and least < #best then return best:upper() end
end

-- Reading ------------------------------------------------------------------------

-- The items between single commas, with `,,` made one comma; as typed and as
-- meant.
local function split(text)
  local items, typed, meant, i = {}, {}, {}, 1
  local function finish()
    items[#items + 1] = { text = table.concat(typed), meant = table.concat(meant) }
    typed, meant = {}, {}
  end
  while i <= #text do
    local run = text:match("^[^,]+", i)
    if run then
      typed[#typed + 1], meant[#meant + 1] = run, run
      i = i + #run
    elseif text:sub(i, i + 1) == ",," then
      typed[#typed + 1], meant[#meant + 1] = ",,", ","
      i = i + 2
    else
      finish()
      i = i + 1
    end
  end
  finish()
  return items
end

local function unescape_percent(text)
  return (text:gsub("%%%%?", function(run) return run == "%%" and "%" or " " end))
end

local function copy(value)
  if type(value) ~= "table" then return value end
  local new = {}
  for k, v in pairs(value) do new[k] = copy(v) end
  return new
end

local function default_of(key)
  if key.default == nil then return true end
  return copy(key.default)
end

function Grammar:unknown(typed, text, context)
  local foreign = self.foreign[typed:lower()]
  if foreign then refuse(self.action, quote(text), foreign) end
  local near = nearest(self.canonical, typed:lower())
  refuse(self.action, quote(text), ("there is no such sub-option%s; accepted: %s"):format(
    near and "; did you mean " .. near .. "?" or "", self:accepted(context)))
end

-- The value of one sub-option; `given` is nil without a colon.
function Grammar:read_value(name, given, text)
  local key, kind = self.keys[name], self.types[name]
  if not kind then
    if given and given ~= "" then
      refuse(self.action, quote(text), ("it takes no value (%s)"):format(self:usage(name)))
    end
    return true
  end
  if not given then
    if key.optional then return default_of(key) end
    refuse(self.action, quote(text), ("%s is missing: %s (%s)"):format(
      key.noun or "the value", kind.accepts, self:usage(name)))
  end
  if given == "" then
    if not key.required then return default_of(key) end
    refuse(self.action, quote(text), ("%s is missing: %s (%s)"):format(
      key.noun or "the value", kind.accepts, self:usage(name)))
  end
  if key.colons then given = given:gsub("::", ":") end
  if not kind.separates then given = unescape_percent(given) end
  local value, why = kind.read(given)
  if value == nil then
    refuse(self.action, quote(text), ("%s (%s)"):format(
      why or ("%s is %s"):format(key.noun or "the value", kind.accepts), self:usage(name)))
  end
  return value
end

function Grammar:read_entry(item, context)
  local text, meant = item.text, item.meant
  if meant == "" then
    refuse(self.action, quote(text), "a sub-option is missing beside a comma (a comma within a value is written ,,)")
  end
  if text:find("[%z\1-\31\127]") then refuse(self.action, quote(text), "it has a control character") end
  local typed, given = meant:match("^([^:]*):(.*)$")
  typed = typed or meant
  local name = self.canonical[typed:lower()]
  if not name then self:unknown(typed, text, context) end
  local key = self.keys[name]
  local reason = key.refused and key.refused(context)
  if reason then refuse(self.action, quote(text), reason) end
  return { key = name, typed = typed, value = self:read_value(name, given, text), text = text }
end

-- Checking ---------------------------------------------------------------------

local function quote_both(one, other)
  return quote(one.text) .. " and " .. quote(other.text)
end

function Grammar:check_groups(parsed, context, whole)
  local member = {}
  for _, entry in ipairs(parsed) do
    local group = self.keys[entry.key].group
    if group and member[group] then
      refuse(self.action, quote_both(member[group], entry), ("they exclude each other: at most one of %s"):format(
        self:accepted(context, group)))
    end
    if group then member[group] = entry end
  end
  for _, name in ipairs(sorted(self.groups)) do
    local group = self.groups[name]
    if group.required and not member[name] then
      refuse(self.action, quote(whole), ("%s is missing: exactly one of %s"):format(
        group.what or name, self:accepted(context, name)))
    end
  end
end

local function upper_list(names)
  local list = {}
  for i, name in ipairs(names) do list[i] = name:upper() end
  return table.concat(list, " or ")
end

function Grammar:check_neighbours(parsed)
  for _, entry in ipairs(parsed) do
    local key = self.keys[entry.key]
    for _, other in ipairs(key.excludes or {}) do
      if parsed[other] ~= nil then
        refuse(self.action, quote_both(entry, M.entry(parsed, other)), "they exclude each other")
      end
    end
    local found = key.needs == nil
    for _, other in ipairs(key.needs or {}) do found = found or parsed[other] ~= nil end
    if not found then
      refuse(self.action, quote(entry.text), ("it needs %s beside it"):format(upper_list(key.needs)))
    end
  end
end

function Grammar:check_rules(parsed, context, whole)
  local function refuse_entries(message, ...)
    local quoted = {}
    for _, key in ipairs({ ... }) do
      local entry = M.entry(parsed, key)
      if entry then quoted[#quoted + 1] = quote(entry.text) end
    end
    refuse(self.action, #quoted > 0 and table.concat(quoted, " and ") or quote(whole), message)
  end
  for _, rule in ipairs(self.rules) do rule(parsed, context, refuse_entries) end
end

--- Reads and checks the text behind `ACTION=`; empty or nil is no sub-option.
--- What is wrong raises `kind="invalid"`, `op="subopts"` with one line.
---@param text string?
---@param context table? handed to `refused` and to the rules; `type` is the type of machine
---@return subopts.Parsed
function Grammar:parse(text, context)
  if text ~= nil and type(text) ~= "string" then
    refuse(self.action, quote(tostring(text)), "the sub-options are a string")
  end
  text, context = text or "", context or {}
  local parsed = {}
  for _, item in ipairs(text == "" and {} or split(text)) do
    local entry = self:read_entry(item, context)
    if parsed[entry.key] ~= nil then
      refuse(self.action, quote_both(M.entry(parsed, entry.key), entry), ("%s is given twice"):format(entry.key:upper()))
    end
    parsed[#parsed + 1] = entry
    parsed[entry.key] = entry.value
  end
  self:check_groups(parsed, context, text)
  self:check_neighbours(parsed)
  self:check_rules(parsed, context, text)
  return parsed
end

--- Checks `type` of a context: pm or a type of virtual machine. It is given
--- back in lower case.
---@param action string
---@param type string?
---@return string
function M.machine_type(action, type)
  local name = tostring(type or ""):lower()
  if name ~= "pm" and not M.is_vm(name) then
    refuse(action, quote("-t " .. tostring(type or "")), "the type is pm or one of the types of virtual machine: "
      .. table.concat(M.vm_types, ", "))
  end
  return name
end

return M
