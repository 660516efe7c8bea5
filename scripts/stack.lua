-- STACK: what runs on machines, level by level, and what a CANCEL would do about it.
--
--     ctys stack lab01
--     ctys stack @rack7 --depth 2 --json
--
-- Nothing is changed. A machine is looked into through SSH; an agent is carried
-- there only where a hypervisor does not answer that way (--no-agent: never). Every
-- step is a field of M and called through it, so a site replaces one.

local targets = require "targets"
local tree = require "tree"

local M = {}

M.head = {
  what = "Show what runs on machines, and in it, and what a CANCEL would do about it.",
  arguments = {
    { name = "targets", type = "targets", value = "TARGET", help = "machines, ranges, @groups; this machine where left out" },
    { name = "depth", option = "depth", type = "integer", value = "N", min = 1, max = 64, default = 8, help = "levels of guests" },
    { name = "timeout", option = "timeout", type = "seconds", default = 30, min = 1, max = 600, help = "for a machine or guest to tell what it carries" },
    { name = "within", option = "within", type = "seconds", default = 300, min = 1, max = 86400, help = "for the whole walk; what was not reached is marked" },
    { name = "agent", option = "agent", type = "flag", help = "look by an agent on each machine: it knows driver scripts and the network card, and is carried there where it is not" },
    { name = "no_agent", option = "no-agent", type = "flag", help = "carry nothing anywhere" },
  },
  examples = { "ctys stack lab01", "ctys stack --no-agent --depth 2 lab01 lab02", "ctys stack lab01 --json" },
  categories = { "safe" },
  touches = { "stack.read", "nic.read" },
}

--- What ctys calls.
function M.action(request)
  local wanted, names = request.arguments, {}
  if wanted.agent and wanted.no_agent then targets.invalid('"--agent" and "--no-agent": one of them') end
  for i, target in ipairs(targets.of(request)) do names[i] = target.name end
  local roots = M.walk(names, wanted)
  M.show(request, roots)
  local exits = {}
  for i, root in ipairs(roots) do exits[i] = M.exit(root) end
  return { exit = targets.fold(exits) }
end

--- Runs on a machine that an agent looks at: what it says of itself.
function M.here() return tree.read_here() end

function M.walk(names, wanted)
  return tree.walk(names, { depth = wanted.depth, seconds = wanted.within, timeout = wanted.timeout,
    agent = wanted.agent and "always" or wanted.no_agent and "never" or nil })
end

--- 0 where all was seen that is known to be there; a machine that did not let us in
--- is refused, anything else that did not answer is 1.
function M.exit(root)
  local gaps = tree.gaps(root)
  if #gaps == 0 then return 0 end
  return root.error and targets.exit_of(root.error) or 1
end

--- What stands in a line: a guest's state, the way in, and what CANCEL gives it.
function M.facts(node)
  if node.depth == 0 then return { state = node.way and "on" or "unknown", way = node.way } end
  local row = node.row or {}
  return {
    state = node.state, way = node.way or (node.agent and "guest agent") or nil,
    deadline = row.deadline or inventory.setting("deadline"),
    after = row.at_deadline or inventory.setting("at_deadline") or "stop",
  }
end

-- What one could not tell about a machine's card without an agent there.
local UNKNOWN_CARD = "not known without an agent there (--agent)"

function M.show(request, roots)
  local options = request.options or {}
  for _, root in ipairs(roots) do
    if root.way == "ssh" then root.wake = UNKNOWN_CARD end
  end
  if options.json or options.terse or options.output then return M.results(roots) end
  for _, line in ipairs(require("tree_lines").of(roots, M.facts)) do print(line) end
end

--- One result a node, for programs.
function M.results(roots)
  for _, root in ipairs(roots) do
    tree.each(root, function(node)
      local told, gap = M.facts(node), node.error or node.problems[1]
      step.result(node.path, {
        op = "stack", state = told.state, seen_by = node.depth > 0 and "hypervisor" or nil,
        error = gap and { kind = gap.kind, op = "stack", host = node.name, message = (gap.uri and gap.uri .. ": " or "") .. gap.message } or nil,
        data = { name = node.name, depth = node.depth, uri = node.uri, uuid = node.uuid, type = node.type, way = told.way, deadline = told.deadline,
          at_deadline = told.after, mark = node.mark, why = node.why, wake = node.wake },
      })
    end)
  end
end

return M
