-- What NAME does, on simulated machines. Run by: ctys script test NAME

local M = {}

function M.tells_on_from_off()
  local world = sim.world{ machines = { lab01 = { bmc = true }, lab02 = { bmc = true, on = false } } }
  local run = world:run{ action = "NAME", args = { "lab01", "lab02" } }
  assert(run.exit == 0, run.text)
  assert(run.text:find("lab01 is on", 1, true) and run.text:find("lab02 is off", 1, true), run.text)
  assert(#run.writes == 0, "it changes something")
end

function M.unknown_is_not_off()
  local world = sim.world{ machines = { lab01 = { bmc = true, on = false } } }
  world:fault{ machine = "lab01", power = "ipmi" }
  local run = world:run{ action = "NAME", args = { "lab01" } }
  assert(run.exit == 1 and run.text:find("lab01 is unknown", 1, true), run.text)
end

return M
