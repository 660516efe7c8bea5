-- NAME: the guests of a hypervisor whose tool is NAME.
--
--     for _, guest in ipairs(stack.list{ uri = "NAME:///system" }) do print(guest.name, guest.state) end
--
-- ctys script test drivers.NAME runs what NAME_test.lua says of it.

local M = {}

M.head = {
  what = "the guests of NAME",
  -- How the command lines begin that it may run. Nothing else is run for it.
  runs = { "NAME --version", "NAME list", "NAME stop", "NAME kill", "NAME start" },
  source = "NAME(1)", -- where its words and options are written down
  tested = "output written after its documentation", -- or "recorded output", or "real tool: NAME 1.0"
}

-- How it asks a guest to go down: acpi (power button), agent, initctl, signal or paravirt.
M.asks = "acpi"

-- Every word that the tool has for a state. One that is not here is unknown, never off.
M.states = { running = "running", paused = "paused", stopping = "shutting-down", stopped = "off" }

-- Whether the tool is here, and its version.
M.probe = {
  argv = { "NAME", "--version" },
  parse = function(output) return output:match("^NAME (%S+)") end,
}

-- All guests, running or not: one line a guest, behind a heading. A line that is
-- not understood ends the listing with an error: it could be a guest.
M.list = {
  argv = { "NAME", "list", "--all" },
  output = "lines", header = "^UUID%s",
  each = function(line)
    local uuid, name, status = line:match("^(%S+)%s+(%S+)%s+(%S+)$")
    return uuid and { uuid = uuid, name = name, status = status } or nil
  end,
}

local function verb(word)
  return { argv = function(guest) return { "NAME", word, guest.name } end }
end

M.shutdown = verb("stop")
M.destroy = verb("kill")
M.start = verb("start")

return M
