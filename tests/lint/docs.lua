-- Every public function has its documentation where it is defined: in scripts/luapool a `---`
-- comment, in a binding a comment above the C function that a luaL_Reg names, in runtime/luapool.h
-- one above each declaration. Names that begin with an underscore, and metamethods, are not public.
package.path = "tests/lint/?.lua;" .. package.path
local tree = require "tree"

local rows = {}

local function row(path, n, name)
  rows[#rows + 1] = ("%s:%d: %s is not documented"):format(path, n, name)
end

local function lua_file(path)
  local lines = tree.lines(path)
  for n, line in ipairs(lines) do
    local name = line:match("^function%s+%u[%w_]*[.:]([%w_]+)")
    if name and not name:find("^_") and not (lines[n - 1] or ""):find("^%-%-%-") then
      row(path, n, name)
    end
  end
end

local function c_file(path)
  local lines = tree.lines(path)
  local registered, inside = {}, false
  for _, line in ipairs(lines) do
    inside = inside or line:find("luaL_Reg .*=") ~= nil
    for name, fn in (inside and line or ""):gmatch('{%s*"([%w_]+)"%s*,%s*([%a_][%w_]*)%s*}') do
      if not name:find("^_") and fn ~= "NULL" then registered[fn] = name end
    end
    if line:find("};%s*$") then inside = false end
  end
  for _, f in ipairs(tree.c_functions(lines)) do
    if registered[f.name] and not (lines[f.at - 1] or ""):find("%*/%s*$")
      and not (lines[f.at - 1] or ""):find("^//") then
      row(path, f.at, ("%s (%s)"):format(registered[f.name], f.name))
    end
  end
end

-- Declarations that follow one another without a blank line share the comment above the first.
local function public_header(path)
  local documented = false
  for n, line in ipairs(tree.lines(path)) do
    if line:find("%*/%s*$") then documented = true end
    if line == "" then documented = false end
    local name = line:match("^[%a_].-(luapool_[%w_]+)%s*%(")
    if name and not line:find("^typedef") and not documented then row(path, n, name) end
  end
end

for _, path in ipairs(tree.files({ "scripts/luapool" }, { ".lua" })) do lua_file(path) end
for _, path in ipairs(tree.files({ "bindings" }, { ".c" })) do c_file(path) end
for _, path in ipairs(tree.files({ "runtime/luapool.h" }, { ".h" })) do public_header(path) end
tree.finish("public functions are documented where they are defined", rows)
