-- podman: the containers of Podman that the account sees under which ctys runs:
-- root's own as root, a user's as that user.
--
--     for _, guest in ipairs(stack.list{ uri = "podman:///system" }) do print(guest.name, guest.state) end

local M = {}

M.head = {
  what = "the containers of Podman",
  runs = { "podman --version", "podman ps", "podman inspect", "podman kill", "podman start", "podman pause", "podman unpause" },
  source = "podman-ps(1), podman-inspect(1), podman-kill(1), podman-start(1), podman-pause(1); the states are those of libpod/define/containerstate.go",
  tested = "real tool: Podman 4.3.1; its words and fields in 3.4.4 and 5.4.0 as their sources have them",
}

M.asks = "signal"

-- Created is a container that has never run, initialized one whose namespaces
-- are made and in which nothing runs yet; 3 calls these configured and created.
-- "removing" is left out: what is taken apart may be half gone.
M.states = {
  created = "off", configured = "off", initialized = "off", running = "running", paused = "paused",
  stopping = "shutting-down", stopped = "off", exited = "off",
}

M.probe = {
  argv = { "podman", "--version" },
  parse = function(output) return output:match("^podman version (%S+)") end,
}

-- The name is what stays of a container that is made anew at each start.
M.list = {
  argv = { "podman", "ps", "--all", "--no-trunc", "--format", "json" },
  output = "json",
  each = function(container)
    if type(container) ~= "table" or type(container.Id) ~= "string" or type(container.Names) ~= "table" then return nil end
    return {
      name = container.Names[1] or container.Id, container = container.Id, status = container.State,
      persistent = not container.AutoRemove, id = container.Pid,
      witness = container.Id .. " started " .. string.format("%.0f", tonumber(container.StartedAt) or 0),
    }
  end,
}

-- podman stop would kill the container after a time of its own.
M.shutdown = {
  first = {
    argv = function(guest) return { "podman", "inspect", "--type", "container", "--format", "{{.Config.StopSignal}}", guest.container } end,
    parse = function(output) return output:match("^%s*([%w+-]+)%s*$") end,
  },
  argv = function(guest, _, signal) return { "podman", "kill", "--signal", signal or "TERM", guest.container } end,
}

local function verb(...)
  local words = { "podman", ... }
  return { argv = function(guest)
    local argv = { unpack(words) }
    argv[#argv + 1] = guest.container
    return argv
  end }
end

M.destroy = verb("kill", "--signal", "KILL")
M.start = verb("start")
M.suspend = verb("pause")
M.resume = verb("unpause")

return M
