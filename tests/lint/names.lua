-- Names are addresses. What runtime/x/y.c defines for other files is lp_y_*; what
-- bindings/x/y.c does is lpb_x_y_*, or lpb_x_* in x/x.c and x/open.c. Types, constants and macros
-- follow their folder (lp_ LP_, lpb_ LPB_), statics carry no prefix, a Lua function x.put is a
-- static that ends with _put, and luapool_* stands in runtime/luapool.h alone and is defined in
-- runtime/api/.
package.path = "tests/lint/?.lua;" .. package.path
local tree = require "tree"

local rows = {}

local function row(path, n, text, ...)
  rows[#rows + 1] = ("%s:%d: "):format(path, n) .. text:format(...)
end

local function starts(name, prefix)
  return name == prefix or name:find(prefix .. "_", 1, true) == 1
end

-- The prefixes that names of this file may have, and what the message calls them.
local function prefixes(path)
  local stem = path:gsub("%.[ch]$", "")
  local folder, file = stem:match("^bindings/([%w_]+)/([%w_]+)$")
  if folder then
    local own = { "lpb_" .. folder .. "_" .. file }
    if file == folder or file == "open" then own[2] = "lpb_" .. folder end
    return own
  end
  file = stem:match("([%w_]+)$")
  return { (path:find("^bindings/") and "lpb_" or "lp_") .. file }
end

local function allowed(name, path)
  for _, prefix in ipairs(prefixes(path)) do
    if starts(name, prefix) then return true end
  end
end

-- luaopen_* are the names that Lua looks for; main is C's.
local function is_given(name, path)
  if name:find("^luaopen_luapool") then
    return path:find("^runtime/") or path:find("/open%.c$")
  end
  return name == "main" or (name:find("^luapool_") and path:find("^runtime/api/"))
end

local function check_shared(path, n, name)
  if is_given(name, path) or allowed(name, path) then return end
  row(path, n, "%s is shared and does not carry its place (%s_...)", name, prefixes(path)[1])
end

local function check_functions(path, lines)
  for _, f in ipairs(tree.c_functions(lines)) do
    local static = lines[f.at]:find("%f[%w_]static%f[^%w_]")
    if not static then
      check_shared(path, f.at, f.name)
    elseif f.name:find("^lpb?_") and path:find("%.c$") then
      row(path, f.at, "%s is static and needs no prefix", f.name)
    end
  end
end

-- Objects of file scope that other files see, and types of headers.
local function check_line(path, n, line)
  line = line:gsub("%*const ", "*")
  local object = line:match("^const [%w_]+ %*?([%w_]+)[%[ ;=]")
    or line:match("^extern .-([%w_]+)[%[;]")
  if object then check_shared(path, n, object) end
  if not path:find("%.h$") then return end
  local type = line:match("^} ([%w_]+);") or line:match("^typedef struct [%w_]+ ([%w_]+) {$")
  if type and path:find("^bindings/") then check_shared(path, n, type) end
  if type and path:find("^runtime/") and not type:find("^lp_") and not type:find("^luapool") then
    row(path, n, "the type %s lacks lp_", type)
  end
end

-- {"put", queue_put}: the row of a table of functions. An alias may name the function that it is.
local alias = { setpeername = "connect", setsockname = "bind" }

local function check_lua_name(path, name, f)
  local ending = "_" .. name
  if f:sub(-#ending) ~= ending and f:match("_(%w+)$") ~= alias[name] then
    row(path, 1, "the Lua function %s is %s, which does not end with %s", name, f, ending)
  end
end

local function check_lua_names(path, text)
  for rows_of in text:gmatch("luaL_Reg [%w_]+%[%] =%s*(%b{})") do
    for name, f in rows_of:gmatch('{"(%l[%w_]*)",%s*(%l[%w_]*)}') do
      check_lua_name(path, name, f)
    end
  end
end

-- The words of a file that begin with `pattern`, each with its first line.
local function words(lines, pattern)
  local found = {}
  for n, line in ipairs(lines) do
    for word in line:gsub('"[^"]*"', '""'):gmatch("%f[%w_]" .. pattern .. "[%w_]*") do
      found[word] = found[word] or n
    end
  end
  return found
end

-- LP_ and lp_ words of bindings/ must be known to runtime/ or to the build, LPB_ and lpb_ words of
-- runtime/ to bindings/.
local known = { lp = {}, lpb = {} }
local build = { LP_VERSION = true, LP_TINY = true, LP_GCSTRESS = true }
local files = tree.files({ "runtime", "bindings" }, { ".c", ".h" })
local lines_of = {}
for _, path in ipairs(files) do
  lines_of[path] = tree.lines(path)
  local runtime = path:find("^runtime/")
  local own = runtime and known.lp or known.lpb
  for _, pattern in ipairs(runtime and { "lp_", "LP_" } or { "lpb_", "LPB_" }) do
    for word in pairs(words(lines_of[path], pattern)) do own[word] = true end
  end
end

local function check_words(path, lines)
  local runtime = path:find("^runtime/")
  local other = runtime and known.lpb or known.lp
  for _, pattern in ipairs(runtime and { "lpb_", "LPB_" } or { "lp_", "LP_" }) do
    for word, n in pairs(words(lines, pattern)) do
      if not other[word] and not build[word] then
        row(path, n, "%s is unknown in %s", word, runtime and "bindings/" or "runtime/")
      end
    end
  end
end

for _, path in ipairs(files) do
  local lines = lines_of[path]
  if path:find("%.c$") then check_functions(path, lines) end
  for n, line in ipairs(lines) do check_line(path, n, line) end
  check_words(path, lines)
  if path:find("^bindings/") then check_lua_names(path, table.concat(lines, "\n")) end
end
table.sort(rows)
tree.finish("names are addresses", rows)
