-- luapool.require: the `require` of luapool: the standard one, except that a module may wait
-- while it is loaded. Two tasks that want the same module at once get it from one loading.

local package, error, type = package, error, type
local concat = table.concat
local loading = {} -- name -> {task that loads it, promise of the end}

local function find(name)
  local searchers = package.searchers
  if type(searchers) ~= "table" then error("'package.searchers' must be a table", 4) end
  local tried = {}
  for i = 1, #searchers do
    local loader, extra = searchers[i](name)
    if type(loader) == "function" then return loader, extra end
    if type(loader) == "string" then tried[#tried + 1] = (loader:gsub("^\n\t", "")) end
  end
  error(("module '%s' not found:\n\t%s"):format(name, concat(tried, "\n\t")), 4)
end

local function load(name)
  local loader, extra = find(name)
  local value = loader(name, extra)
  local loaded = package.loaded
  if value ~= nil then
    loaded[name] = value
  elseif loaded[name] == nil then
    loaded[name] = true
  end
  return loaded[name], extra
end

-- Loads it for this task; others that want it meanwhile wait.
local function load_alone(name, core, task)
  local promise = core.promise()
  loading[name] = { task = task, promise = promise }
  local _ <close> = setmetatable({}, {
    __close = function()
      loading[name] = nil
      promise:resolve()
    end,
  })
  return load(name)
end

--- Loads the module `name` unless it is loaded; as in stock Lua, but loading it may wait.
---@param name string
---@return any module, any loader_data
local function require(name)
  if type(name) ~= "string" then
    error(("bad argument #1 to 'require' (string expected, got %s)"):format(type(name)), 2)
  end
  local value = package.loaded[name]
  if value then return value end
  local core = package.loaded["luapool.task.core"]
  local task = core and core.current()
  local other = loading[name]
  if task and other and other.task ~= task then
    other.promise:result()
    return package.loaded[name] or require(name)
  end
  if not task or other then return load(name) end
  return load_alone(name, core, task)
end

return require
