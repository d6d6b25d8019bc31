-- internal.package: `package` of an environment: where its `require` looks for modules. These
-- functions hold nothing of an environment: they serve that of the task that calls them.
--@whole

local sandbox = require "luapool.sandbox.core"
local requires = require "luapool.internal.require"

local free = package
local is_c = sandbox.is_c_function
local added = {} -- searchers of the host

local M = {}

local function search_preload(name)
  local loader = sandbox.package().preload[name]
  if loader then return loader, ":preload:" end
  return ("no field package.preload['%s']"):format(name)
end

-- Is it a part of luapool, and not a file of that name?
local function is_part(name)
  return is_c(free.preload[name]) or type((requires.search_scripts(name))) == "function"
end

-- Parts of luapool are the same for all, and frozen. What stands in for LuaSocket and LuaSec is
-- made anew in each environment, as their Lua half changes it.
local function search_luapool(name)
  if name == "luapool" or name:sub(1, 8) == "luapool." then
    requires.check(name)
    if not is_part(name) then return ("no part '%s' of luapool"):format(name) end
    return function() return sandbox.frozen(requires.system(name)) end, ":luapool:"
  end
  if name:sub(1, 7) == "socket." or name == "ssl" then return requires.search_scripts(name) end
end

-- Modules of the host in C. Each environment has them opened anew.
local function search_host(name)
  local open = free.preload[name]
  if is_c(open) then return open, ":host:" end
end

-- Returns the first file of the templates that is there and for which the right `what` is given, or
-- nil and what was tried.
local function find_file(name, templates, what)
  local tried = {}
  for template in templates:gmatch "[^;]+" do
    local path = template:gsub("%?", (name:gsub("%%", "%%%%")))
    local allowed, why = pcall(sandbox.allow, what, path)
    local file = allowed and io.open(path, "rb")
    if file then
      file:close()
      return path
    end
    tried[#tried + 1] = allowed and ("no file '%s'"):format(path) or tostring(why)
  end
  return nil, table.concat(tried, "\n\t")
end

local function in_folders(name) return (name:gsub("%.", "/")) end

local function search_files(name)
  local path, why = find_file(in_folders(name), sandbox.package().path, "read")
  if not path then return why end
  local file <close> = assert(io.open(path, "rb"))
  local chunk, message = sandbox.load(file:read("a"):gsub("^#[^\n]*", ""), "@" .. path)
  if chunk then return chunk, path end
  error(("error loading module '%s' from file '%s':\n\t%s"):format(name, path, message), 0)
end

-- Returns the opening function of the module `name` in the library that is found for `place`.
local function open_library(name, place)
  local path, why = find_file(in_folders(place), sandbox.package().cpath, "native")
  if not path then return why end
  local open, message = free.loadlib(path, "luaopen_" .. name:match("^[^-]*"):gsub("%.", "_"))
  if open then return open, path end
  error(("error loading module '%s' from file '%s':\n\t%s"):format(name, path, message), 0)
end

local function search_library(name) return open_library(name, name) end

local function search_root(name)
  local root = name:match "^([^.]+)%."
  if root then return open_library(name, root) end
end

local function searchpath(name, path, sep, rep)
  sep, rep = sep or ".", rep or "/"
  if sep ~= "" then name = name:gsub(sep:gsub("%p", "%%%0"), (rep:gsub("%%", "%%%%"))) end
  return find_file(name, path, "read")
end

local function loadlib(path, name)
  sandbox.allow("native", path)
  return free.loadlib(path, name)
end

--- Makes `package` of a new environment.
---@param native boolean may it load libraries in C?
---@return table package
function M.new(native)
  local searchers = { search_preload, search_luapool, search_host }
  table.move(added, 1, #added, #searchers + 1, searchers)
  table.insert(searchers, search_files)
  if native then table.move({ search_library, search_root }, 1, 2, #searchers + 1, searchers) end
  return {
    config = free.config,
    cpath = native and free.cpath or nil,
    loaded = {},
    loadlib = native and loadlib or nil,
    path = free.path,
    preload = {},
    searchers = searchers,
    searchpath = searchpath,
  }
end

--- Adds a searcher of the host, for the free environment and all new ones.
---@param search function
function M.add(search)
  table.insert(added, search)
  table.insert(free.searchers, 2 + #added, search)
end

return M
