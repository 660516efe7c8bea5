-- ups: CANCEL for a UPS that nobody watches. Exit 0 means that the mains may be cut:
-- every TARGET was seen off by its BMC, or by the hypervisor that carries it. One that
-- only fell silent, which CANCEL itself takes for its goal, is exit 1 here.
--
-- Copy it to /etc/ctys/ups.lua (or ~/.config/ctys); see service.md.

local cancel = require "cancel"
local targets = require "targets"

local M = {}

M.head = {
  what = "Take machines down, and say whether the mains may be cut.",
  usage = "ctys -t pm -a ups=self,poweroff:0 --yes TARGET…",
  examples = { "ctys -t pm -a ups=self,poweroff:0 --plan lab01" },
  grammar = "cancel_grammar",
  categories = { "destructive" },
  touches = { "stack", "shutdown", "action", "probe", "ipmi.power_status", "ipmi.power_reset", "ipmi.power_cycle", "nic", "bridge", "wol.send" },
}

-- Whose word counts: not the machine's own, and no silence.
local witness = { bmc = true, hypervisor = true }

local check, target = cancel.check, cancel.target

--- Only what ends off is safe to cut.
function cancel.check(request, wanted)
  if not wanted.self then targets.invalid('ups: "SELF" is missing: without it the machines stay on') end
  if #(request.targets or {}) == 0 then targets.invalid("ups: a TARGET is missing") end
  return check(request, wanted)
end

--- The end of a target that nobody has seen off is a failure.
function cancel.target(request, wanted, one)
  local ended = target(request, wanted, one)
  if step.planning() or (ended.exit or 0) ~= 0 then return ended end
  if ended.state == "off" and witness[ended.seen_by] then return ended end
  ended.exit = 1
  ended.error = { kind = "unsupported", op = "ups", host = one.name,
    message = string.format("not safe to cut the mains: nobody has seen %s off (%s); a bmc in its row can", one.name, ended.text or ended.state or "no word") }
  return ended
end

function M.action(request)
  return cancel.action(request)
end

return M
