-- Every public function has its documentation where it is defined: in scripts/luapool a `---`
-- comment, in a binding a comment above the C function that a luaL_Reg names, in runtime/luapool.h
-- one above each declaration. Names that begin with an underscore, and metamethods, are not public.
-- What the book holds (docs/generator/book.lua) is whole: each function says what it does, names
-- its parameters as its definition does and has an example; each option, field of a job and kind of
-- error occurs in one. That it holds all there is, tests/spec/reference_spec.lua says.
package.path = "tests/lint/?.lua;docs/generator/?.lua;" .. package.path
local books = require "book"
local render = require "render"
local tree = require "tree"

local rows = {}

local function fault(path, n, text, ...)
  rows[#rows + 1] = ("%s:%d: "):format(path, n) .. text:format(...)
end

local function row(path, n, name) fault(path, n, "%s is not documented", name) end

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

-- The parameters of the definition below a comment: "a, b, ..."; nil when they cannot be seen.
local function defined_params(item)
  local list = item.code and item.code:match("^function [%w_.:]+%((.-)%)")
  return list and (list:gsub("%s+", " "))
end

local function check_function(item)
  local names = {}
  for i, param in ipairs(item.params) do names[i] = param.name end
  local said, is = table.concat(names, ", "), defined_params(item)
  if item.text == "" then fault(item.path, item.line, "%s: what does it do?", item.name) end
  if is and is ~= said and is ~= said .. ", extra" then
    fault(item.path, item.line, "%s: the parameters are (%s), not (%s)", item.name, is, said)
  end
  if #item.examples == 0 then fault(item.path, item.line, "%s has no example", item.name) end
end

-- Classes that a type names must be in the book.
local function check_type(book, item, type)
  for name in type:gmatch("luapool[%w_.]*%.%u%w*") do
    if not book.classes[name] then
      fault(item.path, item.line, "%s: no class %s in the reference", item.name, name)
    end
  end
end

local function check_types(book, item)
  for _, values in ipairs { item.params, item.returns, item.fields } do
    for _, value in ipairs(values) do
      check_type(book, item, value.type)
      if value.type == "" then fault(item.path, value.line, "%s has no type", value.name) end
    end
  end
  if item.type then check_type(book, item, item.type) end
end

-- Each field that a caller gives is shown by an example.
local function check_fields(class)
  for _, field in ipairs(class.fields) do
    if not field.name:find("^%[") and not render.example_of(class, field) then
      fault(class.path, field.line, "no example shows %s of %s", field.name, class.name)
    end
  end
end

-- The tables that callers fill in: options, the table of a job.
local function is_given(book, class)
  if class.name == "luapool.Job" or class.name == "luapool.job.Kind" then return true end
  for _, user in ipairs(class.form == "record" and class.users or {}) do
    for _, param in ipairs(user.params) do
      local given = book.classes[(param.type:gsub("%?$", ""))]
      while given and given ~= class do given = book.classes[given.parent] end
      if given then return true end
    end
  end
  return false
end

local function all_kinds(book)
  local kinds = {}
  for _, module in pairs(book.modules) do
    for _, kind in ipairs(module.kinds) do kinds[kind.name] = module end
  end
  return kinds
end

-- All examples of a module, as one text; those of all modules for the kinds that all may raise.
local function examples_of(book, module)
  local parts = {}
  for _, item in ipairs(book:everything()) do
    local counts = item.module == module or module == "error"
    for _, example in ipairs(counts and item.examples or {}) do
      table.insert(parts, example.code)
    end
  end
  return table.concat(parts, "\n")
end

-- Those that no script can bring about in the program.
local FAULTS = { internal = true, corrupt = true, budget = true }

local function check_kinds(book, kinds)
  for _, item in ipairs(book.items) do
    for _, raised in ipairs(item.raises) do
      if not kinds[raised.kind] then
        fault(item.path, item.line, "%s: kind '%s' has no @kind", item.name, raised.kind)
      end
    end
  end
  for name, module in pairs(book.modules) do
    local code = examples_of(book, name)
    for _, kind in ipairs(module.kinds) do
      local shown = code:find("%f[%w_]" .. kind.name .. "%f[^%w_]")
      if not shown and not FAULTS[kind.name] then
        fault(module.path, kind.line, "no example shows kind '%s'", kind.name)
      end
    end
  end
end

-- What the sources raise is documented.
local RAISED = {
  '%f[%w_]raise%("([%a_]+)"', 'err[%a]*%.new%("([%a_]+)", ', '{CURLE_[%u%d_]+, "([%a_]+)"',
  'lp_raise%(L, "([%a_]+)"', 'lp_raise_push%(L, "([%a_]+)"', 'X%([%u_]+, %-%d+, "([%a_]+)"',
}

-- Notes in `raised` which kinds a file speaks of outside its comments.
local function check_raised(path, kinds, raised)
  for n, line in ipairs(tree.lines(path)) do
    local comment = line:find("^%-%-") or line:find("^ %*")
    for word in (comment and "" or line):gmatch('"([%a_]+)"') do raised[word] = true end
    for _, pattern in ipairs(comment and {} or RAISED) do
      local kind = line:match(pattern)
      if kind and not kinds[kind] then fault(path, n, "kind '%s' has no @kind", kind) end
    end
  end
end

local function check_book()
  local book = books.read(books.sources())
  for _, item in ipairs(book.items) do
    if item.form ~= "field" then check_function(item) end
    check_types(book, item)
  end
  for _, class in ipairs(book.class_list) do
    check_types(book, class)
    if is_given(book, class) then check_fields(class) end
  end
  local kinds = all_kinds(book)
  check_kinds(book, kinds)
  local sources = tree.files({ "scripts/luapool", "bindings", "runtime" }, { ".lua", ".c", ".h" })
  local raised = {}
  for _, path in ipairs(sources) do check_raised(path, kinds, raised) end
  for name, module in pairs(kinds) do
    if not raised[name] then fault(module.path, module.line, "nothing raises kind '%s'", name) end
  end
end

check_book()
for _, path in ipairs(tree.files({ "scripts/luapool" }, { ".lua" })) do lua_file(path) end
for _, path in ipairs(tree.files({ "bindings" }, { ".c" })) do c_file(path) end
for _, path in ipairs(tree.files({ "runtime/luapool.h" }, { ".h" })) do public_header(path) end
tree.finish("public functions are documented where they are defined", rows)
