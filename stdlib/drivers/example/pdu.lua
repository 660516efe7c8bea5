-- pdu: a switched outlet strip as a hypervisor, as an example of a driver for
-- something that is none. Its outlets are "guests" that are on or off, and that
-- nobody can ask. It speaks to APC's Switched Rack PDUs by SSH.
--
-- A site makes a driver of it, drivers/rack7.lua in its folder of scripts:
--
--     return require("drivers.example.pdu").at("apc@pdu7.example")
--
-- and then, in a script of its own:
--
--     for _, outlet in ipairs(stack.list{ uri = "rack7:///system" }) do
--       if outlet.name == "lab07" then outlet:destroy() end
--     end
--
-- No walk finds the outlets: what hangs on them is no guest of the machine on
-- which the script runs, and CANCEL there must not cut it off. The key of the
-- account must be one that ssh finds by itself, and the PDU's host key known.

local M = {}

local source = "Rack PDU 2G, Switched, User Guide (990-5569): Command Line Interface, olStatus, olOn, olOff, command response codes"

-- What stands between the code of success and the next prompt.
local function answer(output)
  local text = output:gsub("\r", "")
  local lines = text:match("E000: Success\n(.-)\n[%w@.-]*>")
  if not lines then error("the PDU did not say E000: Success") end
  local list = {}
  for line in lines:gmatch("[^\n]+") do
    if line:find("%S") then list[#list + 1] = line end
  end
  return list
end

--- The driver of one PDU.
---@param login string user and host, as ssh takes them
function M.at(login)
  local ssh = { "ssh", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "--", login }
  local driver = {
    head = {
      what = "the outlets of " .. login, runs = { table.concat(ssh, " ") },
      source = source, tested = "output written after its documentation",
    },
    type = "outlet",
    on_request = true,
    -- "Off*" and "On*" have an order that is not carried out yet.
    states = { On = "running", Off = "off" },
    list = {
      argv = ssh, stdin = "olStatus all\nexit\n", parse = answer,
      each = function(line)
        local number, name, state = line:match("^%s*(%d+): (.*): (%S+)%s*$")
        return number and { name = name, identity = number, outlet = number, status = state } or nil
      end,
    },
  }
  local function verb(command)
    return {
      argv = ssh,
      stdin = function(outlet) return command .. " " .. outlet.outlet .. "\nexit\n" end,
      passed = function(result) return result.stdout:find("E000: Success", 1, true) ~= nil end,
    }
  end
  driver.start, driver.destroy = verb("olOn"), verb("olOff")
  return driver
end

return M
