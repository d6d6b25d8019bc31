-- luapool.error: error objects: tables with a `kind`, a `message` and a traceback.

local core = require "luapool.error.core"
local task = require "luapool.task.core"

local M = {
  new = core.new,
  is = core.is,
  class = core.class,
}

--- Raises a string, for a call that is wrong, at the line of the user's code that made it.
---@param fmt string
---@param ... any as for string.format
function M.wrong(fmt, ...) core.wrong(fmt:format(...)) end

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
