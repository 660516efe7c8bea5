-- cancel_report: what the desk says in the end of a CANCEL.

local requests = require "cancel_request"
local stacks = require "cancel_stack"
local targets = require "targets"
local way_back = require "way_back"

local M = {}

function M.failed(order, told)
  local list, kind = stacks.failures(told)
  local why = told.barred or table.concat(list, ", ")
  return { exit = told.exit, state = "left running", text = string.format("%s: %s", order.machine, why), data = { guests = told.guests },
    error = { kind = told.kind or kind or "busy", op = "cancel", host = order.machine, message = why } }
end

-- Whether the way back is on disk here, whatever became of the receipt.
local function is_kept(order, told)
  local back = way_back.kept(order.machine)
  return back ~= nil and back.armed_at == told.way_back.armed_at
end

--- The end with the way back. One that was asked for and did not get here is a
--- goal that was missed, also where the machine is off; a machine that was woken
--- already, or is up, needs none.
function M.with_way_back(order, told, seen)
  if order.wanted.method == "reset" or step.planning() then return seen end
  if told.unarmed then seen.text = seen.text .. "; " .. told.unarmed end
  if not told.way_back then return seen end
  local kept = is_kept(order, told)
  seen.text = string.format("%s; woken by %s%s", seen.text, way_back.words(told.way_back), kept and "" or ", which is not kept here")
  seen.data = seen.data or {}
  seen.data.way_back = told.way_back
  if not kept and (seen.exit or 0) == 0 then
    seen.exit = 1
    seen.error = { kind = "unreachable", op = "cancel", host = order.machine, message = seen.text }
  end
  return seen
end

-- What was looked for: a machine may carry guests of other types than -T names.
local function nothing(order, verb)
  local only = order.types and #order.types > 0 and " of the types " .. table.concat(order.types, ", ") or ""
  return string.format("nothing%s %s on %s", only, verb, order.machine)
end

function M.cancelled(order, told)
  local count = #(told.guests or {})
  if requests.method(order.wanted) == "leave" then
    local why = order.wanted.viewers == "client" and "no console is open that ctys keeps" or string.format("run level %d leaves what runs there alone", order.wanted.level)
    return { state = "left alone", text = order.machine .. ": " .. why, data = { guests = told.guests } }
  end
  if step.planning() then
    return { state = "stack would be cancelled", text = count == 0 and nothing(order, "runs") or "guests: " .. targets.names(told.guests) }
  end
  return { state = "stack cancelled", data = { guests = told.guests },
    text = count == 0 and nothing(order, "was running") or string.format("%s: %d of %d done: %s", order.machine, count, count, targets.names(told.guests)) }
end

return M
