-- subopts_values: what the value of a sub-option may be.
--
-- A type of value is a table that says how it is written, completes the
-- sentence "the value is …" and reads a text into a value (nil: refused):
--
--     local values = require "subopts_values"
--     local even = {
--       shape   = "<even number>",
--       accepts = "an even number",
--       read    = function(text)
--         local n = tonumber(text:match("^%d+$"))
--         return n and n % 2 == 0 and n or nil
--       end,
--     }
--     values.seconds.read("30")                  --> 30
--     values.word{"ON", "OFF"}.read("on")        --> "on"
--     values.list(even).read("2%4")              --> { 2, 4 }
--
-- A grammar names the types without parameters by a string ("seconds") and
-- takes the others, and a site's own, as such a table.

---@class subopts.Type
---@field shape string how the value is written in a line that says what is accepted, such as "<seconds>"
---@field accepts string completes "the value is …"
---@field read fun(text: string): any, string? the value; nil and, where `accepts` does not say enough, the reason when the text is refused
---@field separates boolean? `%` separates in this value, so that it is not read as a blank

local M = {}

-- The most digits that a whole number may have: enough for thirty years of
-- seconds, and far from where a double loses units.
local MOST_DIGITS = 9

---@param text string
---@return number?
local function whole_number(text)
  if #text > MOST_DIGITS or not text:find("^%d+$") then return nil end
  return tonumber(text, 10)
end

--- Any text that is more than blanks.
---@type subopts.Type
M.text = {
  shape = "<text>",
  accepts = "a text of more than blanks",
  read = function(text)
    if text:find("[^ ]") then return text end
  end,
}

--- A whole number from `least` to `most`, both included.
---@param least integer
---@param most integer
---@return subopts.Type
function M.integer(least, most)
  return {
    shape = ("<%d-%d>"):format(least, most),
    accepts = ("a whole number from %d to %d"):format(least, most),
    read = function(text)
      local n = whole_number(text)
      if n and n >= least and n <= most then return n end
    end,
  }
end

--- A time in whole seconds.
---@type subopts.Type
M.seconds = {
  shape = "<seconds>",
  accepts = "a whole number of seconds, 0 or more",
  read = whole_number,
}

--- A UDP or TCP port (RFC 768, RFC 9293: sixteen bits; 0 is none).
---@type subopts.Type
M.port = M.integer(1, 65535)
M.port.shape = "<port>"

--- The number of a record of the inventory, counted from 1.
---@type subopts.Type
M.record = {
  shape = "<number>",
  accepts = "the number of a record of the inventory, 1 or more",
  read = function(text)
    local n = whole_number(text)
    if n and n >= 1 then return n end
  end,
}

--- One of some words, without regard to case; the value is in lower case.
---@param words string[] as they are shown
---@return subopts.Type
function M.word(words)
  local known = {}
  for _, word in ipairs(words) do known[word:lower()] = true end
  return {
    shape = table.concat(words, "|"),
    accepts = "one of " .. table.concat(words, ", "),
    read = function(text)
      local word = text:lower()
      if known[word] then return word end
    end,
  }
end

--- A file or folder from the root.
---@type subopts.Type
M.path = {
  shape = "<absolute path>",
  accepts = "an absolute path",
  read = function(text)
    if text:sub(1, 1) == "/" then return text end
  end,
}

--- A user's name. It becomes an argument of other programs, so it has no blank
--- and does not begin with a dash.
---@type subopts.Type
M.user = {
  shape = "<user>",
  accepts = "a user's name, without a blank, and not beginning with a dash",
  read = function(text)
    if text:find("^[^%s%-:/][^%s:/]*$") then return text end
  end,
}

--- The name of a network interface, by the kernel's own rule (dev_valid_name
--- in net/core/dev.c: at most 15 bytes, no slash, colon or blank, not "." or "..").
---@type subopts.Type
M.interface = {
  shape = "<interface>",
  accepts = "the name of a network interface: at most 15 bytes, no slash, colon or blank",
  read = function(text)
    if #text <= 15 and not text:find("[%s/:]") and text ~= "." and text ~= ".." then return text end
  end,
}

-- Six bytes with one separator between them, where a leading zero may be left
-- out as Solaris and BSD print it; nil when that is not their form.
local function separated_bytes(text, separator)
  local parts = {}
  for part in (text .. separator):gmatch("([^%" .. separator .. "]*)%" .. separator) do
    if not part:find("^%x%x?$") then return nil end
    parts[#parts + 1] = #part == 1 and "0" .. part or part
  end
  if #parts == 6 then return table.concat(parts) end
end

--- A hardware address in every notation in use; the value is six bytes in
--- lower case with colons between them.
---@type subopts.Type
M.mac = {
  shape = "<mac>",
  accepts = "a MAC address such as 52:54:00:12:34:56, 52-54-00-12-34-56, 5254.0012.3456 or 525400123456",
  read = function(text)
    local digits
    if text:find(":", 1, true) then
      digits = separated_bytes(text, ":")
    elseif text:find("-", 1, true) then
      digits = separated_bytes(text, "-")
    elseif text:find("^%x%x%x%x%.%x%x%x%x%.%x%x%x%x$") then
      digits = text:gsub("%.", "")
    else
      digits = text:gsub("^0[xX]", "")
    end
    if not digits or #digits ~= 12 or digits:find("%X") then return nil end
    return (digits:lower():gsub("(%x%x)", "%1:"):sub(1, 17))
  end,
}

--- A UUID with or without its dashes, in any case; the value is in lower case
--- with dashes (RFC 9562, section 4).
---@type subopts.Type
M.uuid = {
  shape = "<uuid>",
  accepts = "a UUID: 32 hexadecimal digits, in groups of 8-4-4-4-12 or without dashes",
  read = function(text)
    local digits = text
    if text:find("-", 1, true) then
      local a, b, c, d, e = text:match("^(%x+)%-(%x+)%-(%x+)%-(%x+)%-(%x+)$")
      if not a or #a ~= 8 or #b ~= 4 or #c ~= 4 or #d ~= 4 or #e ~= 12 then return nil end
      digits = a .. b .. c .. d .. e
    end
    if #digits ~= 32 or digits:find("%X") then return nil end
    digits = digits:lower()
    return table.concat({
      digits:sub(1, 8), digits:sub(9, 12), digits:sub(13, 16), digits:sub(17, 20), digits:sub(21, 32),
    }, "-")
  end,
}

local function is_ipv4(text)
  local octets = { text:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$") }
  if #octets ~= 4 then return false end
  for _, octet in ipairs(octets) do
    if #octet > 3 or tonumber(octet, 10) > 255 or octet:find("^0%d") then return false end
  end
  return true
end

-- How many groups of sixteen bits a text such as "fe80:0:1" has; an IPv4
-- address at its end counts two. nil when a group is malformed.
local function ipv6_groups(text)
  if text == "" then return 0 end
  local groups, last = 0, nil
  for part in (text .. ":"):gmatch("([^:]*):") do
    if last then
      if not last:find("^%x+$") or #last > 4 then return nil end
      groups = groups + 1
    end
    last = part
  end
  if is_ipv4(last) then return groups + 2 end
  if not last:find("^%x+$") or #last > 4 then return nil end
  return groups + 1
end

-- RFC 4291, section 2.2, with the zone of RFC 4007.
local function is_ipv6(text)
  local address, zone = text:match("^([^%%]+)%%(.*)$")
  if zone and not zone:find("^[%w_.%-]+$") then return false end
  address = address or text
  local gap = address:find("::", 1, true)
  if not gap then return ipv6_groups(address) == 8 end
  local before, after = address:sub(1, gap - 1), address:sub(gap + 2)
  if before:find(".", 1, true) then return false end
  local left, right = ipv6_groups(before), ipv6_groups(after)
  return left ~= nil and right ~= nil and left + right <= 7
end

-- RFC 1123, section 2.1, and the underscore that names in use have.
local function is_name(text)
  if #text > 253 then return false end
  local name = text:gsub("%.$", "")
  if name:find("^[%d.]+$") then return false end
  for label in (name .. "."):gmatch("([^.]*)%.") do
    if #label > 63 or not label:find("^[%w_][%w_%-]*$") or label:sub(-1) == "-" then return false end
  end
  return true
end

local function is_host(text)
  return is_ipv4(text) or is_name(text) or is_ipv6(text)
end

--- The name of a host, or its IPv4 or IPv6 address.
---@type subopts.Type
M.host = {
  shape = "<name or IP address>",
  accepts = "a host's name or IP address",
  read = function(text)
    if is_host(text) then return text end
  end,
}

---@class subopts.Endpoint
---@field address string name or IP address, as typed, without brackets
---@field port integer? 1 to 65535; nil where none was typed

-- The parts of host, host:port, [v6], [v6]:port, and of an IPv6 address
-- without brackets, which then has no port.
local function split_endpoint(text)
  if text:sub(1, 1) == "[" then
    local address, rest = text:match("^%[([^%]]*)%](.*)$")
    if not address or not is_ipv6(address) then return nil end
    if rest == "" then return address end
    if rest:sub(1, 1) ~= ":" then return nil end
    return address, rest:sub(2)
  end
  if is_ipv6(text) then return text end
  local address, port = text:match("^([^:]+):([^:]*)$")
  if address then return address, port end
  return text
end

--- A host, or a host and a port: `192.168.3.251:4711`, `lab01:9`,
--- `[ff02::1]:9`. The value is an `Endpoint`.
---@type subopts.Type
M.endpoint = {
  shape = "<address>[:<port>]",
  accepts = "a name or IP address and, after a colon, a port from 1 to 65535; an IPv6 address with a port stands in brackets",
  read = function(text)
    local address, port = split_endpoint(text)
    if not address or not is_host(address) then return nil end
    if not port then return { address = address } end
    local number = M.port.read(port)
    if number then return { address = address, port = number } end
  end,
}

---@class subopts.Trials
---@field on boolean
---@field trials integer? how often to try, where they were typed
---@field wait integer? seconds to sleep after each that fails, where they were typed

--- ON, OFF, or how often to try and how long to sleep after each that fails:
--- `40%3`. The value is a `Trials`; ON leaves the numbers to the site's settings.
---@param trials integer the settings' default, for what is accepted
---@param wait integer
---@return subopts.Type
function M.trials(trials, wait)
  return {
    shape = "ON|OFF|<trials>%<seconds>",
    accepts = ("ON (%d%%%d), OFF, or the number of trials, 1 or more, and the seconds between them: %d%%%d"):format(
      trials, wait, trials, wait),
    separates = true,
    read = function(text)
      local word = text:lower()
      if word == "on" then return { on = true } end
      if word == "off" then return { on = false } end
      local count, pause = text:match("^(%d+)%%%%?(%d+)$")
      count, pause = count and whole_number(count), pause and whole_number(pause)
      if count and pause and count >= 1 then return { on = true, trials = count, wait = pause } end
    end,
  }
end

--- Several values with `%` or `%%` between them. The value is a list.
---@param element subopts.Type
---@return subopts.Type
function M.list(element)
  return {
    shape = element.shape .. "[%" .. element.shape .. "...]",
    accepts = "a list with % between its elements, each " .. element.accepts,
    separates = true,
    read = function(text)
      local list, from = {}, 1
      while true do
        local first, last = text:find("%%%%?", from)
        local part = text:sub(from, first and first - 1)
        local value = part ~= "" and element.read(part) or nil
        if value == nil then return nil end
        list[#list + 1] = value
        if not first then return list end
        from = last + 1
      end
    end,
  }
end

return M
