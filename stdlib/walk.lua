-- walk: what runs on this machine, and what the inventory knows of it.
--
--     local walk = require "walk"
--     for _, guest in ipairs(walk.guests()) do print(guest.name, guest.state) end

local power = require "power"

local M = {}

-- The longest that a hypervisor may take to say what it carries.
local ANSWER = 30

-- Which types of guest a TYPE of the command line means.
local kinds = {
  xen = { xen = true }, kvm = { kvm = true }, qemu = { qemu = true, kvm = true }, lxc = { lxc = true },
  vbox = { vbox = true }, vmw = { vmw = true },
}

--- Whether a guest is of the type that was typed: "vm" and "all" are any.
function M.is_type(guest, type)
  return type == "vm" or type == "all" or (kinds[type] or {})[guest.type] == true
end

--- Whether a guest is of one of the types (-T); all are where none is given.
---@param types string[]?
function M.among(guest, types)
  if not types or #types == 0 then return true end
  for _, type in ipairs(types) do
    if M.is_type(guest, type) then return true end
  end
  return false
end

local function ask(hypervisor, on_silence)
  if hypervisor.problem then
    on_silence(hypervisor.problem)
    return {}
  end
  if not on_silence then return task.deadline(ANSWER, stack.list, { uri = hypervisor.uri }) end
  local ok, guests = pcall(task.deadline, ANSWER, stack.list, { uri = hypervisor.uri })
  if ok then return guests end
  on_silence(guests)
  return {}
end

--- All guests of the hypervisors on this machine, running or not. A hypervisor
--- that does not answer raises: what it carries is not known.
---@param on_silence fun(err: table)? called for a hypervisor that does not answer; those of the others are given then
function M.guests(on_silence)
  local guests, seen = {}, {}
  for _, hypervisor in ipairs(task.deadline(ANSWER, stack.hypervisors, { partial = on_silence ~= nil })) do
    for _, guest in ipairs(ask(hypervisor, on_silence)) do
      local id = guest.uri .. " " .. guest.uuid
      if not seen[id] then guests[#guests + 1] = guest end
      seen[id] = true
    end
  end
  return guests
end

local placed = {}

--- The rows that the inventory places on a machine. It stays as it is during a
--- run, and every step asks.
function M.placed_on(name)
  if not placed[name] then placed[name] = inventory.children(name) end
  return placed[name]
end

local function find_row(guest, host)
  local by_uuid = inventory.lookup("U", guest.uuid)
  if #by_uuid > 0 then return by_uuid[1] end
  for _, row in ipairs(M.placed_on(host or "")) do
    if (row.label or row.name) == guest.name then
      if not row.uuid or row.uuid == "" then return row end
      step.warn(string.format("%s has the UUID %s, and its row in machines.lua another (%s): the row is not used", guest.name, guest.uuid, row.uuid))
    end
  end
end

-- Rows that were found, and false for those that there are not: the inventory
-- stays as it is during a run, and every step asks for a guest's row.
local rows = {}

--- The row that describes a guest: by UUID, else by label or name below the
--- machine that carries it. Nil where the inventory does not know it.
function M.row(guest, host)
  local key = guest.uuid .. " " .. guest.name .. " " .. (host or "")
  if rows[key] == nil then rows[key] = find_row(guest, host) or false end
  return rows[key] or nil
end

--- Whether a machine carries guests, as far as the inventory tells.
function M.carries(row)
  return (row.hypervisors and #row.hypervisors > 0) or #M.placed_on(row.name) > 0
end

--- What was last known to run on a host that cannot be asked now.
function M.known(host)
  local names = {}
  for _, row in ipairs(M.placed_on(host or "")) do names[#names + 1] = row.name end
  return names
end

--- The guests that are not off, by their hypervisor's word.
function M.not_off(guests)
  local list = {}
  for _, guest in ipairs(guests) do
    if power.of_guest(guest) ~= "off" then list[#list + 1] = guest end
  end
  return list
end

return M
