-- internal.sync.map: a table that many share. Each method is one step: nobody comes between.
--@whole

local class = require "luapool.internal.sync.class"
local usage = require "luapool.internal.usage"

local M = {}

local function check_key(key, where)
  if key ~= nil and key == key then return end
  usage.expected(where, 1, "a key", key)
end

--- A table that many tasks share. Each method is one step: no other task comes between. See
--- `sync.map`.
---@within sync
---@class luapool.sync.Map
local Map = class.new("map", {})

--- Returns the value of a key, or nil.
---
--- ```lua
--- print(sync.map():get "colour") --> nil
--- ```
---@param key any
---@return any
function Map:get(key)
  class.check_self(self, Map, "map:get")
  return self.values[key]
end

--- Sets the value of a key; nil deletes it.
---
--- ```lua
--- local map = sync.map()
--- map:set("colour", "red")
--- print(map:get "colour") --> red
--- ```
---@param key any
---@param value any
function Map:set(key, value)
  class.check_self(self, Map, "map:set")
  check_key(key, "map:set")
  self.values[key] = value
end

--- Deletes a key and tells whether it was there.
---
--- ```lua
--- local map = sync.map()
--- map:set("colour", "red")
--- print(map:delete "colour", map:delete "colour") --> true false
--- ```
---@param key any
---@return boolean was_there
function Map:delete(key)
  class.check_self(self, Map, "map:delete")
  local there = self.values[key] ~= nil
  if there then self.values[key] = nil end
  return there
end

--- Adds to the number of a key and returns the sum; a key that is not there counts as 0.
---
--- ```lua
--- local map = sync.map()
--- print(map:add "hits", map:add("hits", 10)) --> 1 11
--- ```
---@param key any
---@param n? number default 1
---@return number new
function Map:add(key, n)
  class.check_self(self, Map, "map:add")
  check_key(key, "map:add")
  local value = self.values[key] or 0
  if n == nil then n = 1 end
  usage.argument("map:add", 2, n, "number")
  if not math.type(value) then
    local text = "the value of the key %s is no number to add to, but %s"
    usage.raise("map:add", text, usage.describe(key), usage.describe(value))
  end
  self.values[key] = value + n
  return value + n
end

--- Sets the value of a key to `new` if it is `old`, and tells whether it was; nil stands for "not
--- there".
---
--- ```lua
--- local map = sync.map()
--- print(map:cas("leader", nil, "a"), map:cas("leader", nil, "b")) --> true false
--- ```
---@param key any
---@param old any
---@param new any
---@return boolean set
function Map:cas(key, old, new)
  class.check_self(self, Map, "map:cas")
  check_key(key, "map:cas")
  if self.values[key] ~= old then return false end
  self.values[key] = new
  return true
end

--- Returns a list of all keys, in no order.
---
--- ```lua
--- local map = sync.map()
--- map:set("colour", "red")
--- print(#map:keys(), map:keys()[1]) --> 1 colour
--- ```
---@return any[]
function Map:keys()
  class.check_self(self, Map, "map:keys")
  local list = {}
  for key in pairs(self.values) do
    list[#list + 1] = key
  end
  return list
end

class.open(Map, "get", "set", "delete", "add", "cas", "keys")

--- Makes an empty map.
---
--- ```lua
--- local lengths = sync.map()
--- local p <close> = pool.new { processes = 2 }
--- p:map(function(word) lengths:set(word, #word) end, { "one", "three" }):drain()
--- print(lengths:get "three") --> 5
--- ```
---@function sync.map
---@return luapool.sync.Map
function M.new() return setmetatable({ values = {} }, Map) end

return M
