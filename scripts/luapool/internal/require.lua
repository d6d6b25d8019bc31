-- internal.require: the `require` of luapool: the standard one, except that a module may wait
-- while it is loaded. Two tasks that want the same module at once get it from one loading.
--@whole

local core = require "luapool.task.core"
local where = require("luapool.error.core").where

local package, loaded = package, package.loaded
local concat, insert = table.concat, table.insert

-- How often a module may want itself while it is loaded; stock Lua gives up at 200 calls from C.
local MOST_AGAIN = 100

local loading = {} -- name -> {task that loads it, promise of the end, how often wanted meanwhile}
local waiting = {} -- task -> name of the module that it waits for

-- Raises a text, as stock Lua does, at the user's line.
local function fail(text) error(where() .. text, 0) end

local function find(name)
  local searchers = package.searchers
  if type(searchers) ~= "table" then fail "'package.searchers' must be a table" end
  local tried = {}
  for i = 1, #searchers do
    local loader, extra = searchers[i](name)
    if type(loader) == "function" then return loader, extra end
    if type(loader) == "string" then tried[#tried + 1] = (loader:gsub("^\n\t", "")) end
  end
  fail(("module '%s' not found:\n\t%s"):format(name, concat(tried, "\n\t")))
end

local function load(name)
  local loader, extra = find(name)
  local value = loader(name, extra)
  if value ~= nil then
    loaded[name] = value
  elseif loaded[name] == nil then
    loaded[name] = true
  end
  return loaded[name], extra
end

-- Loads it for this task; others that want it meanwhile wait.
local function load_alone(name, task)
  local promise = core.promise()
  loading[name] = { task = task, promise = promise, again = 0 }
  local _ <close> = setmetatable({}, {
    __close = function()
      loading[name] = nil
      promise:resolve()
    end,
  })
  return load(name)
end

-- Would waiting for `name` be for ever, as its task waits, maybe through others, for one that
-- this task loads? Then all of these tasks are told, in words.
local function find_loop(name, task)
  local names, loads = { name }, {}
  local one = loading[name]
  while one and one.task ~= task do
    insert(loads, one)
    name = waiting[one.task]
    one = name and loading[name]
    insert(names, name)
  end
  if not one then return nil end
  local text = ("loop of requires: '%s' needs '%s'"):format(name, concat(names, "' needs '"))
  for _, each in ipairs(loads) do each.loop = text end
  one.loop = text
  return text
end

-- Waits until another task has loaded it, or failed to.
local function wait_for(name, other, task)
  local loop = find_loop(name, task)
  if loop then fail(loop) end
  waiting[task] = name
  local _ <close> = setmetatable({}, { __close = function() waiting[task] = nil end })
  other.promise:result()
  if other.loop and not loaded[name] then fail(other.loop) end
end

local function count_again(name, other)
  other.again = other.again + 1
  if other.again <= MOST_AGAIN then return end
  fail(("loop of requires: '%s' is wanted while it is being loaded"):format(name))
end

--- Loads the module `name` unless it is loaded; as in stock Lua, but loading it may wait.
---@param name string
---@return any module, any loader_data
local function require(name)
  if type(name) ~= "string" then
    fail(("bad argument #1 to 'require' (string expected, got %s)"):format(type(name)))
  end
  local value = loaded[name]
  if value then return value end
  local task = core.current()
  if not task then return load(name) end
  local other = loading[name]
  if not other then return load_alone(name, task) end
  if other.task == task then
    count_again(name, other)
    return load(name)
  end
  wait_for(name, other, task)
  return loaded[name] or require(name)
end

return require
