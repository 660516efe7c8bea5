-- cancel_bridge: a bridge whose port cannot be armed while it is one. It is
-- dissolved just before the machine goes down, and comes back where the machine
-- does not: from here, and if this run dies, by the guards.
--
--     local bridges = require "cancel_bridge"
--     bridges.dissolve(order, way, "br0", "eth0")   -- way.left says what was left behind
--     bridges.restore(order, way)                   -- the machine stays up
--     bridges.leave(way)                            -- it goes down

local machines = require "cancel_machine"
local requests = require "cancel_request"
local targets = require "targets"

local M = {}

-- How much longer than the run itself may take the guard waits that restores the
-- bridge by the clock.
local SPARE = 300

---@class cancel.Left
---@field bridge string
---@field snapshot table what bridge.restore goes by

-- The programs that would put a bridge back together while it is dissolved.
local function against(name)
  local ok, list = pcall(bridge.managers, name)
  local fight = {}
  for _, manager in ipairs(ok and list or {}) do
    if manager.fights_back then fight[#fight + 1] = manager end
  end
  return fight
end

-- Who would, and what can be done about it.
local function words_of(list)
  local words = {}
  for i, manager in ipairs(list) do words[i] = string.format("%s (%s)", manager.name, manager.advice or table.concat(manager.seen or {}, ", ")) end
  return table.concat(words, "; ")
end

local function who_fights_back(name)
  local list = against(name)
  return #list > 0 and string.format("; %s has it in its hands and will fight back: %s", targets.names(list), words_of(list)) or ""
end

--- What a plan says of it.
function M.words(order, name)
  if requests.sleeps(order.wanted) then return "leave the machine up, with " .. name .. " as it is" end
  return string.format("snapshot %s, have guards that restore it if the power-off does not happen, dissolve it and arm then%s", name, who_fights_back(name))
end

local function refuse(name, why)
  error({ kind = "unsupported", op = "cancel", host = name, message = why }, 0)
end

-- A machine that only sleeps comes back with the same network, or its guests
-- would be cut off when it wakes.
local function refuse_asleep(order, name)
  if not requests.sleeps(order.wanted) then return end
  refuse(name, string.format("%s cannot be dissolved under a machine that is only suspended: its guests would wake without it; POWEROFF can", name))
end

--- Why a bridge may not be dissolved onto a port; nil where it may.
---@param alone boolean the port is the only way by which the machine may be reached
function M.cannot_be_dissolved(order, name, port, alone)
  if requests.sleeps(order.wanted) then
    return string.format("%s cannot be dissolved under a machine that is only suspended: its guests would wake without it; POWEROFF can", name)
  end
  if not alone then
    return string.format("%s has more than one port with a link, and the machine may be reached by either: name the one that is to carry on with IF", name)
  end
  local ok, why = pcall(function() return bridge.dissolution{ snapshot = bridge.snapshot(name), port = port } end)
  return not ok and tostring(why.message or why) or nil
end

-- Two guards restore it if this run dies or nothing comes of the power-off. Where
-- none stands, this raises.
local function guard(order, name, snapshot)
  local guarded, words = bridge.guard{ snapshot = snapshot, after = machines.delay(order) + SPARE }, {}
  if guarded.child == true then words[#words + 1] = "a process beside this run" end
  if guarded.timer == true then words[#words + 1] = string.format("a timer, after %.0f s", guarded.after) end
  step.note(string.format("if the power-off does not happen, %s is restored by this run, else by %s", name, table.concat(words, " and ")))
end

-- As it was before anybody has touched it in this boot: a run that is carried on
-- finds it taken apart.
local function kept_snapshot(order, name)
  local key = string.format("bridge %s of %s in boot %s", name, order.machine, shutdown.identity().boot_id or "unknown")
  return journal.keep(key, function() return bridge.snapshot(name) end)
end

--- Takes a bridge apart, so that its port can be armed. What was begun is in
--- way.left from before the first change.
function M.dissolve(order, way, name, port)
  refuse_asleep(order, name)
  local fight = who_fights_back(name)
  if fight ~= "" then step.warn(port .. " has to leave " .. name .. fight) end
  local snapshot = kept_snapshot(order, name)
  way.left = { bridge = name, snapshot = snapshot }
  guard(order, name, snapshot)
  step.run(string.format("dissolve %s, %s gets its addresses", name, port), function() bridge.dissolve{ snapshot = snapshot, port = port } end)
end

--- A port that is in a bridge again: somebody else has put it there.
function M.came_back(way, seen)
  local list = against(way.left.bridge)
  error({ kind = "busy", op = "cancel", host = seen.name, message = string.format(
    "%s is a port of %s again: %s", seen.name, seen.master, #list > 0 and words_of(list) or "somebody has put it back") }, 0)
end

--- Puts the bridge back together, and then takes the guards off. Where it is not
--- restored they stay, and act when this run ends.
function M.restore(order, way)
  local left = way.left
  local ok, err = pcall(step.run, "restore " .. left.bridge, function()
    bridge.restore{ snapshot = left.snapshot }
    return "as it was"
  end)
  if not ok then
    step.warn(string.format("%s of %s is not restored: %s; the guards try again when this run has ended", left.bridge, order.machine, tostring(err.message or err)))
    return
  end
  way.left = nil
  local told, why = pcall(bridge.unguard)
  if not told then step.warn(string.format("a guard of %s could not be taken off, and will find it restored: %s", left.bridge, tostring(why.message or why))) end
end

--- The machine's system has taken the power-off: a guard that acted now would
--- take the way back.
function M.leave(way)
  local ok, acted = pcall(bridge.unguard)
  if not ok then
    step.warn("a guard could not be taken off, and may restore " .. way.left.bridge .. " while the machine goes down: " .. tostring(acted.message or acted))
  elseif acted then
    step.warn("a guard has restored " .. way.left.bridge .. " before the machine went down: a packet may not wake it")
  end
  way.left = nil
end

return M
