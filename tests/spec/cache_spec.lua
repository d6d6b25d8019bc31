-- luapool.cache within one process: its calls, its options, and one computation for all who ask.

local cache, task, errors = require "luapool.cache", require "luapool.task", require "luapool.error"
local sync = require "luapool.sync"
local fails = require "tests.support.fails"

local function misused(text, fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_true(not ok and errors.is(e, "usage"), tostring(e))
  assert.matches(text, e.message, 1, true)
  assert.matches("cache_spec.lua:%d+: ", e.message)
end

-- Lets the others run until all of them wait.
local function settle()
  for _ = 1, 5 do task.yield() end
end

-- A function for `fetch` that waits until it is told what to do: `gate.resolve(value)`,
-- `gate.reject(err)`. It counts its calls.
local function gate()
  local self, orders = { calls = 0 }, sync.queue()
  function self.fn()
    self.calls = self.calls + 1
    local order = orders:get()
    if order.fails then error(order[1], 0) end
    return order[1]
  end
  function self.resolve(value) orders:put { value } end
  function self.reject(err) orders:put { err, fails = true } end
  return self
end

describe("a cache", function()
  it("keeps values by key: strings, numbers, booleans", function()
    local c = cache.new()
    for _, key in ipairs { "", "a\0b", 0, -1, 2.5, math.huge, true, false } do
      assert.is_nil(c:get(key))
      assert.is_true(c:set(key, { key }))
      assert.are.equal(key, c:get(key)[1])
    end
    assert.are.equal(8, #c)
    c:set(1.0, "one")
    assert.are.equal("one", c:get(1))
    c:set("1", "text")
    assert.are.equal("one", c:get(1))
    c:set("false", false)
    assert.are.equal(false, c:get "false")
    assert.is_true(c:delete(1))
    assert.is_false(c:delete(1))
    assert.is_false(c:set("1", nil))
    assert.is_nil(c:get "1")
    c:clear()
    assert.are.equal(0, #c)
  end)

  it("keeps the value itself, and not a copy", function()
    local c, value = cache.new { max_bytes = "1M" }, {}
    c:set("a", value)
    assert.are.equal(value, c:get "a")
  end)

  it("has no more than it may: by number and by size", function()
    local c = cache.new { max = 2 }
    for i = 1, 5 do c:set(i, i) end
    assert.are.same({ 2, nil, 4, 5 }, { #c, c:get(3), c:get(4), c:get(5) })
    local big = cache.new { max_bytes = "64K" }
    assert.is_true(big:set("a", ("x"):rep(40000)))
    assert.is_true(big:set("b", ("x"):rep(40000)))
    assert.is_nil(big:get "a")
    assert.is_false(big:set("b", ("x"):rep(70000)))
    assert.is_nil(big:get "b")
    assert.are.equal(70000, #big:fetch("c", function() return ("x"):rep(70000) end))
    assert.are.equal(0, #big)
  end)

  it("keeps a value for the time of the cache, or for its own", function()
    local c = cache.new { ttl = 0.02 }
    c:set("short", 1)
    c:set("long", 1, { ttl = 1000 })
    c:set("for ever", 1, { ttl = math.huge })
    c:fetch("fetched", function() return 1 end, { ttl = 1000 })
    c:fetch("fetched shortly", function() return 1 end)
    task.sleep(0.03)
    assert.is_nil(c:get "short")
    assert.is_nil(c:get "fetched shortly")
    assert.are.same({ 1, 1, 1 }, { c:get "long", c:get "for ever", c:get "fetched" })
    assert.are.equal(3, #c)
    assert.are.equal(2, c:stats().expirations)
  end)

  it("counts what has happened", function()
    local c = cache.new { max = 2 }
    c:set("a", 1)
    c:get "a"
    c:get "b"
    c:fetch("c", function() return 1 end)
    c:fetch("c", error)
    c:set("d", 1)
    assert.are.same({
      entries = 2, hits = 2, misses = 2, computations = 1, computing = 0, evictions = 1,
      expirations = 0,
    }, c:stats())
    assert.is_true(cache.new({ max_bytes = 1000 }):stats().bytes == 0)
  end)

  it("tells who uses it wrongly, in his line", function()
    local c = cache.new()
    misused("unknown option 'size'", cache.new, { size = 3 })
    misused("option 'max' must be a whole number from 1", cache.new, { max = 0 })
    misused("option 'max_bytes' must be a size", cache.new, { max_bytes = "many" })
    misused("option 'ttl' must be a number above 0", cache.new, { ttl = 0 })
    misused("option 'policy' must be", cache.new, { policy = "mru" })
    for _, key in pairs { {}, print, 0 / 0 } do
      misused("bad argument #1 to 'cache:get' (a key: a string, a number or a boolean expected",
        c.get, c, key)
      misused("bad argument #1 to 'cache:set'", c.set, c, key, 1)
      misused("bad argument #1 to 'cache:delete'", c.delete, c, key)
      misused("bad argument #1 to 'cache:fetch'", c.fetch, c, key, print)
    end
    misused("cache:get", c.get, c)
    misused("bad argument #2 to 'cache:fetch' (a function expected", c.fetch, c, "a", "b")
    misused("option 'ttl' must be a number above 0", c.set, c, "a", 1, { ttl = -1 })
    misused("unknown option 'tll' (did you mean 'ttl'?)", c.fetch, c, "a", print, { tll = 1 })
    for _, method in ipairs { "get", "set", "delete", "clear", "fetch", "stats" } do
      misused("cache:" .. method, c[method], "a")
    end
  end)
end)

describe("fetch", function()
  it("computes once for a thousand tasks", function()
    local c, calls = cache.new(), 0
    local function compute(key)
      calls = calls + 1
      while c:stats().misses < 1000 do task.yield() end
      return key .. "!"
    end
    local tasks = {}
    for i = 1, 1000 do
      tasks[i] = task.spawn(c.fetch, c, "key", compute)
    end
    for _, value in ipairs(task.gather(tasks)) do assert.are.equal("key!", value) end
    assert.are.equal(1, calls)
    local stats = c:stats()
    assert.are.same({ 1, 0, 1000 }, { stats.computations, stats.computing, stats.misses })
  end)

  it("returns what is there, false too, and keeps no nil", function()
    local c = cache.new()
    c:set("a", false)
    assert.are.equal(false, c:fetch("a", error))
    assert.are.equal(false, c:fetch("b", function() return false end))
    assert.are.equal(false, c:fetch("b", error))
    assert.is_nil(c:fetch("c", function() end))
    assert.are.equal(1, c:fetch("c", function() return 1, 2 end))
    assert.are.equal(1, select("#", c:fetch("d", function() return 1, 2 end)))
  end)

  it("gives nil to all who wait, too", function()
    local c, g = cache.new(), gate()
    local one, two = task.spawn(c.fetch, c, "a", g.fn), task.spawn(c.fetch, c, "a", g.fn)
    settle()
    g.resolve(nil)
    assert.are.same({ true }, { one:result() })
    assert.are.same({ true }, { two:result() })
    assert.are.equal(1, g.calls)
  end)

  it("raises an error in all who wait, the same one, and keeps none", function()
    for _, err in ipairs { errors.new("odd", "no"), "text", { 1 }, false } do
      local c, g, tasks = cache.new(), gate(), {}
      for i = 1, 5 do tasks[i] = task.spawn(c.fetch, c, "a", g.fn) end
      settle()
      g.reject(err)
      for i = 1, 5 do
        local ok, e = tasks[i]:result()
        assert.is_false(ok)
        assert.are.equal(err, e)
      end
      assert.are.equal(1, g.calls)
      assert.are.equal(2, c:fetch("a", function() return 2 end))
    end
  end)

  it("hands over when the task that computes is cancelled", function()
    local c, g, tasks = cache.new(), gate(), {}
    for i = 1, 4 do tasks[i] = task.spawn(c.fetch, c, "a", g.fn) end
    settle()
    for i = 1, 2 do
      tasks[i]:cancel()
      settle()
    end
    assert.are.equal(3, g.calls)
    g.resolve(7)
    assert.are.same({ 7, 7 }, { tasks[3]:await(), tasks[4]:await() })
    assert.are.equal("cancelled", tasks[1]:status())
    assert.are.equal(7, c:get "a")
    assert.are.equal(3, c:stats().computations)
  end)

  it("hands over when it is too late for the task that computes", function()
    local c, g = cache.new(), gate()
    local late = task.spawn(task.timeout, 0.01, c.fetch, c, "a", g.fn)
    local other = task.spawn(function()
      settle()
      return c:fetch("a", function() return "mine" end)
    end)
    assert.is_false(late:result())
    assert.are.equal("mine", other:await())
  end)

  it("forgets a computation that nobody waits for any more", function()
    local c, g = cache.new(), gate()
    local one, two = task.spawn(c.fetch, c, "a", g.fn), task.spawn(c.fetch, c, "a", g.fn)
    settle()
    two:cancel()
    one:cancel()
    settle()
    assert.are.equal(0, c:stats().computing)
    assert.are.equal(1, c:fetch("a", function() return 1 end))
  end)

  it("goes on when one who waits is cancelled", function()
    local c, g = cache.new(), gate()
    local one, two = task.spawn(c.fetch, c, "a", g.fn), task.spawn(c.fetch, c, "a", g.fn)
    settle()
    two:cancel()
    settle()
    g.resolve(1)
    assert.are.equal(1, one:await())
    assert.are.equal(1, g.calls)
  end)

  it("does not keep what is older than a set, a delete or a clear", function()
    for _, change in ipairs {
      function(c) c:set("a", "new") end,
      function(c) c:delete "a" end,
      function(c) c:clear() end,
    } do
      local c, g, fresh = cache.new(), gate(), gate()
      local old = task.spawn(c.fetch, c, "a", g.fn)
      local with_old = task.spawn(c.fetch, c, "a", g.fn)
      settle()
      change(c)
      local expected = c:get "a"
      local new = not expected and task.spawn(c.fetch, c, "a", fresh.fn)
      settle()
      g.resolve "old"
      assert.are.same({ "old", "old" }, { old:await(), with_old:await() })
      assert.are.equal(expected, c:get "a")
      if new then
        assert.are.equal(1, fresh.calls)
        fresh.resolve "fresh"
        assert.are.equal("fresh", new:await())
        assert.are.equal("fresh", c:get "a")
      end
    end
  end)

  it("computes different keys side by side, and one within another", function()
    local c = cache.new()
    local function sum(n) return n == 0 and 0 or n + c:fetch(n - 1, sum) end
    assert.are.equal(500500, c:fetch(1000, sum))
    assert.are.equal(1001, c:stats().computations)
    local meet = task.promise()
    local a = task.spawn(c.fetch, c, "a", function() return meet:await() end)
    c:fetch("b", function() meet:resolve(3) return 1 end)
    assert.are.equal(3, a:await())
  end)

  it("tells a function that asks for what it is computing", function()
    local c = cache.new()
    local e = fails("usage", function()
      c:fetch("a", function() return c:fetch("a", print) end)
    end)
    assert.matches('the function that computes the key "a" asks for it', e.message, 1, true)
    assert.are.equal(0, c:stats().computing)
  end)

  it("keeps nothing of tasks that have ended", function()
    local c, tasks = cache.new { max = 10 }, setmetatable({}, { __mode = "k" })
    for i = 1, 100 do
      local t = task.spawn(c.fetch, c, i, function(n)
        task.yield()
        return n
      end)
      tasks[t] = true
      t:await()
    end
    settle()
    collectgarbage()
    collectgarbage()
    local left = 0
    for _ in pairs(tasks) do left = left + 1 end
    assert.is_true(left <= 1, left)
  end)
end)

describe("memoize", function()
  it("calls the function once for the same arguments, and gives all its results", function()
    local calls = 0
    local f, kept = cache.memoize(function(...)
      calls = calls + 1
      return nil, select("#", ...), ...
    end)
    for _ = 1, 3 do
      assert.are.same({ 5, nil, 3, 1, nil, "x" }, { select("#", f(1, nil, "x")), f(1, nil, "x") })
    end
    assert.are.equal(1, calls)
    assert.are.equal(1, #kept)
    kept:clear()
    f(1, nil, "x")
    assert.are.equal(2, calls)
  end)

  it("tells arguments apart", function()
    local n = 0
    local f = cache.memoize(function() n = n + 1 return n end)
    local different = {
      {}, { nil, n = 1 }, { nil, n = 2 }, { "" }, { "", "" }, { 1 }, { "1" }, { 1, "" },
      { "1", "" },
      { true }, { "true" }, { false }, { 1.5 }, { "1.5" }, { "a", "b" }, { "ab" },
      { "a", "b", nil, n = 3 },
      { "\0" }, { "\0s1:a" }, { "\0s1:as1:b" }, { 0 / 0 }, { math.huge }, { -math.huge }, { 0 },
      { math.mininteger }, { math.maxinteger }, { "i1;" }, { 2 ^ 53 }, { 0.1 + 0.2 }, { 0.3 },
    }
    local seen = {}
    for i, args in ipairs(different) do
      local got = f(table.unpack(args, 1, args.n or #args))
      assert.is_nil(seen[got], i)
      seen[got] = true
    end
    local last = n
    for _, args in ipairs(different) do f(table.unpack(args, 1, args.n or #args)) end
    assert.are.equal(last, n)
    assert.are.equal(f(1, 2), f(1.0, 2.0))
    assert.are.equal(f(1), f(1.0))
  end)

  it("takes a key of the user's where arguments are tables", function()
    local f = cache.memoize(function(t) return t.id * 2 end, { key = function(t) return t.id end })
    assert.are.same({ 4, 4, 6 }, { f { id = 2 }, f { id = 2 }, f { id = 3 } })
    local g = cache.memoize(print)
    local e = fails("usage", g, 1, {})
    assert.matches("argument 2 is a table, which is no key: make one with the option `key`",
      e.message, 1, true)
    local h = cache.memoize(print, { key = function() return {} end })
    misused("cache.memoize: the function `key` must return a string, a number or a boolean", h, 1)
  end)

  it("obeys the limits of a cache, and remembers no error", function()
    local calls = 0
    local f, kept = cache.memoize(function(n)
      calls = calls + 1
      if n == 0 then error "zero" end
      return n
    end, { max = 2, ttl = 100, policy = "fifo" })
    for _ = 1, 2 do assert.is_false(pcall(f, 0)) end
    for i = 1, 4 do f(i) end
    f(4)
    assert.are.equal(6, calls)
    assert.are.equal(2, #kept)
    local callable = setmetatable({}, { __call = function(_, a) return a + 1 end })
    assert.are.equal(3, (cache.memoize(callable))(2))
    misused("bad argument #1 to 'cache.memoize'", cache.memoize, 7)
    misused("unknown option 'maxsize'", cache.memoize, print, { maxsize = 1 })
  end)
end)
