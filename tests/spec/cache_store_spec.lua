-- internal.cache.store: limits of number, size and time, and each policy, against models that are
-- as simple as they are slow. The clock is the test's.

local internal = require "tests.support.internal"
local stores = internal "luapool.internal.cache.store"
local weight = internal "luapool.internal.cache.weight"

-- ---- a model: a list of entries, searched from one end to the other ----

local Model = {}
Model.__index = Model

local function find(self, key)
  for i, entry in ipairs(self.list) do
    if entry.key == key then return entry, i end
  end
end

local function expire(self)
  for i = #self.list, 1, -1 do
    if self.list[i].due <= self.time then table.remove(self.list, i) end
  end
end

-- To the end: used last.
local function touch(self, entry, i)
  table.insert(self.list, table.remove(self.list, i))
  entry.count = entry.count + 1
end

function Model:get(key)
  expire(self)
  local entry, i = find(self, key)
  if not entry then return nil end
  if self.policy == "fifo" then entry.count = entry.count + 1 else touch(self, entry, i) end
  return entry.value
end

local function victim(self, but)
  local worst = 1
  if self.policy ~= "lfu" then return worst end
  worst = nil
  for i, entry in ipairs(self.list) do
    if entry ~= but and (not worst or entry.count < self.list[worst].count) then worst = i end
  end
  return worst
end

function Model:put(key, value, ttl)
  expire(self)
  local entry, i = find(self, key)
  if entry then touch(self, entry, i) end
  if not entry then
    entry = { key = key, count = 1 }
    table.insert(self.list, entry)
  end
  entry.value, entry.due = value, self.time + (ttl or math.huge)
  while #self.list > self.max do table.remove(self.list, victim(self, entry)) end
end

function Model:remove(key)
  expire(self)
  local _, i = find(self, key)
  if i then table.remove(self.list, i) end
  return i ~= nil
end

local function model(max, policy)
  return setmetatable({ max = max, policy = policy, list = {}, time = 0 }, Model)
end

local function same(expected, store)
  expire(expected)
  assert.are.equal(#expected.list, store:count())
  for _, entry in ipairs(expected.list) do
    assert.are.equal(entry.key, store.index[entry.key][3])
  end
end

describe("a store", function()
  for _, policy in ipairs { "lru", "lfu", "fifo" } do
    it("does what its model does: " .. policy, function()
      math.randomseed(7)
      for round = 1, 30 do
        local max = math.random(1, 12)
        local expected = model(max, policy)
        local store = stores.new {
          max = max, policy = policy, now = function() return expected.time end,
        }
        -- in every third round entries have a time: one for all, or one of a few
        local ttls = round % 3 == 1 and { 5 } or round % 3 == 2 and { 8, 10 } or {}
        for n = 1, 400 do
          local key, dice = math.random(1, 20), math.random(10)
          if dice <= 5 then
            assert.are.equal(expected:get(key), store:get(key))
          elseif dice <= 9 then
            local ttl = ttls[math.random(2)]
            expected:put(key, n, ttl)
            assert.is_true(store:put(key, n, ttl))
          else
            assert.are.equal(expected:remove(key), store:remove(key))
          end
          if dice > 5 then same(expected, store) end
          if math.random(4) == 1 then expected.time = expected.time + 1 end
        end
      end
    end)
  end

  it("keeps an entry no longer than it may, and frees it not much later", function()
    math.randomseed(11)
    local time = 0
    local store = stores.new { now = function() return time end }
    local due, latest = {}, {}
    for key = 1, 2000 do
      local ttl = math.random() * 10 ^ math.random(-2, 3) + 0.001
      store:put(key, key, ttl)
      due[key], latest[key] = time + ttl, time + ttl * 1.15
      time = time + math.random() / 10
      store:count()
      for other = math.max(1, key - 20), key do
        if time >= latest[other] then assert.is_nil(store.index[other]) end
      end
      local other = math.random(1, key)
      assert.are.equal(time < due[other] and other or nil, store:get(other))
    end
    time = time + 2000
    assert.are.equal(0, store:count())
    assert.are.equal(2000, store.expirations)
  end)

  it("starts the time of an entry anew when it is set again, and none for ever", function()
    local time = 0
    local store = stores.new { ttl = 10, now = function() return time end }
    store:put("a", 1)
    store:put("b", 1, math.huge)
    time = 9
    store:put("a", 2)
    time = 18.9
    assert.are.equal(2, store:get "a")
    time = 19
    assert.is_nil(store:get "a")
    time = 1e12
    assert.are.equal(1, store:get "b")
  end)

  it("keeps to its size, whatever comes, and adds up to nothing when all is deleted", function()
    math.randomseed(3)
    for _, policy in ipairs { "lru", "lfu", "fifo" } do
      local store = stores.new { max_bytes = 20000, policy = policy }
      for _ = 1, 3000 do
        local key = math.random(1, 100)
        local value = ("x"):rep(math.random(0, 22000))
        local kept = store:put(key, value)
        assert.is_true(store.bytes <= 20000)
        assert.are.equal(kept and value or nil, store:get(key))
      end
      for key = 1, 100 do store:remove(key) end
      assert.are.equal(0, store.bytes)
      assert.are.equal(0, store.entries)
    end
  end)

  it("takes about the memory that it says", function()
    for _, make in ipairs {
      function(i) return ("%d"):format(i):rep(20) end,
      function(i) return { i, i + 1, name = "n" .. i, list = { 1, 2, 3 } } end,
      function(i) return i end,
    } do
      collectgarbage()
      collectgarbage()
      local before = collectgarbage "count" * 1024
      local store = stores.new { max_bytes = 4 << 20 }
      for i = 1, 60000 do store:put("key " .. i, make(i)) end
      collectgarbage()
      collectgarbage()
      local took = collectgarbage "count" * 1024 - before
      assert.is_true(store.bytes > 3.9 * 2 ^ 20, store.bytes)
      assert.is_true(took < 1.5 * store.bytes and took > 0.4 * store.bytes, took)
    end
  end)

  it("weighs tables that are deep, that hold themselves, and that say wrong things", function()
    local deep = {}
    for _ = 1, 100000 do deep = { deep } end
    assert.is_true(weight.of(deep) > 5000000)
    local ring = { "x" }
    ring.ring = ring
    assert.is_true(weight.of(ring) < 300)
    local odd = setmetatable({}, {
      __len = function() error "no" end, __pairs = function() error "no" end,
      __index = function() error "no" end,
    })
    assert.is_true(weight.of(odd) < 100)
  end)
end)
