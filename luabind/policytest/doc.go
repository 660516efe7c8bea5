// Package policytest runs the tests of scripts that are written in Lua: files
// NAME_test.lua beside NAME.lua, each of which returns a table of functions.
//
//	local M = {}
//
//	function M.a_guest_that_hangs_keeps_its_host_up()
//	  local world = sim.world{ machines = { lab01 = { guests = { web1 = {}, db1 = { hangs = true } } } } }
//	  local run = world:run{ action = "cancel=self,poweroff:0", targets = { "lab01" } }
//	  assert(run.exit == 1, run.text)
//	  assert(world:state("web1") == "off" and world:state("lab01") == "up")
//	end
//
//	return M
//
// Each function has a runtime of its own, which has no power over anything real:
// programs are those that the test recorded (sim.tool), machines those of the
// worlds that it made (sim.world), and their time is virtual.
package policytest
