-- lxc-tools: the containers of LXC's own tools (lxc-start and so on), which
-- libvirt does not know. They are those that the account sees under which ctys
-- runs: root's in /var/lib/lxc, a user's below its home.
--
--     for _, guest in ipairs(stack.list{ uri = "lxc-tools:///system" }) do print(guest.name, guest.state) end

local M = {}

M.head = {
  what = "the containers of LXC's own tools",
  runs = { "lxc-ls --version", "lxc-ls --fancy", "lxc-stop", "lxc-start", "lxc-freeze", "lxc-unfreeze" },
  source = "lxc-ls(1), lxc-stop(1), lxc-start(1), lxc-freeze(1); the states are those of lxc(7) and of src/lxc/state.c",
  tested = "real tool: LXC 5.0.2",
}

M.type = "lxc"

-- Proxmox's containers are LXC's, and its own tool is to be asked.
M.gives_way_to = "pct"

-- lxc.signal.halt: SIGPWR, or what the container's configuration names.
M.asks = "signal"

M.states = {
  STOPPED = "off", STARTING = "running", RUNNING = "running", STOPPING = "shutting-down", ABORTING = "shutting-down",
  FREEZING = "running", FROZEN = "paused", THAWED = "running",
}

M.probe = {
  argv = { "lxc-ls", "--version" },
  parse = function(output) return output:match("^%s*(%d%S*)") end,
}

-- Where there is no container it prints nothing.
M.list = {
  argv = { "lxc-ls", "--fancy", "--fancy-format", "NAME,STATE,PID,AUTOSTART" },
  output = "lines",
  header = "^NAME%s+STATE%s+PID%s+AUTOSTART%s*$",
  each = function(line)
    local words = {}
    for word in line:gmatch("%S+") do words[#words + 1] = word end
    local name, state, pid, autostart = unpack(words)
    if #words ~= 4 or not (autostart == "0" or autostart == "1") then return nil end
    local running = tonumber(pid)
    return { name = name, status = state, id = running, witness = running and "process " .. pid or nil, autostart = autostart == "1" }
  end,
}

local function verb(tool, ...)
  local options = { ... }
  return { argv = function(guest) return { tool, "--name", guest.name, unpack(options) } end }
end

-- Asks and returns; without --nokill it would kill after a minute.
M.shutdown = verb("lxc-stop", "--nokill", "--nowait")
M.reboot = verb("lxc-stop", "--reboot", "--nowait")
M.destroy = verb("lxc-stop", "--kill")
M.start = verb("lxc-start", "--daemon")
M.suspend = verb("lxc-freeze")
M.resume = verb("lxc-unfreeze")

return M
