-- Queues that workers get from: main sends items ahead of being asked, and nobody can see it. An
-- item that no task has taken is still in the queue, whatever happens to the worker it was sent to.

local luapool = require "luapool"
local pool, sync, task = require "luapool.pool", require "luapool.sync", require "luapool.task"

local function filled(n, opts)
  local q = sync.queue(opts)
  for i = 1, n do
    q:put(i)
  end
  return q
end

-- A worker that gets `count` items, says so and waits. Returns its future and what lets it go on.
local function consumer(p, q, count)
  local ready, go = sync.event(), sync.event()
  local future = p:submit(function()
    local got = {}
    for i = 1, count do
      got[i] = q:get()
    end
    ready:set()
    go:wait()
    return got, luapool.worker.pid
  end)
  ready:wait(20)
  return future, go
end

local function counted(from, to)
  local list = {}
  for i = from, to do
    list[#list + 1] = i
  end
  return list
end

-- All that is left in a queue, as a list.
local function rest(q)
  local list = {}
  for v in function() return q:try_get() end do
    list[#list + 1] = v
  end
  return list
end

describe("items sent ahead", function()
  local p
  setup(function() p = pool.new { processes = 2 } end)
  teardown(function()
    p:terminate()
    p:join()
  end)

  it("are in the queue until a task takes them, and in their order for main", function()
    for got = 1, 40, 3 do
      local q = filled(100)
      local future, go = consumer(p, q, got)
      assert.are.equal(100 - got, #q)
      assert.are.equal(got + 1, q:get())
      assert.are.same(counted(got + 2, 100), rest(q))
      assert.are.equal(0, #q)
      go:set()
      assert.are.same(counted(1, got), future:await())
    end
  end)

  it("are before those that are still here, also in a queue that was empty meanwhile", function()
    local one <close> = pool.new { processes = 1 }
    for got = 1, 20 do
      local q = sync.queue()
      for _, count in ipairs { 4, got } do
        for i = 1, 100 do
          q:put(i)
        end
        local future, go = consumer(one, q, count)
        assert.are.same(counted(count + 1, 100), rest(q))
        go:set()
        future:await()
      end
    end
  end)

  it("are for other workers, too, while theirs does nothing", function()
    local q = filled(100)
    local future, go = consumer(p, q, 40)
    local list = p:apply(rest, q)
    table.sort(list)
    assert.are.same(counted(41, 100), list)
    go:set()
    future:await()
  end)

  it("are for all tasks of the worker, each for one", function()
    local q, sum = filled(3000), sync.counter()
    local one <close> = pool.new { processes = 1 }
    local futures = {}
    for i = 1, 30 do
      futures[i] = one:submit(function()
        for _ = 1, 100 do
          sum:add((q:get()))
        end
      end)
    end
    task.gather(futures)
    assert.are.equal(3000 * 3001 // 2, sum:get())
    assert.are.equal(0, #q)
  end)

  it("are the next ones again when the worker dies", function()
    for got = 1, 40, 13 do
      local q = filled(100)
      local one <close> = pool.new { processes = 1, crash_retries = 0 }
      local future = consumer(one, q, got)
      os.execute("kill -9 " .. one:stats().workers[1].pid)
      assert.is_false((future:result()))
      assert.are.same(counted(got + 1, 100), rest(q))
    end
  end)

  it("go to whom a dead worker left waiting", function()
    local q = filled(20)
    local one <close> = pool.new { processes = 1, crash_retries = 0 }
    local future = consumer(one, q, 10)
    local list = {}
    local other = task.spawn(function()
      for v in q:iter() do
        list[#list + 1] = v
      end
    end)
    os.execute("kill -9 " .. one:stats().workers[1].pid)
    assert.is_false((future:result()))
    q:close()
    other:await()
    assert.are.same(counted(11, 20), list)
  end)

  it("are the next ones again when the worker's last reference goes", function()
    local q, sum = filled(100), sync.counter()
    local one <close> = pool.new { processes = 1 }
    one:apply(function()
      for _ = 1, 10 do
        sum:add((q:get()))
      end
    end)
    one:apply(function() -- the one before is garbage now
      collectgarbage()
      collectgarbage()
    end)
    assert.are.equal(55, sum:get())
    assert.are.same(counted(11, 100), rest(q))
  end)

  it("count for a queue that is full, and leave room when a task takes them", function()
    local q = filled(40, { maxsize = 40 })
    local future, go = consumer(p, q, 10)
    for i = 41, 50 do
      assert.is_true(q:try_put(i))
    end
    assert.is_false(q:try_put(51))
    local late = task.spawn(q.put, q, 51)
    assert.are.equal(11, q:get())
    late:await(20)
    assert.is_false(q:try_put(52))
    assert.are.same(counted(12, 51), rest(q))
    go:set()
    future:await()
    local putter = task.spawn(function()
      for i = 1, 500 do
        q:put(i)
      end
    end)
    assert.are.same(counted(1, 500), p:apply(function()
      local list = {}
      for i = 1, 500 do
        list[i] = q:get()
      end
      return list
    end))
    putter:await()
  end)

  it("keep a closed queue from being at its end", function()
    local q = filled(60)
    local future, go = consumer(p, q, 20)
    q:close()
    local list = {}
    for v in q:iter() do
      list[#list + 1] = v
    end
    assert.are.same(counted(21, 60), list)
    go:set()
    future:await()
    assert.is_nil(p:apply(function() return q:iter()() end))
  end)

  it("are copies of their own, also of the same table", function()
    local q, t = sync.queue(), {}
    for _ = 1, 50 do
      q:put(t)
    end
    assert.is_true(p:apply(function()
      local seen = {}
      for _ = 1, 50 do
        local item = q:get()
        if seen[item] then return false end
        seen[item] = true
      end
      return true
    end))
  end)

  it("stop before one that cannot be sent: who gets it is told", function()
    local q, file = filled(20), io.stdout
    local open <close> = assert(io.open("/dev/null"))
    q:put(open)
    q:put(file)
    local sum, text = p:apply(function()
      local sum = 0
      for _ = 1, 20 do
        sum = sum + q:get()
      end
      return sum, tostring(select(2, pcall(q.get, q)))
    end)
    assert.are.equal(210, sum)
    assert.is_truthy(text:find("cannot send item: file", 1, true))
    assert.are.same({ open, file }, rest(q))
  end)

  it("stop before one with an object of main: that is kept until the worker has it", function()
    local q = filled(20)
    for _ = 1, 20 do
      q:put { lock = sync.lock() }
    end
    assert.is_true(p:apply(function()
      for _ = 1, 20 do
        q:get()
      end
      for _ = 1, 20 do
        local item = q:get()
        collectgarbage()
        assert(item.lock:try_acquire() and not item.lock:try_acquire())
      end
      return true
    end))
  end)

  it("come of more queues than a worker has lanes", function()
    local queues = {}
    for i = 1, 70 do
      queues[i] = filled(20)
    end
    assert.are.equal(70 * 210, p:apply(function()
      local sum = 0
      for _ = 1, 20 do
        for _, q in ipairs(queues) do
          sum = sum + q:get()
        end
      end
      return sum
    end))
  end)
end)

describe("task_done in a worker", function()
  it("counts for who joins, and is not lost when the worker dies at once", function()
    local q = filled(100)
    local one <close> = pool.new { processes = 1, crash_retries = 0 }
    local future = one:submit(function()
      for _ = 1, 60 do
        q:get()
        q:task_done()
      end
      os.execute("kill -9 " .. require("luapool").worker.pid)
    end)
    assert.is_false((future:result()))
    assert.are.equal(40, #rest(q))
    for _ = 1, 40 do
      q:task_done()
    end
    q:join(20)
    assert.matches("more often than items were put", select(2, pcall(q.task_done, q)).message)
  end)

  it("comes before what the worker does next", function()
    local q, event = filled(50), sync.event()
    local one <close> = pool.new { processes = 1 }
    local future = one:submit(function()
      for _ = 1, 50 do
        q:get()
        q:task_done()
      end
      event:set()
      require("luapool.task").sleep(1000)
    end)
    event:wait(20)
    q:join(0)
    future:cancel()
  end)

  it("is refused when it is called too often", function()
    local q = filled(30)
    local one <close> = pool.new { processes = 1 }
    local kind = one:apply(function()
      for _ = 1, 30 do
        q:get()
        q:task_done()
      end
      local _, e = pcall(q.task_done, q)
      return e.kind
    end)
    assert.are.equal("not_held", kind)
    q:join(0)
  end)
end)

describe("workers that die at random", function()
  it("take along the item that each was working on, and no other", function()
    local N = 3000
    local q, seen, deaths = filled(N), sync.map(), sync.counter()
    q:close()
    local p <close> = pool.new { processes = 3, crash_retries = N }
    local futures = {}
    for i = 1, 3 do
      futures[i] = p:submit(function()
        for v in q:iter() do
          if math.random(150) == 1 then
            deaths:add()
            os.execute("kill -9 " .. require("luapool").worker.pid)
          end
          seen:add(v, 1)
          q:task_done()
        end
      end)
    end
    task.wait(futures)
    local got = seen:keys()
    assert.are.equal(N - deaths:get(), #got)
    for _, v in ipairs(got) do
      assert.are.equal(1, seen:get(v))
    end
  end)
end)
