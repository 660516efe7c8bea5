-- Sensors and event logs, as people read them.

local reports = require "power_reports"

same(reports.moment(0), "1970-01-01T00:00:00Z")
same(reports.moment(951782399), "2000-02-28T23:59:59Z")
same(reports.moment(951782400), "2000-02-29T00:00:00Z")
same(reports.moment(1709164799.9), "2024-02-28T23:59:59Z")
same(reports.moment(1709251200), "2024-03-01T00:00:00Z")
same(reports.moment(1700000000), "2023-11-14T22:13:20Z")
same(reports.moment(4107542400), "2100-03-01T00:00:00Z")
same(reports.moment(1798761599), "2026-12-31T23:59:59Z")

same(reports.aligned({ { "a", "number" }, { "long", "7" }, { "", "1000000" } }, { [2] = true }), {
  "a      number",
  "long        7",
  "      1000000",
})
same(reports.aligned({ { "a", "b" }, { "c", "" } }, {}), { "a  b", "c" })

same(reports.state{ state = "ok" }, "ok")
same(reports.state{ state = "ok", states = { "a", "b" } }, "ok: a, b")
same(reports.state{ states = { "present" } }, "present")
same(reports.state{}, "")

---
-- An alarm is told, and a machine that has one is not "ok".
local reports = require "power_reports"

local function bmc(...)
  local list = { ... }
  return { sensors = function() return list end }
end

local fine, hot = { name = "a", state = "ok", reading = 1 }, { name = "b", state = "critical" }
contains(reports.sensors.read(bmc(fine)), { state = "ok", text = "1 sensor", seen_by = "bmc", exit = false })
contains(reports.sensors.read(bmc(fine, hot, { state = "unavailable" })), { state = "alarm", text = "3 sensors, 1 alarm" })
contains(reports.sensors.read(bmc(hot, { state = "non-critical" }, { state = "non-recoverable" })), { text = "3 sensors, 3 alarms" })
