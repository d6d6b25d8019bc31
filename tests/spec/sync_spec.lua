-- luapool.sync within one process: every method of the table in api.md, and what happens to
-- those who wait.

local sync, task, errors = require "luapool.sync", require "luapool.task", require "luapool.error"

local function fails(kind, fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_true(errors.is(e, kind), tostring(e))
  return e
end

local function misused(text, fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_true(errors.is(e, "usage"))
  assert.matches(text, e, 1, true)
  assert.matches("sync_spec.lua:%d+: ", e)
end

-- Lets the others run until all of them wait.
local function settle()
  for _ = 1, 5 do
    task.yield()
  end
end

local function spawn(...)
  local t = task.spawn(...)
  settle()
  return t
end

describe("lock", function()
  it("is held by one task at a time, first come, first served", function()
    local lock, order = sync.lock(), {}
    local tasks = {}
    for i = 1, 4 do
      tasks[i] = task.spawn(function()
        lock:acquire()
        order[#order + 1] = i
        task.sleep(0.001)
        order[#order + 1] = i
        lock:release()
      end)
    end
    task.gather(tasks)
    assert.are.same({ 1, 1, 2, 2, 3, 3, 4, 4 }, order)
  end)

  it("is not had by a second task until it is released", function()
    local lock = sync.lock()
    lock:acquire()
    assert.is_false(task.spawn(lock.try_acquire, lock):await())
    fails("timeout", lock.acquire, lock, 0.001)
    lock:release()
    assert.is_true(task.spawn(function()
      local got = lock:try_acquire()
      lock:release()
      return got
    end):await())
  end)

  it("is handed over: nobody comes between", function()
    local lock = sync.lock()
    lock:acquire()
    local t = spawn(function()
      lock:acquire()
      lock:release()
    end)
    lock:release()
    assert.is_false(lock:try_acquire())
    t:await()
    assert.is_true(lock:try_acquire())
    lock:release()
  end)

  it("can be released by its owner only", function()
    local lock = sync.lock()
    local e = fails("not_held", lock.release, lock)
    assert.is_truthy(tostring(e):find("sync_spec.lua:%d+: the lock is not held"))
    lock:acquire()
    task.spawn(function() fails("not_held", lock.release, lock) end):await()
    lock:release()
    fails("not_held", lock.release, lock)
  end)

  it("is released at the end of the scope of hold", function()
    local lock = sync.lock()
    pcall(function()
      local _ <close> = lock:hold()
      assert.is_false(lock:try_acquire())
      error "oh"
    end)
    local t = spawn(function()
      local _ <close> = lock:hold(1)
      task.sleep(100)
    end)
    t:cancel()
    assert.are.equal("cancelled", errors.is(select(2, t:result()), "cancelled") and "cancelled")
    assert.is_true(lock:try_acquire())
    lock:release()
  end)

  it("tells who waits that its owner has ended without releasing it, once", function()
    local lock = sync.lock()
    local owner = spawn(function()
      lock:acquire()
      task.sleep(0.005)
    end)
    fails("owner_gone", lock.acquire, lock)
    assert.are.equal("done", owner:status())
    lock:acquire()
    lock:release()
    task.spawn(lock.acquire, lock):await()
    fails("owner_gone", lock.acquire, lock)
    lock:acquire()
    lock:release()
  end)
end)

describe("semaphore", function()
  it("lets n in", function()
    local sem, inside, most = sync.semaphore(3), 0, 0
    local tasks = {}
    for i = 1, 10 do
      tasks[i] = function()
        local _ <close> = sem:hold()
        inside = inside + 1
        most = math.max(most, inside)
        task.sleep(0.001)
        inside = inside - 1
      end
    end
    task.gather(tasks)
    assert.are.equal(3, most)
    for _ = 1, 3 do
      assert.is_true(sem:try_acquire())
    end
    assert.is_false(sem:try_acquire())
    fails("timeout", sem.acquire, sem, 0.001)
    for _ = 1, 3 do
      sem:release()
    end
    fails("not_held", sem.release, sem)
  end)

  it("may be released by another task", function()
    local sem = sync.semaphore(1)
    sem:acquire()
    task.spawn(sem.release, sem):await()
    assert.is_true(sem:try_acquire())
    sem:release()
  end)

  it("has a size that makes sense", function()
    misused("whole number from 0 to 2147483647 expected, got -1", sync.semaphore, -1)
    misused("got \"many\"", sync.semaphore, "many")
  end)
end)

describe("event", function()
  it("lets all go on when it is set, until it is cleared", function()
    local event, n = sync.event(), 0
    assert.is_false(event:is_set())
    local tasks = {}
    for i = 1, 3 do
      tasks[i] = spawn(function()
        event:wait()
        n = n + 1
      end)
    end
    assert.are.equal(0, n)
    event:set()
    task.gather(tasks)
    assert.are.equal(3, n)
    event:wait()
    assert.is_true(event:is_set())
    event:clear()
    fails("timeout", event.wait, event, 0.001)
  end)
end)

describe("condition", function()
  it("wakes as many as are asked for, in line", function()
    local condition, woken = sync.condition(), {}
    for i = 1, 5 do
      spawn(function()
        condition:wait()
        woken[#woken + 1] = i
      end)
    end
    condition:notify()
    settle()
    assert.are.same({ 1 }, woken)
    condition:notify(2)
    settle()
    assert.are.same({ 1, 2, 3 }, woken)
    condition:notify_all()
    settle()
    assert.are.same({ 1, 2, 3, 4, 5 }, woken)
    condition:notify()
    fails("timeout", condition.wait, condition, 0.001)
  end)

  it("gives its lock up while it waits, and has it again afterwards", function()
    local lock = sync.lock()
    local condition, ready = sync.condition(lock), false
    local t = spawn(function()
      local _ <close> = lock:hold()
      while not ready do
        condition:wait()
      end
      return lock:try_acquire()
    end)
    do
      local _ <close> = lock:hold(1)
      ready = true
      condition:notify()
      settle()
      assert.are.equal("running", t:status())
    end
    assert.is_false(t:await())
    fails("not_held", condition.wait, condition)
    lock:acquire()
    fails("timeout", condition.wait, condition, 0.001)
    lock:release()
  end)

  it("has its lock again when it is cancelled", function()
    local lock = sync.lock()
    local condition, held = sync.condition(lock)
    local t = spawn(function()
      lock:acquire()
      local ok = pcall(condition.wait, condition)
      held = not ok and not lock:try_acquire()
      lock:release()
    end)
    lock:acquire()
    t:cancel()
    settle()
    assert.is_nil(held)
    lock:release()
    t:result()
    assert.is_true(held)
  end)
end)

describe("barrier", function()
  it("lets n go on together, again and again", function()
    local barrier, log = sync.barrier(3), {}
    local function party()
      for round = 1, 3 do
        log[#log + 1] = round
        barrier:wait()
      end
    end
    task.gather { party, party, party }
    assert.are.same({ 1, 1, 1, 2, 2, 2, 3, 3, 3 }, log)
  end)

  it("does not count who has left", function()
    local barrier = sync.barrier(2)
    fails("timeout", barrier.wait, barrier, 0.001)
    local t = spawn(barrier.wait, barrier)
    t:cancel()
    settle()
    t = spawn(barrier.wait, barrier)
    assert.are.equal("running", t:status())
    barrier:wait()
    t:await()
  end)
end)

describe("counter", function()
  it("adds, gets, sets", function()
    local counter = sync.counter(5)
    assert.are.equal(6, counter:add())
    assert.are.equal(4, counter:add(-2))
    assert.are.equal(4, counter:get())
    counter:set(1.5)
    assert.are.equal(2.5, counter:add(1))
    assert.are.equal(0, sync.counter():get())
    misused("number expected, got \"x\"", counter.add, counter, "x")
  end)
end)

describe("map", function()
  it("gets, sets, deletes, adds, compares and sets", function()
    local map = sync.map()
    assert.is_nil(map:get "a")
    map:set("a", 1)
    assert.are.equal(3, map:add("a", 2))
    assert.are.equal(1, map:add "b")
    assert.is_false(map:cas("a", 1, 9))
    assert.is_true(map:cas("a", 3, 9))
    assert.is_true(map:cas("c", nil, true))
    local keys = map:keys()
    table.sort(keys)
    assert.are.same({ "a", "b", "c" }, keys)
    assert.is_true(map:delete "a")
    assert.is_false(map:delete "a")
    map:set("b", nil)
    assert.are.same({ "c" }, map:keys())
    misused("a key expected, got nil", map.set, map, nil, 1)
    misused("the value of the key \"c\" is no number to add to, but true", map.add, map, "c", 1)
  end)
end)

describe("queue", function()
  local function drain(q)
    local list = {}
    for v in q:iter() do
      list[#list + 1] = v
    end
    return list
  end

  it("gives items in the order that was asked for", function()
    local function filled(order)
      local q = sync.queue { order = order }
      for i, priority in ipairs { 3, 1, 2, 1 } do
        q:put(i, { priority = priority })
      end
      q:close()
      return drain(q)
    end
    assert.are.same({ 1, 2, 3, 4 }, filled "fifo")
    assert.are.same({ 4, 3, 2, 1 }, filled "lifo")
    assert.are.same({ 2, 4, 3, 1 }, filled "priority")
  end)

  it("sorts many by priority", function()
    local q = sync.queue { order = "priority" }
    for i = 1, 500 do
      local p = i * 7919 % 503
      q:put(p, { priority = p })
    end
    q:close()
    local list = drain(q)
    assert.are.equal(500, #list)
    for i = 2, 500 do
      assert.is_true(list[i - 1] <= list[i])
    end
  end)

  it("waits for items and for room", function()
    local q = sync.queue { maxsize = 2 }
    local log = {}
    local putter = task.spawn(function()
      for i = 1, 5 do
        q:put(i)
        log[#log + 1] = "put " .. i
      end
    end)
    settle()
    assert.are.same({ "put 1", "put 2" }, log)
    assert.are.equal(2, #q)
    assert.is_false(q:try_put(9))
    fails("timeout", q.put, q, 9, { timeout = 0.001 })
    for i = 1, 5 do
      assert.are.equal(i, q:get())
    end
    putter:await()
    assert.is_nil(q:try_get())
    fails("timeout", q.get, q, 0.001)
    assert.is_true(q:try_put(6))
    assert.are.equal(6, q:try_get())
  end)

  it("hands items to those who wait, in line", function()
    local q, got = sync.queue(), {}
    for i = 1, 3 do
      spawn(function() got[i] = q:get() end)
    end
    for i = 1, 3 do
      q:put(i * 10)
    end
    assert.are.equal(0, #q)
    settle()
    assert.are.same({ 10, 20, 30 }, got)
  end)

  it("hands nothing to who was cancelled or too late", function()
    local q = sync.queue()
    local t = spawn(q.get, q)
    local late = spawn(pcall, q.get, q, 0.001)
    task.sleep(0.01)
    t:cancel()
    q:put "kept"
    assert.are.equal("kept", q:get())
    assert.is_false((select(2, late:result())))
    assert.is_false((t:result()))
  end)

  it("does not put what its putter gave up", function()
    local q = sync.queue { maxsize = 1 }
    q:put(1)
    local t = spawn(q.put, q, 2)
    t:cancel()
    t:result()
    assert.are.equal(1, q:get())
    assert.is_nil(q:try_get())
  end)

  it("closes", function()
    local q = sync.queue { maxsize = 1 }
    q:put(1)
    local putter = spawn(q.put, q, 2)
    q:close()
    q:close()
    fails("closed", putter.await, putter)
    fails("closed", q.put, q, 3)
    fails("closed", q.try_put, q, 3)
    assert.are.equal(1, q:get())
    fails("closed", q.get, q)
    assert.is_nil(q:try_get())
    local empty = sync.queue()
    local getter, loop = spawn(empty.get, empty), spawn(drain, empty)
    empty:close()
    fails("closed", getter.await, getter)
    assert.are.same({}, loop:await())
  end)

  it("closes when its scope is left", function()
    local loop
    do
      local q <close> = sync.queue()
      loop = spawn(drain, q)
      q:put(1)
    end
    assert.are.same({ 1 }, loop:await())
  end)

  it("is joined when every item is done", function()
    local q = sync.queue()
    q:join()
    for i = 1, 3 do
      q:put(i)
    end
    fails("timeout", q.join, q, 0.001)
    local joiner = spawn(q.join, q)
    for _ = 1, 3 do
      assert.are.equal("running", joiner:status())
      q:get()
      q:task_done()
    end
    joiner:await()
    fails("not_held", q.task_done, q)
  end)

  it("refuses what makes no sense", function()
    local q = sync.queue()
    misused("'queue:put' (a value that is not nil expected", q.put, q, nil)
    misused("'queue:try_put' (a value that is not nil expected", q.try_put, q, nil)
    misused("unknown option 'prioritty' (did you mean 'priority'?)", q.put, q, 1, { prioritty = 1 })
    misused("seconds >= 0 expected, got -1", q.get, q, -1)
    assert.has_error(function() sync.queue { maxsize = -1 } end)
    assert.has_error(function() sync.queue { order = "random" } end)
    assert.has_error(function() sync.queue { size = 1 } end)
  end)
end)

describe("queue with redeliver", function()
  it("gives back in front what a failed task had not finished", function()
    local q = sync.queue { redeliver = true }
    for i = 1, 5 do
      q:put(i)
    end
    local t = task.spawn(function()
      for _ = 1, 3 do
        q:get()
      end
      q:task_done()
      error "oh"
    end)
    t:result()
    local got = {}
    for i = 1, 4 do
      got[i] = q:get()
      q:task_done()
    end
    assert.are.same({ 2, 3, 4, 5 }, got)
    q:join()
    fails("not_held", q.task_done, q)
  end)

  it("settles what a task that ends normally has", function()
    local q = sync.queue { redeliver = true }
    q:put(1)
    q:put(2)
    local joiner = spawn(q.join, q)
    task.spawn(function()
      q:get()
      q:get()
    end):await()
    joiner:await(1)
    assert.are.equal(0, #q)
  end)

  it("is at its end only when nothing can come back", function()
    local q = sync.queue { redeliver = true }
    q:put(1)
    q:put(2)
    q:close()
    local looked = sync.event()
    local careless = spawn(function()
      q:get()
      looked:wait()
      error "oh"
    end)
    local seen = {}
    local loop = spawn(function()
      for v in q:iter() do
        seen[#seen + 1] = v
      end
    end)
    assert.are.same({ 2 }, seen)
    looked:set()
    careless:result()
    loop:await()
    assert.are.same({ 2, 1 }, seen)
    q:join()
  end)

  it("ends the loops of all when each holds something", function()
    local q = sync.queue { redeliver = true }
    for i = 1, 4 do
      q:put(i)
    end
    local n = 0
    local function loop()
      for _ in q:iter() do
        n = n + 1
        task.yield()
      end
    end
    local loops = { spawn(loop), spawn(loop) }
    q:close()
    task.gather(loops)
    assert.are.equal(4, n)
    q:join()
  end)
end)

describe("limiter", function()
  it("lets so many through in a time", function()
    local limiter = sync.limiter { rate = 1000, burst = 1 }
    local start, n, tasks = task.now(), 0, {}
    for i = 1, 10 do
      tasks[i] = function()
        for _ = 1, 5 do
          limiter:acquire()
          n = n + 1
        end
      end
    end
    task.gather(tasks)
    assert.are.equal(50, n)
    assert.is_true(task.now() - start >= 0.049)
  end)

  it("lets a burst through at once", function()
    local limiter = sync.limiter { rate = 1, per = 100, burst = 5 }
    local timed = function(n) return pcall(task.timeout, 0.02, limiter.acquire, limiter, n) end
    assert.is_true((timed(3)))
    assert.is_true((timed(2)))
    assert.is_false((timed()))
    assert.is_false((timed(1)))
    misused("a finite number >= 0 expected, got -1", limiter.acquire, limiter, -1)
    assert.has_error(function() sync.limiter { rate = 0 } end)
    assert.has_error(function() sync.limiter {} end)
  end)
end)

-- Each way to wait, with what lets it go on.
local function waits()
  local held, sem, event, condition = sync.lock(), sync.semaphore(1), sync.event(), sync.condition()
  local empty, full, undone = sync.queue(), sync.queue { maxsize = 1 }, sync.queue()
  local barrier = sync.barrier(2)
  held:acquire()
  sem:acquire()
  full:put(1)
  undone:put(1)
  return {
    ["lock acquire"] = { held.acquire, held, release = function() held:release() end },
    ["semaphore acquire"] = { sem.acquire, sem, release = function() sem:release() end },
    ["event wait"] = { event.wait, event, release = function() event:set() end },
    ["condition wait"] = { condition.wait, condition, release = function() condition:notify() end },
    ["barrier wait"] = {
      barrier.wait,
      barrier,
      release = function() pcall(barrier.wait, barrier, 0) end,
    },
    ["queue get"] = { empty.get, empty, release = function() empty:put(1) end },
    ["queue put"] = { full.put, full, 2, release = function() full:get() end },
    ["queue join"] = { undone.join, undone, release = function() undone:task_done() end },
  }
end

describe("who waits", function()
  for name in pairs(waits()) do
    it("can be cancelled in " .. name .. ", and is woken once", function()
      local wait, closed = waits()[name], 0
      local t = spawn(function()
        local _ <close> = setmetatable({}, { __close = function() closed = closed + 1 end })
        wait[1](wait[2], wait[3])
      end)
      assert.are.equal("running", t:status())
      t:cancel "enough"
      wait.release()
      local ok, e = t:result()
      assert.is_false(ok)
      assert.is_true(errors.is(e, "cancelled"), tostring(e))
      assert.are.equal(1, closed)
      assert.are.equal("cancelled", t:status())
    end)

    it("goes on in " .. name .. " when it may", function()
      local wait = waits()[name]
      local t = spawn(wait[1], wait[2], wait[3])
      if name == "barrier wait" then wait[2]:wait() else wait.release() end
      t:await(1)
    end)

    it("is timed out by task.timeout in " .. name, function()
      local wait = waits()[name]
      fails("timeout", task.timeout, 0.001, wait[1], wait[2], wait[3])
    end)
  end
end)
