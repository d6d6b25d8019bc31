-- What luapool.pool does by its options, and what it refuses. The functions run in workers: they
-- require what they need.

local internal = require "tests.support.internal"
local errors = require "luapool.error"
local luapool = require "luapool"
local pool = require "luapool.pool"
local process = require "luapool.process"
local task = require "luapool.task"

local function fails(kind, fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  if kind then assert.is_true(errors.is(e, kind), tostring(e)) end
  return e
end

-- The message of a call that is wrong.
local function message(fn, ...)
  return tostring(fails(nil, fn, ...))
end

local function pid() return require("luapool").worker.pid end
local function sleep(s) require("luapool.task").sleep(s) end
local function forever() while true do end end

-- Ends its own worker while it is on the CPU. (AddressSanitizer makes an exit of SIGSEGV.)
local function die(signal)
  io.popen(("kill -s %s %d"):format(signal, require("luapool").worker.pid)):close()
end

describe("init", function()
  it("runs once in each worker, before its first task", function()
    local p <close> = pool.new {
      processes = 2,
      init = function(a, b, c)
        require("luapool.task").sleep(0.01)
        rawset(_G, "count", (rawget(_G, "count") or 0) + 1)
        rawset(_G, "given", { a, b, c })
      end,
      init_args = { 1, nil, "c", n = 3 },
    }
    local function look() return { count = _G.count, given = _G.given } end
    for _, seen in p:map(look, { 1, 2, 3, 4 }) do
      assert.are.same({ count = 1, given = { 1, nil, "c" } }, seen)
    end
  end)

  it("fails every task with its error, as it was raised", function()
    local p <close> = pool.new { processes = 2, init = function() error({ no = "disk" }) end }
    for _ = 1, 2 do assert.are.same({ no = "disk" }, fails(nil, p.apply, p, pid)) end
    assert.are.equal(2, p:stats().lost)
  end)

  it("that ends its process is tried five times, then the pool gives up and says why", function()
    local p <close> = pool.new {
      processes = 2,
      init = function()
        io.stderr:write("no licence\n")
        os.exit(9)
      end,
    }
    local e = fails("worker_died", p.apply, p, pid)
    assert.are.equal(9, e.exitcode)
    assert.are.equal("no licence", e.report)
    assert.is_truthy(tostring(e):find("die at start.*exit code 9.*no licence$"), tostring(e))
    assert.are.equal(1, p:stats().lost)
  end)

  it("that ends only some of the processes leaves the pool those that are well", function()
    local p <close> = pool.new {
      processes = 2,
      init = function()
        if require("luapool").worker.id == 2 then os.exit(9) end
      end,
    }
    while p:stats().restarts < 6 do
      assert.are.equal(7, p:apply(function() return 7 end))
      require("luapool.task").sleep(0.01)
    end
    assert.are.equal(0, p:stats().lost)
  end)

  it("that ends its process does not keep a closed pool from its end", function()
    local p = pool.new { processes = 1, init = function() os.exit(9) end }
    local future = p:submit(pid)
    p:close()
    p:join()
    assert.is_true(errors.is(select(2, future:result()), "worker_died"))
    assert.are.equal(0, #p:stats().workers)
  end)

  it("that never ends does not keep the pool from being terminated", function()
    for _, init in ipairs { function() require("luapool.task").sleep(1000) end, forever } do
      local p = pool.new { processes = 2, init = init }
      local future = p:submit(pid)
      fails("timeout", future.await, future, 0.05)
      p:terminate()
      p:join()
      fails("cancelled", future.await, future)
      assert.are.equal(0, #p:stats().workers)
    end
  end)

  it("cannot be given what cannot travel", function()
    local file <close> = io.tmpfile()
    local text = message(pool.new, { init = function() return file end })
    assert.is_truthy(text:find("upvalue 'file'", 1, true), text)
    text = message(pool.new, { init = print, init_args = { {}, { file } } })
    assert.is_truthy(text:find("init argument #2[1]", 1, true) or text:find("%[1%]"), text)
  end)
end)

describe("max_tasks", function()
  it("replaces a worker after so many tasks", function()
    local p <close> = pool.new { processes = 1, max_tasks = 3 }
    local pids, seen, n = p:map(pid, { 1, 2, 3, 4, 5, 6, 7 }):collect(), {}, 0
    for _, id in ipairs(pids) do seen[id] = (seen[id] or 0) + 1 end
    for _, times in pairs(seen) do
      n = n + 1
      assert.is_true(times <= 3)
    end
    assert.are.equal(3, n)
    assert.are.equal(1, p:apply(function() return require("luapool").worker.id end))
  end)

  it("lets the tasks of a leaving worker end", function()
    local p <close> = pool.new { processes = 1, max_tasks = 2 }
    local function slow(i)
      require("luapool.task").sleep(0.02 * (i % 3))
      return i
    end
    local list, n = p:map(slow, { 1, 2, 3, 4, 5, 6 }):collect()
    assert.are.same({ 1, 2, 3, 4, 5, 6 }, list)
    assert.are.equal(6, n)
  end)
end)

describe("memory_limit", function()
  it("replaces a worker that is above it, between tasks", function()
    local p <close> = pool.new { processes = 1, memory_limit = "16M" }
    local function eat(megabytes)
      local kept = {}
      for i = 1, megabytes do kept[i] = ("x"):rep(1 << 20) end
      rawset(_G, "kept", kept)
      return require("luapool").worker.pid
    end
    local first = p:apply(eat, 24)
    local second
    for _ = 1, 100 do
      second = p:apply(eat, 1)
      if second ~= first then break end
      task.sleep(0.01)
    end
    assert.are_not.equal(first, second)
    assert.are.equal(0, p:stats().failed)
  end)

  it("replaces one that leaks before the tasks that wait in it fail", function()
    local p <close> = pool.new { processes = 2, memory_limit = "16M" }
    local function leak()
      local kept = rawget(_G, "kept") or {}
      rawset(_G, "kept", kept)
      kept[#kept + 1] = ("x"):rep(1 << 20)
      return #kept
    end
    local items, most = {}, 0
    for i = 1, 200 do items[i] = i end
    for _, kept in p:map(leak, items) do most = math.max(most, kept) end
    assert.is_true(most <= 24, most)
    assert.are.equal(0, p:stats().restarts)
  end)

  it("raises kind memory beyond twice the limit, in that task alone", function()
    local p <close> = pool.new { processes = 1, memory_limit = "16M" }
    local other = p:submit(sleep, 0.1)
    local e = fails("memory", p.apply, p, function()
      local t = {}
      for i = 1, 1 << 20 do t[i] = ("x"):rep(1000) .. i end
      return #t
    end)
    assert.is_truthy(tostring(e):find "memory", tostring(e))
    other:await()
    assert.are.equal(3, p:apply(function(a, b) return a + b end, 1, 2))
  end)

  it("can be caught in the task", function()
    local p <close> = pool.new { processes = 1, memory_limit = "16M" }
    local ok, kind = p:apply(function()
      local ok, e = pcall(string.rep, "x", 64 << 20)
      return ok, require("luapool.error").is(e, "memory") and "memory" or tostring(e)
    end)
    assert.is_false(ok)
    assert.is_truthy(tostring(kind):find "memory", tostring(kind))
  end)

  it("takes sizes", function()
    assert.is_truthy(message(pool.new, { memory_limit = "much" }):find("memory_limit", 1, true))
  end)
end)

describe("task_timeout", function()
  it("ends a task that waits, and the others go on", function()
    local p <close> = pool.new { processes = 1, task_timeout = 0.1 }
    local other = p:submit(function()
      require("luapool.task").sleep(0.05)
      return "done"
    end)
    fails("timeout", p.apply, p, sleep, 100)
    assert.are.equal("done", other:await())
    assert.are.equal(0, p:stats().restarts)
  end)

  it("ends an endless loop, also one in pcall", function()
    local p <close> = pool.new { processes = 1, task_timeout = 0.1 }
    fails("timeout", p.apply, p, forever)
    fails("timeout", p.apply, p, function() while true do pcall(forever) end end)
    assert.are.equal(0, p:stats().restarts)
  end)

  it("closes what an endless loop has open, in each coroutine, whatever that raises", function()
    local p <close> = pool.new { processes = 1, task_timeout = 0.1 }
    fails("timeout", p.apply, p, function()
      local closed = {}
      local function closer(name)
        local function note()
          table.insert(closed, name)
          coroutine.wrap(error)(name)
        end
        return setmetatable({}, { __close = note })
      end
      local function nest(name, fn)
        local _ <close> = closer(name)
        coroutine.wrap(fn)()
      end
      rawset(_G, "closed", closed)
      nest("task", function() nest("outer", function() nest("inner", forever) end) end)
    end)
    local closed = p:apply(function() return rawget(_G, "closed") end)
    assert.are.same({ "inner", "outer", "task" }, closed)
    assert.are.equal(0, p:stats().restarts)
  end)

  it("gives back what an endless loop holds", function()
    local p <close> = pool.new { processes = 1, task_timeout = 0.1 }
    fails("timeout", p.apply, p, function()
      local lock = require("luapool.sync").lock()
      rawset(_G, "lock", lock)
      local _ <close> = lock:hold()
      forever()
    end)
    assert.is_true(p:apply(function() return rawget(_G, "lock"):try_acquire() end))
  end)

  it("ends a loop where a task cannot be suspended", function()
    local p <close> = pool.new { processes = 1, task_timeout = 0.1 }
    local e = fails("timeout", p.apply, p, function()
      local _ <close> = setmetatable({}, { __close = function()
        require("luapool.task").sleep(0.001)
        rawset(_G, "closed", true)
      end })
      table.sort({ 1, 2, 3 }, forever)
    end)
    assert.matches("pool_options_spec.lua:%d+: in function", e.traceback)
    assert.is_true(p:apply(function() return rawget(_G, "closed") end))
    assert.are.equal(0, p:stats().restarts)
  end)

  it("ends a C function that nothing else can end; the neighbours run again", function()
    local p <close> = pool.new { processes = 1, task_timeout = 0.2 }
    local other = p:submit(function()
      if require("luapool.task").current().attempt == 1 then require("luapool.task").sleep(0.1) end
      return require("luapool.task").current().attempt
    end)
    local e = fails("timeout", p.apply, p, function() io.popen("exec sleep 20"):read("a") end)
    assert.is_truthy(tostring(e):find("C function", 1, true), tostring(e))
    assert.is_true(other:await() >= 1)
    assert.are.equal(1, p:stats().restarts)
  end)
end)

describe("max_pending", function()
  it("refuses what would have to wait", function()
    local p <close> = pool.new { processes = 1, concurrency = 1, max_pending = 2 }
    local list = {}
    for i = 1, 3 do list[i] = p:submit(sleep, 0.05) end
    fails("rejected", p.submit, p, sleep, 0)
    for i = 1, 3 do list[i]:await() end
    assert.are.equal("ok", p:apply(function() return "ok" end))
  end)

  it("lets map pull no further", function()
    local p <close> = pool.new { processes = 1, concurrency = 1, max_pending = 2 }
    local pulled = 0
    local function items()
      pulled = pulled + 1
      return pulled <= 20 and pulled or nil
    end
    local most = 0
    for i in p:map(function(i) return i end, items) do
      most = math.max(most, pulled - i)
      assert.is_true(p:stats().pending <= 2)
    end
    assert.is_true(most <= 8, most)
  end)
end)

describe("crash_retries", function()
  it("0 never runs a task twice", function()
    local p <close> = pool.new { processes = 1, crash_retries = 0 }
    local e = fails("worker_died", p.apply, p, function() os.exit(3) end)
    assert.are.equal(3, e.exitcode)
    assert.are.equal(1, e.attempts)
    local waits = p:submit(sleep, 100)
    fails("worker_died", p.apply, p, die, "KILL")
    fails("worker_died", waits.await, waits)
  end)

  it("0 runs elsewhere what the dead worker had not started", function()
    local p <close> = pool.new { processes = 1, crash_retries = 0 }
    local items, good, bad = {}, 0, {}
    for i = 1, 20 do items[i] = i end
    for i, attempt, e in p:map(function(i)
      if i == 1 then os.exit(3) end
      return require("luapool.task").current().attempt
    end, items, { return_errors = true }) do
      if e then bad[#bad + 1] = i else good = good + attempt end
    end
    assert.are.same({ 1 }, bad)
    assert.are.equal(19, good) -- for each it was the first attempt
  end)

  it("2 runs a poisonous task three times; its neighbours end well", function()
    local p <close> = pool.new { processes = 2, crash_retries = 2 }
    local list = {}
    for i = 1, 20 do
      list[i] = p:submit(function()
        require("luapool.task").sleep(0.02)
        return i
      end)
    end
    local e = fails("worker_died", p.apply, p, die, "ABRT")
    assert.are.equal(6, e.signal)
    assert.are.equal(3, e.attempts)
    for i = 1, 20 do assert.are.equal(i, list[i]:await()) end
    assert.are.equal(3, p:stats().restarts)
  end)

  it("1 takes 999 of 1,000 tasks through os.exit of one", function()
    local p <close> = pool.new { processes = 2, concurrency = 100 }
    local items, good, bad = {}, 0, {}
    for i = 1, 1000 do items[i] = i end
    local function work(i)
      require("luapool.task").sleep(0.001 * (i % 5))
      if i == 500 then os.exit(1) end
      return i
    end
    for i, value, e in p:map(work, items, { return_errors = true }) do
      if e then bad[#bad + 1] = { i, e } else good = good + 1 end
      assert(e or value == i)
    end
    assert.are.equal(999, good)
    assert.are.equal(1, #bad)
    assert.are.equal(500, bad[1][1])
    assert.is_true(errors.is(bad[1][2], "worker_died"))
    assert.are.equal(1, bad[1][2].exitcode)
    assert.are.equal(2, bad[1][2].attempts)
  end)

  it("sets poisonous tasks aside, be they the first of each worker", function()
    local p <close> = pool.new { processes = 2 }
    local items, good, bad = {}, 0, 0
    for i = 1, 20 do items[i] = i end
    local function work(i)
      if i <= 10 then os.exit(1) end
      return i
    end
    for i, value, e in p:map(work, items, { return_errors = true }) do
      if e then
        assert.are.same({ "worker_died", 2, i }, { e.kind, e.attempts, e.place })
        bad = bad + 1
      else
        assert.are.equal(i, value)
        good = good + 1
      end
    end
    assert.are.same({ 10, 10 }, { good, bad })
    assert.are.equal(20, p:stats().restarts)
  end)

  it("is enough for a task that crashes once", function()
    local p <close> = pool.new { processes = 1 }
    local attempt = p:apply(function()
      local attempt = require("luapool.task").current().attempt
      if attempt == 1 then os.exit(1) end
      return attempt
    end)
    assert.are.equal(2, attempt)
  end)
end)

describe("a death's report", function()
  it("has the worker, its end, its last words and its memory", function()
    local p <close> = pool.new { processes = 1, crash_retries = 0 }
    local worker = p:apply(pid)
    local e = fails("worker_died", p.apply, p, function()
      for i = 1, 300 do io.stderr:write("line ", i, "\n") end
      io.popen("kill -s ABRT " .. require("luapool").worker.pid):close()
    end)
    assert.are.equal(1, e.worker)
    assert.are.equal(worker, e.pid)
    assert.are.equal(6, e.signal)
    assert.is_nil(e.exitcode)
    assert.is_truthy(e.report:find "^line %d+\n.*line 300$", e.report)
    assert.is_true(#e.report <= 2048)
    assert.is_true(e.peak_memory > 1 << 20)
    assert.is_nil(tostring(e):find "\n")
    assert.is_truthy(tostring(e):find "worker 1 %(pid %d+%) was killed by signal 6")
  end)

  it("says that it had stayed stopped", function()
    local p <close> = pool.new { processes = 1, crash_retries = 0 }
    local worker, begun = p:apply(pid), require("luapool.sync").event()
    local future = p:submit(function()
      begun:set()
      require("luapool.task").sleep(100)
    end)
    begun:wait()
    process.exec { "kill", "-s", "STOP", tostring(worker) }
    local e = fails("worker_died", future.await, future)
    assert.are.equal(9, e.signal)
    assert.matches("it stayed stopped for two seconds", tostring(e))
    assert.are.equal(1, p:apply(function() return 1 end))
  end)

  it("of a map tells the item's place", function()
    local p <close> = pool.new { processes = 1, crash_retries = 0 }
    local list = {}
    for i, _, err, item in p:map(function(x)
      if x == "bad" then os.exit(1) end
      return x
    end, { "a", "bad", "c" }, { return_errors = true }) do
      if err then list[#list + 1] = { i, err.place, item } end
    end
    assert.is_true(#list >= 1)
    for _, row in ipairs(list) do assert.are.equal(row[1], row[2]) end
  end)
end)

describe("on_error", function()
  it("is told of each error with its item, besides raising", function()
    local told = {}
    local p <close> = pool.new {
      processes = 1,
      on_error = function(e, item) told[#told + 1] = { e, item } end,
    }
    local function bad(x) error("bad " .. x, 0) end
    assert.are.equal("bad 1", fails(nil, p.apply, p, bad, 1))
    local future = p:submit(bad, 2)
    assert.are.equal("bad 2", fails(nil, future.await, future))
    task.yield()
    for _ in p:map(bad, { 3, 4 }, { return_errors = true }) do end
    fails(nil, function() for _ in p:map(bad, { 5 }) do end end)
    for i = 1, 5 do assert.are.same({ "bad " .. i, i }, told[i]) end
    assert.are.equal(5, #told)
  end)
end)

describe("scheduler", function()
  local function id()
    require("luapool.task").sleep(0.002)
    return require("luapool").worker.id
  end

  it("round_robin takes the workers in turn", function()
    local p <close> = pool.new { processes = 3, scheduler = "round_robin" }
    assert.are.same({ 1, 2, 3, 1, 2, 3 }, (p:map(id, { 1, 2, 3, 4, 5, 6 }):collect()))
  end)

  it("least_loaded spreads, and fills what is free", function()
    local p <close> = pool.new { processes = 2, concurrency = 4, scheduler = "least_loaded" }
    local count, all = { 0, 0 }, require("luapool.sync").barrier(8)
    local function together()
      all:wait()
      return require("luapool").worker.id
    end
    for _, worker in p:map(together, { 1, 2, 3, 4, 5, 6, 7, 8 }) do
      count[worker] = count[worker] + 1
    end
    assert.are.same({ 4, 4 }, count)
  end)

  it("may be a function of the task's function and the loads", function()
    local seen = {}
    local p <close> = pool.new {
      processes = 3,
      scheduler = function(fn, loads)
        assert(fn == id)
        seen[#seen + 1] = loads
        return 2
      end,
    }
    assert.are.same({ 2, 2, 2 }, (p:map(id, { 1, 2, 3 }):collect()))
    assert.are.equal(2, p:submit(id):await())
    assert.are.equal(2, p:apply(id))
    assert.are.same({ 0, 0, 0 }, seen[1])
    assert.are.same({ 0, 1, 0 }, seen[2])
  end)

  it("that gives no worker is an error", function()
    local p <close> = pool.new { processes = 2, scheduler = function() return 3 end }
    local expected = "spec.lua:%d+: pool.new: a scheduler returns the id of a worker, 1 to 2, got "
    assert.matches(expected .. "3$", message(function() p:apply(id) end))
    local q <close> = pool.new { processes = 2, scheduler = function() end }
    assert.matches(expected .. "nil$", message(function() q:apply(id) end))
  end)

  it("has two names", function()
    local text = message(pool.new, { scheduler = "round_robbin" })
    assert.is_truthy(text:find("round_robin", 1, true), text)
  end)
end)

describe("several pools", function()
  it("work beside each other", function()
    local a <close> = pool.new { processes = 1 }
    local b <close> = pool.new { processes = 2 }
    local x, y = task.all(
      function() return (a:map(pid, { 1, 2, 3 }):collect()) end,
      function() return (b:map(pid, { 1, 2, 3 }):collect()) end
    )
    for _, one in ipairs(x) do
      for _, other in ipairs(y) do assert.are_not.equal(one, other) end
    end
    a:terminate()
    assert.are.equal(7, b:apply(function() return 7 end))
  end)

  it("many, one after the other, leave nothing", function()
    local me = internal("luapool.core").pid()
    local function children()
      local file <close> = io.open(("/proc/%d/task/%d/children"):format(me, me))
      local _, n = file:read("a"):gsub("%d+", "")
      return n
    end
    local before = children()
    for i = 1, 30 do
      local p <close> = pool.new { processes = 2 }
      assert.are.equal(i, p:apply(function() return i end))
    end
    assert.are.equal(before, children())
  end)
end)

describe("refused", function()
  it("are a pool inside a worker, and a process", function()
    local p <close> = pool.new { processes = 1 }
    local text = message(p.apply, p, function() require("luapool.pool").new {} end)
    assert.is_truthy(text:find("inside a worker.*make it in main"), text)
    text = message(p.apply, p, function() require("luapool.process").new(print):start() end)
    assert.is_truthy(text:find("inside a worker", 1, true), text)
  end)

  it("is a closed pool for new work", function()
    local p = pool.new { processes = 1 }
    p:close()
    for _, name in ipairs { "apply", "submit", "map", "starmap" } do
      local e = fails("closed", p[name], p, pid, {})
      assert.is_truthy(tostring(e):find("the pool is closed", 1, true), tostring(e))
    end
    p:join()
    fails("closed", p.apply, p, pid)
    p:close()
    p:terminate()
    p:join()
  end)

  it("is join before close", function()
    local p <close> = pool.new { processes = 1 }
    local e = fails("not_closed", p.join, p)
    assert.is_truthy(tostring(e):find("close the pool before", 1, true))
  end)

  it("are wrong options, with the nearest name", function()
    local text = message(pool.new, { proceses = 2 })
    assert.is_truthy(text:find("'proceses'.*processes"), text)
    local p <close> = pool.new { processes = 1 }
    for wrong, f in pairs {
      ["'pool:apply' %(a function expected, got nil%)"] = function() p:apply() end,
      ["'pool:submit' %(a function expected, got \"x\"%)"] = function() p:submit "x" end,
      ["a number of seconds >= 0 expected, got %-1"] = function() p:join(-1) end,
      ["unknown scheduler 'x'"] = function() pool.new { scheduler = "x" } end,
    } do
      assert.matches("pool_options_spec.lua:%d+: .*" .. wrong, message(f))
    end
    for name, value in pairs { processes = 0, concurrency = 0, max_tasks = -1, task_timeout = "1",
      init = 1, init_args = 1, crash_retries = -1, on_error = 1, max_pending = 1.5 } do
      text = message(pool.new, { [name] = value })
      assert.is_truthy(text:find(name, 1, true), text)
    end
  end)
end)

describe("what cannot travel", function()
  it("fails its task and names the path", function()
    local p <close> = pool.new { processes = 1 }
    local text = message(p.apply, p, function() return { 1, 2, { handle = io.tmpfile() } } end)
    assert.is_truthy(text:find("result[3].handle: file (FILE*)", 1, true), text)
    text = message(p.apply, p, function() return 1, io.tmpfile() end)
    assert.is_truthy(text:find("result #2: file (FILE*)", 1, true), text)
    local file <close> = io.tmpfile()
    text = message(p.apply, p, pid, 1, { list = { file } })
    assert.is_truthy(text:find("argument #3.list[1]: file (FILE*)", 1, true), text)
    assert.are.equal(1, p:apply(function() return 1 end))
  end)

  it("in an item is the first error of the map, at its place", function()
    local p <close> = pool.new { processes = 1 }
    local file <close> = io.tmpfile()
    local got = {}
    local e = fails("cannot_send", function()
      for i, result in p:map(function(x) return x end, { 1, file, 3 }) do got[i] = result end
    end)
    assert.is_truthy(tostring(e):find("argument: file (FILE*)", 1, true), tostring(e))
    assert.are.same({ 1 }, got)
    fails("cannot_send", function() p:starmap(pid, { { 1 }, { 2, file } }):drain() end)
  end)

  it("in some items fails these alone, with return_errors", function()
    local seen = {}
    local p <close> = pool.new { processes = 2, on_error = function(_, x) seen[x] = true end }
    local items, bad = {}, {}
    for i = 1, 900 do
      items[i] = i % 3 == 0 and coroutine.create(print) or i
      if i % 3 == 0 then bad[items[i]] = true end
    end
    for _, ordered in ipairs { true, false } do
      local latest, n = 0, 0
      local opts = { return_errors = true, ordered = ordered }
      for i, result, e, item in p:map(function(x) return x end, items, opts) do
        assert.are.equal(items[i], item)
        assert.is_true(not ordered or i == latest + 1)
        assert.are.equal(bad[item] and "cannot_send", e and e.kind)
        assert.are.equal(not e and i or nil, result)
        latest, n = i, n + 1
      end
      assert.are.equal(900, n)
    end
    assert.are.same(bad, seen)
    local s = p:stats()
    assert.are.same({ 1800, 1200, 600 }, { s.submitted, s.done, s.failed })
  end)

  it("holds up nobody when there is no end of it", function()
    local p <close> = pool.new { processes = 1 }
    local n = 0
    local function thread() return coroutine.create(print) end
    for _, _, e in p:map(pid, thread, { return_errors = true }) do
      assert.are.equal("cannot_send", e.kind)
      n = n + 1
      if n == 5000 then break end
    end
    assert.are.equal(1, p:apply(function() return 1 end))
  end)

  it("is nested too deep: the error says the limit", function()
    local p <close> = pool.new { processes = 1 }
    local deep = {}
    for _ = 1, 100000 do deep = { deep } end
    local text = message(p.apply, p, pid, deep)
    assert.is_truthy(text:find "deeper than %d+ levels", text)
    text = message(p.apply, p, function()
      local t = {}
      for _ = 1, 100000 do t = { t } end
      return t
    end)
    assert.is_truthy(text:find "deeper than %d+ levels", text)
  end)

  it("is a coroutine, and a C function without a name", function()
    local p <close> = pool.new { processes = 1 }
    local text = message(p.apply, p, pid, coroutine.create(print))
    assert.is_truthy(text:find("argument #2: thread", 1, true), text)
    text = message(p.apply, p, coroutine.wrap(print))
    assert.is_truthy(text:find("a C function that no module names", 1, true), text)
  end)
end)

describe("stats", function()
  it("count every task once, and tell of each worker", function()
    local p <close> = pool.new { processes = 2, crash_retries = 0 }
    p:apply(pid)
    pcall(p.apply, p, error, "x")
    pcall(p.apply, p, die, "KILL")
    local future = p:submit(sleep, 100)
    task.yield()
    local s = p:stats()
    assert.are.equal(1, s.running)
    future:cancel()
    future:result()
    p:apply(pid)
    s = p:stats()
    assert.are.same({ 2, 5, 2, 2, 1, 0, 0, 0, 1 }, { s.processes, s.submitted, s.done, s.failed,
      s.cancelled, s.lost, s.pending, s.running, s.restarts })
    assert.are.equal(2, #s.workers)
    local seen = {}
    for _, w in ipairs(s.workers) do
      seen[w.id] = true
      assert.is_true(w.pid and w.busy == 0 and w.done >= 0 and w.rss > 0)
    end
    assert.are.same({ true, true }, seen)
  end)
end)

describe("the processes' number", function()
  it("is that of the usable cores by default", function()
    local p <close> = pool.new()
    local settings = internal "luapool.internal.settings"
    assert.are.equal(settings.processes or luapool.cpus(), p:stats().processes)
  end)

  it("respects affinity", function()
    local one = process.exec { "sh", "-c", "taskset -pc $$ | sed 's/.*[^0-9]//'" }.stdout
    local name = os.tmpname()
    local file = io.open(name, "w")
    file:write "print(require('luapool').cpus())"
    file:close()
    local exe = os.getenv "LUAPOOL"
    local r = process.exec { "taskset", "-c", one:match "%d+", exe, "run", name }
    os.remove(name)
    assert.are.equal("1\n", r.stdout)
  end)
end)
