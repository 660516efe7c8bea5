-- cancel_report: what the desk says in the end of a CANCEL.

local requests = require "cancel_request"
local stacks = require "cancel_stack"
local targets = require "targets"

local M = {}

function M.failed(order, told)
  local list, kind = stacks.failures(told)
  local why = told.barred or table.concat(list, ", ")
  return { exit = told.exit, state = "left running", text = string.format("%s: %s", order.machine, why), data = { guests = told.guests },
    error = { kind = told.kind or kind or "busy", op = "cancel", host = order.machine, message = why } }
end

--- A machine that was put to sleep; this version only plans it.
function M.asleep(order)
  local state = order.wanted.method == "pause" and "suspended" or "hibernated"
  return { state = state, text = string.format("%s would be %s", order.machine, state) }
end

-- What was looked for: a machine may carry guests of other types than -T names.
local function nothing(order, verb)
  local only = order.types and #order.types > 0 and " of the types " .. table.concat(order.types, ", ") or ""
  return string.format("nothing%s %s on %s", only, verb, order.machine)
end

function M.cancelled(order, told)
  local count = #(told.guests or {})
  if requests.method(order.wanted) == "leave" then
    return { state = "left alone", text = string.format("%s: run level %d leaves what runs there alone", order.machine, order.wanted.level), data = { guests = told.guests } }
  end
  if step.planning() then
    return { state = "stack would be cancelled", text = count == 0 and nothing(order, "runs") or "guests: " .. targets.names(told.guests) }
  end
  return { state = "stack cancelled", data = { guests = told.guests },
    text = count == 0 and nothing(order, "was running") or string.format("%s: %d of %d done: %s", order.machine, count, count, targets.names(told.guests)) }
end

return M
