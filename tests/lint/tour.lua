-- Each file of runtime/, each folder of bindings/ and of scripts/luapool/internal/ has a line in
-- runtime/README.md, and each line stands for one. Prints TAP.
package.path = "tests/lint/?.lua;" .. package.path
local tree = require "tree"

local tour = table.concat(tree.lines "runtime/README.md", "\n")
local listed, found, rows = {}, {}, {}

for row in tour:gmatch "\n| (`[^|]*`) |" do
  for name in row:gmatch "`([^`]+)`" do
    local stem, endings = name:match "^(.*)%.%[(.*)%]$"
    for ending in (endings or ""):gmatch "." do listed[stem .. "." .. ending] = true end
    if not stem then listed[name] = true end
  end
end

-- A file of a folder of bindings/ is found as its folder.
for _, path in ipairs(tree.files({ "runtime", "bindings" }, { ".c", ".h" })) do
  local name = path:match "^bindings/[%w_]+/" or path:gsub("^runtime/", "")
  if name ~= "bindings/bindings.h" then found[name] = true end
end

for _, path in ipairs(tree.files({ "scripts/luapool/internal" }, { ".lua" })) do
  local name = path:match "^scripts/luapool/internal/[%w_]+/"
  if name then found[name] = true end
end

for name in pairs(found) do
  if not listed[name] then rows[#rows + 1] = name .. " has no line in runtime/README.md" end
end
for name in pairs(listed) do
  if not found[name] then rows[#rows + 1] = name .. " of runtime/README.md does not exist" end
end
-- The steps of the walk are files too.
for path in tour:gmatch "\n%d+%. `([^`]+)`" do
  local file = io.open("runtime/" .. path) or io.open(path)
  if not file then rows[#rows + 1] = path .. " of the walk in runtime/README.md does not exist" end
  if file then file:close() end
end
table.sort(rows)
tree.finish("the tour names every file of runtime/, every folder of the rest", rows)
