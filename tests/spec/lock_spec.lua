-- luapool.lock: what is the same for all engines. What is special of each: lock_engines_spec.lua.


local etcd_server = require "tests.support.etcd_server"
local fails = require "tests.support.fails"
local fs = require "luapool.fs"
local lock = require "luapool.lock"
local redis = require "luapool.redis"
local redis_server = require "tests.support.redis_server"
local task = require "luapool.task"

local names = 0

-- engine -> a function that makes a place, with `make(opts)` and `close()`
local engines = {}

function engines.file()
  local dir = fs.tempdir()
  return {
    make = function() return lock.file(dir .. "/lock") end,
    close = function() dir:close() end,
  }
end

local servers = {}

function engines.redis()
  names = names + 1
  local client, name = redis.connect(servers.redis.url), "lock" .. names
  return {
    make = function(opts) return lock.redis(client, name, opts) end,
    steal = function() client:del("lock:{" .. name .. "}") end,
    close = function() client:close() end,
  }
end

local function revoke_all()
  for _, one in ipairs(servers.etcd:call("/v3/lease/leases", { _ = 0 }).leases or {}) do
    servers.etcd:call("/v3/lease/revoke", { ID = one.ID })
  end
end

function engines.etcd()
  names = names + 1
  local name = "lock" .. names
  return {
    make = function(opts)
      return lock.etcd { endpoints = servers.etcd.url, name = name, ttl = opts and opts.ttl }
    end,
    steal = revoke_all,
    close = function() collectgarbage() end,
  }
end

setup(function()
  servers.redis, servers.etcd = redis_server.start(), etcd_server.start()
end)

teardown(function()
  servers.redis:stop()
  servers.etcd:stop()
end)

-- A task that has begun to wait for the lock.
local function waiting(one, timeout)
  local t = task.spawn(function()
    local held <close> = one:hold(timeout)
    return held.token
  end)
  task.sleep(0.05)
  return t
end

local function every_engine(name, steal)
  local place

  before_each(function() place = engines[name]() end)
  after_each(function() place:close() end)

  it("is held by one at a time, and its token rises", function()
    local one, other = place.make(), place.make()
    local first = one:acquire()
    assert.equal("integer", math.type(first))
    assert.is_nil(other:try_acquire())
    one:release()
    local second = other:try_acquire()
    assert.is_true(second > first)
    assert.equal(second, other.token)
    other:release()
    assert.is_nil(other.token)
    assert.is_true(one:acquire() > second)
    one:release()
  end)

  it("wakes who waits", function()
    local one, other = place.make(), place.make()
    local token = one:acquire()
    local t = waiting(other)
    assert.equal("running", t:status())
    one:release()
    assert.is_true(t:await() > token)
  end)

  it("is waited for with a timeout, and can be had afterwards", function()
    local one, other = place.make(), place.make()
    one:acquire()
    local e = fails("timeout", other.acquire, other, 0.05)
    assert.matches("was not free within 0.05 s", e.message, 1, true)
    fails("timeout", one.acquire, other, 0)
    fails("timeout", function() local _ <close> = other:hold(0.01) end)
    one:release()
    assert(other:acquire(60))
    other:release()
  end)

  it("belongs to a task, and tasks of one process take turns", function()
    local one, inside, most = place.make(), 0, 0
    local function turn()
      local held <close> = one:hold()
      inside = inside + 1
      most = math.max(most, inside)
      assert.equal(held.token, one.token)
      task.sleep(0.002)
      inside = inside - 1
    end
    local turns = {}
    for i = 1, 10 do turns[i] = turn end
    task.gather(turns)
    assert.equal(1, most)
    one:acquire()
    local e = fails("usage", one.acquire, one)
    assert.matches("this task holds the lock", e.message, 1, true)
    local child = task.spawn(function()
      assert.is_nil(one.token)
      assert.is_nil(one:try_acquire())
      fails("not_held", one.release, one)
      fails("timeout", one.acquire, one, 0.01)
    end)
    child:await()
    one:release()
    fails("not_held", one.release, one)
  end)

  it("is free when the task that waited for it was cancelled", function()
    local one, other, third = place.make(), place.make(), place.make()
    one:acquire()
    local t, behind = waiting(other), waiting(other)
    t:cancel()
    assert.equal("cancelled", select(2, t:result()).kind)
    one:release()
    assert(behind:await())
    assert(third:acquire(60))
    third:release()
  end)

  it("is free when it was given to a task that was cancelled at any moment", function()
    local one, other = place.make(), place.make()
    for i = 1, 20 do
      local t = task.spawn(function()
        local _ <close> = one:hold()
        task.sleep(60)
      end)
      task.sleep(i * 0.0004)
      t:cancel()
      t:result()
      assert(other:acquire(60))
      other:release()
    end
  end)

  it("is free when a task ends without releasing it", function()
    local one, other = place.make(), place.make()
    task.spawn(one.acquire, one):await()
    assert(other:acquire(60))
    other:release()
    assert(one:acquire(60))
    one:release()
  end)

  it("is given back by an error, and wraps functions", function()
    local one, other = place.make(), place.make()
    local guarded = one:wrap(function(...) return one.token ~= nil, ... end)
    assert.same({ true, 1, nil, 3, n = 4 }, table.pack(guarded(1, nil, 3)))
    local failing = one:wrap(function() error("no luck", 0) end)
    assert.same({ false, "no luck" }, { pcall(failing) })
    assert(other:acquire(60))
    other:release()
  end)

  if not steal then return end

  it("is renewed as long as it is held", function()
    local one, other = place.make { ttl = 1 }, place.make { ttl = 1 }
    local held <close> = one:hold()
    fails("timeout", other.acquire, other, 3)
    held:close()
    held:close()
  end)

  it("cancels the scope that has lost it, and nothing else", function()
    local one = place.make { ttl = 1 }
    local closed
    local e = fails("lost", function()
      local held <close> = one:hold()
      local token = held.token
      place.steal()
      local _ <close> = setmetatable({}, { __close = function()
        task.sleep(0.001) -- it may wait
        closed = token
      end })
      local message = fails("cancelled", task.sleep, 60).message
      assert.matches("is lost: it ran out, or somebody else has ended it", message, 1, true)
      fails("cancelled", task.sleep, 60)
      task.sleep(60)
    end)
    assert.equal(closed, e.token)
    task.sleep(0.001)
    assert.is_nil(one.token)
    one:acquire()
    place.steal()
    fails("cancelled", task.sleep, 60)
    fails("lost", one.release, one)
    task.sleep(0.001)
  end)

  it("cancels what the scope waits for, and keeps its error when that says more", function()
    local one = place.make { ttl = 1 }
    local child
    local e = fails("lost", function()
      local _ <close> = one:hold()
      place.steal()
      task.all(function()
        child = task.current()
        task.sleep(60)
      end)
    end)
    assert.equal("cancelled", child:status())
    assert(e)
    local ok, text = pcall(function()
      local _ <close> = one:hold()
      place.steal()
      pcall(task.sleep, 60)
      error("more", 0)
    end)
    assert.same({ false, "more" }, { ok, text })
    task.sleep(0.001)
  end)

  it("is found lost at the end of a scope that does not wait", function()
    local one = place.make()
    fails("lost", function()
      local _ <close> = one:hold()
      place.steal()
    end)
    one:acquire(60)
    one:release()
  end)

  it("leaves a task cancelled that was cancelled as a whole", function()
    local one = place.make { ttl = 1 }
    local seen
    local t = task.spawn(function()
      pcall(function()
        local _ <close> = one:hold()
        place.steal()
        pcall(task.sleep, 60) -- the scope is cancelled
        task.current():cancel "enough"
        task.sleep(60)
      end)
      seen = select(2, pcall(task.sleep, 60))
      error(seen, 0)
    end)
    assert.equal("enough", select(2, t:result()).reason)
    assert.equal("cancelled", t:status())
    assert.equal("cancelled", seen.kind)
  end)

  it("loses two leases one inside of the other", function()
    local one = place.make { ttl = 1 }
    local second = engines[name]()
    local two = second.make { ttl = 1 }
    local inner
    local outer = fails("lost", function()
      local _ <close> = one:hold()
      inner = fails("lost", function()
        local _ <close> = two:hold()
        place.steal()
        if second.steal ~= place.steal then second.steal() end
        pcall(task.sleep, 60)
        -- Both are noticed within a second; the scope of either may end first.
        task.shield(task.sleep, 1)
      end)
      task.sleep(60)
    end)
    assert.not_equal(inner.token, outer.token)
    task.sleep(0.001)
    second.close()
  end)
end

for name in pairs(engines) do
  describe("a lock on " .. name, function() every_engine(name, name ~= "file") end)
end
