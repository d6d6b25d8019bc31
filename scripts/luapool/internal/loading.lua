-- internal.loading: how `require` of luapool loads a module: as the standard one, except that a
-- module may wait while it is loaded, and that each environment has its own modules. Two tasks
-- of an environment that want the same module at once get it from one loading.
--@whole

-- What stood there when the runtime was opened: see internal.require.
local require, package, loaded = ...

local core = require "luapool.task.core"
local sandbox = require "luapool.sandbox.core"
local where = require("luapool.error.core").where

local concat, insert = table.concat, table.insert

local M = {}

-- How often a module may want itself while it is loaded; stock Lua gives up at 200 calls from C.
local MOST_AGAIN = 100

-- What an environment has loaded and loads: `loading` is name -> {name, task that loads it until
-- that has ended, promise of the end, how often wanted meanwhile}.
local free = { package = package, loaded = loaded, loading = {} }
local caches = setmetatable({ [loaded] = free }, { __mode = "k" }) -- by package.loaded
local waiting = {} -- task -> what it waits for, one in `loading`

-- Raises a text, as stock Lua does, at the user's line.
local function fail(text) error(where() .. text, 0) end

local function find(cache, name)
  local searchers = cache.package.searchers
  if type(searchers) ~= "table" then fail "'package.searchers' must be a table" end
  local tried = {}
  for i = 1, #searchers do
    local loader, extra = searchers[i](name)
    if type(loader) == "function" then return loader, extra end
    if type(loader) == "string" then tried[#tried + 1] = (loader:gsub("^\n\t", "")) end
  end
  fail(("module '%s' not found:\n\t%s"):format(name, concat(tried, "\n\t")))
end

local function load(cache, name)
  local loader, extra = find(cache, name)
  local value = loader(name, extra)
  local into = cache.loaded
  if value ~= nil then
    into[name] = value
  elseif into[name] == nil then
    into[name] = true
  end
  return into[name], extra
end

-- Loads it for this task; others that want it meanwhile wait.
local function load_alone(cache, name, task)
  local one = { name = name, task = task, promise = core.promise(), again = 0 }
  cache.loading[name] = one
  local _ <close> = setmetatable({}, {
    __close = function()
      cache.loading[name] = nil
      one.task = nil
      one.promise:resolve()
    end,
  })
  return load(cache, name)
end

-- Would waiting for `one` be for ever, as its task waits, maybe through others, for one that this
-- task loads? Then all of these tasks are told, in words.
local function find_loop(one, task)
  local names, loads = { one.name }, {}
  while one and one.task ~= task do
    insert(loads, one)
    one = waiting[one.task]
    insert(names, one and one.name)
  end
  if not one then return nil end
  local text = ("loop of requires: '%s' needs '%s'"):format(one.name,
    concat(names, "' needs '"))
  for _, each in ipairs(loads) do each.loop = text end
  one.loop = text
  return text
end

-- Waits until another task has loaded it, or failed to.
local function wait_for(cache, one, task)
  local loop = find_loop(one, task)
  if loop then fail(loop) end
  waiting[task] = one
  local _ <close> = setmetatable({}, { __close = function() waiting[task] = nil end })
  one.promise:result()
  if one.loop and not cache.loaded[one.name] then fail(one.loop) end
end

local function count_again(one)
  one.again = one.again + 1
  if one.again <= MOST_AGAIN then return end
  fail(("loop of requires: '%s' is wanted while it is being loaded"):format(one.name))
end

local function obtain(cache, name)
  if type(name) ~= "string" then
    fail(("bad argument #1 to 'require' (string expected, got %s)"):format(type(name)))
  end
  local value = cache.loaded[name]
  if value then return value end
  local task = core.current()
  if not task then return load(cache, name) end
  local one = cache.loading[name]
  if not one then return load_alone(cache, name, task) end
  if one.task == task then
    count_again(one)
    return load(cache, name)
  end
  wait_for(cache, one, task)
  return cache.loaded[name] or obtain(cache, name)
end

-- What luapool is made of, and no script can have: its C halves and what stands in internal/.
local function is_internal(name)
  if type(name) ~= "string" or name:sub(1, 8) ~= "luapool." then return false end
  return name:find "%.core$" or name:find "^luapool%.internal%."
end

--- Refuses what is luapool's own.
---@param name string
function M.check(name)
  if is_internal(name) then
    sandbox.deny(("module '%s' is internal to luapool"):format(name))
  end
end

--- Loads the module `name` for luapool's own scripts.
---@param name string
---@return any module, any loader_data
function M.system(name)
  local value = free.loaded[name]
  if value then return value end
  local _ <close> = sandbox.leave() -- what is loaded from files requires, too, and reads
  return obtain(free, name)
end

--- Loads the module `name` unless it is loaded; as in stock Lua, but loading it may wait.
---@param name string
---@return any module, any loader_data
function M.user(name)
  M.check(name)
  local current_package, current = sandbox.package()
  local cache = caches[current]
  if not cache then
    cache = { package = current_package, loaded = current, loading = {} }
    caches[current] = cache
  end
  return obtain(cache, name)
end

return M
