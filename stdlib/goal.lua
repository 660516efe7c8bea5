-- goal: when has a machine that was told to go down, or to come back, done so?
--
--     local goal = require "goal"
--     local seen = goal.off("lab01", { accepted = true })
--     --> { state = "off", seen_by = "bmc", text = "lab01 is off" }
--
-- Its BMC is believed, then the hypervisor above it. Without either there must
-- be three things: the machine's own last record that its system took the
-- request, that record here, and silence on every probe. That is worded so:
-- nobody has seen the machine off.

local moment = require "moment"
local power = require "power"

local M = {}

-- Seconds without any answer before a machine counts as gone; seconds between
-- two looks.
local SILENT, LOOK_EVERY = 10, 1

local function clock(time)
  return string.format("%.0f s", time)
end

-- The end of a machine that missed its goal, or was not seen to reach it: who
-- reads the results alone finds an error there.
local function missed(machine, kind, ended)
  ended.exit = 1
  ended.error = ended.error or { kind = kind, op = "cancel", host = machine, message = ended.text }
  return ended
end

-- Looks again and again until check() gives something or the time is over.
local function poll(seconds, check)
  local finish = task.now() + seconds
  while true do
    local found = check()
    if found then return found end
    if task.now() >= finish or step.planning() then return nil end
    task.sleep(LOOK_EVERY)
  end
end

local function seen_off(machine, seconds)
  local last
  local off = poll(seconds, function()
    last = power.state(machine)
    return last.state == "off"
  end)
  if off then
    return { state = "off", seen_by = last.seen_by, text = machine .. " is off, by the word of its " .. last.seen_by }
  end
  return missed(machine, "timeout", {
    state = last.state, seen_by = last.seen_by, error = last.cause,
    text = string.format("%s is not off after %s, by the word of its %s: %s", machine, clock(seconds), last.seen_by, last.state),
  })
end

-- The moment since which nobody answers, or nil where somebody does.
local function silence(machine, row, seconds)
  local gone_since
  local gone = poll(seconds, function()
    if power.answers(row.address or machine, row.port) then
      gone_since = nil
      return nil
    end
    gone_since = gone_since or task.now()
    return task.now() - gone_since >= SILENT
  end)
  return gone and gone_since
end

-- What silence says of a machine that nobody can see.
---@param went string what it did: "went down"
---@param goal string what nobody has seen it: "off"
local function silent(machine, row, report, seconds, went, goal)
  local since = silence(machine, row, seconds)
  if not since then
    return missed(machine, "timeout", { state = "on", seen_by = "probe", text = string.format("%s took the request and still answers after %s", machine, clock(seconds)) })
  end
  if not report.accepted then
    return missed(machine, "unreachable", { state = "unknown", seen_by = "probe", text = string.format("%s stopped answering, and its last record did not arrive: not seen %s", machine, goal) })
  end
  return {
    state = "unknown", seen_by = "probe",
    text = string.format("%s %s at %s, unreachable since %s, not seen %s", machine, went, moment.hour(report.at or since), moment.hour(since), goal),
    data = { unreachable_since = since },
  }
end

-- This machine ends this run on its way down; a run that is not ended proves
-- that it is on, whatever does not answer.
local function still_here(machine, seconds)
  poll(seconds, function() return nil end)
  return missed(machine, "timeout", { state = "on", seen_by = "itself", text = string.format("%s took the request and still runs after %s", machine, clock(seconds)) })
end

--- Waits until a machine that was told to power off has done so.
---@param report table what its agent said last: accepted (its system took the request), at (when)
---@return table end of the target, see stdlib/targets.lua
function M.off(machine, report, seconds)
  local row = inventory.machine(machine) or { name = machine, address = machine }
  if step.planning() then return { state = "off", text = machine .. " would be off" } end
  if action.is_here(machine) then return still_here(machine, seconds) end
  if row.bmc or row.parent then return seen_off(machine, seconds) end
  return silent(machine, row, report, seconds, "went down", "off")
end

-- This machine, whose run sleeps with it: its kernel counts how long that was.
local function slept_here(machine, before, seconds)
  local slept = poll(seconds, function()
    local ok, now = pcall(shutdown.identity)
    local slept = ok and now.slept or 0
    return slept > before and slept - before
  end)
  if not slept then return still_here(machine, seconds) end
  return { state = "on", seen_by = "itself", text = string.format("%s slept for %s, until %s, and is up again", machine, clock(slept), moment.hour(task.now())) }
end

-- The hypervisor that carries it tells sleep from power.
local function seen_asleep(machine, row, seconds)
  local last
  local asleep = poll(seconds, function()
    local ok, guest = pcall(power.guest, row)
    last = ok and guest and guest.state or "unknown"
    return last == "suspended"
  end)
  if asleep then return { state = "suspended", seen_by = "hypervisor", text = machine .. " is suspended, by the word of its hypervisor" } end
  return missed(machine, "timeout", { state = "unknown", seen_by = "hypervisor",
    text = string.format("%s is not suspended after %s, by the word of its hypervisor: %s", machine, clock(seconds), last) })
end

-- What its BMC says of a machine that is suspended to RAM proves nothing: some
-- go by the main power and call it off, others by its state and call it on.
local function with_bmc(machine, row, seen)
  if not row.bmc or (seen.exit or 0) ~= 0 then return seen end
  local by_bmc = power.state(machine, SILENT)
  seen.text = string.format("%s (its BMC says %s, which of a machine suspended to RAM proves nothing)", seen.text, by_bmc.state)
  return seen
end

--- Waits until a machine that was told to sleep does so.
---@param to_ram boolean suspended to RAM, which a BMC calls on; else hibernated, which is off
---@param report table as for M.off, and slept: the seconds that this boot had slept before
---@return table end of the target, see stdlib/targets.lua
function M.asleep(machine, to_ram, report, seconds)
  local row, word = inventory.machine(machine) or { name = machine, address = machine }, to_ram and "suspended" or "hibernated"
  if step.planning() then return { state = word, text = string.format("%s would be %s", machine, word) } end
  if action.is_here(machine) then return slept_here(machine, report.slept or 0, seconds) end
  if not to_ram and (row.bmc or row.parent) then return seen_off(machine, seconds) end
  if row.parent and not row.bmc then return seen_asleep(machine, row, seconds) end
  return with_bmc(machine, row, silent(machine, row, report, seconds, "went to sleep", "asleep"))
end

--- Waits until a machine that was told to reboot runs another boot than before.
---@param before string? its boot_id before; without one nothing can be proven
---@param boot_id fun(): string? asks the machine for its boot_id, nil where it does not answer
function M.rebooted(machine, before, seconds, boot_id)
  if step.planning() then return { state = "up", text = machine .. " would be up again" } end
  if not before then
    return missed(machine, "unsupported", { state = "unknown", text = machine .. ": asked to reboot, not confirmed (it has no boot_id to compare)" })
  end
  local now = poll(seconds, function()
    local id = boot_id()
    return id and id ~= before and id
  end)
  if now then return { state = "up", seen_by = "boot_id", text = machine .. " has rebooted and is up" } end
  return missed(machine, "timeout", { state = "unknown", text = string.format("%s: asked to reboot, not confirmed after %s", machine, clock(seconds)) })
end

--- Waits until a machine that was told to change its run level is in it. In 1 it
--- lets nobody in, so that nobody can see it.
---@param reached fun(): boolean? asks the machine; nil where it does not answer
function M.run_level(machine, level, seconds, reached)
  local state = "run level " .. level
  if step.planning() then return { state = state, text = string.format("%s would go to run level %d", machine, level) } end
  if poll(seconds, reached) then return { state = state, seen_by = "itself", text = string.format("%s is in run level %d", machine, level) } end
  return missed(machine, "timeout", { state = "unknown", text = string.format("%s: asked to go to run level %d, not confirmed after %s", machine, level, clock(seconds)) })
end

return M
