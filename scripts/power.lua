-- POWER: ask and switch many machines by their BMCs.
--
--     ctys power status @rack7
--     ctys power on 'bmc[001-100]' --spacing 0.5
--     ctys power off lab01
--
-- What each machine comes to is told as it comes; in the end the machines are
-- folded by state: "on: bmc[001-098]". 0: all reached their goal, and it was
-- seen; 1: one did not, or is not known to have. Every step is a field of M or
-- of M.verbs and called through it, so a site replaces one.
--
-- `require "power"` gives this table: the module stdlib/power.lua, which all
-- scripts share, and with it the action.

local targets = require "targets"

local M = require "stdlib.power"

M.head = {
  what = "Ask and switch machines by their BMCs; see it done; fold the answers.",
  arguments = {
    { name = "verb", required = true, value = "VERB", one_of = { "status", "on", "off", "soft", "cycle", "reset", "diag", "identify", "bootdev", "sensors", "sel" },
      help = "status, on, off, soft (power button), cycle, reset, diag (NMI), identify (lamp), bootdev, sensors, sel (event log); reset, diag and cycle --native have succeeded when the BMC took them and the power is on: the system is not looked at" },
    { name = "targets", type = "targets", value = "TARGET", required = true, help = "machines, ranges (bmc[001-100]), @groups, group files, !name" },
    { name = "spacing", option = "spacing", type = "seconds", help = "between two commands that switch on, so as not to trip the supply" },
    { name = "wait", option = "wait", type = "seconds", help = "for the goal to be seen: 60 (soft: the machine's deadline, else the site's)" },
    { name = "timeout", option = "timeout", type = "seconds", default = 20, min = 0.1, max = 600, help = "for a BMC to answer a request" },
    { name = "native", option = "native", type = "flag", help = "cycle: by the BMC itself, at most once, not seen off between" },
    { name = "device", option = { "d", "device" }, value = "DEVICE", one_of = { "none", "pxe", "disk", "safe", "diag", "cdrom", "bios" }, help = "bootdev: set it; without it the one that is set is told" },
    { name = "persistent", option = "persistent", type = "flag", help = "bootdev: always, not only once" },
    { name = "uefi", option = "uefi", type = "flag", help = "bootdev: by UEFI" },
    { name = "seconds", option = "seconds", type = "integer", min = 0, max = 255, help = "identify: so long, 15 where left out; 0 ends it" },
    { name = "forever", option = "forever", type = "flag", help = "identify: until it is ended" },
    { name = "clear", option = "clear", type = "flag", help = "sel: show the log, then empty it" },
  },
  examples = {
    "ctys power status @rack7",
    "ctys power on 'bmc[001-100]' --spacing 0.5",
    "ctys power off lab01 lab02 --json",
    "ctys power bootdev -d pxe lab01",
  },
  categories = { "destructive" },
  touches = { "ipmi.read", "ipmi.power_*", "ipmi.identify", "ipmi.set_boot_device", "ipmi.clear_events", "stack.read", "probe" },
}

-- Verbs that take the power away, from more than max_targets only with --yes.
M.takes_away = { off = true, soft = true, cycle = true, reset = true, diag = true }

-- Verbs that do harm where they are carried out twice.
M.once = { cycle = true, reset = true, diag = true }

-- Verbs that take many requests, and longer than a BMC may be silent: the
-- seconds that they have at least.
M.lengthy = { sensors = 60, sel = 60 }

-- Verbs whose answers are shown one by one in the end (power_reports).
M.has_report = { sensors = true, sel = true }

-- Seconds for a machine to be seen on or off.
M.seconds = 60

--- What ctys calls. Everything that is wrong with the request is found before
--- the first contact.
function M.action(request)
  local fleet, wanted = require "fleet", request.arguments
  local report = M.has_report[wanted.verb] and require("power_reports")[wanted.verb]
  M.check(request, wanted)
  wanted.turns = wanted.spacing and not step.planning() and require("fleet_turns").new(wanted.spacing, request.targets)
  return fleet.run(request, "power." .. wanted.verb, function(target) return M.ask(target, wanted) end, {
    timeout = wanted.timeout, ended = wanted.turns and wanted.turns.pass,
    fold = not report, finish = report and report.print,
  })
end

local belongs = {
  native = { cycle = true }, device = { bootdev = true }, persistent = { bootdev = true }, uefi = { bootdev = true },
  seconds = { identify = true }, forever = { identify = true }, clear = { sel = true }, spacing = { on = true, cycle = true },
  wait = { on = true, off = true, soft = true, cycle = true, reset = true, diag = true },
}

--- What contradicts itself, and machines that have no BMC to ask.
function M.check(request, wanted)
  for option, verbs in pairs(belongs) do
    if wanted[option] and not verbs[wanted.verb] then targets.invalid(string.format('"--%s": it has no meaning for power %s', option, wanted.verb)) end
  end
  if wanted.seconds and wanted.forever then targets.invalid('"--seconds" and "--forever": one of them') end
  if wanted.native and wanted.spacing then targets.invalid('"--native" and "--spacing": a BMC that cycles by itself switches on when it likes') end
  if (wanted.persistent or wanted.uefi) and not wanted.device then targets.invalid('"--persistent" and "--uefi" go with --device') end
  if wanted.verb ~= "status" then M.need_bmcs(request, wanted) end
  if M.once[wanted.verb] then M.one_each(request, wanted) end
  if M.takes_away[wanted.verb] then targets.limit(request, "Take power away from") end
end

--- All but status is asked of a BMC alone.
function M.need_bmcs(request, wanted)
  local without = {}
  for _, target in ipairs(request.targets) do
    local row = inventory.machine(target.name)
    if not (row and row.bmc) then without[#without + 1] = target.name end
  end
  if #without > 0 then
    targets.invalid(string.format("power %s: the inventory has no bmc for %s; add bmc = { host = …, user = …, password = … } there", wanted.verb, table.concat(inventory.fold(without), ",")))
  end
end

-- Where a row's BMC is: as it is written and, where the desk speaks to it, its
-- addresses. A name that is not known is the request's own error, later.
local function places(row, seconds)
  local bmc = row.bmc
  local list = { string.format("%s port %d%s", bmc.host, bmc.port or 623, bmc.via and " via " .. bmc.via or "") }
  if bmc.via then return list end
  local ok, addresses = pcall(function() return M.bmc(row):addresses{ deadline = seconds } end)
  for _, address in ipairs(ok and addresses or {}) do list[#list + 1] = address end
  return list
end

--- Rows that have one BMC are one machine, which must not be reset twice.
function M.one_each(request, wanted)
  if #request.targets == 1 then return end
  local found = task.map(request.targets, function(target) return places(inventory.machine(target.name), wanted.timeout) end, { limit = 64 })
  local known = {}
  for i, target in ipairs(request.targets) do
    for _, place in ipairs(found[i]) do
      if known[place] and known[place] ~= i then
        targets.invalid(string.format("power %s: %s and %s have one BMC (%s), which would carry it out twice; name one of them",
          wanted.verb, request.targets[known[place]].name, target.name, place))
      end
      known[place] = i
    end
  end
end

--- One machine. Before anything is sent that must not get lost, it is asked for
--- its state: one that does not answer then was sent nothing.
function M.ask(target, wanted)
  if wanted.verb == "status" then return M.status(target, wanted) end
  local first, row = require("fleet").first, inventory.machine(target.name)
  local bmc, verb = M.bmc(row), M.verbs[wanted.verb]
  if not M.takes_away[wanted.verb] and wanted.verb ~= "on" and not wanted.clear then
    return first(function()
      if M.lengthy[wanted.verb] then bmc:controller{ deadline = wanted.timeout } end
      return verb(bmc, wanted, row)
    end)
  end
  local state = first(function() return bmc:power_status{ deadline = wanted.timeout } end)
  return verb(bmc, wanted, row, state, target)
end

--- Whoever sees the machine is believed: its BMC, its hypervisor, a probe.
function M.status(target, wanted)
  local seen = M.state(target.name, wanted.timeout)
  if seen.state == "unknown" then return require("fleet").unknown(seen) end
  return seen
end

-- The verbs ------------------------------------------------------------------

M.verbs = {}
local verbs = M.verbs

-- The end of a machine that was to be seen on or off.
local function reached(seen, goal, seconds)
  if step.planning() then return { state = "would be " .. goal } end
  if seen == goal then return { state = seen, seen_by = "bmc" } end
  return { exit = 1, state = seen, seen_by = "bmc",
    error = { kind = "timeout", op = "power", message = string.format("its BMC took the command and still says %s after %g s", seen, seconds) } }
end

-- The end of a machine that is off and was to do what only one that is on can.
-- Its BMC would refuse it; a plan has nobody to refuse it.
local function is_off(what)
  return { exit = 3, state = "off", seen_by = "bmc",
    error = { kind = "unsupported", op = "power", message = string.format("it is off: there is nothing to %s; ctys power on switches it on", what) } }
end

local function already(state) return { state = state, seen_by = "bmc" } end

function verbs.on(bmc, wanted, _, state, target)
  if state == "on" then return already(state) end
  local seconds = wanted.wait or M.seconds
  if wanted.turns then
    target.stands = state
    wanted.turns.take(target)
    target.stands = nil
  end
  return reached(M.on(bmc, seconds, wanted.timeout), "on", seconds)
end

function verbs.off(bmc, wanted, _, state)
  if state == "off" then return already(state) end
  local seconds = wanted.wait or M.seconds
  return reached(M.off(bmc, seconds, wanted.timeout), "off", seconds)
end

--- Presses the power button; what the machine does about it is up to it.
function verbs.soft(bmc, wanted, row, state)
  if state == "off" then return already(state) end
  local seconds = wanted.wait or row.deadline or inventory.setting("deadline")
  return reached(M.soft(bmc, seconds, wanted.timeout), "off", seconds)
end

--- Off, seen off, on, seen on; or as the BMC does it, at most once.
function verbs.cycle(bmc, wanted, _, state, target)
  if wanted.native and state == "off" then return is_off("cycle") end
  if wanted.native then return M.taken("cycle", bmc, wanted, bmc:power_cycle{ native = true, deadline = wanted.timeout }) end
  local seconds = wanted.wait or M.seconds
  local before_on = wanted.turns and function() wanted.turns.take(target) end
  return reached(M.cycle(bmc, seconds, wanted.timeout, before_on), "on", seconds)
end

function verbs.reset(bmc, wanted, _, state)
  if state == "off" then return is_off("reset") end
  return M.taken("reset", bmc, wanted, bmc:power_reset{ deadline = wanted.timeout })
end

function verbs.diag(bmc, wanted, _, state)
  if state == "off" then return is_off("interrupt") end
  return M.taken("diagnostic interrupt", bmc, wanted, bmc:power_diag{ deadline = wanted.timeout })
end

--- The end of what a BMC does by itself: it has taken the command, and the power
--- is on, or soon will be. Whether its system came up again nobody has looked at.
--- It is not repeated whatever is seen.
function M.taken(what, bmc, wanted, state)
  if step.planning() then return { state = "would be on" } end
  local ok, seen = true, state
  if state ~= "on" then ok, seen = pcall(M.await, bmc, "on", wanted.wait or M.seconds, wanted.timeout) end
  if ok and seen == "on" then return { state = seen, seen_by = "bmc", text = what .. " taken by the BMC; the system behind it was not looked at" } end
  return { exit = 1, state = ok and seen or "unknown", seen_by = "bmc", error = { kind = "timeout", op = "power",
    message = string.format("its BMC took the %s, and afterwards the power is %s", what, ok and seen or "not to be read: " .. tostring(seen.message)) } }
end

function verbs.identify(bmc, wanted)
  local off = wanted.seconds == 0
  bmc:identify{ seconds = not off and wanted.seconds or nil, forever = wanted.forever, off = off, deadline = wanted.timeout }
  local state = off and "identify off" or wanted.forever and "identify on" or string.format("identify %d s", wanted.seconds or 15)
  if step.planning() then return { state = "would " .. state } end
  return { state = state, seen_by = "bmc" }
end

--- Tells the boot device, or sets it and reads it back.
function verbs.bootdev(bmc, wanted)
  local boot = wanted.device and M.set_boot(bmc, wanted) or bmc:boot_device{ deadline = wanted.timeout }
  local words = { boot.device }
  if boot.persistent then words[#words + 1] = "persistent" end
  if boot.uefi then words[#words + 1] = "UEFI" end
  local state = table.concat(words, ", ")
  if wanted.device and step.planning() then return { state = "would be " .. state, data = { boot = boot } } end
  return { state = state, seen_by = "bmc", data = { boot = boot } }
end

--- Sets the boot device. A BMC that takes the flags and reads back others has
--- changed something.
function M.set_boot(bmc, wanted)
  local ok, boot = pcall(bmc.set_boot_device, bmc, { device = wanted.device, persistent = wanted.persistent, uefi = wanted.uefi, deadline = wanted.timeout })
  if ok then return boot end
  if boot.kind == "unsupported" then boot.exit = 1 end
  error(boot, 0)
end

function verbs.sensors(bmc, wanted)
  return require("power_reports").sensors.read(bmc, math.max(M.lengthy.sensors, wanted.timeout))
end

--- Shows the log, then empties it: what was read is told also where it is not
--- known whether it was emptied.
function verbs.sel(bmc, wanted, _, _, target)
  return require("power_reports").sel.read(bmc, math.max(M.lengthy.sel, wanted.timeout), wanted.clear, function(data) target.read = data end)
end

return M
