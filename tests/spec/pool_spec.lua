-- luapool.pool: functions and values that travel, map in all its forms, workers that die.

local errors = require "luapool.error"
local luapool = require "luapool"
local pool = require "luapool.pool"
local sync = require "luapool.sync"
local task = require "luapool.task"

local function double(x) return 2 * x end

local function fails(e) error(e, 0) end

local function range(n)
  local i = 0
  return function()
    i = i + 1
    return i <= n and i or nil
  end
end

local function kind_of(f, ...)
  local ok, e = pcall(f, ...)
  return not ok and type(e) == "table" and e.kind or nil
end

-- The counts of a pool once all that was submitted has ended: they add up.
local function counts(p)
  local s = p:stats()
  assert.are.equal(s.submitted, s.done + s.failed + s.cancelled + s.lost)
  assert.are.same({ 0, 0 }, { s.pending, s.running })
  return ("%d done, %d failed, %d cancelled, %d lost"):format(s.done, s.failed, s.cancelled, s.lost)
end

local function count_lines(name)
  local n = 0
  for _ in io.lines(name) do n = n + 1 end
  return n
end

local scratches = {}

-- A file that is gone after the test.
local function scratch()
  local name = os.tmpname()
  scratches[#scratches + 1] = name
  return name
end

after_each(function()
  for _, name in ipairs(scratches) do os.remove(name) end
  scratches = {}
end)

local function note(name)
  local file = assert(io.open(name, "a"))
  file:write(require("luapool").worker.id, "\n")
  file:close()
end

-- Not os.execute, which waits: who kills itself is to be on the CPU.
local function kill(signal, pid) io.popen(("kill -%s %d"):format(signal, pid)):close() end

local function kill_self(signal) kill(signal, require("luapool").worker.pid) end

describe("apply", function()
  it("runs in a worker and gives its results, nils too", function()
    local p <close> = pool.new { processes = 1 }
    local worker = p:apply(function() return require("luapool").worker end)
    assert.are.same({ id = 1, pid = p:stats().workers[1].pid }, worker)
    assert.is_nil(luapool.worker)
    assert.are.same({ n = 4, nil, 2, "x", nil },
      table.pack(p:apply(function(...) return nil, select("#", ...), ... end, "x", nil)))
    assert.are.equal(0, select("#", p:apply(function() end)))
  end)

  it("keeps integers, floats and bytes", function()
    local p <close> = pool.new { processes = 1 }
    local values = { math.maxinteger, math.mininteger, 0.1, 1e308, -0.0, 3.0, "\0\255\n", "", true }
    local back = p:apply(function(t) return t end, values)
    assert.are.same(values, back)
    for i, v in ipairs(values) do assert.are.equal(math.type(v), math.type(back[i])) end
    local big = ("x"):rep(3000000)
    assert.is_true(big == p:apply(function(s) return s end, big))
  end)

  it("waits without holding up others, in worker and main", function()
    local p <close> = pool.new { processes = 1 }
    local function late()
      require("luapool.task").sleep(0.02)
      return "late"
    end
    local order = {}
    task.all(function() table.insert(order, p:apply(late)) end,
      function() table.insert(order, p:apply(double, 1)) end,
      function() table.insert(order, "main") end)
    assert.are.same({ "main", 2, "late" }, order)
  end)

  it("raises what was raised", function()
    local p <close> = pool.new { processes = 1 }
    assert.are.same({ false, "text" }, { pcall(p.apply, p, fails, "text") })
    assert.are.same({ false, 42 }, { pcall(p.apply, p, fails, 42) })
    local object = { code = 7, list = { 1 } }
    assert.are.same({ false, object }, { pcall(p.apply, p, fails, object) })
    local ok, e = pcall(p.apply, p, function() error "with a position" end)
    assert.is_false(ok)
    assert.matches("pool_spec.lua:%d+: with a position$", e)
  end)

  it("gives the worker's part of a traceback", function()
    local p <close> = pool.new { processes = 1 }
    local function culprit() error "oh" end
    local line = "pool_spec.lua:" .. debug.getinfo(culprit, "S").linedefined
    local _, e = pcall(p.apply, p, culprit)
    assert.matches(line, errors.traceback(e))
    _, e = pcall(p.apply, p, function() fails(require("luapool.error").new("odd", "it was")) end)
    assert.are.same({ "odd", true }, { e.kind, errors.is(e, "odd") })
    assert.matches("it was$", tostring(e))
    assert.matches("pool_spec.lua", errors.traceback(e))
    local t = task.spawn(function() p:apply(culprit) end)
    local ok, e2 = t:result()
    assert.is_false(ok)
    assert.matches(line, errors.traceback(e2))
  end)

  it("says that globals do not travel", function()
    local p <close> = pool.new { processes = 1 }
    _G.some_global = double
    finally(function() _G.some_global = nil end)
    local ok, e = pcall(p.apply, p, function() return some_global(1) end) -- luacheck: ignore
    assert.is_false(ok)
    assert.matches("attempt to call a nil value %(global 'some_global'%): globals do not travel", e)
  end)

  it("says what cannot travel, by its path", function()
    local p <close> = pool.new { processes = 1 }
    local log = io.tmpfile()
    finally(function() log:close() end)
    local function uses() return log end
    for _, f in ipairs {
      function() p:apply(uses) end,
      function() p:submit(uses) end,
      function() p:map(uses, { 1 }) end,
    } do
      local ok, e = pcall(f)
      assert.is_false(ok)
      assert.are.equal("cannot_send", e.kind)
      local path = "upvalue 'log' of function 'uses' %(.*pool_spec.lua:%d+%)"
      assert.matches("cannot send " .. path .. ": file %(FILE%*%)", e.message)
    end
    local ok, e = pcall(p.apply, p, double, { deep = { handle = log } })
    assert.is_false(ok)
    assert.matches("cannot send .*deep.handle: file", e.message)
    ok, e = pcall(p.apply, p, function() return { handle = io.tmpfile() } end)
    assert.is_false(ok)
    assert.matches("cannot send result.*handle: file", e.message)
    assert.are.equal(2, p:apply(double, 1))
  end)

  it("is cancelled with its caller, and returns after the task has ended", function()
    local p <close> = pool.new { processes = 1 }
    local name = scratch()
    local caller = task.spawn(function()
      p:apply(function(file)
        local append <close> = setmetatable({}, { __close = function()
          require("luapool.task").sleep(0.005)
          io.open(file, "a"):write("closed"):close()
        end })
        io.open(file, "a"):write("begun "):close()
        require("luapool.task").sleep(1000)
        return append
      end, name)
    end)
    while io.open(name):read("a") == "" do task.sleep(0.001) end
    caller:cancel()
    assert.are.equal("cancelled", kind_of(caller.await, caller))
    assert.are.equal("begun closed", io.open(name):read("a"))
    assert.are.equal("0 done, 0 failed, 1 cancelled, 0 lost", counts(p))
  end)
end)

describe("submit", function()
  it("gives a future, which is a task and knows its arguments", function()
    local p <close> = pool.new { processes = 2 }
    local f = p:submit(double, 21, nil)
    assert.are.same({ n = 2, 21 }, f.args)
    assert.are.equal(42, f:await())
    assert.are.equal("done", f:status())
    local g = p:submit(fails, "oh")
    assert.are.same({ false, "oh" }, { g:result() })
    assert.are.same({ n = 3, 2, 4, 6 },
      task.gather { p:submit(double, 1), p:submit(double, 2), p:submit(double, 3) })
  end)

  it("knows the number of its run", function()
    local p <close> = pool.new { processes = 1 }
    assert.are.equal(1, p:apply(function() return require("luapool.task").current().attempt end))
  end)

  it("cancels running and waiting tasks", function()
    local p <close> = pool.new { processes = 1, concurrency = 1 }
    local function forever() require("luapool.task").sleep(1000) end
    local running, pending = p:submit(forever), p:submit(double, 1)
    task.sleep(0.01)
    assert.is_true(pending:cancel())
    assert.are.equal("cancelled", kind_of(pending.await, pending))
    running:cancel "enough"
    assert.are.equal("cancelled", kind_of(running.await, running))
    assert.are.equal("cancelled", running:status())
    assert.are.equal(4, p:apply(double, 2))
    assert.are.equal("1 done, 0 failed, 2 cancelled, 0 lost", counts(p))
  end)
end)

describe("map", function()
  it("keeps the order, or does not", function()
    local p <close> = pool.new { processes = 2 }
    local gate, others = sync.event(), sync.counter()
    local function slow_first(x)
      if x == 1 then gate:wait() elseif others:add() == 4 then gate:set() end
      return x * x
    end
    local places = {}
    for i, result in p:map(slow_first, { 1, 2, 3, 4, 5 }) do
      assert.are.equal(i * i, result)
      places[#places + 1] = i
    end
    assert.are.same({ 1, 2, 3, 4, 5 }, places)
    gate:clear()
    places = {}
    for i, result in p:map(slow_first, { 1, 2, 3, 4, 5 }, { ordered = false }) do
      assert.are.equal(i * i, result)
      places[#places + 1] = i
      if #places == 4 then gate:set() end
    end
    assert.are.equal(1, places[5])
    table.sort(places)
    assert.are.same({ 1, 2, 3, 4, 5 }, places)
  end)

  it("collects and drains, nils too", function()
    local p <close> = pool.new { processes = 2 }
    local function odd(x) return x % 2 == 1 and x or nil end
    assert.are.same({ { 1, nil, 3, nil, 5 }, 6 }, { p:map(odd, range(6)):collect() })
    assert.are.equal(6, p:map(odd, range(6)):drain())
    assert.are.same({ {}, 0 }, { p:map(odd, {}):collect() })
    assert.are.equal(0, p:map(odd, function() return nil end):drain())
    local n = 0
    for _, result in p:map(function() end, range(3)) do
      assert.is_nil(result)
      n = n + 1
    end
    assert.are.equal(3, n)
  end)

  it("takes items from any callable, which may wait", function()
    local p <close> = pool.new { processes = 2 }
    local next_item = range(4)
    local callable = setmetatable({}, { __call = function()
      task.sleep(0.001)
      return next_item()
    end })
    assert.are.same({ { 2, 4, 6, 8 }, 4 }, { p:map(double, callable):collect() })
    local generator = coroutine.wrap(function()
      for i = 1, 3 do
        task.sleep(0)
        coroutine.yield(i)
      end
    end)
    assert.are.same({ { 2, 4, 6 }, 3 }, { p:map(double, generator):collect() })
  end)

  it("raises the error of its items after the results before it", function()
    local p <close> = pool.new { processes = 2 }
    local items, seen = range(100), {}
    local ok, e = pcall(function()
      for _, result in p:map(double, function()
        local i = items()
        if i == 4 then fails { from = "items" } end
        return i
      end) do
        seen[#seen + 1] = result
      end
    end)
    assert.is_false(ok)
    assert.are.same({ from = "items" }, e)
    assert.are.same({ 2, 4, 6 }, seen)
    assert.are.equal("3 done, 0 failed, 0 cancelled, 0 lost", counts(p))
  end)

  it("raises the first error and cancels the rest", function()
    local p <close> = pool.new { processes = 2, concurrency = 3 }
    local function f(x)
      if x == 3 then error({ item = x }, 0) end
      if x > 3 then require("luapool.task").sleep(1000) end
      return x
    end
    local seen = {}
    local ok, e = pcall(function()
      for i in p:map(f, range(1000)) do seen[#seen + 1] = i end
    end)
    assert.is_false(ok)
    assert.are.same({ item = 3 }, e)
    assert.are.same({ 1, 2 }, seen)
    local s = p:stats()
    assert.are.same({ 2, 1, 0 }, { s.done, s.failed, s.lost })
    counts(p)
    assert.are.equal(2, p:apply(double, 1))
  end)

  it("sends nothing more once it has failed, whatever its items do", function()
    local p <close> = pool.new { processes = 1 }
    local given = 0
    local ok, e = pcall(function()
      p:map(function(x)
        if x == 1 then error("first", 0) end
        require("luapool.task").sleep(1000)
      end, function()
        given = given + 1
        if given > 1 then pcall(task.sleep, 1000) end -- eats the cancel error
        return given
      end):drain()
    end)
    assert.is_false(ok)
    assert.are.equal("first", e)
    assert.are.equal("0 done, 1 failed, 0 cancelled, 0 lost", counts(p))
  end)

  it("with return_errors gives all, with their items", function()
    local p <close> = pool.new { processes = 2 }
    local function f(t)
      if t.n % 3 == 0 then error("bad " .. t.n, 0) end
      return t.n
    end
    local items = {}
    for i = 1, 7 do items[i] = { n = i } end
    local seen = {}
    for i, result, err, item in p:map(f, items, { return_errors = true, ordered = false }) do
      assert.are.equal(items[i], item)
      seen[i] = result or err
    end
    assert.are.same({ 1, 2, "bad 3", 4, 5, "bad 6", 7 }, seen)
    assert.are.equal("5 done, 2 failed, 0 cancelled, 0 lost", counts(p))
  end)

  it("may be left early: the rest is cancelled, and items are not pulled any more", function()
    local p <close> = pool.new { processes = 2, concurrency = 2 }
    local pulled = 0
    for i in p:map(double, function()
      pulled = pulled + 1
      return pulled
    end) do
      if i == 10 then break end
    end
    local before = pulled
    task.sleep(0.002)
    assert.are.equal(before, pulled)
    counts(p)
  end)

  it("pulls items no faster than they are taken", function()
    local p <close> = pool.new { processes = 2, concurrency = 2 }
    local pulled = 0
    local m <close>, _ = p:map(double, function()
      pulled = pulled + 1
      return pulled <= 20000 and pulled or nil
    end)
    m()
    for _ = 1, 20 do task.sleep(0.001) end
    assert.is_true(pulled >= 4 and pulled < 5000, "pulled " .. pulled)
    assert.are.equal(19999, m:drain())
  end)

  it("is cancelled with its caller", function()
    local p <close> = pool.new { processes = 2 }
    local caller = task.spawn(function()
      p:map(function() require("luapool.task").sleep(1000) end, range(10)):drain()
    end)
    task.sleep(0.01)
    caller:cancel()
    assert.are.equal("cancelled", kind_of(caller.await, caller))
    counts(p)
  end)

  it("runs beside others", function()
    local p <close> = pool.new { processes = 2 }
    local function sum(n)
      return function()
        local total = 0
        for _, result in p:map(double, range(n), { ordered = n % 2 == 0 }) do
          total = total + result
        end
        return total
      end
    end
    assert.are.same({ 10100, 10302, 2 }, { task.all(sum(100), sum(101), sum(1)) })
  end)

  it("checks its arguments", function()
    local p <close> = pool.new { processes = 1 }
    for _, f in ipairs {
      function() p:map(1, {}) end,
      function() p:map(double, 5) end,
      function() p:map(double, {}, { orderd = true }) end,
      function() p:apply "x" end,
      function() p:submit() end,
    } do
      assert.is_false(pcall(f))
    end
    local _, e = pcall(p.map, p, double, {}, { orderd = true })
    assert.matches("unknown option 'orderd' %(did you mean 'ordered'%?%)", e)
  end)
end)

it("starmap gives each list as arguments", function()
  local p <close> = pool.new { processes = 2 }
  local function add(a, b, c) return a + (b or 0) + (c or 0) end
  local lists = { { 1, 2 }, { 1 }, { 1, nil, 3, n = 3 } }
  assert.are.same({ { 3, 1, 4 }, 3 }, { p:starmap(add, lists):collect() })
  local function second(_, b) return b end
  lists = { { nil, 2, n = 2 }, { nil, 3, n = 2 } }
  assert.are.same({ { 2, 3 }, 2 }, { p:starmap(second, lists):collect() })
  local seen = {}
  local ok, e = pcall(function()
    for i, result in p:starmap(add, { { 1 }, 2 }) do seen[i] = result end
  end)
  assert.is_false(ok)
  assert.matches("pool:starmap: each item is a list of arguments, got 2", e)
  assert.are.same({ 1 }, seen)
end)

describe("a closure travels", function()
  local Class = { __name = "Class" }
  Class.__index = Class
  function Class:value() return self.n end

  it("with a metatable and a cycle, another function, a module, a counter", function()
    local p <close> = pool.new { processes = 1 }
    local json = require "luapool.json"
    local node = setmetatable({ n = 5 }, Class)
    node.self = node
    local function helper(x) return x + node:value() end
    local counter = 0
    local function f(x)
      counter = counter + 1
      assert(node.self == node and getmetatable(node) == Class)
      local decode = json.decode
      return { helper(x), counter, decode("[1]")[1] }
    end
    local list = p:map(f, { 10, 20, 30 }):collect()
    assert.are.same({ { 15, 1, 1 }, { 25, 2, 1 }, { 35, 3, 1 } }, list)
    assert.are.equal(0, counter)
    assert.are.same({ { 15, 1, 1 } }, { p:map(f, { 10 }):collect()[1] }) -- a snapshot of its own
  end)

  it("and its functions and metatables come back as the originals", function()
    local p <close> = pool.new { processes = 1 }
    local function make(n) return setmetatable({ n = n }, Class) end
    local r = p:apply(make, 3)
    assert.is_true(getmetatable(r) == Class)
    assert.are.equal(3, r:value())
    for _, result in p:map(make, { 1, 2 }) do assert.is_true(getmetatable(result) == Class) end
    local shared = { 1 }
    local back, f = p:apply(function() return shared, make end)
    assert.is_true(f == make)
    assert.are.same(shared, back)
    assert.is_false(back == shared)
  end)

  it("with shared upvalues and _ENV", function()
    local p <close> = pool.new { processes = 1 }
    local n = 0
    local function up() n = n + 1 end
    local function get() return n end
    assert.are.same({ 2, "table" }, { p:apply(function()
      up()
      up()
      x_of_worker = {} -- luacheck: ignore
      return get(), type(_G.x_of_worker)
    end) })
    assert.is_nil(rawget(_G, "x_of_worker"))
  end)

  it("with shared references and cycles among arguments and results", function()
    local p <close> = pool.new { processes = 1 }
    local a = {}
    a.list = { a, a }
    local b, c = p:apply(function(x, y) return { x == y, x.list[1] == x }, x end, a, a)
    assert.are.same({ true, true }, b)
    assert.is_true(c.list[1] == c and c.list[2] == c)
  end)
end)

describe("a pool", function()
  it("runs init in each worker, which may wait and set globals", function()
    local p <close> = pool.new { processes = 2, concurrency = 1, init_args = { 40, n = 2 },
      init = function(a, b)
        require("luapool.task").sleep(0.001)
        base = a + (b or 2) -- luacheck: ignore
      end }
    local function use(x)
      require("luapool.task").sleep(0.005)
      return base + x -- luacheck: ignore
    end
    assert.are.same({ { 43, 44, 45 }, 3 }, { p:map(use, { 1, 2, 3 }):collect() })
  end)

  it("fails with the error of its init", function()
    local p = pool.new { processes = 2, init = function() error("no init", 0) end }
    assert.are.same({ false, "no init" }, { pcall(p.apply, p, double, 1) })
    local m = p:map(double, { 1, 2 })
    assert.are.same({ false, "no init" }, { pcall(m.collect, m) })
    p:terminate()
    p:join()
  end)

  it("spreads over its workers, and each has its own random numbers", function()
    local p <close> = pool.new { processes = 2 }
    local function draw()
      require("luapool.task").sleep(0.01)
      return { require("luapool").worker.id, math.random(0) }
    end
    local a, b = p:submit(draw), p:submit(draw)
    a, b = a:await(), b:await()
    assert.are_not.equal(a[1], b[1])
    assert.are_not.equal(a[2], b[2])
  end)

  it("has statistics, with the pid of each worker once it runs", function()
    local p <close> = pool.new { processes = 2 }
    assert.is_nil(p:stats().workers[1].pid)
    p:map(double, range(10)):drain()
    local s
    repeat -- one may have done all before the other is there
      task.yield()
      s = p:stats()
    until s.workers[1].pid and s.workers[2].pid
    assert.are.equal(2, s.processes)
    assert.are.equal("10 done, 0 failed, 0 cancelled, 0 lost", counts(p))
    local done = 0
    for i, worker in ipairs(s.workers) do
      assert.are.equal(i, worker.id)
      assert.are.equal(0, worker.busy)
      done = done + worker.done
    end
    assert.are.same({ 10, 2, 0 }, { done, #s.workers, s.restarts })
  end)

  it("takes no work when it is closed, and ends its workers", function()
    local p = pool.new { processes = 2 }
    assert.are.equal("not_closed", kind_of(p.join, p))
    local f = p:submit(function()
      require("luapool.task").sleep(0.01)
      return "finished"
    end)
    p:close()
    p:close()
    for _, name in ipairs { "apply", "submit", "map" } do
      assert.are.equal("closed", kind_of(p[name], p, double, {}))
    end
    assert.are.equal("timeout", kind_of(p.join, p, 0))
    assert.are.equal("finished", f:await())
    p:join()
    assert.are.equal(0, #p:stats().workers)
    p:terminate()
    p:join()
  end)

  it("lets a map go on that was begun before it was closed", function()
    local p = pool.new { processes = 2 }
    local n = 0
    for i in p:map(double, range(500)) do
      if i == 1 then p:close() end
      n = n + 1
    end
    p:join()
    assert.are.equal(500, n)
  end)

  it("is terminated with all that runs", function()
    local p = pool.new { processes = 2 }
    local function forever() require("luapool.task").sleep(1000) end
    local f, g = p:submit(forever), p:submit(function() while true do end end)
    local mapping = task.spawn(function() return p:map(forever, range(10)):drain() end)
    task.sleep(0.02)
    p:terminate()
    p:terminate()
    assert.are.equal("cancelled", kind_of(f.await, f))
    assert.are.equal("cancelled", kind_of(g.await, g))
    assert.are.equal("cancelled", kind_of(mapping.await, mapping))
    assert.are.same({ "cancelled", "cancelled" }, { f:status(), g:status() })
    p:join()
    counts(p)
    assert.are.equal("closed", kind_of(p.apply, p, double, 1))
  end)

  it("is closed with its scope, or terminated when an error leaves it", function()
    local f
    do
      local p <close> = pool.new { processes = 1 }
      f = p:submit(function()
        require("luapool.task").sleep(0.01)
        return "finished"
      end)
    end
    assert.are.equal("done", f:status())
    local ok, e = pcall(function()
      local p <close> = pool.new { processes = 1 }
      f = p:submit(function() require("luapool.task").sleep(1000) end)
      error("of the scope", 0)
    end)
    assert.are.same({ false, "of the scope" }, { ok, e })
    assert.are.equal("cancelled", kind_of(f.await, f))
  end)

  it("is terminated when its task is cancelled while it leaves the scope", function()
    local f, p
    local t = task.spawn(function()
      local scoped <close> = pool.new { processes = 1 }
      p = scoped
      f = p:submit(function() require("luapool.task").sleep(1000) end)
    end)
    task.sleep(0.02)
    t:cancel()
    assert.are.equal("cancelled", kind_of(t.await, t))
    assert.are.equal("cancelled", kind_of(f.await, f))
    assert.are.equal(0, #p:stats().workers)
  end)

  it("checks its options", function()
    for _, opts in ipairs { { processes = 0 }, { concurrency = 1.5 }, { init = "x" }, "x" } do
      assert.is_false(pcall(pool.new, opts))
    end
    local _, e = pcall(pool.new, { proceses = 1 })
    assert.matches("pool.new: unknown option 'proceses' %(did you mean 'processes'%?%)", e)
  end)

  it("is made in main only", function()
    local p <close> = pool.new { processes = 1 }
    local ok, e = pcall(p.apply, p, function() require("luapool.pool").new() end)
    assert.is_false(ok)
    assert.matches("cannot be made inside a worker", e)
  end)
end)

describe("a worker that is killed", function()
  it("is replaced, and its tasks run again", function()
    local p <close> = pool.new { processes = 2, concurrency = 4 }
    local function slow(x)
      require("luapool.task").sleep(0.001)
      return x
    end
    local seen, killed = 0, {}
    for i, result in p:map(slow, range(200)) do
      assert.are.equal(i, result)
      seen = seen + 1
      if i == 20 or i == 80 then
        local worker
        repeat -- a replacement has its pid only when it is forked
          task.yield()
          worker = p:stats().workers[1]
        until worker and worker.pid > 0 and worker.pid ~= killed[1]
        killed[#killed + 1] = worker.pid
        kill("KILL", worker.pid)
      end
    end
    assert.are.equal(200, seen)
    assert.are.equal("200 done, 0 failed, 0 cancelled, 0 lost", counts(p))
    repeat -- main may have taken all results before it hears of a death
      task.sleep(0.001)
    until p:stats().restarts == 2
    assert.are_not.equal(killed[1], killed[2])
  end)

  it("by its own task: that one is charged, the others run again", function()
    for signal, number in pairs { KILL = 9, ABRT = 6 } do
      local p <close> = pool.new { processes = 2, concurrency = 4 }
      local function f(x)
        if x == 7 then kill_self(signal) end
        require("luapool.task").sleep(0.001)
        return x
      end
      local died
      for i, result, err in p:map(f, range(20), { return_errors = true }) do
        if err then died = err else assert.are.equal(i, result) end
      end
      assert.are.equal("worker_died", died.kind)
      assert.are.equal(number, died.signal)
      assert.are.equal("number", type(died.pid))
      assert.matches("%(attempt 2%)", died.message)
      assert.are.equal("19 done, 1 failed, 0 cancelled, 0 lost", counts(p))
      assert.are.equal(2, p:stats().restarts)
    end
  end)

  it("by os.exit has an exit code, and a report of its last words", function()
    local p <close> = pool.new { processes = 1 }
    local ok, e = pcall(p.apply, p, function()
      io.stderr:write("last words of a test\n")
      os.exit(3)
    end)
    assert.is_false(ok)
    assert.are.same({ "worker_died", 3 }, { e.kind, e.exitcode })
    assert.is_nil(e.signal)
    assert.matches("last words of a test", e.report)
  end)

  it("runs a charged task again at most crash_retries times", function()
    for retries, runs in pairs { [0] = 1, [1] = 2, [3] = 4 } do
      local name = scratch()
      local p <close> = pool.new { processes = 2, crash_retries = retries }
      local function f()
        note(name)
        kill_self "KILL"
      end
      assert.are.equal("worker_died", kind_of(p.apply, p, f))
      assert.are.equal(runs, count_lines(name))
      assert.are.equal(2, p:apply(double, 1))
    end
  end)

  it("gives the task another chance", function()
    local p <close> = pool.new { processes = 1 }
    assert.are.equal(2, p:apply(function()
      local attempt = require("luapool.task").current().attempt
      if attempt == 1 then kill_self "KILL" end
      return attempt
    end))
  end)

  it("never runs a task twice with crash_retries = 0", function()
    local name = scratch()
    local p <close> = pool.new { processes = 1, crash_retries = 0 }
    local function wait()
      note(name)
      require("luapool.task").sleep(1000)
    end
    local a, b = p:submit(wait), p:submit(wait)
    while count_lines(name) < 2 do task.sleep(0.001) end
    kill("KILL", p:stats().workers[1].pid)
    assert.are.equal("worker_died", kind_of(a.await, a))
    assert.are.equal("worker_died", kind_of(b.await, b))
    assert.are.equal(2, count_lines(name))
  end)
end)

it("a map over many items keeps main's memory flat", function()
  local p <close> = pool.new { processes = 2 }
  -- the address sanitizer keeps freed memory for a while
  local most = io.open("/proc/self/maps"):read("a"):find "libasan" and 256 << 20 or 2 << 20
  local function resident()
    collectgarbage()
    return tonumber(io.open("/proc/self/statm"):read("a"):match "%d+ (%d+)") * 4096
  end
  local at = {}
  for i in p:map(double, range(120000)) do
    if i == 20000 or i == 120000 then at[#at + 1] = resident() end
  end
  assert.is_true(at[2] - at[1] < most, ("%d bytes more"):format(at[2] - at[1]))
end)
