-- luapool.error: error objects: tables with a `kind`, a `message` and a traceback.

local core = require "luapool.error.core"
local task = require "luapool.task.core"

local M = {
  new = core.new,
  raise = core.raise,
  is = core.is,
  class = core.class,
}

--- Raises a string, for a call that is wrong, at the line of the user's code that made it.
---@param fmt string
---@param ... any as for string.format
function M.wrong(fmt, ...) core.wrong(fmt:format(...)) end

--- What a value is, for messages: the name of its class, or its type.
---@param value any
---@return string
function M.type(value)
  local meta = getmetatable(value)
  local name = type(meta) == "table" and rawget(meta, "__name")
  return type(name) == "string" and name or type(value)
end

--- Raises at the user's line unless `self` is an object of `class`: it is not in `queue.close()`,
--- which was to be `queue:close()`.
---@param self any
---@param class table
---@param method string
function M.check_self(self, class, method)
  if getmetatable(self) == class then return end
  local text = "'%s' was not called on a %s (but on %s): is it called with ':'?"
  local got = self == nil and "nothing" or "a " .. M.type(self)
  M.wrong(text, method, class.__name, got)
end

--- The traceback of an error that was caught: of an error object its own, of any other value
--- that of the latest error that this task has caught from another one.
---@param err any
---@return string|nil
function M.traceback(err)
  if core.is(err) then return err.traceback end
  local trace = task.trace()
  if trace and rawequal(trace[1], err) then return trace[2] end
  return nil
end

return M
