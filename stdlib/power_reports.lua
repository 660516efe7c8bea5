-- power_reports: sensors and event logs of many machines, read and shown.
--
--     local reports = require "power_reports"
--     local seen = reports.sensors.read(bmc)
--     reports.sensors.print{ { name = "lab01", value = seen } }

local M = { sensors = {}, sel = {} }

-- States of a sensor that somebody has to look at.
local alarm = { ["non-critical"] = true, critical = true, ["non-recoverable"] = true }

local function plural(count, word)
  return string.format("%d %s%s", count, word, count == 1 and "" or "s")
end

-- A text that a BMC has sent must not move the cursor.
local function clean(text)
  return (tostring(text):gsub("%c", "?"))
end

--- Reads all sensors: state "ok", or "alarm" where one is out of its range.
---@param seconds number? that the BMC has, 60 where left out
function M.sensors.read(bmc, seconds)
  local list, alarms = bmc:sensors{ deadline = seconds }, 0
  for _, sensor in ipairs(list) do
    if alarm[sensor.state] then alarms = alarms + 1 end
  end
  local text = plural(#list, "sensor") .. (alarms > 0 and ", " .. plural(alarms, "alarm") or "")
  return { state = alarms > 0 and "alarm" or "ok", seen_by = "bmc", text = text, data = { sensors = list } }
end

local function reading(sensor)
  if not sensor.reading then return "" end
  return (string.format("%.3f", sensor.reading):gsub("0+$", ""):gsub("%.$", ""))
end

--- A sensor's state in words: of one without a reading, what is asserted.
function M.state(sensor)
  local words = { sensor.state }
  if #(sensor.states or {}) > 0 then words[#words + 1] = table.concat(sensor.states, ", ") end
  return table.concat(words, ": ")
end

--- Lines of a table whose columns stand below each other; numbers to the right.
---@param rows string[][] the first is the heading
---@param right table<integer, boolean> columns that are aligned to the right
function M.aligned(rows, right)
  local widths = {}
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do widths[i] = math.max(widths[i] or 0, #cell) end
  end
  local lines = {}
  for r, row in ipairs(rows) do
    local cells = {}
    for i, cell in ipairs(row) do
      local space = (" "):rep(widths[i] - #cell)
      cells[i] = right[i] and space .. cell or cell .. space
    end
    lines[r] = (table.concat(cells, "  "):gsub(" +$", ""))
  end
  return lines
end

-- The ends in the order of the machines' names, those without an answer left out.
local function in_order(ends, field)
  local by_name, names, list = {}, {}, {}
  for i, e in ipairs(ends) do by_name[e.name], names[i] = e.value, e.name end
  for _, name in ipairs(inventory.sorted(names)) do
    local data = by_name[name].data
    if data and data[field] then list[#list + 1] = { name = name, list = data[field] } end
  end
  return list
end

--- Prints one table of the sensors of all machines.
function M.sensors.print(ends)
  local rows = { { "machine", "sensor", "type", "reading", "unit", "state" } }
  for _, machine in ipairs(in_order(ends, "sensors")) do
    for _, sensor in ipairs(machine.list) do
      rows[#rows + 1] = { machine.name, clean(sensor.name or ""), clean(sensor.type or ""), reading(sensor), clean(sensor.unit or ""), clean(M.state(sensor)) }
    end
  end
  if #rows == 1 then return end
  for _, line in ipairs(M.aligned(rows, { [4] = true })) do print(line) end
end

local function two(number) return string.format("%02d", number) end

--- A moment in UTC as RFC 3339 has it: "2026-07-31T12:00:00Z".
---@param seconds number since 1970
function M.moment(seconds)
  local days, rest = math.floor(seconds / 86400), math.floor(seconds) % 86400
  -- Days of the civil calendar, counted from 1 March of the year 0.
  local z = days + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local month = math.floor((5 * doy + 2) / 153)
  local day = doy - math.floor((153 * month + 2) / 5) + 1
  month = month < 10 and month + 3 or month - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  return string.format("%04d-%s-%sT%s:%s:%sZ", year, two(month), two(day), two(math.floor(rest / 3600)), two(math.floor(rest / 60) % 60), two(rest % 60))
end

local function hexadecimal(bytes)
  return ((bytes or ""):gsub(".", function(byte) return string.format("%02x", byte:byte()) end))
end

--- Reads the event log, and empties it where that is asked for. What is to be
--- emptied is kept before.
---@param seconds number? that the BMC has for each of the two
---@param keep fun(data: table)
function M.sel.read(bmc, seconds, clear, keep)
  local events = {}
  for i, event in ipairs(bmc:events{ deadline = seconds }) do
    events[i] = { id = event.id, at = event.at and M.moment(event.at), sensor = event.sensor, type = event.type, text = event.text,
      asserted = event.asserted, data = hexadecimal(event.data) }
  end
  local data, text = { events = events }, plural(#events, "event")
  if not clear then return { state = "read", seen_by = "bmc", text = text, data = data } end
  keep(data)
  bmc:clear_events{ deadline = seconds }
  if step.planning() then return { state = "would be cleared", text = text, data = data } end
  return { state = "cleared", seen_by = "bmc", text = text .. ", cleared", data = data }
end

--- Prints the events of all machines, one a line.
function M.sel.print(ends)
  for _, machine in ipairs(in_order(ends, "events")) do
    for _, event in ipairs(machine.list) do
      print(clean(string.format("%s %d %s %s: %s%s", machine.name, event.id, event.at or "without-a-date", event.sensor or event.type or "?", event.text or "",
        event.asserted == false and " (ended)" or "")))
    end
  end
end

return M
