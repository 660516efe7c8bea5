-- tree_lines: a walk as lines of 80 columns, one a guest, indented by level.
--
--     for _, line in ipairs(require("tree_lines").of(tree.walk{ "lab01" }, settings)) do print(line) end

local M = {}

local WIDTH = 80

local function clean(text) return (tostring(text):gsub("%c", "?")) end

local function cut(text, width) return #text > width and text:sub(1, width - 1) .. "~" or text end

-- The text in lines that begin with so many blanks.
local function wrapped(lines, blanks, text)
  local line = (" "):rep(blanks)
  for word in clean(text):gmatch("%S+") do
    if #line > blanks and #line + 1 + #word > WIDTH then
      lines[#lines + 1] = line
      line = (" "):rep(blanks + 2) .. word
    else
      line = line .. (#line > blanks and " " or "") .. word
    end
  end
  lines[#lines + 1] = line
end

local function row(lines, cells, name_width)
  local line = string.format("%-" .. name_width .. "s  %-13s  %-11s  %9s  %s", cut(clean(cells[1]), name_width), clean(cells[2]), clean(cells[3]), cells[4], cells[5])
  lines[#lines + 1] = cut((line:gsub(" +$", "")), WIDTH)
end

local function name_width(roots, each)
  local most = 8
  for _, root in ipairs(roots) do
    each(root, function(node) most = math.max(most, 2 * node.depth + #node.name) end)
  end
  return math.min(most, 26)
end

local function notes(lines, node)
  local blanks = 2 * node.depth + 2
  if node.wake then wrapped(lines, blanks, "wake-up: " .. node.wake) end
  if node.error and not node.mark then wrapped(lines, blanks, node.error.kind .. ": " .. node.error.message) end
  if node.cause then wrapped(lines, blanks, "unknown: " .. node.cause) end
  if node.mark then wrapped(lines, blanks, "not entered (" .. node.mark .. "): " .. node.why) elseif node.why then wrapped(lines, blanks, node.why) end
  for _, one in ipairs(node.problems) do wrapped(lines, blanks, string.format("%s does not answer: %s: %s", one.uri, one.kind, one.message)) end
end

--- The lines of a walk.
---@param roots tree.Node[]
---@param facts fun(node: tree.Node): { state: string, way: string, deadline: number?, after: string? }
function M.of(roots, facts)
  local each = require("tree").each
  local lines, width = {}, name_width(roots, each)
  row(lines, { "", "state", "way in", "deadline", "then" }, width)
  for _, root in ipairs(roots) do
    each(root, function(node)
      local told = facts(node)
      row(lines, { (" "):rep(2 * node.depth) .. node.name, told.state, told.way or "-", told.deadline and string.format("%g s", told.deadline) or "", told.after or "" }, width)
      notes(lines, node)
    end)
  end
  return lines
end

return M
