-- What the driver NAME makes of its tool's output. Run by: ctys script test drivers.NAME

local M = {}

local function lists(text)
  sim.tool{ argv = { "NAME", "list", "--all" }, stdout = "UUID NAME STATE\n" .. text }
end

local function one(text)
  lists(text)
  return stack.list{ uri = "NAME:///system" }[1]
end

local web1 = "6a0c3e52-0b1f-4c1e-9d7b-8f2f5f4f0a11 web1 "

function M.is_found()
  sim.tool{ argv = { "NAME", "--version" }, stdout = "NAME 1.0\n" }
  local found = stack.hypervisors()
  assert(#found == 1 and found[1].uri == "NAME:///system" and found[1].version == "1.0")
end

-- Every word of the tool, and what it means.
function M.states()
  for word, state in pairs{ running = "running", paused = "paused", stopping = "shutting-down", stopped = "off" } do
    local guest = one(web1 .. word .. "\n")
    assert(guest.name == "web1" and guest.state == state, word .. " is " .. guest.state)
  end
end

function M.a_word_that_nobody_knows_is_unknown()
  local guest = one(web1 .. "sideways\n")
  assert(guest.state == "unknown", guest.state)
end

function M.a_line_that_is_not_understood()
  lists("something is very wrong\n")
  stack.list{ uri = "NAME:///system" } --> error: does not understand
end

function M.asks_and_cuts_off()
  local guest = one(web1 .. "running\n")
  sim.tool{ argv = { "NAME", "stop", "web1" } }
  sim.tool{ argv = { "NAME", "kill", "web1" } }
  guest:shutdown{ mode = "acpi" }
  guest:destroy()
  assert(sim.in_order(sim.ran(), { "NAME stop web1", "NAME kill web1" }))
end

return M
