-- luapool.cache: values that are kept for a time and within limits, and computed once for all who
-- ask. The class is in luapool/internal/sync/cache.lua; here: functions that remember.

local caches = require "luapool.internal.sync.cache"
local options = require "luapool.internal.options"
local usage = require "luapool.internal.usage"
require "luapool.internal.sync.remote" -- a cache may be sent

--- Values that are kept for a time and within limits of number and memory, and computed once
--- however many tasks ask for them.
---
--- A cache belongs to the main process, as the objects of `luapool.sync` do: passed to a worker (as
--- an argument, an upvalue or inside a table) it is one cache for all processes, where every call
--- goes to main and waits. In main the values themselves are kept, tables by reference; workers
--- send and get copies. A cache that was made in a worker stays there.
---
--- ```lua
--- local words = cache.new { max = 1000, ttl = 60 }
--- local p <close> = pool.new { processes = 2 }
--- local function length(word) return words:fetch(word, function(w) return #w end) end
--- p:map(length, { "one", "three", "one", "one" }):drain()
--- print(words:stats().computations, words:get "three") --> 2 5
--- ```
---@class luapool.cache
local M = { new = caches.new }

-- The key of some arguments. One that is a string, a number or a boolean is its own key; several
-- are a string that begins with a zero byte, and so is one that could be taken for such a string.
local function part_of(value, place)
  local kind = math.type(value) or type(value)
  if kind == "string" then return ("s%d:%s"):format(#value, value) end
  if kind == "float" then
    local whole = math.tointeger(value) -- 1 and 1.0 are one key everywhere
    return whole and ("i%d;"):format(whole) or ("f%a;"):format(value)
  end
  if kind == "integer" then return ("i%d;"):format(value) end
  if kind == "boolean" then return value and "t" or "f" end
  if kind == "nil" then return "n" end
  usage.raise("a function of cache.memoize",
    "argument %d is %s, which is no key: make one with the option `key`", place,
    usage.describe(value))
end

local function key_of(...)
  local n, value = select("#", ...), (...)
  if n == 1 then
    local kind = type(value)
    if kind == "string" and value:byte() ~= 0 or kind == "boolean" then return value end
    if kind == "number" and value == value then return value end
  end
  local parts = { ... }
  for i = 1, n do
    parts[i] = part_of(parts[i], i)
  end
  return "\0" .. table.concat(parts)
end

local LIMITS = { key = "callable" }
for name, rule in pairs(caches.LIMITS) do LIMITS[name] = rule end

local check_memoize = options.define("cache.memoize", LIMITS)

---@within cache
---@class luapool.cache.MemoizeOptions: luapool.cache.Options
---@field key? fun(...): any makes the key of a call, a string, number or boolean, of its arguments;
--- needed where these are more than strings, numbers, booleans and nil

--- Makes a function that remembers: of calls with the same arguments `fn` runs one, as with
--- `Cache:fetch`, and the others get its results, nil too. An error is not remembered. The second
--- result is the cache, to look at or to clear. The function may be sent to workers, and then
--- remembers for all processes.
---
--- ```lua
--- local squares, kept = cache.memoize(function(n) return n * n end, { max = 100 })
--- print(squares(12), squares(12), kept:stats().computations) --> 144 144 1
--- ```
---
--- ```lua
--- local full_name = cache.memoize(function(user) return user.first .. " " .. user.last end,
---   { key = function(user) return user.id end, ttl = 60 })
--- print(full_name { id = 7, first = "Ada", last = "Lovelace" }) --> Ada Lovelace
--- ```
---@param fn function
---@param opts? luapool.cache.MemoizeOptions
---@return function remembers
---@return luapool.Cache cache
function M.memoize(fn, opts)
  fn = usage.to_function(fn, "cache.memoize", 1)
  opts = check_memoize(opts)
  local cache, make_key = caches.make(opts), key_of
  if opts.key then
    make_key = function(...)
      local key = opts.key(...)
      if caches.is_key(key) then return key end
      usage.raise("cache.memoize",
        "the function `key` must return a string, a number or a boolean, got %s",
        usage.describe(key))
    end
  end
  local function remembers(...)
    local args = table.pack(...)
    local results = cache:fetch(make_key(...), function()
      return table.pack(fn(table.unpack(args, 1, args.n)))
    end)
    return table.unpack(results, 1, results.n)
  end
  return remembers, cache
end

return M
