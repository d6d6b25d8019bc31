-- internal.sync.counter: a number that many add to.
--@whole

local class = require "luapool.internal.sync.class"
local core = require "luapool.sync.core"
local getmetatable = getmetatable

local M = {}

local function check_number(n, where)
  if math.type(n) then return n end
  local text = "bad argument #1 to '%s' (number expected, got %s)"
  return core.raise(nil, text:format(where, type(n)))
end

---@class luapool.sync.Counter
local Counter = class.new("counter", {})

--- Adds n, 1 unless said.
---@param n? number
---@return number new
function Counter:add(n)
  if getmetatable(self) ~= Counter then class.check_self(self, Counter, "add") end
  self.value = self.value + (n == nil and 1 or check_number(n, "add"))
  return self.value
end

--- Its value.
---@return number
function Counter:get()
  class.check_self(self, Counter, "get")
  return self.value
end

--- Sets it.
---@param n number
function Counter:set(n)
  class.check_self(self, Counter, "set")
  self.value = check_number(n, "set")
end

class.open(Counter, "add", "get", "set")

--- Makes a counter that begins with n, 0 unless said.
---@param n? number
---@return luapool.sync.Counter
function M.new(n)
  return setmetatable({ value = n == nil and 0 or check_number(n, "counter") }, Counter)
end

return M
