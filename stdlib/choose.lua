-- choose: which guests of a machine a request with a type of virtual machine
-- means.
--
--     local choose = require "choose"
--     local list = choose.guests(request, walk.guests(), { machine = "lab01", op = "create" })
--
-- A label is compared whole, a UUID without regard to case and dashes; what
-- else addresses a machine is looked up in the inventory.

local targets = require "targets"
local walk = require "walk"

local M = {}

--- A type of guest that this version cannot act on is refused before anything
--- is contacted; Xen's can be planned.
function M.in_this_version(type)
  if type == "vbox" or type == "vmw" then
    targets.invalid(string.format('"-t %s": this version has no driver for it; it knows xen, kvm, qemu, lxc and vm', type))
  end
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
}

local function by_inventory(guest, address, machine)
  local row = walk.row(guest, machine)
  for _, found in ipairs(inventory.lookup(address.kind, address.value)) do
    if row and row.name == found.name then return true end
  end
  return false
end

local function addressed(guest, wanted, machine)
  if not walk.is_type(guest, wanted.type) then return false end
  if wanted.all then return true end
  local match = matches[wanted.address.kind]
  if match then return match(guest, wanted.address.value) end
  return by_inventory(guest, wanted.address, machine)
end

local function names(list)
  local words = {}
  for i, item in ipairs(list) do words[i] = item.name end
  return table.concat(words, ", ")
end

--- The guests that were addressed: none is an error, several need ALL or -A 1.
---@param wanted { type: string, all: boolean?, address: subopts.Address }
---@param all table[] guests of the machine
---@param of { machine: string, op: string, ambiguous: boolean?, several: string? } several: what else to type where one address means several
function M.guests(wanted, all, of)
  local chosen = {}
  for _, guest in ipairs(all) do
    if addressed(guest, wanted, of.machine) then chosen[#chosen + 1] = guest end
  end
  if #chosen == 0 and not wanted.all then
    error({ kind = "invalid", op = of.op, host = of.machine, exit = 1,
      message = string.format('no %s guest here is "%s"', wanted.type, wanted.address.text or wanted.address.value) }, 0)
  end
  if #chosen > 1 and not wanted.all and not of.ambiguous then
    targets.refuse(string.format('"%s" is more than one guest: %s; %s', wanted.address.text or wanted.address.value, names(chosen), of.several or "say ALL, or -A 1"))
  end
  return chosen
end

return M
