-- internal.sync.counter: a number that many add to.
--@whole

local class = require "luapool.internal.sync.class"
local number = require("luapool.internal.usage").argument
local getmetatable = getmetatable

local M = {}

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
  if getmetatable(self) ~= Counter then class.check_self(self, Counter, "counter:add") end
  if n == nil then n = 1 end
  self.value = self.value + (math.type(n) and n or number("counter:add", 1, n, "number"))
  return self.value
end

--- Returns its value.
---
--- ```lua
--- print(sync.counter(7):get()) --> 7
--- ```
---@return number
function Counter:get()
  class.check_self(self, Counter, "counter:get")
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
  class.check_self(self, Counter, "counter:set")
  self.value = number("counter:set", 1, n, "number")
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
  return setmetatable({ value = n == nil and 0 or number("sync.counter", 1, n, "number") }, Counter)
end

return M
