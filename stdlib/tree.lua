-- tree: everything that runs on a machine, and in it, level by level.
--
--     local tree = require "tree"
--     local found = tree.walk{ "lab01" }
--     for _, guest in ipairs(tree.leaves(found[1])) do print(guest.name, guest.state) end
--
-- A guest is known by its hypervisor's URI and its UUID. One that was seen before
-- is marked and not entered again, so a cycle or a clone ends a walk, as do its
-- depth and its time. Nothing is changed anywhere. The first look at a machine is
-- through SSH alone, by the inventory's way to it (its parent is the jump host); an
-- agent goes there only for hypervisors that do not answer so.

local walk = require "walk"

local M = {}

---@class tree.Limits
---@field depth integer? levels of guests, 8 where left out
---@field seconds number? of the whole walk, 300
---@field timeout number? of one look, 30
---@field agent "never"|"always"|nil whether an agent looks; left out: where SSH does not suffice

---@class tree.Node a machine that was asked for, or a guest
---@field name string
---@field path string of the names above it and its own: "lab01/ct1/db1"
---@field depth integer 0 is a machine that was asked for
---@field uri string? and uuid, type, state, cause, agent: as its hypervisor shows it
---@field row table? of the inventory
---@field above tree.Node?
---@field way "here"|"ssh"|"agent there"|nil how it was looked into; nil: it was not
---@field mark "cycle"|"clone"|"again"|"depth"|"time"|"no way in"|nil why it was not entered
---@field why string? the same in words
---@field error table? why the look failed
---@field problems table[] hypervisors on it that do not answer: {uri=, kind=, message=}
---@field guests tree.Node[]

local LOOKS_AT_ONCE = 32

-- Looking ----------------------------------------------------------------------

local function plain(guest)
  return { name = guest.name, uri = guest.uri, uuid = guest.uuid, type = guest.type, state = guest.state, agent = guest.agent or nil,
    cause = guest.cause and tostring(guest.cause) or nil }
end

local function problem(uri, err)
  if type(err) ~= "table" then err = { message = tostring(err) } end
  return { uri = uri, kind = err.kind or "internal", message = tostring(err.message or err) }
end

--- The guests of every hypervisor on a host, through SSH; nil is this machine. One
--- that does not answer is among the problems.
---@return { guests: table[], problems: table[], hypervisors: integer }
function M.read(host)
  local list = stack.hypervisors{ host = host, partial = true }
  local found = { guests = {}, problems = {}, hypervisors = #list }
  local asked = task.settle(list, function(hypervisor)
    if hypervisor.problem then error(hypervisor.problem, 0) end
    return stack.list{ uri = hypervisor.uri }
  end)
  for i, outcome in ipairs(asked) do
    if not outcome.ok then table.insert(found.problems, problem(list[i].uri, outcome.error)) end
    for _, guest in ipairs(outcome.ok and outcome.value or {}) do table.insert(found.guests, plain(guest)) end
  end
  return found
end

--- The same by an agent on the machine, which also knows driver scripts and the
--- machine's interfaces.
function M.read_there(name) return action.at(name, "stack", {}, { call = "here" }) end

local function look(node, run)
  local name = node.row and node.row.name or node.name
  if node.depth == 0 and action.is_here(name) then return M.read_here(), "here" end
  if run.agent == "always" then return M.read_there(name), "agent there" end
  local found = M.read(name)
  if #found.problems == 0 or run.agent == "never" then return found, "ssh" end
  local ok, better = pcall(M.read_there, name)
  if ok then return better, "agent there" end
  return found, "ssh"
end

--- What a machine says of itself.
function M.read_here()
  local found = M.read()
  found.wake = require("tree_wake").words()
  return found
end

--- Looks into one machine or guest, and puts what it carries below it.
function M.look(node, run)
  local left = math.min(run.timeout, run.finish - task.now())
  if left <= 0 then
    node.mark, node.why = "time", string.format("the %g s of the walk were over", run.seconds)
    return
  end
  local ok, found, way = pcall(task.deadline, left, look, node, run)
  if not ok then
    node.error = problem(nil, found)
    if node.depth > 0 then node.mark, node.why = "no way in", node.error.message end
    return
  end
  node.way, node.wake, node.problems = way, found.wake, found.problems
  for i, guest in ipairs(found.guests) do
    guest.depth, guest.above, guest.path, guest.guests, guest.problems = node.depth + 1, node, node.path .. "/" .. guest.name, {}, {}
    guest.row = walk.row(guest, node.row and node.row.name or node.name)
    node.guests[i] = guest
  end
end

-- Identity ---------------------------------------------------------------------

-- Whether a guest is one of those that carry it, or the machine asked for.
local function is_above(uuid, node)
  while node do
    if node.uuid == uuid then return node end
    node = node.above
  end
end

-- What the hypervisor in a node shows is what the one that carries it shows, where
-- it shows the node itself: its socket, or its address, is that of the other.
local function ends_in_itself(node)
  for _, guest in ipairs(node.guests) do
    local again = is_above(guest.uuid, node)
    if again then
      node.mark, node.why, node.guests = "cycle", "what it carries is what carries it: it shows " .. again.path, {}
      return true
    end
  end
end

-- Marks a guest that was seen before; the first of those with one UUID is told too.
local function recognise(guest, run)
  local first = run.seen[guest.uuid]
  if not first then
    run.seen[guest.uuid] = guest
    return
  end
  if first.depth == 0 then
    guest.mark, guest.why = "again", "it is " .. first.path .. ", which is shown by itself"
    return
  end
  guest.mark, guest.why = "clone", "it has the UUID of " .. first.path .. ": a clone, or the same one by another way"
  first.why = first.why or ("another has its UUID: " .. guest.path)
end

-- Whether the inventory says that a guest carries others: true, false, or nil.
local function said_to_carry(guest)
  if not guest.row then return nil end
  if walk.carries(guest.row) then return true end
  if guest.row.hypervisors then return false end
end

--- Whether a guest is looked into. One that may carry others and cannot be entered
--- is marked so.
function M.enters(guest, run)
  local runs = guest.state == "running"
  if guest.mark or not runs or said_to_carry(guest) == false then return false end
  if guest.depth >= run.depth then
    guest.mark, guest.why = "depth", string.format("the walk ends at depth %d", run.depth)
    return false
  end
  if guest.row and guest.row.address then return true end
  guest.mark, guest.why = "no way in", guest.row and "its row in machines.lua has no address" or "machines.lua has no row for it"
  return false
end

-- The walk ---------------------------------------------------------------------

-- The guests of a level in the order in which they are known: a row's own guest
-- before one on another machine that has the same UUID.
local function in_order(level)
  local own, others = {}, {}
  for _, node in ipairs(level) do
    for _, guest in ipairs(ends_in_itself(node) and {} or node.guests) do
      local at_home = guest.row and guest.row.parent == (node.row and node.row.name or node.name)
      table.insert(at_home and own or others, guest)
    end
  end
  for _, guest in ipairs(others) do own[#own + 1] = guest end
  return own
end

local function root(name)
  local row = inventory.machine(name)
  return { name = name, path = name, depth = 0, row = row, uuid = row and row.uuid ~= "" and row.uuid or nil, guests = {}, problems = {} }
end

--- Walks machines and everything in them.
---@param names string[] machines of the inventory, or addresses
---@param limits tree.Limits?
---@return tree.Node[] in the order of the names
function M.walk(names, limits)
  limits = limits or {}
  local run = { depth = limits.depth or 8, seconds = limits.seconds or 300, timeout = limits.timeout or 30, agent = limits.agent, seen = {} }
  run.finish = task.now() + run.seconds
  local roots, level = {}, {}
  for i, name in ipairs(names) do
    roots[i] = root(name)
    level[i] = roots[i]
    if roots[i].uuid then run.seen[roots[i].uuid] = roots[i] end
  end
  while #level > 0 do
    task.map(level, function(node) M.look(node, run) end, { limit = LOOKS_AT_ONCE })
    local next_level = {}
    for _, guest in ipairs(in_order(level)) do
      recognise(guest, run)
      if M.enters(guest, run) then next_level[#next_level + 1] = guest end
    end
    level = next_level
  end
  return roots
end

--- Calls fn for a node and all below it, parents first.
function M.each(node, fn)
  fn(node)
  for _, guest in ipairs(node.guests) do M.each(guest, fn) end
end

--- The guests below a node that carry no others, as far as was seen.
---@return tree.Node[]
function M.leaves(node)
  local list = {}
  M.each(node, function(one)
    if one.depth > 0 and #one.guests == 0 then list[#list + 1] = one end
  end)
  return list
end

--- What keeps a walk from having seen all that the inventory or a hypervisor says
--- is there: a machine that was asked for and did not answer, a hypervisor that did
--- not, a guest that is known to carry others and could not be entered, and what the
--- time did not suffice for.
---@return table[] {kind=, message=, path=}
function M.gaps(node)
  local list = {}
  M.each(node, function(one)
    if one.error and (one.depth == 0 or said_to_carry(one)) then list[#list + 1] = { path = one.path, kind = one.error.kind, message = one.error.message } end
    if one.mark == "time" then list[#list + 1] = { path = one.path, kind = "timeout", message = one.why } end
    for _, found in ipairs(one.problems) do list[#list + 1] = { path = one.path, kind = found.kind, message = found.uri .. ": " .. found.message } end
  end)
  return list
end

return M
