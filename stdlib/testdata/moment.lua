-- Points in time as people read them.

local moment = require "moment"

for seconds, want in pairs{
  [0] = "1970-01-01 00:00 UTC", [951782399] = "2000-02-28 23:59 UTC", [951782400] = "2000-02-29 00:00 UTC",
  [951868800] = "2000-03-01 00:00 UTC", [1704067199.9] = "2023-12-31 23:59 UTC", [1735603200] = "2024-12-31 00:00 UTC",
  [4107542400] = "2100-03-01 00:00 UTC", [1700000000] = "2023-11-14 22:13 UTC",
} do
  assert(moment.minute(seconds) == want, seconds .. " is " .. moment.minute(seconds))
end
assert(moment.hour(1700000000) == "22:13:20 UTC")
