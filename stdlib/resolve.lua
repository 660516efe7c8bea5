-- resolve: from the addresses of a request to one machine.
--
--     local resolve = require "resolve"
--     local machine = resolve.machine(request.address, request.addresses)
--     --> { name = "lab02", address = "10.0.0.6", mac = "52:54:…", port = 22, … }
--
-- What one address names the inventory fills in for the others. What it does
-- not know is used as typed where that says something about the machine: a MAC
-- does for a packet, a name or IP address for a probe. All this is plain data,
-- without secrets, so that it may travel.

local targets = require "targets"

local M = {}

local as_typed = { T = "address", M = "mac" }

-- What a label says of a machine without a row: it is a name that it was reached by.
local as_reached = { T = "address", M = "mac", L = "address" }

local function with_row(row)
  return {
    name = row.name, address = row.address, port = row.port, mac = row.mac, uuid = row.uuid, label = row.label,
    broadcast = row.broadcast, broadcast_port = row.broadcast_port, interface = row.interface,
    subnet = row.subnet, waker = row.waker, parent = row.parent, has_bmc = row.bmc ~= nil,
  }
end

local function values_of(address)
  if type(address.value) == "table" then return address.value end
  return { tostring(address.value) }
end

--- The rows of the inventory that an address means. A record's number means
--- one only where the whole inventory is: at the desk.
---@param address subopts.Address
function M.rows(address)
  local rows = {}
  for _, value in ipairs(values_of(address)) do
    for _, row in ipairs(inventory.lookup(address.kind, value)) do rows[#rows + 1] = row end
  end
  return rows
end

--- The addresses that count: DBREC wins over all others.
---@param decides subopts.Address?
---@param all subopts.Address[]
function M.counting(decides, all)
  return decides and decides.kind == "DBREC" and { decides } or all
end

--- Says which machine a record's number means now.
function M.note_record(address, machine)
  if address.kind ~= "DBREC" then return end
  step.note(string.format("%s is %s now (address %s, MAC %s)", address.text, machine.name, machine.address or "unknown", machine.mac or "unknown"))
end

local function both(a, b)
  local names, list = {}, {}
  for _, row in ipairs(b) do names[row.name] = true end
  for _, row in ipairs(a) do
    if names[row.name] then list[#list + 1] = row end
  end
  return list
end

-- A machine without a row that an earlier run has taken down by this name, by
-- which it was reached.
local function is_kept(address)
  return address.kind == "L" and inventory.kept(address.value) ~= nil
end

local function one_row(addresses)
  local found, typed
  for _, address in ipairs(addresses) do
    local rows = M.rows(address)
    if #rows > 0 then
      local narrowed = found and both(found, rows) or rows
      if #narrowed == 0 then
        targets.invalid(string.format('"%s" is %s, and "%s" is %s: one machine is meant', typed, targets.names(found), address.text, targets.names(rows)))
      end
      found, typed = narrowed, address.text
    elseif not as_typed[address.kind] and not is_kept(address) then
      targets.invalid(string.format('"%s": the inventory has no such machine', address.text))
    end
  end
  if found and #found > 1 then
    targets.refuse(string.format('"%s" is more than one machine: %s; add an address that only one of them has', typed, targets.names(found)))
  end
  return found and found[1]
end

--- The machine that addresses name. One that says nothing to the inventory and
--- cannot be used as typed is kind invalid, one that means several is refused.
---@param decides subopts.Address DBREC wins over all others
---@param all subopts.Address[]
function M.machine(decides, all)
  all = M.counting(decides, all)
  local row = one_row(all)
  local machine = row and with_row(row) or {}
  for _, address in ipairs(all) do
    local field = (row and as_typed or as_reached)[address.kind]
    if field then
      machine.name = machine.name or address.value
      if field == "mac" or not machine.address then machine[field] = address.value end
      machine.typed_mac = machine.typed_mac or field == "mac"
    end
  end
  return machine
end

--- The TARGET itself, as the inventory knows it.
function M.target(name)
  local row = inventory.machine(name)
  local machine = row and with_row(row) or { name = name }
  machine.address = machine.address or name
  return machine
end

return M
