-- vbox: the virtual machines of VirtualBox that are registered with the account
-- under which ctys runs.
--
--     for _, guest in ipairs(stack.list{ uri = "vbox:///system" }) do print(guest.name, guest.state) end

local M = {}

M.head = {
  what = "the virtual machines of VirtualBox",
  runs = { "VBoxManage --version", "VBoxManage list vms", "VBoxManage showvminfo", "VBoxManage controlvm", "VBoxManage startvm" },
  source = "https://www.virtualbox.org/manual/ch08.html (list, showvminfo, controlvm, startvm); the states are those of machineStateToName in VBoxManageInfo.cpp",
  tested = "output written after its documentation",
}

M.asks = "acpi"

-- Those in which a machine is handed to another host, or comes from one, are
-- left out. Aborted is one whose process ended without saying why.
M.states = {
  poweroff = "off", aborted = "off", saved = "saved", ["aborted-saved"] = "saved",
  running = "running", starting = "running", restoring = "running", saving = "running", stopping = "shutting-down",
  livesnapshotting = "running", onlinesnapshotting = "running", deletingsnapshotlive = "running",
  paused = "paused", deletingsnapshotlivepaused = "paused", gurumeditation = "crashed",
  restoringsnapshot = "off", deletingsnapshot = "off", snapshotting = "off", settingup = "off",
}

-- A warning about a kernel module may stand before the version.
M.probe = {
  argv = { "VBoxManage", "--version" },
  parse = function(output) return output:match("(%d+%.%d+%.%d+%S*)%s*$") end,
}

M.list = {
  argv = { "VBoxManage", "list", "vms" },
  output = "lines",
  each = function(line)
    local name, uuid = line:match('^"(.*)" {(%x+%-%x+%-%x+%-%x+%-%x+)}%s*$')
    return name and { name = name, uuid = uuid } or nil
  end,
}

-- A description may have several lines, one of which looks like the state's.
local function only(text, key)
  local found, times = nil, 0
  for value in text:gmatch("\n" .. key .. '="([^"\n]*)"') do found, times = value, times + 1 end
  if times > 1 then error(key .. " stands there " .. times .. " times") end
  return found
end

M.state = {
  argv = function(guest) return { "VBoxManage", "showvminfo", guest.uuid, "--machinereadable" } end,
  parse = function(output)
    local text = "\n" .. output
    local state, since = only(text, "VMState"), only(text, "VMStateChangeTime")
    return { status = state, witness = state == "running" and since and "running since " .. since or nil }
  end,
}

local function verb(...)
  local words = { ... }
  return { argv = function(guest) return { "VBoxManage", "controlvm", guest.uuid, unpack(words) } end }
end

M.shutdown = verb("acpipowerbutton")
M.reset = verb("reset")
M.destroy = verb("poweroff")
M.suspend = verb("pause")
M.resume = verb("resume")
M.managed_save = verb("savestate")
M.managed_save.deadline = 3600
M.start = { argv = function(guest) return { "VBoxManage", "startvm", guest.uuid, "--type", "headless" } end }

return M
