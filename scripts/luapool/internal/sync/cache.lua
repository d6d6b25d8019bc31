-- internal.sync.cache: the caches of luapool.cache. It stands here since a cache travels as the
-- objects of luapool.sync do: it stays with main, and workers have proxies.
--
-- The computation of a missing value is a flight: it belongs to the task that asked first, here or
-- in a worker, and others who ask meanwhile stand in its line. What the line is handed is an
-- outcome {true, value} or {false, error}, or the number of the flight: who gets that is to compute
-- from then on, since the task before it was cancelled, or has died with its worker. `set`,
-- `delete` and `clear` detach a flight: who waits for it still gets its value, which may be older
-- than what they did and so is not kept.
--@whole

local class = require "luapool.internal.sync.class"
local core = require "luapool.sync.core"
local errors = require "luapool.error.core"
local options = require "luapool.internal.options"
local store = require "luapool.internal.cache.store"
local usage = require "luapool.internal.usage"
local mine, lookup = core.holder, store.get
local getmetatable = getmetatable

local M = {}

local LIMITS = {
  max = "count", max_bytes = "size", ttl = "above0", policy = { "lru", "lfu", "fifo" },
}

local check_new = options.define("cache.new", LIMITS)
local check_set = options.define("cache:set", { ttl = "above0" })
local check_fetch = options.define("cache:fetch", { ttl = "above0" })

M.LIMITS = LIMITS

--- Whether a value can be a key. Tables and functions would be other keys in other processes.
---@param key any
---@return boolean
function M.is_key(key)
  local kind = type(key)
  return kind == "string" or kind == "boolean" or kind == "number" and key == key
end

local is_key = M.is_key

local function check_key(key, where)
  if is_key(key) then return end
  usage.expected(where, 1, "a key: a string, a number or a boolean", key)
end

-- ---- flights ----

---@class luapool.internal.cache.Flight
---@field key string|number|boolean
---@field owner table the holder of the task that computes
---@field line userdata|nil the tasks that wait

local function own(self, number, who)
  self.running[number].owner = who
  class.hold(who, self)
end

local function begin(self, who, key)
  local number, flight = self.computations + 1, { key = key }
  self.computations, self.running[number], self.flights[key] = number, flight, flight
  own(self, number, who)
  return number
end

-- Is it the flight whose value is to be kept?
local function is_current(self, flight) return self.flights[flight.key] == flight end

local function land(self, number, flight)
  self.running[number] = nil
  local current = is_current(self, flight)
  if current then self.flights[flight.key] = nil end
  return current
end

-- Whoever computed does not any more: the first in line is to go on.
local function hand_over(self, number, flight)
  local waited, who
  if flight.line then waited, who = flight.line:wake(number) end
  if not waited then
    land(self, number, flight)
  else
    self.computations = self.computations + 1
    own(self, number, who)
  end
end

-- What a key has: an outcome, waited for, or the number of the flight that is now the caller's.
local function claim(self, who, key)
  check_key(key, "cache:fetch")
  local value = lookup(self.store, key)
  if value ~= nil then
    self.hits = self.hits + 1
    return { true, value }
  end
  self.misses = self.misses + 1
  local flight = self.flights[key]
  if not flight then return begin(self, who, key) end
  if flight.owner == who then
    usage.raise("cache:fetch", "the function that computes the key %s asks for it",
      usage.describe(key))
  end
  flight.line = flight.line or core.waiters "cache fetch"
  return flight.line:wait(nil, who)
end

local function claim_waits(self, who, key)
  local flight = self.flights[key]
  return flight ~= nil and flight.owner ~= who
end

-- A computation has ended: with a value (ok is true), an error (false), or a cancel (nil).
local function settle(self, who, number, ok, value, ttl)
  local flight = self.running[number]
  if not flight or flight.owner ~= who then return end
  class.drop(who, self)
  if ok == nil then return hand_over(self, number, flight) end
  local keep = land(self, number, flight) and ok and value ~= nil
  if keep then self.store:put(flight.key, value, ttl) end
  if flight.line then flight.line:wake_all { ok, value } end
end

-- What `claim` has returned did not arrive.
local function undo(self, who, got)
  if type(got) == "number" then settle(self, who, got, nil) end
end

local function orphan(self, who)
  for number, flight in pairs(self.running) do
    if flight.owner == who then hand_over(self, number, flight) end
  end
end

-- ---- computing ----

-- One run of the function of a fetch, which settles the flight however it ends: this is closed
-- also when the task is cancelled.
local Run = {}

function Run.__close(run, e)
  local cache, who, number = run.cache, run.who, run.number
  if run.ok then return run.settle(cache, who, number, true, run.value, run.ttl) end
  if e == nil or errors.is(e, "cancelled") then return run.settle(cache, who, number, nil) end
  run.settle(cache, who, number, false, e)
end

-- Acts on what `claim` has returned.
local function conclude(self, who, settle_it, got, key, fn, ttl)
  if type(got) == "table" then
    if got[1] then return got[2] end
    error(got[2], 0)
  end
  local run <close> = setmetatable({
    cache = self, who = who, number = got, settle = settle_it, ttl = ttl, ok = false,
  }, Run)
  local value = fn(key)
  run.ok, run.value = true, value
  return value
end

local function check_arguments(fn, opts)
  if type(fn) ~= "function" then usage.argument("cache:fetch", 2, fn, "callable") end
  return opts and check_fetch(opts).ttl
end

-- The same in a worker: nothing of the function goes to main, only what it returns.
local function settle_there(self, who, number, ok, value, ttl)
  local sent, e = pcall(core.post, self.number, who.id, "_settle", number, ok, value, ttl)
  if sent then return end
  if not ok then -- an error that cannot travel
    core.post(self.number, who.id, "_settle", number, false, tostring(value))
  else
    core.post(self.number, who.id, "_settle", number, false, e)
    error(e, 0)
  end
end

local function fetch_there(self, key, fn, opts)
  local meta = getmetatable(self)
  if type(meta) ~= "table" or meta.fetch ~= M.fetch_there then
    errors.not_self("cache:fetch", "luapool.Cache", self)
  end
  local ttl, who = check_arguments(fn, opts), mine()
  who.asked = true
  local got = core.ask(self.number, who.id, "_claim", key)
  return conclude(self, who, settle_there, got, key, fn, ttl)
end

M.fetch_there = fetch_there

--- Values by key, for a time and within limits, shared by tasks and, as the objects of
--- `luapool.sync`, by processes. See `cache.new`. `#cache` is how many values are in it.
---@within cache
---@operator len: integer
---@class luapool.Cache
local Cache = class.new("cache", {
  title = "luapool.Cache",
  remote = { _claim = claim, _settle = settle },
  waits = { _claim = claim_waits },
  undo = { _claim = undo },
  proxy = { fetch = fetch_there },
  orphan = orphan,
})

--- Returns the value of a key, or nil.
---
--- ```lua
--- local prices = cache.new { max = 1000 }
--- prices:set("tea", 3.5)
--- print(prices:get "tea", prices:get "coffee") --> 3.5 nil
--- ```
---@param key string|number|boolean
---@return any
function Cache:get(key)
  if getmetatable(self) ~= Cache then class.check_self(self, Cache, "cache:get") end
  local value = lookup(self.store, key)
  if value ~= nil then
    self.hits = self.hits + 1
    return value
  end
  check_key(key, "cache:get")
  self.misses = self.misses + 1
  return nil
end

---@within cache
---@class luapool.cache.SetOptions
---@field ttl? number seconds that this value is kept, in place of those of the cache; `math.huge`:
--- without a limit

--- Sets the value of a key; nil deletes it. Returns whether it was kept: a value alone may be
--- larger than `max_bytes`.
---
--- ```lua
--- local sessions = cache.new { ttl = 3600 }
--- sessions:set("short", true, { ttl = 0.01 })
--- task.sleep(0.02)
--- print(sessions:get "short") --> nil
--- ```
---@param key string|number|boolean
---@param value any
---@param opts? luapool.cache.SetOptions
---@return boolean kept
function Cache:set(key, value, opts)
  if getmetatable(self) ~= Cache then class.check_self(self, Cache, "cache:set") end
  check_key(key, "cache:set")
  local ttl = opts and check_set(opts).ttl
  self.flights[key] = nil
  if value ~= nil then return self.store:put(key, value, ttl) end
  self.store:remove(key)
  return false
end

--- Deletes a key, and tells whether it was there.
---
--- ```lua
--- local prices = cache.new()
--- prices:set("tea", 3.5)
--- print(prices:delete "tea", prices:delete "tea") --> true false
--- ```
---@param key string|number|boolean
---@return boolean was_there
function Cache:delete(key)
  class.check_self(self, Cache, "cache:delete")
  check_key(key, "cache:delete")
  self.flights[key] = nil
  return self.store:remove(key)
end

--- Deletes everything.
---
--- ```lua
--- local prices = cache.new()
--- prices:set("tea", 3.5)
--- prices:clear()
--- print(#prices) --> 0
--- ```
function Cache:clear()
  class.check_self(self, Cache, "cache:clear")
  self.flights = {}
  self.store:clear()
end

---@within cache
---@class luapool.cache.FetchOptions
---@field ttl? number seconds that the value is kept, in place of those of the cache; `math.huge`:
--- without a limit

--- Returns the value of a key; one that is not there is computed by `fn(key)` and kept. However
--- many tasks ask meanwhile, in whatever process, `fn` is called once and all of them get its
--- result: the others wait, and what they have brought is not called.
---
--- An error of fn is raised in all who wait, and is not kept; nor is nil. When the task that
--- computes is cancelled, or its worker dies, the next one who waits computes with its own
--- function. A `set`, `delete` or `clear` in the meantime wins: what is being computed may be
--- older, and goes only to those who wait for it already.
---
--- ```lua
--- local pages, calls = cache.new { max = 100, ttl = 60 }, 0
--- local function load(path)
---   calls = calls + 1
---   return http.get(url .. path).status
--- end
--- task.map(function() return pages:fetch("/echo", load) end, { 1, 2, 3 }):drain()
--- print(pages:fetch("/echo", load), calls) --> 200 1
--- ```
---@async
---@param key string|number|boolean
---@param fn fun(key: any): any
---@param opts? luapool.cache.FetchOptions
---@return any value
function Cache:fetch(key, fn, opts)
  if getmetatable(self) ~= Cache then class.check_self(self, Cache, "cache:fetch") end
  local ttl = check_arguments(fn, opts)
  local value = lookup(self.store, key)
  if value ~= nil then
    self.hits = self.hits + 1
    return value
  end
  local who = mine()
  return conclude(self, who, settle, claim(self, who, key), key, fn, ttl)
end

---@within cache
---@class luapool.cache.Stats
---@field entries integer how many values are in it
---@field bytes? integer about how much memory they take, where `max_bytes` is set
---@field hits integer how often a key was asked for and found
---@field misses integer how often it was not
---@field computations integer how often a function of `fetch` was called
---@field computing integer how many of these run now
---@field evictions integer values that had to leave for others
---@field expirations integer values whose time was over

--- Figures of the cache.
---
--- ```lua
--- local prices = cache.new { max = 1 }
--- prices:set("tea", 3.5)
--- prices:set("coffee", 4)
--- prices:get "tea"
--- local stats = prices:stats()
--- print(stats.entries, stats.evictions, stats.misses) --> 1 1 1
--- ```
---@return luapool.cache.Stats
function Cache:stats()
  class.check_self(self, Cache, "cache:stats")
  local kept, computing = self.store, 0
  for _ in pairs(self.running) do
    computing = computing + 1
  end
  return {
    entries = kept:count(), bytes = kept.weighs and kept.bytes or nil,
    hits = self.hits, misses = self.misses,
    computations = self.computations, computing = computing,
    evictions = kept.evictions, expirations = kept.expirations,
  }
end

function Cache:__len() return self.store:count() end

class.open(Cache, "get", "set", "delete", "clear", "stats", "__len")

--- A cache within limits that have been checked.
---@param limits table
---@return luapool.Cache
function M.make(limits)
  return setmetatable({
    store = store.new {
      max = limits.max, ttl = limits.ttl, policy = limits.policy,
      max_bytes = limits.max_bytes and options.size(limits.max_bytes),
    },
    hits = 0, misses = 0,
    computations = 0, -- also the number of the latest flight
    running = {}, -- number -> flight
    flights = {}, -- key -> the flight whose value is to be kept
  }, Cache)
end

---@within cache
---@class luapool.cache.Options
---@field max? integer how many values are kept at most
---@field max_bytes? number|string how much memory they may take, about: a size such as "64M"
---@field ttl? number seconds that a value is kept
---@field policy? "lru"|"lfu"|"fifo" which value leaves a full cache for a new one: the one whose
--- last use is longest ago, the one that was used least often, or the one that was set first;
--- default "lru"

--- Makes an empty cache. Without `max` and `max_bytes` it grows as long as its values live.
---
--- Every operation takes the same time, however many values there are. The size of a value is
--- measured when it is set, by going through its tables.
---
--- ```lua
--- local pages = cache.new { max = 10000, max_bytes = "64M", ttl = 300, policy = "lru" }
--- pages:set("/", "<html>")
--- print(pages:get "/", #pages) --> <html> 1
--- ```
---@function cache.new
---@param opts? luapool.cache.Options
---@return luapool.Cache
function M.new(opts) return M.make(check_new(opts)) end

return M
