-- The house's sizes: files of at most 500 lines, functions of at most 60, lines of at
-- most 100 columns; a file opens with a comment.
package.path = "tests/lint/?.lua;" .. package.path
local tree = require "tree"

local max_file, max_function, max_column = 500, 60, 100
local rows = {}

local function row(path, n, text, ...)
  rows[#rows + 1] = ("%s:%d: "):format(path, n) .. text:format(...)
end

local function check_lines(path, lines, opening)
  if #lines > max_file and not path:find("^tests/") then row(path, #lines, "%d lines", #lines) end
  if not (lines[1] or ""):find(opening) then row(path, 1, "no opening comment: what is it?") end
  for n, line in ipairs(lines) do
    local columns = utf8.len(line) or #line
    if columns > max_column then row(path, n, "%d columns", columns) end
  end
end

for _, path in ipairs(tree.files({ "runtime", "bindings", "tests" }, { ".c", ".h" })) do
  local lines = tree.lines(path)
  check_lines(path, lines, "^/[*/]")
  for _, f in ipairs(path:find("%.c$") and tree.c_functions(lines) or {}) do
    if f.size > max_function then row(path, f.at, "%s has %d lines", f.name, f.size) end
  end
end
for _, path in ipairs(tree.files({ "scripts", "docs", "examples", "tests" }, { ".lua" })) do
  check_lines(path, tree.lines(path), "^%-%-.")
end
tree.finish("files, functions and lines have the house's size", rows)
