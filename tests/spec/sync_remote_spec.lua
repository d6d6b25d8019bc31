-- luapool.sync between processes: objects made in main and used by workers; workers that die.

local eventually = require "tests.support.eventually"
local luapool = require "luapool"
local sync, task, pool = require "luapool.sync", require "luapool.task", require "luapool.pool"
local errors = require "luapool.error"

local function fails(kind, fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_true(errors.is(e, kind), tostring(e))
  return e
end

local function kill(pid) assert(os.execute("kill -9 " .. pid)) end

describe("objects in workers", function()
  local p
  setup(function() p = pool.new { processes = 2 } end)
  teardown(function()
    p:terminate()
    p:join()
  end)

  it("are the same object there, as argument, upvalue or nested in tables", function()
    local c, m = sync.counter(1), sync.map()
    assert.are.equal(3, p:apply(function(arg, t)
      arg:add()
      t.deep[1][c]:set("same", rawequal(arg, c) and rawequal(t.deep[2], c))
      return c:add()
    end, c, { deep = { { [c] = m }, c } }))
    assert.are.equal(3, c:get())
    assert.is_true(m:get "same")
  end)

  it("are upvalues of a mapped function, and of init in every worker", function()
    local sum, started, list = sync.counter(), sync.counter(), sync.queue()
    local workers <close> = pool.new {
      processes = 2,
      init = function(arg)
        started:add()
        shared = arg -- luacheck: ignore
      end,
      init_args = { { list } },
    }
    local items = {}
    for i = 1, 300 do
      items[i] = i
    end
    assert.are.equal(300, workers:map(function(i)
      sum:add(i)
      shared[1]:put(i) -- luacheck: ignore
    end, items):drain())
    assert.are.equal(45150, sum:get())
    assert.are.equal(300, #list)
    kill(workers:stats().workers[1].pid)
    eventually(function() return started:get() == 3 end)
  end)

  it("come back as the original", function()
    local q, l = sync.queue(), sync.lock()
    local back, list = p:apply(function(arg) return arg, { l, l } end, q)
    assert.are.equal(q, back)
    assert.are.equal(l, list[1])
    assert.are.equal(l, list[2])
  end)

  it("travel through a queue and from worker to worker", function()
    local q, l = sync.queue(), sync.lock()
    p:apply(function() q:put { lock = l } end)
    assert.is_true(p:apply(function()
      local item = q:get()
      return item.lock:try_acquire()
    end))
  end)

  it("are of the same class, with all methods", function()
    local all = {
      lock = sync.lock(), semaphore = sync.semaphore(2), event = sync.event(),
      condition = sync.condition(), barrier = sync.barrier(1), counter = sync.counter(),
      map = sync.map(), queue = sync.queue { maxsize = 3 }, limiter = sync.limiter { rate = 1e6 },
    }
    p:apply(function()
      for name, object in pairs(all) do
        assert(getmetatable(object).__name == "luapool.sync." .. name)
      end
      do
        local _ <close> = all.lock:hold()
        assert(not all.lock:try_acquire())
      end
      assert(all.lock:try_acquire())
      all.lock:release()
      do
        local _ <close> = all.semaphore:hold()
        local _ <close> = all.semaphore:hold(1)
        assert(not all.semaphore:try_acquire())
      end
      assert(not all.event:is_set())
      all.event:set()
      all.event:wait()
      all.event:clear()
      all.condition:notify()
      all.condition:notify_all()
      all.barrier:wait()
      all.counter:set(2)
      assert(all.counter:add(3) == 5 and all.counter:get() == 5)
      all.map:set("a", { 1 })
      assert(all.map:get "a"[1] == 1 and all.map:add("n") == 1 and all.map:cas("n", 1, nil))
      assert(#all.map:keys() == 1 and all.map:delete "a" and not all.map:delete "a")
      all.queue:put(1)
      assert(all.queue:try_put(2) and #all.queue == 2)
      all.queue:put(3, { timeout = 1, priority = 1 })
      assert(not all.queue:try_put(4))
      assert(all.queue:get() == 1 and all.queue:try_get() == 2 and all.queue:get(1) == 3)
      assert(all.queue:try_get() == nil)
      for _ = 1, 3 do
        all.queue:task_done()
      end
      all.queue:join()
      do
        local q <close> = all.queue
        q:put(4)
      end
      for v in all.queue:iter() do
        assert(v == 4)
      end
      all.limiter:acquire(2)
    end)
    assert.are.equal(5, all.counter:get())
  end)

  it("cannot be sent when they were made in a worker", function()
    local e = fails("cannot_send", p.apply, p, function()
      return { l = require("luapool.sync").lock() }
    end)
    local text = "result.l: a sync.lock made in a worker stays there"
    assert.is_truthy(tostring(e):find(text, 1, true))
    assert.are.equal(7, p:apply(function()
      local q = require("luapool.sync").queue()
      q:put(7)
      return q:get()
    end))
  end)

  it("raise their errors at the place of the call in the worker", function()
    local l, q = sync.lock(), sync.queue()
    q:close()
    for kind, fn in pairs {
      not_held = function() l:release() end,
      closed = function() q:put(1) end,
      timeout = function() sync.event():wait(0.001) end,
    } do
      local e = fails(kind, p.apply, p, fn)
      assert.is_truthy(tostring(e):find("sync_remote_spec.lua:%d+: "), tostring(e))
    end
    local ok, e = pcall(p.apply, p, function() sync.queue():put(nil) end)
    assert.is_false(ok)
    assert.matches("sync_remote_spec.lua:%d+: bad argument #1 to 'queue:put'", e)
  end)

  it("exclude tasks of all processes", function()
    local l, inside, most, n = sync.lock(), sync.counter(), sync.map(), sync.counter()
    local function work()
      for _ = 1, 20 do
        local _ <close> = l:hold()
        most:set("most", math.max(most:get "most" or 0, inside:add()))
        n:set(n:get() + 1)
        inside:add(-1)
      end
    end
    local tasks = { task.spawn(work) }
    for i = 2, 6 do
      tasks[i] = p:submit(work)
    end
    task.gather(tasks)
    assert.are.equal(120, n:get())
    assert.are.equal(1, most:get "most")
  end)

  it("meet at a barrier, an event, a condition with its lock", function()
    local barrier, event, lock, n = sync.barrier(5), sync.event(), sync.lock(), sync.counter()
    local condition = sync.condition(lock)
    local futures = {}
    for i = 1, 4 do
      futures[i] = p:submit(function()
        barrier:wait()
        event:wait()
        local _ <close> = lock:hold()
        if n:add() < 4 then condition:wait() else condition:notify_all() end
        return n:get()
      end)
    end
    barrier:wait()
    event:set()
    for i = 1, 4 do
      assert.are.equal(4, futures[i]:await())
    end
    assert.is_true(lock:try_acquire())
    lock:release()
  end)

  it("are asked for what the task says, also when a finalizer asks meanwhile", function()
    local q, c = sync.queue(), sync.counter()
    p:apply(function()
      local function ask_in_vain() pcall(c.add, c) end -- nobody may wait in a finalizer
      collectgarbage("incremental", 0, 1000)
      for i = 1, 300 do
        for _ = 1, 10 do
          setmetatable({}, { __gc = ask_in_vain })
        end
        q:put { c, tostring(i), c }
      end
      collectgarbage("incremental", 200, 100)
    end)
    for i = 1, 300 do
      assert.are.same({ c, tostring(i), c }, q:get())
    end
    assert.are.equal(0, c:get())
  end)

  it("are let go when nobody names them any more", function()
    local alive = setmetatable({}, { __mode = "v" })
    local function gone(name)
      eventually(function()
        collectgarbage()
        collectgarbage()
        return not alive[name]
      end)
    end
    alive.arg = sync.counter()
    p:apply(function(c)
      c:add()
      kept = c -- luacheck: ignore
    end, alive.arg)
    alive.map = sync.counter()
    p:map(function(c) return c:add() end, { alive.map }):drain()
    collectgarbage()
    assert.is_truthy(alive.arg)
    local forget = function()
      kept = nil -- luacheck: ignore
      collectgarbage()
      collectgarbage()
      return luapool.worker.id
    end
    local ids = {}
    while not (ids[1] and ids[2]) do
      local futures = {}
      for i = 1, 4 do
        futures[i] = p:submit(forget)
      end
      for _, id in ipairs(task.gather(futures)) do
        ids[id] = true
      end
    end
    gone "arg"
    gone "map"
  end)

  -- Each way to wait, with what lets it go on.
  local function waits()
    local l, sem, event, condition = sync.lock(), sync.semaphore(1), sync.event(), sync.condition()
    local empty, full, undone = sync.queue(), sync.queue { maxsize = 1 }, sync.queue()
    local barrier, limiter = sync.barrier(2), sync.limiter { rate = 0.01 }
    l:acquire()
    sem:acquire()
    full:put(1)
    undone:put(1)
    limiter:acquire()
    local kept = function(name, n)
      return function() assert.are.equal(n, #({ empty = empty, full = full })[name]) end
    end
    return {
      ["lock:acquire"] = {
        function(timeout) l:acquire(timeout) end,
        function() l:release() end,
        function() assert.is_true(l:try_acquire()) end,
      },
      ["semaphore:acquire"] = {
        function(timeout) sem:acquire(timeout) end,
        function() sem:release() end,
        function() assert.is_true(sem:try_acquire()) end,
      },
      ["event:wait"] = { function(timeout) event:wait(timeout) end, function() event:set() end },
      ["condition:wait"] = {
        function(timeout) condition:wait(timeout) end,
        function() condition:notify() end,
      },
      ["barrier:wait"] = {
        function(timeout) barrier:wait(timeout) end,
        function() pcall(barrier.wait, barrier, 0) end,
      },
      ["queue:get"] = {
        function(timeout) return empty:get(timeout) end,
        function() empty:put(1) end,
        kept("empty", 1),
      },
      ["queue:put"] = {
        function(timeout) full:put(2, { timeout = timeout }) end,
        function() full:get() end,
        kept("full", 0),
      },
      ["queue:join"] = {
        function(timeout) undone:join(timeout) end,
        function() undone:task_done() end,
      },
      ["limiter:acquire"] = { function() limiter:acquire() end, function() end },
    }
  end

  for name in pairs(waits()) do
    it("can be cancelled in " .. name, function()
      local wait, ready, closed = waits()[name], sync.event(), sync.counter()
      local fn, release, check = wait[1], wait[2], wait[3]
      local future = p:submit(function()
        local _ <close> = setmetatable({}, { __close = function() closed:add() end })
        ready:set()
        return fn()
      end)
      ready:wait()
      future:cancel()
      local ok, e = future:result()
      assert.is_false(ok)
      assert.is_true(errors.is(e, "cancelled"), tostring(e))
      release()
      if check then check() end
      assert.are.equal(1, closed:get())
    end)

    if name ~= "limiter:acquire" then
      it("is timed out in " .. name, function()
        local wait = waits()[name]
        fails("timeout", p.apply, p, wait[1], 0.005)
        wait[2]()
        if wait[3] then wait[3]() end
      end)
    end
  end
end)

describe("a worker that dies", function()
  local p, pid
  before_each(function()
    p = pool.new { processes = 2, concurrency = 4 }
    pid = sync.queue()
  end)
  after_each(function()
    p:terminate()
    p:join()
  end)

  -- Runs fn in a worker, which is killed when it has said so; the second run returns at once.
  local function run_and_kill(fn)
    local ready = pid
    local future = p:submit(function()
      if task.current().attempt > 1 then return "again" end
      fn()
      ready:put(luapool.worker.pid)
      task.sleep(100)
    end)
    kill(ready:get())
    assert.are.equal("again", future:await())
  end

  it("gives back its locks and slots", function()
    local l, sem = sync.lock(), sync.semaphore(3)
    run_and_kill(function()
      l:acquire()
      sem:acquire()
      sem:acquire()
    end)
    assert.is_true(l:try_acquire())
    for _ = 1, 3 do
      assert.is_true(sem:try_acquire())
    end
    assert.is_false(sem:try_acquire())
  end)

  it("hands them to who waits", function()
    local l = sync.lock()
    local waiter
    run_and_kill(function() l:acquire() end)
    l:acquire()
    waiter = p:submit(function()
      l:acquire()
      l:release()
      return "had it"
    end)
    l:release()
    assert.are.equal("had it", waiter:await())
  end)

  it("does not wait any more", function()
    local l, q, barrier, condition = sync.lock(), sync.queue(), sync.barrier(2), sync.condition()
    local full = sync.queue { maxsize = 1 }
    full:put(1)
    l:acquire()
    run_and_kill(function()
      task.spawn(l.acquire, l)
      task.spawn(q.get, q)
      task.spawn(full.put, full, 2)
      task.spawn(barrier.wait, barrier)
      task.spawn(condition.wait, condition)
      task.yield()
    end)
    l:release()
    assert.is_true(l:try_acquire())
    q:put "kept"
    assert.are.equal("kept", q:try_get())
    assert.are.equal(1, full:get())
    assert.is_nil(full:try_get())
    fails("timeout", barrier.wait, barrier, 0.001)
  end)

  it("has done what it said before", function()
    local q = sync.queue()
    run_and_kill(function()
      for i = 1, 100 do
        q:put(i)
      end
    end)
    for i = 1, 100 do
      assert.are.equal(i, q:try_get())
    end
  end)

  it("returns lent items in front, in their order, and no others", function()
    local q = sync.queue { redeliver = true }
    for i = 1, 6 do
      q:put(i)
    end
    run_and_kill(function()
      for _ = 1, 4 do
        q:get()
      end
      q:task_done()
    end)
    local got = {}
    for i = 1, 5 do
      got[i] = q:try_get()
      q:task_done()
    end
    assert.are.same({ 2, 3, 4, 5, 6 }, got)
    q:join(1)
  end)

  it("settles what its tasks had when they ended normally, not when they failed", function()
    local q = sync.queue { redeliver = true }
    q:put(1)
    q:put(2)
    assert.are.equal(1, p:apply(function() return q:get() end))
    assert.is_false(pcall(p.apply, p, function()
      q:get()
      error "oh"
    end))
    assert.are.equal(2, q:try_get())
    q:task_done()
    q:join(1)
  end)

  it("does not take along an item that it has not got", function()
    local q, n = sync.queue(), 2000
    local got = sync.map()
    local futures = {}
    for i = 1, 4 do
      futures[i] = p:submit(function()
        pid:put(luapool.worker.pid)
        for item in q:iter() do
          got:add(item)
        end
      end)
    end
    local victim
    for _ = 1, 4 do
      victim = pid:get()
    end
    for i = 1, n do
      q:put(i)
    end
    eventually(function() return #q < n // 2 end)
    kill(victim)
    q:close()
    task.gather(futures)
    local missing = 0
    for i = 1, n do
      local times = got:get(i) or 0
      assert.is_true(times <= 1)
      missing = missing + 1 - times
    end
    assert.is_true(missing <= 4, missing .. " items were taken by tasks that died")
  end)
end)

describe("a queue between many processes", function()
  it("loses and doubles nothing: 100,000 items, two producers, four consumers", function()
    local p <close> = pool.new { processes = 6, concurrency = 1 }
    local q, sum, count = sync.queue { maxsize = 1000 }, sync.counter(), sync.counter()
    local tasks = {}
    for producer = 1, 2 do
      tasks[producer] = p:submit(function()
        for i = 1, 50000 do
          q:put((producer - 1) * 50000 + i)
        end
      end)
    end
    for i = 3, 6 do
      tasks[i] = p:submit(function()
        local seen = {}
        for item in q:iter() do
          seen[#seen + 1] = item
          q:task_done()
        end
        return seen
      end)
    end
    task.gather { tasks[1], tasks[2] }
    q:join()
    q:close()
    local seen = {}
    for i = 3, 6 do
      for _, item in ipairs(tasks[i]:await()) do
        assert.is_nil(seen[item])
        seen[item] = true
        sum:add(item)
        count:add()
      end
    end
    assert.are.equal(100000, count:get())
    assert.are.equal(100000 * 100001 // 2, sum:get())
  end)

  it("redelivers what a killed consumer had not finished, and only that", function()
    local p <close> = pool.new { processes = 4, concurrency = 1 }
    local q, finished, pids = sync.queue { redeliver = true }, sync.map(), sync.queue()
    local taken = sync.map()
    local n = 5000
    for i = 1, n do
      q:put(i)
    end
    local futures = {}
    for i = 1, 4 do
      futures[i] = p:submit(function()
        local me = luapool.worker.pid
        pids:put(me)
        for item in q:iter() do
          taken:add(item)
          finished:set(item, me)
          q:task_done()
        end
      end)
    end
    local victim = pids:get()
    eventually(function() return #q < n // 2 end)
    kill(victim)
    q:join()
    q:close()
    task.gather(futures)
    local twice = 0
    for i = 1, n do
      assert.is_truthy(finished:get(i))
      if taken:get(i) > 1 then twice = twice + 1 end
    end
    assert.is_true(twice <= 1, twice .. " items came twice")
  end)
end)
