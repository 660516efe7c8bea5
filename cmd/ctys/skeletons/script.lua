-- NAME: say here what it is for, and how it is called.
--
--     ctys NAME lab01 '@rack7'
--
-- ctys script test NAME runs what NAME_test.lua says of it.

local power = require "power"
local targets = require "targets"

local M = {}

M.head = {
  what = "Tell whether machines are on.",
  arguments = {
    { name = "machines", type = "targets", required = true },
  },
  examples = { "ctys NAME lab01" },
  categories = { "safe" },
  -- All that it may do; anything else is refused. ctys help lists the powers.
  touches = { "probe", "ipmi.power_status", "stack.read" },
}

--- What ctys calls. Every step is a field of M and called through M, so that a
--- site can replace one and keep the rest.
function M.action(request)
  return targets.each(request, "NAME", function(target) return M.look(target) end)
end

--- One machine. Unknown is never taken for off.
function M.look(target)
  local seen = power.state(target.name)
  return { exit = seen.state == "unknown" and 1 or 0, state = seen.state, seen_by = seen.seen_by, text = target.name .. " is " .. seen.state }
end

return M
