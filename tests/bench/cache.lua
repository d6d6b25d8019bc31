-- One cache of 10,000 entries under a load of keys. ... is the policy, what to do and how often,
-- and "ttl": "get" finds every key, "set" makes room each time, "mixed" gets, and sets what it has
-- not found, of keys of which a fifth is asked for four times of five, "fetch" does so in one call.
local cache = require "luapool.cache"
local policy, what, count = ...
count = math.tointeger(count)
local SIZE <const> = 10000
local c = cache.new { max = SIZE, policy = policy, ttl = select(4, ...) and 3600 }
for i = 1, SIZE do c:set(i, i) end

-- A sequence that a benchmark in another language can make as well.
local state = 1
local function random(n)
  state = (state * 1103515245 + 12345) & 0x7fffffff
  return (state >> 8) % n
end

local function popular()
  if random(5) > 0 then return random(SIZE // 2) end
  return SIZE // 2 + random(SIZE * 2)
end

local function compute(key) return key end

local loads = {
  get = function(i) return c:get(i % SIZE + 1) end,
  set = function(i) c:set(SIZE + i, i) end,
  mixed = function()
    local key = popular()
    if c:get(key) == nil then c:set(key, key) end
  end,
  fetch = function() return c:fetch(popular(), compute) end,
  nothing = function() return popular() end,
}
local load = loads[what]
for i = 1, count do load(i) end
