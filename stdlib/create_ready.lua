-- create_ready: when a guest that was started is ready for what needs it.
--
--     ready = "running"      -- in its row: by its hypervisor's word (the default)
--     ready = "ssh"          -- an SSH server answers at its address
--     ready = "tcp:5432"     -- somebody listens on that port
--     ready_deadline = 600   -- seconds that this may take; 300 where left out
--
--     require("create_ready").wait(guest, row)

local guests = require "cancel_guest"

local M = {}

-- How long a guest may take until it is ready, where its row does not say.
local READY = 300

-- Seconds between two looks; what one probe may take.
local LOOK_EVERY, PROBE = 2, 1

--- Raises an error of CREATE about a guest.
---@param fields table? further fields of the error
function M.fail(kind, name, message, fields)
  local err = fields or {}
  err.kind, err.op, err.host, err.message = kind, "create", name, message
  error(err, 0)
end

--- Calls look again and again until it gives something or the time is over.
function M.until_seen(seconds, look)
  local finish = task.now() + seconds
  while true do
    local seen = look()
    if seen or task.now() >= finish then return seen end
    task.sleep(LOOK_EVERY)
  end
end

local function listens(address, port)
  local endpoint = (address:find(":", 1, true) and "[" .. address .. "]" or address) .. ":" .. port
  return function()
    local ok, answer = pcall(probe.tcp, endpoint, { deadline = PROBE })
    return ok and answer.up
  end
end

--- What a guest's row calls ready, as a function that looks, and in words; nil: that
--- it runs. A row that cannot be looked by raises.
function M.look_for(row, name)
  local ready = row and row.ready or "running"
  if ready == "running" then return nil end
  local port = type(ready) == "string" and ready:match("^tcp:(%d+)$")
  if ready ~= "ssh" and not port then
    M.fail("invalid", name, string.format('ready = "%s" in its row is none of "running", "ssh" and "tcp:PORT"', tostring(ready)))
  end
  if type(row.ready_deadline or 0) ~= "number" then M.fail("invalid", name, "ready_deadline in its row must be seconds") end
  if not row.address then M.fail("invalid", name, string.format('ready = "%s" needs an address in its row', ready)) end
  if ready == "ssh" then return function() return guests.lets_in(row) end, ready end
  return listens(row.address, port), ready
end

--- Waits until a guest that runs is ready; one that is not in its time raises.
function M.wait(guest, row)
  local look, what = M.look_for(row, guest.name)
  if not look then return end
  local seconds = row.ready_deadline or READY
  step.run(string.format("%s is ready: %s", guest.name, what), function()
    if step.planning() then return "planned" end
    if not M.until_seen(seconds, look) then
      M.fail("timeout", guest.name, string.format("it runs and is not ready: no answer by %s in %g s (ready and ready_deadline in its row)", what, seconds))
    end
    return "ready"
  end, { deadline = seconds })
end

return M
