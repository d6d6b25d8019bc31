-- luapool.cache between processes: one cache, one computation, and workers that die.

local cache, pool, task = require "luapool.cache", require "luapool.pool", require "luapool.task"
local eventually = require "tests.support.eventually"
local sync, errors = require "luapool.sync", require "luapool.error"
local process = require "luapool.process"
local fails = require "tests.support.fails"

-- The process may be gone, as workers that were killed before are noticed a little later.
local function kill(pid) process.exec { "kill", "-9", tostring(pid) } end

describe("a cache in workers", function()
  local p
  setup(function() p = pool.new { processes = 3 } end)
  teardown(function()
    p:terminate()
    p:join()
  end)

  it("is one cache, with all its methods", function()
    local c = cache.new { max = 3, max_bytes = "1M" }
    c:set("from main", { 1 })
    p:apply(function()
      assert(getmetatable(c).__name == "luapool.Cache")
      assert(c:get "from main"[1] == 1 and c:get "nothing" == nil)
      assert(c:set("from worker", { a = "b" }) and c:set("short", 1, { ttl = 1e-6 }))
      assert(not c:set("too large", ("x"):rep(2 << 20)))
      assert(c:get "short" == nil and #c == 2)
      assert(c:delete "from main" and not c:delete "from main")
      assert(c:fetch("new", function(key) return key .. "!" end, { ttl = 60 }) == "new!")
      assert(c:fetch("new", error) == "new!")
      local stats = c:stats()
      assert(stats.entries == 2 and stats.computations == 1 and stats.bytes > 500)
    end)
    assert.are.same({ a = "b" }, c:get "from worker")
    assert.are.equal("new!", c:get "new")
    p:apply(function() c:clear() end)
    assert.are.equal(0, #c)
    assert.are.equal(c, p:apply(function() return c end))
  end)

  it("computes once over all processes", function()
    local c, calls, go = cache.new(), sync.counter(), sync.event()
    local function fetch()
      return c:fetch("key", function()
        calls:add()
        go:wait()
        return { 42 }
      end)[1]
    end
    local tasks = {}
    for i = 1, 60 do tasks[i] = i % 4 == 0 and task.spawn(fetch) or p:submit(fetch) end
    eventually(function() return c:stats().misses == 60 end)
    go:set()
    for _, value in ipairs(task.gather(tasks)) do assert.are.equal(42, value) end
    assert.are.equal(1, calls:get())
  end)

  it("raises the error of a worker in all who wait, with its fields", function()
    local c, go = cache.new(), sync.event()
    local function fetch()
      c:fetch("key", function()
        go:wait()
        require("luapool.error").raise("odd", "not today", { detail = { 7 } })
      end)
    end
    local tasks = { p:submit(fetch) }
    for i = 2, 12 do tasks[i] = i % 2 == 0 and task.spawn(fetch) or p:submit(fetch) end
    eventually(function() return c:stats().misses == 12 end)
    go:set()
    for i = 1, 12 do
      local ok, e = tasks[i]:result()
      assert.is_false(ok)
      assert.is_true(errors.is(e, "odd"), tostring(e))
      assert.are.equal(7, e.detail[1])
    end
    assert.are.equal(0, c:stats().entries)
    assert.are.equal(1, c:stats().computations)
  end)

  it("says what cannot travel, and is free again", function()
    local c = cache.new()
    local e = fails("cannot_send", p.apply, p, function()
      return c:fetch("key", function() return coroutine.create(print) end)
    end)
    assert.matches("thread", e.message)
    local ok, text = pcall(p.apply, p, function()
      return c:fetch("key", function() error(coroutine.create(print)) end)
    end)
    assert.is_false(ok)
    assert.matches("thread", tostring(text))
    assert.are.equal(0, c:stats().computing)
    c:set("local", coroutine.create(print))
    fails("cannot_send", p.apply, p, function() return c:get "local" end)
    fails("cannot_send", p.apply, p, function() return c:fetch("local", print) end)
  end)

  it("tells a worker who uses it wrongly", function()
    local c = cache.new()
    for _, fn in ipairs {
      function() c:get {} end,
      function() c:fetch("a") end,
      function() c:fetch({}, print) end,
      function() c:fetch("a", print, { tll = 1 }) end,
      function() c.fetch("a", print) end,
      function() c:fetch("a", function() return c:fetch("a", print) end) end,
    } do
      local e = fails("usage", p.apply, p, fn)
      assert.matches("cache_remote_spec.lua:%d+: ", tostring(e))
    end
    assert.are.equal(0, c:stats().computing)
  end)

  it("hands over when a task of a worker that computes is cancelled", function()
    local c, began = cache.new(), sync.queue()
    local function fetch(name)
      return c:fetch("key", function()
        began:put(name)
        if name == "first" then task.sleep(3600) end
        return name
      end)
    end
    local first = p:submit(fetch, "first")
    assert.are.equal("first", began:get())
    local second = p:submit(fetch, "second")
    eventually(function() return c:stats().misses == 2 end)
    local third = task.spawn(fetch, "third")
    eventually(function() return c:stats().misses == 3 end)
    first:cancel()
    assert.are.equal("second", began:get())
    assert.are.same({ "second", "second" }, { second:await(), third:await() })
    assert.are.equal(0, #began)
  end)

  it("hands over when the worker that computes dies, and loses nobody", function()
    local c, began = cache.new(), sync.queue()
    local workers <close> = pool.new { processes = 2, concurrency = 1 }
    local function fetch(name)
      return c:fetch("key", function()
        began:put { name, require("luapool").worker and require("luapool").worker.pid }
        if name == "first" then task.sleep(3600) end
        return name
      end)
    end
    local first = workers:submit(fetch, "first")
    local pid = began:get()[2]
    local second = workers:submit(fetch, "second")
    eventually(function() return c:stats().misses == 2 end)
    local third = task.spawn(fetch, "third")
    eventually(function() return c:stats().misses == 3 end)
    kill(pid)
    assert.are.equal("second", began:get()[1])
    assert.are.same({ "second", "second" }, { second:await(), third:await() })
    assert.are.equal("second", first:await()) -- in another worker
    assert.are.equal(2, c:stats().computations)
  end)

  it("is the next one's turn when all workers die", function()
    local c, began = cache.new(), sync.queue()
    local workers = pool.new { processes = 2 }
    local function stuck()
      return c:fetch("key", function()
        began:put(true)
        task.sleep(3600)
      end)
    end
    for _ = 1, 10 do workers:submit(stuck) end
    began:get()
    eventually(function() return c:stats().misses == 10 end)
    local mine = task.spawn(c.fetch, c, "key", function() return "mine" end)
    workers:terminate()
    workers:join()
    assert.are.equal("mine", mine:await())
    assert.are.equal(0, c:stats().computing)
  end)

  it("survives workers that are killed at random: each gets its value", function()
    local c, calls = cache.new { max = 5 }, sync.counter()
    local workers <close> = pool.new { processes = 3, crash_retries = 50 }
    local killer = task.spawn(function()
      for _ = 1, 12 do
        task.sleep(0.03)
        local list = workers:stats().workers
        local one = list[math.random(#list)]
        if one and one.pid then kill(one.pid) end
      end
    end)
    local items = {}
    for i = 1, 600 do items[i] = i end
    local results = 0
    for _, value, err, item in workers:map(function(i)
      return c:fetch(i % 10, function(key)
        calls:add()
        task.sleep(0.002)
        return key * 10
      end)
    end, items, { return_errors = true, ordered = false }) do
      assert.is_nil(err)
      assert.are.equal(item % 10 * 10, value)
      results = results + 1
    end
    killer:await()
    assert.are.equal(600, results)
    assert.are.equal(0, c:stats().computing)
    assert.is_true(#c <= 5)
  end)

  it("cannot be sent when it was made in a worker", function()
    local e = fails("cannot_send", p.apply, p, function() return require("luapool.cache").new() end)
    assert.matches("a luapool.Cache made in a worker stays there", e.message, 1, true)
    assert.are.equal(2, p:apply(function()
      local own = require("luapool.cache").new { max = 1 }
      own:set("a", 1)
      return own:fetch("b", function() return 2 end)
    end))
  end)
end)

describe("a function that remembers", function()
  it("remembers for all processes", function()
    local calls = sync.counter()
    local f, kept = cache.memoize(function(n, text)
      calls:add()
      return n * 2, text
    end)
    local p <close> = pool.new { processes = 2 }
    local sum = 0
    for _, doubled in p:map(f, { 1, 2, 3, 1, 2, 3, 1, 2, 3 }) do sum = sum + doubled end
    assert.are.equal(36, sum)
    assert.are.same({ 4 }, { f(2) })
    assert.are.equal(3, calls:get())
    assert.are.same({ 4, "x" }, { p:apply(f, 2, "x") })
    assert.are.equal(4, #kept)
  end)
end)
