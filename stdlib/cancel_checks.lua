-- cancel_checks: what must not be cancelled, said before anything is touched.
--
--     local checks = require "cancel_checks"
--     checks.stack(order, list)    -- raises: exit 3, with the guest's name
--
-- A guest that carries the ctys that was called, one that a reboot would lose; one
-- that a cluster manager starts again is looked for by stdlib/cancel_managed.lua.

local managed = require "cancel_managed"
local targets = require "targets"
local walk = require "walk"

local M = {}

--- The machine on which ctys was called, as a hypervisor above it would know it.
--- Its UUID may often be read by root alone, and a container sees its host's; the
--- addresses of its interfaces may be read by everybody. Its subnets tell which
--- segments its packets reach.
function M.who_am_i()
  local ok, identity = pcall(shutdown.identity)
  local listed, cards = pcall(nic.list)
  local subnet, macs, subnets = require "subnet", {}, {} -- only the desk asks
  for _, card in ipairs(listed and cards or {}) do
    if card.kind == "physical" or card.kind == "veth" then macs[#macs + 1] = card.mac end
    for _, net in ipairs(subnet.all(card)) do subnets[#subnets + 1] = net.prefix end
  end
  return { uuid = ok and identity.product_uuid or nil, macs = macs, subnets = subnets }
end

local function same_uuid(a, b)
  return a and b and a ~= "" and a:gsub("-", ""):lower() == b:gsub("-", ""):lower()
end

local function is_desk(who, uuid, macs)
  if same_uuid(who.uuid, uuid) then return true end
  for _, mine in ipairs(who.macs) do
    for _, mac in ipairs(macs) do
      if mine == mac and mac ~= "" then return true end
    end
  end
  return false
end

-- A guest in which ctys was called would take it along. Where the machine goes
-- down for good it may go, as the last one; there is nobody left then to see the
-- end, or to bring anything back.
local function goes_last(order)
  return order.wanted.self and (order.wanted.method == "poweroff" or order.wanted.level == 0)
end

-- Whether ctys was called in this guest, or by the inventory in one in it.
local function desk_in(order, guest, row)
  if not order.desk then return nil end
  if is_desk(order.desk, guest.uuid, guest.macs or {}) then return guest.name end
  for _, inner in ipairs(row and M.rows_in(row.name) or {}) do
    if is_desk(order.desk, inner.uuid, { inner.mac }) then return inner.name end
  end
end

local function refuse_if_inside(order, name)
  if not goes_last(order) then
    targets.refuse(string.format("ctys was called inside %s, which %s carries: call it from outside the stack", name, order.machine))
  end
end

--- The guest that goes down last, since ctys runs in it; nil where there is none.
function M.last(order, list)
  for _, guest in ipairs(list) do
    local name = desk_in(order, guest, walk.row(guest, order.machine))
    if name then
      step.warn(string.format("ctys was called inside %s: it goes down last, by the agent on %s, and cannot tell you how that ends", name, order.machine))
      return guest
    end
  end
end

local function refuse_xen(guest)
  if guest.type == "xen" and not step.planning() then
    targets.refuse(guest.name .. " is a Xen domain: not in this version; --plan shows what it would do")
  end
end

--- Whether a guest's hypervisor forgets it when it is off.
function M.is_lost_when_off(guest)
  return not guest.persistent and guest.type ~= "xen"
end

-- Whether the guests are taken down and started again.
local function reboots(wanted)
  return wanted.method == "reboot" or wanted.method == "reset" or wanted.self and wanted.level == 6
end

local function refuse_transient(order, guest)
  if not reboots(order.wanted) or not M.is_lost_when_off(guest) or order.wanted.force and order.wanted.self then return end
  local message = guest.name .. " is transient: once off, its hypervisor has forgotten it and nothing can start it again"
  if not step.planning() then targets.refuse(message .. "; define it there first (virsh define), or say POWEROFF") end
  step.warn(message)
end

-- Managed save is for guests whose memory can be put into a file that their
-- hypervisor finds again: not for containers, and not for what it forgets.
local function refuse_unsaved(order, guest)
  if order.wanted.method ~= "suspend" then return end
  local why = guest.type == "lxc" and "a container, which cannot be saved" or M.is_lost_when_off(guest) and "transient, and its hypervisor saves only what is defined"
  if not why then return end
  local message = string.format("%s is %s", guest.name, why)
  if not step.planning() then targets.refuse(message .. "; say PAUSE or POWEROFF") end
  step.warn(message)
end

--- A machine takes along what it carries. What the request leaves on, by its type
--- or address or by -T, must not lose its power with it unasked.
---@param all table[] guests of the machine
---@param list table[] those that the request names
function M.taken_along(order, all, list)
  local going, left = {}, {}
  for _, guest in ipairs(list) do going[guest.uri .. " " .. guest.uuid] = true end
  for _, guest in ipairs(walk.not_off(all)) do
    if not going[guest.uri .. " " .. guest.uuid] then left[#left + 1] = guest end
  end
  if #left == 0 then return end
  if order.wanted.force then
    step.warn("FORCE: SELF takes along what the request does not name, not seen off: " .. targets.names(left))
    return
  end
  targets.refuse(string.format("SELF would take along what the request leaves on: %s; say -t pm without -T to cancel all that %s carries, or add FORCE", targets.names(left), order.machine))
end

local within = {}

--- Every row that the inventory places in a machine, at any depth.
function M.rows_in(name)
  if within[name] then return within[name] end
  local list = {}
  for _, row in ipairs(walk.placed_on(name)) do
    list[#list + 1] = row
    for _, inner in ipairs(M.rows_in(row.name)) do list[#list + 1] = inner end
  end
  within[name] = list
  return list
end

--- What is refused for what runs here, and by the inventory in it, before
--- anything is touched.
function M.stack(order, list)
  local on, inner = walk.not_off(list), {}
  for _, guest in ipairs(on) do
    local row = walk.row(guest, order.machine)
    local inside = desk_in(order, guest, row)
    if inside then refuse_if_inside(order, inside) end
    refuse_xen(guest)
    refuse_transient(order, guest)
    refuse_unsaved(order, guest)
    for _, within in ipairs(row and not order.checked and M.rows_in(row.name) or {}) do inner[#inner + 1] = within end
  end
  managed.check(order, on, inner)
end

return M
