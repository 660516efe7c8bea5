-- choose: which guests of a machine a request with a type of virtual machine
-- means.
--
--     local choose = require "choose"
--     local list = choose.guests(request, walk.guests(), { machine = "lab01", op = "create" })
--
-- A label is compared whole, a UUID without regard to case and dashes; what
-- else addresses a machine is looked up in the inventory, at the desk: to the
-- machine that carries the guests only a part of it travels. Of several
-- addresses each must be the guest's.

local resolve = require "resolve"
local targets = require "targets"
local walk = require "walk"

local M = {}

--- A type of guest that this version cannot act on is refused before anything
--- is contacted; Xen's can be planned.
function M.in_this_version(type)
  if type == "xen" and not step.planning() then targets.invalid('"-t xen": not in this version; --plan shows what it would do') end
end

local function same_uuid(a, b)
  return (a:gsub("-", "")):lower() == (b:gsub("-", "")):lower()
end

local function has(list, value)
  for _, item in ipairs(list or {}) do
    if item == value then return true end
  end
  return false
end

local matches = {
  L = function(guest, value) return guest.name == value end,
  U = function(guest, value) return same_uuid(guest.uuid, value) end,
  M = function(guest, value) return has(guest.macs, value) end,
  T = function(guest, value) return has(guest.addresses, value) end,
}

--- At the desk, before any contact: the rows of what the inventory alone can
--- tell. An address that nothing else could tell either is kind invalid.
---@param wanted { address: subopts.Address?, addresses: subopts.Address[] }
function M.resolve(wanted)
  for _, address in ipairs(resolve.counting(wanted.address, wanted.addresses)) do
    local rows = address.kind ~= "L" and address.kind ~= "U" and resolve.rows(address) or {}
    if #rows == 0 and not matches[address.kind] then
      targets.invalid(string.format('"%s": the inventory has no such machine', address.text))
    end
    if #rows > 0 then
      resolve.note_record(address, rows[1])
      address.rows = {}
      for i, row in ipairs(rows) do address.rows[i] = row.name end
    end
  end
end

local function is_meant(guest, address, machine)
  local match = matches[address.kind]
  if match and match(guest, address.value) then return true end
  local row = walk.row(guest, machine)
  return row ~= nil and has(address.rows, row.name)
end

local function addressed(guest, wanted, of)
  if not walk.is_type(guest, wanted.type) or not walk.among(guest, of.types) then return false end
  if wanted.all then return true end
  for _, address in ipairs(resolve.counting(wanted.address, wanted.addresses)) do
    if not is_meant(guest, address, of.machine) then return false end
  end
  return true
end

local function as_typed(wanted)
  local words = {}
  for i, address in ipairs(wanted.addresses) do words[i] = address.text end
  return table.concat(words, ",")
end

--- The guests that were addressed: none is an error, several need ALL or -A 1.
---@param wanted { type: string, all: boolean?, address: subopts.Address?, addresses: subopts.Address[] }
---@param all table[] guests of the machine
---@param of { machine: string, op: string, types: string[]?, ambiguous: boolean?, several: string?, silent: string? } silent: why not all hypervisors were asked; types: those of -T; several: what else to type where one address means several
function M.guests(wanted, all, of)
  local chosen = {}
  for _, guest in ipairs(all) do
    if addressed(guest, wanted, of) then chosen[#chosen + 1] = guest end
  end
  if #chosen == 0 and not wanted.all then
    error({ kind = "invalid", op = of.op, host = of.machine, exit = 1,
      message = string.format('no %s guest here is "%s"%s', wanted.type, as_typed(wanted), of.silent and "; not all could be asked: " .. of.silent or "") }, 0)
  end
  if #chosen > 1 and not wanted.all and not of.ambiguous then
    targets.refuse(string.format('"%s" is more than one guest: %s; %s', as_typed(wanted), targets.names(chosen), of.several or "say ALL, or -A 1"))
  end
  return chosen
end

return M
