-- No part of the C code needs itself in a circle. The parts are the folders of runtime/ and of
-- bindings/ among themselves, and inside a folder its stems: x.c and x.h are one. A part needs
-- another one when it includes its header, or names a function that is defined there, whatever
-- header declares it.
package.path = "tests/lint/?.lua;" .. package.path
local tree = require "tree"

-- Folders that are a knot by their nature: a task waits for an operation that wakes it in a turn of
-- the loop that resumes it; a value may be a function, whose upvalues are values.
local knots = { ["runtime/loop"] = true, ["runtime/wire"] = true }

local files = tree.files({ "runtime", "bindings" }, { ".c", ".h" })

-- "runtime/pool/slot.h" -> "runtime/pool", "runtime/pool/slot". What stands in no folder of
-- runtime/ or bindings/, like runtime/luapool.c, is a part by itself.
local function parts(path)
  local stem = path:gsub("%.[ch]$", "")
  return stem:match("^(%w+/[%w_]+)/") or stem, stem
end

-- Whole-file text without comments and strings.
local function code(path)
  local text = table.concat(tree.lines(path), "\n")
  return (text:gsub("/%*.-%*/", ""):gsub('"[^"\n]*"', '""'))
end

local defined = {} -- name of a function -> path
for _, path in ipairs(files) do
  for _, f in ipairs(path:find("%.c$") and tree.c_functions(tree.lines(path)) or {}) do
    if f.name:find("^lpb?_") then defined[f.name] = path end
  end
end

-- graph[a][b]: why a needs b, told once.
local function add(graph, from, to, why)
  graph[from] = graph[from] or {}
  graph[to] = graph[to] or {}
  if from ~= to then graph[from][to] = graph[from][to] or why end
end

local folders, stems = {}, {} -- the graph of folders, and by folder that of its stems

local function needs(path, target, why)
  local folder, stem = parts(path)
  local to_folder, to_stem = parts(target)
  add(folders, folder, to_folder, why)
  if folder ~= to_folder then return end
  stems[folder] = stems[folder] or {}
  add(stems[folder], stem, to_stem, why)
end

for _, path in ipairs(files) do
  for n, line in ipairs(tree.lines(path)) do
    local target = line:match('^%s*#%s*include%s+"([^"]+)"')
    if target then needs(path, target, ("%s:%d includes %s"):format(path, n, target)) end
  end
  if path:find("%.c$") then
    for name in code(path):gmatch("[%a_][%w_]*") do
      local target = defined[name]
      if target then needs(path, target, ("%s names %s of %s"):format(path, name, target)) end
    end
  end
end

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

-- The strongly connected components of more than one node (Tarjan's algorithm).
local function circles(graph)
  local index, low, on_stack, stack, count, found = {}, {}, {}, {}, 0, {}
  local function visit(node)
    count = count + 1
    index[node], low[node] = count, count
    stack[#stack + 1], on_stack[node] = node, true
    for _, to in ipairs(sorted_keys(graph[node])) do
      if not index[to] then visit(to) end
      if on_stack[to] then low[node] = math.min(low[node], low[to]) end
    end
    if low[node] < index[node] then return end
    local members = {}
    repeat
      local member = table.remove(stack)
      on_stack[member] = nil
      members[#members + 1] = member
    until member == node
    table.sort(members)
    if #members > 1 then found[#found + 1] = members end
  end
  for _, node in ipairs(sorted_keys(graph)) do
    if not index[node] then visit(node) end
  end
  return found
end

-- Appends a row for each circle, and one for each reason why it is one.
local function describe(graph, rows)
  for _, members in ipairs(circles(graph)) do
    local inside = {}
    for _, member in ipairs(members) do inside[member] = true end
    rows[#rows + 1] = "in a circle: " .. table.concat(members, ", ")
    for _, from in ipairs(members) do
      for _, to in ipairs(sorted_keys(graph[from])) do
        if inside[to] then rows[#rows + 1] = "  " .. graph[from][to] end
      end
    end
  end
end

local rows = {}
describe(folders, rows)
for _, folder in ipairs(sorted_keys(stems)) do
  if not knots[folder] then describe(stems[folder], rows) end
end
tree.finish("no part needs itself in a circle", rows)
