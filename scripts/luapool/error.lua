-- luapool.error: error objects: tables with a `kind`, a `message` and a traceback.

local core = require "luapool.error.core"
local task = require "luapool.task.core"

--- Error objects. What luapool raises is a table with a `kind` (a short word, listed with each
--- module), a `message`, and fields that are listed with its kind. `tostring(e)` is one line, and
--- `e .. ""` works where a task can be suspended. What user code raises arrives as it was raised
--- when it is a string, number, boolean or table, also over processes.
---
--- ```lua
--- local ok, e = pcall(task.timeout, 0.01, task.sleep, 60)
--- print(luapool.error.is(e, "timeout"), e.kind) --> true timeout
--- ```
---
--- ```lua
--- print(select(2, pcall(http.get, url, { timout = 1 })).kind) --> usage
--- local missing = { multipart = { picture = { file = "/no/such/file" } } }
--- print(select(2, pcall(http.post, url, missing)).kind) --> system
--- print(select(2, pcall(require, "luapool.core")).kind) --> denied
--- ```
---@kind usage a call is wrong: an argument, an option, its value
---@kind memory there is not enough memory, or the limit of the worker is reached (see
--- `luapool.pool`)
---@kind denied a script may not do it: its environment lacks the right (field `what`), the host has
--- refused it, or it is luapool's own; field `subject`, a path say
---@kind system the system refused something; the message has its words
---@kind internal a fault of luapool itself
---@kind corrupt data between processes is damaged: a fault of luapool itself
---@class luapool.error
local M = {
  new = core.new,
  raise = core.raise,
  is = core.is,
  class = core.class,
}

--- The metatable of error objects.
---
--- ```lua
--- print(getmetatable(luapool.error.new("odd", "odd")) == luapool.error.class) --> true
--- ```
---@function error.class
---@type table

--- Returns the traceback of an error that was caught, with the part of the worker that it came
--- from: of an error object its own, of any other value that of the latest such error that this
--- task caught.
---
--- ```lua
--- local ok, e = task.spawn(function() local nothing; return nothing.x end):result()
--- assert(luapool.error.traceback(e):find "stack traceback:")
--- ```
---@param err any
---@return string?
function M.traceback(err)
  if core.is(err) then return err.traceback end
  local trace = task.trace()
  if trace and rawequal(trace[1], err) then return trace[2] end
  return nil
end

return M
