-- internal.require: the `require` of luapool. Scripts have M.user; luapool's own have M.system,
-- which loads into the free environment, whoever runs. What they do is in internal.loading,
-- which the first of them loads: many a host opens runtimes whose scripts require nothing.
--@whole

-- What runtime/api/modules.c gives when it opens a runtime, before a script can change it: a
-- function that opens parts in C, `package`, `package.loaded`, the searcher of luapool's own
-- scripts.
local open, package, loaded, search_scripts = ...

local M = { search_scripts = search_scripts }

local loading

local function load()
  loading = search_scripts "luapool.internal.loading"(open, package, loaded)
  return loading
end

--- Loads the module `name` for luapool's own scripts.
---@param name string
---@return any module, any loader_data
function M.system(name) return (loading or load()).system(name) end

--- Loads the module `name` unless it is loaded; as in stock Lua, but loading it may wait.
---@param name string
---@return any module, any loader_data
function M.user(name) return (loading or load()).user(name) end

--- Refuses what is luapool's own.
---@param name string
function M.check(name) (loading or load()).check(name) end

return M
