-- internal.sync.map: a table that many share. Each method is one step: nobody comes between.
--@whole

local class = require "luapool.internal.sync.class"
local core = require "luapool.sync.core"

local M = {}

local function check_key(key, where)
  if key ~= nil and key == key then return end
  core.raise(nil, ("bad argument #1 to '%s' (a key expected, got %s)"):format(where, tostring(key)))
end

---@class luapool.sync.Map
local Map = class.new("map", {})

--- The value of a key, or nil.
---@param key any
---@return any
function Map:get(key)
  class.check_self(self, Map, "get")
  return self.values[key]
end

--- Sets it; nil deletes it.
---@param key any
---@param value any
function Map:set(key, value)
  class.check_self(self, Map, "set")
  check_key(key, "set")
  self.values[key] = value
end

--- Deletes a key.
---@param key any
---@return boolean was_there
function Map:delete(key)
  class.check_self(self, Map, "delete")
  local there = self.values[key] ~= nil
  if there then self.values[key] = nil end
  return there
end

--- Adds n (1 unless said) to the number of a key; one that is not there counts as 0.
---@param key any
---@param n? number
---@return number new
function Map:add(key, n)
  class.check_self(self, Map, "add")
  check_key(key, "add")
  local value = self.values[key] or 0
  if n == nil then n = 1 end
  if not math.type(n) then
    core.raise(nil, ("bad argument #2 to 'add' (number expected, got %s)"):format(type(n)))
  end
  if not math.type(value) then
    core.raise(nil, ("cannot add to the value of '%s' (a %s)"):format(tostring(key), type(value)))
  end
  self.values[key] = value + n
  return value + n
end

--- Sets the value of a key to `new` if it is `old`; nil stands for "not there".
---@param key any
---@param old any
---@param new any
---@return boolean set
function Map:cas(key, old, new)
  class.check_self(self, Map, "cas")
  check_key(key, "cas")
  if self.values[key] ~= old then return false end
  self.values[key] = new
  return true
end

--- All keys, in no order.
---@return any[]
function Map:keys()
  class.check_self(self, Map, "keys")
  local list = {}
  for key in pairs(self.values) do
    list[#list + 1] = key
  end
  return list
end

class.open(Map, "get", "set", "delete", "add", "cas", "keys")

--- Makes an empty map.
---@return luapool.sync.Map
function M.new() return setmetatable({ values = {} }, Map) end

return M
