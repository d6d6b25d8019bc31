-- luapool.pool where it is easily broken: objects that nobody holds, workers that are replaced all
-- the time, calls in every state, verbs in every order.

local pool = require "luapool.pool"
local sync = require "luapool.sync"
local task = require "luapool.task"

local function nap(i)
  require("luapool.task").sleep(0.003)
  return i
end

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

local function expect_sums(p)
  local s = p:stats()
  local ended = s.done + s.failed + s.cancelled + s.lost
  assert.are.equal(s.submitted, ended + s.pending + s.running)
end

describe("a future", function()
  it("keeps its pool alive", function()
    local future = pool.new({ processes = 1 }):submit(nap, 42)
    for _ = 1, 3 do
      collectgarbage()
      task.sleep(0)
    end
    assert.are.same({ true, 42 }, { future:result() })
  end)

  it("can be cancelled in each of its states", function()
    local p <close> = pool.new { processes = 1, concurrency = 2 }
    for round = 0, 9 do
      local futures = {}
      for i = 1, 6 do futures[i] = p:submit(nap, i) end
      for _ = 1, round do p:apply(function() end) end
      for i = 6, 1, -1 do
        futures[i]:cancel()
        futures[i]:cancel()
      end
      for i = 1, 6 do futures[i]:result() end
      expect_sums(p)
    end
  end)
end)

describe("a map", function()
  it("keeps its pool alive", function()
    local function results() return pool.new({ processes = 1 }):map(nap, range(20)) end
    local n = 0
    for _ in results() do
      n = n + 1
      collectgarbage()
    end
    assert.are.equal(20, n)
  end)
end)

describe("a finalizer", function()
  it("cannot send, for it may have interrupted the sending of something else", function()
    local p <close> = pool.new { processes = 1 }
    local seen
    setmetatable({}, { __gc = function() seen = kind_of(p.submit, p, nap, 1) end })
    collectgarbage()
    assert.are.equal("cannot_send", seen)
    assert.are.equal(2, p:apply(nap, 2))
  end)
end)

describe("a worker that waits in a C function", function()
  it("tells of each task as it ends", function()
    local p <close> = pool.new { processes = 1, concurrency = 100 }
    local first, last
    local function block() io.popen("sleep 0.05"):close() end
    for _ in p:map(block, range(10)) do
      last = task.now()
      first = first or last
    end
    assert.is_true(last - first > 0.2, "all at once")
  end)

  it("gets little done of what it was sent: the other takes that over", function()
    local p <close> = pool.new { processes = 2, concurrency = 100 }
    local function work(seconds)
      local id = require("luapool").worker.id
      if id == 1 then io.popen("sleep " .. seconds):close() end
      return id
    end
    p:map(work, { 0, 0, 0, 0 }, { ordered = false }):drain() -- both are there
    local list, by, order = {}, { 0, 0 }, {}
    for i = 1, 4 do list[i] = p:submit(work, 0.3) end
    repeat task.sleep(0.01) until p:stats().done >= 6 -- now 2 has nothing left, and 1 was asked
    for i = 5, 44 do
      list[i] = p:submit(work, 0.1)
      list[i]:on_done(function() order[#order + 1] = i end)
    end
    for _, future in ipairs(list) do
      local id = future:await()
      by[id] = by[id] + 1
    end
    assert.is_true(by[1] < 12, by[1] .. " of 44 by the slow one")
    local back = 0 -- each time that 2 takes over, it begins with the oldest of what it gets
    for k = 2, #order do back = back + (order[k] < order[k - 1] and 1 or 0) end
    assert.is_true(back < 12, back .. " steps back")
  end)
end)

describe("max_tasks = 1", function()
  it("never has more than two workers for each id", function()
    local p <close> = pool.new { processes = 2, max_tasks = 1, concurrency = 30 }
    local most, n = 0, 0
    for _ in p:map(nap, range(60)) do
      n = n + 1
      most = math.max(most, #p:stats().workers)
    end
    assert.are.equal(60, n)
    assert.is_true(most <= 4, most .. " workers at once")
  end)

  it("does not wait for a task that waits for what is in line", function()
    local p <close> = pool.new { processes = 2, max_tasks = 1 }
    local queue = sync.queue()
    local function take(n)
      for _ = 1, n do queue:get() end
      return n
    end
    local takers = { p:submit(take, 5), p:submit(take, 5) }
    for i = 1, 10 do p:submit(function() queue:put(i) end) end
    assert.are.same({ 5, 5 }, { takers[1]:await(20), takers[2]:await(20) })
  end)

  it("gives all results while workers are killed", function()
    local p <close> = pool.new { processes = 2, max_tasks = 1, crash_retries = 20 }
    local n = 0
    for _ in p:map(nap, range(60)) do
      n = n + 1
      local pid = (p:stats().workers[1] or {}).pid
      if n % 6 == 0 and pid then os.execute(("kill -9 %d 2>&-"):format(pid)) end
    end
    assert.are.equal(60, n)
    expect_sums(p)
  end)
end)

describe("memory_limit", function()
  it("never has more than two workers for each id, though each task is too much", function()
    local p <close> = pool.new { processes = 2, memory_limit = "16M", concurrency = 1 }
    local function eat(i)
      local kept = {}
      for k = 1, 20 do kept[k] = ("x"):rep(1 << 20) end
      require("luapool.task").sleep(0.1)
      return #kept == 20 and i
    end
    local most, n = 0, 0
    for i, result in p:map(eat, range(20)) do
      assert.are.equal(i, result)
      n = n + 1
      most = math.max(most, #p:stats().workers)
    end
    assert.are.equal(20, n)
    assert.is_true(most <= 4, most .. " workers at once")
    task.sleep(0.05)
    assert.are.equal(1, p:apply(nap, 1))
  end)
end)

describe("a task that has ended its worker", function()
  it("does not wait for those who run, nor they for it", function()
    local p <close> = pool.new { processes = 1 }
    local here, there = sync.event(), sync.event()
    local function meet()
      there:wait()
      here:set()
      return "met"
    end
    local function crash()
      task.sleep(0.01)
      if task.current().attempt == 1 then os.exit(3) end
      there:set()
      here:wait()
      return "crashed"
    end
    for _, order in ipairs { { meet, crash }, { crash, meet } } do
      local first, second = p:submit(order[1]), p:submit(order[2])
      local results = { [first:await(20)] = true, [second:await(20)] = true }
      assert.are.same({ met = true, crashed = true }, results)
      here:clear()
      there:clear()
    end
    assert.are.equal(2, p:stats().restarts)
  end)

  it("is no load of the worker that gets the others", function()
    local loads
    local p <close> = pool.new {
      processes = 1,
      scheduler = function(_, all)
        loads = all
        return 1
      end,
    }
    local here, over = sync.event(), sync.event()
    local crash = p:submit(function()
      if require("luapool.task").current().attempt == 1 then os.exit(3) end
      here:set()
      over:wait()
    end)
    here:wait()
    p:apply(nap, 1)
    assert.are.same({ 0 }, loads)
    over:set()
    crash:await()
  end)

  it("runs again alone", function()
    local p <close> = pool.new { processes = 2, concurrency = 10, crash_retries = 2 }
    local others = sync.map()
    local list = {}
    for i = 1, 20 do
      list[i] = p:submit(function()
        local pid, attempt = require("luapool").worker.pid, task.current().attempt
        local mates = others:add(pid, 1)
        task.sleep(0.05)
        if i % 10 == 0 and attempt < 3 then os.exit(3) end
        return { mates = mates, attempt = attempt }
      end)
    end
    for i = 10, 20, 10 do assert.are.same({ mates = 1, attempt = 3 }, list[i]:await()) end
    for i = 1, 20 do list[i]:await() end
  end)
end)

describe("submit", function()
  it("keeps nothing of what it refuses", function()
    local p <close> = pool.new { processes = 1, max_pending = 1, concurrency = 1 }
    local kept = #debug.getregistry()
    for _ = 1, 100 do
      assert.are.equal("cannot_send", kind_of(p.submit, p, nap, coroutine.create(nap)))
    end
    local gate = sync.event()
    local function wait() gate:wait() end
    local first, second = p:submit(wait), p:submit(wait)
    for _ = 1, 100 do assert.are.equal("rejected", kind_of(p.submit, p, wait)) end
    gate:set()
    first:await()
    second:await()
    assert.is_true(#debug.getregistry() < kept + 50)
  end)
end)

-- luapool's own scripts have globals of their own.
local function globals_of(f)
  local i, name, value = 0
  repeat
    i = i + 1
    name, value = debug.getupvalue(f, i)
  until name == "_ENV"
  return value
end

describe("stats", function()
  it("may be asked for while a worker dies", function()
    local p <close> = pool.new { processes = 1 }
    p:apply(nap, 1)
    local open, io = io.open, globals_of(p.stats).io
    finally(function() io.open = open end)
    io.open = function(path) -- the worker dies between this and the reading
      local file, pid = open(path), path:match "%d+"
      os.execute("kill -9 " .. pid)
      while open("/proc/" .. pid) do task.sleep(0.005) end
      return file
    end
    assert.is_nil(p:stats().workers[1].rss)
  end)
end)

describe("debug.sethook", function()
  it("in one task is nothing to the next one", function()
    local p <close> = pool.new { processes = 1 }
    p:apply(function() debug.sethook(print, "", 1000000) end)
    assert.is_nil(p:apply(function() return (debug.gethook()) end))
  end)
end)

describe("a map", function()
  it("is refused to a second task that waits for its results", function()
    local p <close> = pool.new { processes = 1 }
    local map = p:map(nap, { 1, 2 })
    local first = task.spawn(map.drain, map)
    task.yield()
    assert.are.equal("usage", kind_of(map.collect, map))
    first:result()
  end)
end)

describe("close, terminate and join", function()
  it("can be called in every order, and twice", function()
    local verbs = { "close", "terminate", "join" }
    for code = 0, 26 do
      local p = pool.new { processes = 1 }
      local future = p:submit(nap, 1)
      for place = 0, 2 do pcall(p[verbs[code // 3 ^ place % 3 + 1]], p) end
      p:terminate()
      p:join()
      future:result()
      expect_sums(p)
      assert.are.equal("closed", kind_of(p.apply, p, nap))
    end
  end)
end)

describe("options", function()
  it("may be as large as they may", function()
    local many = (1 << 31) - 1
    local p <close> =
      pool.new { processes = 1, concurrency = 1000000, max_tasks = many, max_pending = many }
    assert.are.equal(1, p:apply(nap, 1))
    for name, most in pairs { processes = 4096, concurrency = 1000000, max_tasks = many } do
      local ok, e = pcall(pool.new, { [name] = most + 1 })
      assert.is_false(ok)
      local said = ("option '%s' must be a whole number from %%d to %d, got"):format(name, most)
      assert.matches(said, e)
    end
    assert.is_false(pcall(p.join, p, -1))
  end)
end)
