-- internal.usage: what is raised of a call that is wrong: kind `usage`, at the line of the user's
-- code, naming the function as the reference does ("task.sleep", a method "queue:put"). The text
-- is made in runtime/loop/usage.c, for the C functions too. What an argument may be is told by
-- the rules of luapool.internal.options, as it is for options.
--@whole

local core = require "luapool.error.core"
local options = require "luapool.internal.options"

local M = {
  describe = core.describe,
  callable = options.callable,
}

--- Raises "<where>: <text>".
---@param where string the function
---@param text string as for string.format
---@param ... any
function M.raise(where, text, ...)
  core.usage(where, text:format(...))
end

--- Raises that the n-th argument is not what is expected.
---@param where string
---@param n integer a method's object is not counted
---@param expected string "a list"
---@param value any
function M.expected(where, n, expected, value)
  core.argument(where, n, expected, value)
end

--- Raises unless the n-th argument fits the rule.
---@param where string
---@param n integer
---@param value any
---@param rule string|string[]
---@return any value
function M.argument(where, n, value, rule)
  if type(value) == rule and rule ~= "number" then return value end -- most often
  local expected, fits = options.rule(rule)
  if not fits(value) then core.argument(where, n, expected, value) end
  return value
end

--- Raises unless the n-th argument is nil or fits the rule.
---@param where string
---@param n integer
---@param value any
---@param rule string|string[]
---@return any value
function M.optional(where, n, value, rule)
  if value ~= nil then M.argument(where, n, value, rule) end
  return value
end

--- The n-th argument as a function, for what travels to workers: one that calls it where it is a
--- table that can be called. Raises where it is neither.
---@param fn any
---@param where? string absent: it has been checked
---@param n? integer
---@return function
function M.to_function(fn, where, n)
  if type(fn) == "function" then return fn end
  if where then M.argument(where, n, fn, "callable") end
  return function(...) return fn(...) end
end

--- Puts the place of `fn` before the message of a misuse that has none: where fn ended with the
--- call, as in `return http.get(url, opts)`, Lua has forgotten the line. For those who call what
--- the user has given them.
---@param e any the error that fn raised
---@param fn function
---@return any e
function M.place(e, fn)
  local unplaced = core.is(e, "usage") and not e.message:find "^[^%s:]+:%d+: "
  if not unplaced or type(fn) ~= "function" then return e end
  local info = debug.getinfo(fn, "S")
  if info.what ~= "C" then
    local text = "%s:%d: in a tail call of the function that begins here: %s"
    e.message = text:format(info.short_src, info.linedefined, e.message)
  end
  return e
end

--- Raises unless `self` is an object of the class: it is not in `queue.close()`, which was to be
--- `queue:close()`.
---@param self any
---@param class table
---@param method string "queue:close"
function M.self(self, class, method)
  if getmetatable(self) ~= class then core.not_self(method, class.__name, self) end
end

return M
