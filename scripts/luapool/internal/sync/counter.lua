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

--- A number that many tasks add to. See `sync.counter`.
---@within sync
---@class luapool.sync.Counter
local Counter = class.new("counter", {})

--- Adds a number and returns the sum.
---
--- ```lua
--- local counter = sync.counter()
--- print(counter:add(), counter:add(-3)) --> 1 -2
--- ```
---@param n? number default 1
---@return number new
function Counter:add(n)
  if getmetatable(self) ~= Counter then class.check_self(self, Counter, "add") end
  self.value = self.value + (n == nil and 1 or check_number(n, "add"))
  return self.value
end

--- Returns its value.
---
--- ```lua
--- print(sync.counter(7):get()) --> 7
--- ```
---@return number
function Counter:get()
  class.check_self(self, Counter, "get")
  return self.value
end

--- Sets its value.
---
--- ```lua
--- local counter = sync.counter()
--- counter:set(40)
--- print(counter:add(2)) --> 42
--- ```
---@param n number
function Counter:set(n)
  class.check_self(self, Counter, "set")
  self.value = check_number(n, "set")
end

class.open(Counter, "add", "get", "set")

--- Makes a counter.
---
--- ```lua
--- local seen = sync.counter()
--- local p <close> = pool.new { processes = 2 }
--- p:map(function() seen:add(1) end, { "a", "b", "c" }):drain()
--- print(seen:get()) --> 3
--- ```
---@function sync.counter
---@param n? number what it begins with; default 0
---@return luapool.sync.Counter
function M.new(n)
  return setmetatable({ value = n == nil and 0 or check_number(n, "counter") }, Counter)
end

return M
