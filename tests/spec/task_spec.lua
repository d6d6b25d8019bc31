-- luapool.task: tasks of one process, their results, errors and cancellation, and what is built
-- on them.

local errors = require "luapool.error"
local task = require "luapool.task"

local function nap(...)
  task.sleep(0)
  return ...
end

local function fail(e)
  task.sleep(0)
  error(e, 0)
end

local function forever()
  task.sleep(1000)
end

-- A list, and a value that notes `name` in it when it is closed; closing may wait.
local function closer(list, name, wait)
  return setmetatable({}, { __close = function(_, cause)
    if wait then task.sleep(0) end
    table.insert(list, name)
    list.cause = cause
  end })
end

local function kind_of(f, ...)
  local ok, e = pcall(f, ...)
  return not ok and type(e) == "table" and e.kind or nil
end

-- What becomes of a task that is cancelled. Its own cancellation, when a test takes too long,
-- raises.
local function outcome_of_cancel(t)
  t:cancel()
  t:result()
  return t:status()
end

describe("a task", function()
  it("first runs when the caller waits", function()
    local ran = false
    local t = task.spawn(function() ran = true end)
    assert.is_false(ran)
    assert.are.equal("pending", t:status())
    task.yield()
    assert.is_true(ran)
    assert.are.equal("done", t:status())
    t:await()
  end)

  it("gets arguments and gives results, nils too", function()
    local t = task.spawn(function(...) return select("#", ...), ... end, nil, 2, nil)
    assert.are.same({ n = 4, 3, nil, 2, nil }, table.pack(t:await()))
    assert.are.same({ n = 5, true, 3, nil, 2, nil }, table.pack(t:result()))
    assert.are.equal(0, select("#", task.spawn(function() end):await()))
    assert.are.equal(1, select("#", task.spawn(function() return nil end):await()))
    local many = task.spawn(function() return table.unpack({}, 1, 5000) end)
    assert.are.equal(5000, select("#", many:await()))
  end)

  it("may be awaited by several, and again", function()
    local t = task.spawn(nap, "x")
    local function wait() return t:await() end
    assert.are.same({ "x", "x", "x" }, { task.all(wait, wait, wait) })
    assert.are.equal("x", t:await())
  end)

  it("runs in order of spawning, and of waking", function()
    local order = {}
    local function note(name)
      table.insert(order, name .. 1)
      task.yield()
      table.insert(order, name .. 2)
    end
    local a, b = task.spawn(note, "a"), task.spawn(note, "b")
    task.wait { a, b }
    assert.are.equal("a1 b1 a2 b2", table.concat(order, " "))
  end)

  it("has a status, a name, and knows itself", function()
    local t
    t = task.spawn(function()
      assert.are.equal(t, task.current())
      assert.are.equal("running", t:status())
      task.sleep(0)
      return "x"
    end)
    assert.is_nil(t:name())
    assert.are.equal("fetch", t:name "fetch")
    assert.are.equal("fetch", t:name())
    task.yield()
    assert.are.equal("running", t:status())
    assert.are.equal("x", t:await())
    assert.are.equal("done", t:status())
    assert.is_nil(t.no_such_field)
  end)

  it("sleeps as long as it is told, and sleepers wake in order", function()
    local order = {}
    local function sleeper(s)
      return function()
        local before = task.now()
        task.sleep(s)
        table.insert(order, s)
        return task.now() - before
      end
    end
    local a, b, c = task.all(sleeper(0.03), sleeper(0.01), sleeper(0.02))
    assert.are.same({ 0.01, 0.02, 0.03 }, order)
    assert.is_true(a >= 0.03 and b >= 0.01 and c >= 0.02)
  end)

  it("cannot await itself", function()
    local t
    t = task.spawn(function() return t:await() end)
    local ok, e = t:result()
    assert.is_false(ok)
    assert.matches("a task cannot wait for itself", e)
  end)

  it("wants a function, seconds, a task", function()
    local ok, e = pcall(function() task.spawn(1) end)
    assert.is_false(ok)
    assert.matches("bad argument #1 to 'task.spawn' %(a function expected, got 1%)$", e)
    for _, bad in ipairs { -1, 0 / 0, "x", {} } do
      assert.is_false(pcall(task.sleep, bad))
    end
    assert.is_false(pcall(task.current().await, {}))
    assert.is_false(pcall(function() task.spawn(nap):await(-1) end))
  end)

  it("calls who asked at its end", function()
    local seen = {}
    local t = task.spawn(nap, "result")
    t:on_done(function(ended) table.insert(seen, ended:await()) end)
    t:await()
    t:on_done(function(ended) table.insert(seen, ended:status()) end)
    task.sleep(0)
    assert.are.same({ "result", "done" }, seen)
  end)
end)

describe("an error", function()
  it("is raised as it was raised", function()
    local object = setmetatable({}, { __tostring = function() return "object" end })
    for _, e in ipairs { "text", 42, 4.5, true, false, object } do
      local t = task.spawn(fail, e)
      assert.are.same({ false, e }, { t:result() })
      local ok, got = pcall(t.await, t)
      assert.is_false(ok)
      assert.is_true(rawequal(e, got))
      assert.are.equal("failed", t:status())
    end
    assert.are.same({ n = 2, false, nil }, table.pack(task.spawn(error):result()))
  end)

  it("keeps its position", function()
    local _, e = task.spawn(function() error "here" end):result()
    assert.matches("task_spec.lua:%d+: here$", e)
  end)

  it("goes through a chain of tasks", function()
    local object = {}
    local function chain(depth)
      if depth == 0 then return fail(object) end
      return task.spawn(chain, depth - 1):await()
    end
    local ok, e = pcall(chain, 200)
    assert.is_false(ok)
    assert.are.equal(object, e)
  end)

  it("has the traceback of where it was raised", function()
    local function culprit() fail "oh" end
    local t = task.spawn(function() culprit() end)
    local ok, e = pcall(t.await, t)
    assert.is_false(ok)
    assert.matches("in upvalue 'culprit'", errors.traceback(e))
    assert.is_nil(errors.traceback("some other text"))
    local caught = task.spawn(function() return errors.new("strange", "what happened") end):await()
    assert.matches("stack traceback:\n\t[^\n]*task_spec.lua", errors.traceback(caught))
  end)

  it("keeps its traceback through a shield, a group and a timeout", function()
    local function culprit() fail "oh" end
    for _, within in ipairs {
      function() task.shield(culprit) end,
      function() task.timeout(10, culprit) end,
      function() task.all(culprit) end,
      function()
        local g <close> = task.group()
        g:spawn(culprit)
      end,
    } do
      local t = task.spawn(within)
      local ok, e = t:result()
      assert.are.same({ false, "oh" }, { ok, e })
      local line = debug.getinfo(culprit, "S").linedefined
      assert.matches("task_spec.lua:" .. line .. ":", errors.traceback(e))
    end
  end)

  it("brings its traceback along through tasks that await and rethrow", function()
    local function culprit() error "oh" end
    local function first() task.spawn(culprit):await() end
    local function second()
      local ok, e = pcall(task.all, first)
      if not ok then error(e, 0) end
    end
    local ok, e = task.spawn(second):result()
    assert.is_false(ok)
    local trace = errors.traceback(e)
    for _, f in ipairs { culprit, first, second } do
      assert.matches("task_spec.lua:" .. debug.getinfo(f, "S").linedefined .. ">", trace)
    end
  end)

  it("is an object with a kind where it is luapool's own", function()
    local e = errors.new("kind", "the message", { field = 1 })
    assert.are.same({ "kind", "the message", 1 }, { e.kind, e.message, e.field })
    assert.matches("the message$", tostring(e))
    assert.matches("the message!$", e .. "!")
    assert.matches("^!", "!" .. e)
    assert.is_true(errors.is(e) and errors.is(e, "kind"))
    assert.is_false(errors.is(e, "other") or errors.is {} or errors.is "kind")
    assert.are.equal("string", type(e.traceback))
  end)
end)

describe("await", function()
  it("with a timeout leaves the task running", function()
    local gate = task.promise()
    local t = task.spawn(function()
      gate:await()
      return "late"
    end)
    assert.are.equal("timeout", kind_of(t.await, t, 0.001))
    assert.are.equal("timeout", kind_of(t.await, t, 0))
    assert.are.equal("running", t:status())
    gate:resolve()
    assert.are.equal("late", t:await(10))
    assert.are.equal("late", t:await(0))
  end)
end)

describe("cancel", function()
  it("raises at the wait, with the reason", function()
    local seen
    local t = task.spawn(function()
      local ok, e = pcall(task.sleep, 1000)
      seen = { ok, e.kind, e.reason, tostring(e) }
      error(e, 0)
    end)
    task.yield()
    assert.is_true(t:cancel "not needed")
    assert.are.equal("running", t:status())
    local ok, e = t:result()
    assert.is_false(ok)
    assert.are.same({ "cancelled", "not needed" }, { e.kind, e.reason })
    assert.are.same({ false, "cancelled", "not needed" }, { seen[1], seen[2], seen[3] })
    assert.matches("the task was cancelled: not needed$", seen[4])
    assert.are.equal("cancelled", t:status())
    assert.is_false(t:cancel())
    assert.are.equal("cancelled", kind_of(t.await, t))
  end)

  it("takes any value as its reason", function()
    local t, reason = task.spawn(forever), {}
    t:cancel(reason)
    local _, e = t:result()
    assert.are.equal(reason, e.reason)
  end)

  it("of a task that has not started keeps it from starting", function()
    local ran = false
    local t = task.spawn(function() ran = true end)
    t:cancel()
    assert.are.equal("cancelled", kind_of(t.await, t))
    assert.is_false(ran)
  end)

  it("of a task that has ended does nothing", function()
    local t = task.spawn(nap, 1)
    t:await()
    assert.is_false(t:cancel())
    assert.are.equal("done", t:status())
  end)

  it("of oneself raises at the next wait", function()
    local after = false
    local t = task.spawn(function()
      task.current():cancel()
      after = true
      task.sleep(0)
      after = "waited"
    end)
    assert.are.equal("cancelled", kind_of(t.await, t))
    assert.is_true(after)
  end)

  it("runs <close> variables once, and they may wait", function()
    local list = {}
    local t = task.spawn(function()
      local _ <close> = closer(list, "outer", true)
      local _ <close> = closer(list, "inner", true)
      task.sleep(1000)
    end)
    task.yield()
    t:cancel()
    t:cancel "again"
    assert.are.equal("cancelled", kind_of(t.await, t))
    assert.are.same({ "inner", "outer" }, { table.unpack(list) })
    assert.are.equal("cancelled", list.cause.kind)
  end)

  it("lets a <close> handler wait for what it cancels itself", function()
    local log = {}
    local t = task.spawn(function()
      local child = task.spawn(forever)
      local _ <close> = setmetatable({}, { __close = function()
        child:cancel()
        local ok, e = pcall(child.await, child)
        log = { ok, e.kind, child:status() }
        pcall(task.sleep, 0)
        task.sleep(0)
        log[4] = "slept"
      end })
      task.sleep(1000)
    end)
    task.yield()
    t:cancel()
    t:result()
    assert.are.same({ false, "cancelled", "cancelled", "slept" }, log)
  end)

  it("raises again at each later wait", function()
    local kinds, promise = {}, task.promise()
    local t = task.spawn(function()
      for i = 1, 3 do kinds[i] = kind_of(task.sleep, 1000) end
      kinds[4] = kind_of(task.yield)
      kinds[5] = kind_of(function() task.spawn(nap):await() end)
      kinds[6] = kind_of(promise.await, promise)
      return "came to its end"
    end)
    task.yield()
    t:cancel()
    assert.are.equal("came to its end", t:await())
    assert.are.equal("done", t:status())
    assert.are.equal(6, #kinds)
    for _, kind in ipairs(kinds) do assert.are.equal("cancelled", kind) end
    promise:resolve()
  end)

  it("raises again after a pcall inside a <close> handler has caught it", function()
    local kinds = {}
    local t = task.spawn(function()
      pcall(function()
        local _ <close> = setmetatable({}, { __close = function()
          kinds[1] = kind_of(task.sleep, 0) or "slept"
        end })
        task.sleep(1000)
      end)
      kinds[2] = kind_of(task.sleep, 0)
      local _, e = coroutine.resume(coroutine.create(function() task.sleep(0) end))
      kinds[3] = e.kind
      kinds[4] = kind_of(coroutine.wrap(function() task.sleep(0) end))
    end)
    task.yield()
    t:cancel()
    t:await()
    assert.are.same({ "slept", "cancelled", "cancelled", "cancelled" }, kinds)
  end)

  it("lets <close> handlers wait also when assert raises it again", function()
    local list = {}
    local t = task.spawn(function()
      local _ <close> = closer(list, "closed", true)
      _G.assert(pcall(forever))
    end)
    task.yield()
    assert.are.equal("cancelled", outcome_of_cancel(t))
    assert.are.same({ "closed" }, { table.unpack(list) })
  end)

  it("raises again at the wait of a consumer, to which a <close> handler has yielded", function()
    local t = task.spawn(function()
      local next = coroutine.wrap(function()
        pcall(function()
          local _ <close> = setmetatable({}, { __close = function() coroutine.yield "closing" end })
          forever()
        end)
      end)
      assert.are.equal("closing", next())
      forever()
    end)
    task.yield()
    assert.are.equal("cancelled", outcome_of_cancel(t))
  end)

  it("fails a task that makes another error of it", function()
    local t = task.spawn(function()
      if not pcall(forever) then error("made of it", 0) end
    end)
    task.yield()
    t:cancel()
    assert.are.same({ false, "made of it" }, { t:result() })
    assert.are.equal("failed", t:status())
  end)

  it("of a task does not cancel what it awaits", function()
    local inner = task.spawn(function()
      task.sleep(0.005)
      return "finished"
    end)
    local outer = task.spawn(function() return inner:await() end)
    local waiter = task.spawn(function() return task.wait({ inner }) end)
    task.yield()
    outer:cancel()
    waiter:cancel()
    assert.are.equal("cancelled", kind_of(outer.await, outer))
    assert.are.equal("cancelled", kind_of(waiter.await, waiter))
    assert.are.equal("finished", inner:await())
  end)

  it("of what a task awaits fails that task", function()
    local inner = task.spawn(forever)
    local outer = task.spawn(function() return inner:await() end)
    task.yield()
    inner:cancel()
    assert.are.equal("cancelled", kind_of(outer.await, outer))
    assert.are.equal("failed", outer:status())
  end)
end)

describe("shield", function()
  it("lets its function finish", function()
    local log = {}
    local t = task.spawn(function()
      log[1] = task.shield(function(...)
        task.sleep(0.002)
        task.sleep(0.002)
        return ...
      end, "saved")
      task.sleep(0)
      log[2] = "not reached"
    end)
    task.yield()
    t:cancel()
    assert.are.equal("cancelled", kind_of(t.await, t))
    assert.are.same({ "saved" }, log)
  end)

  it("passes results and errors through", function()
    local results = table.pack(task.shield(function() return 1, nap(nil), 3 end))
    assert.are.same({ n = 3, 1, nil, 3 }, results)
    assert.are.same({ false, "oh" }, { pcall(task.shield, fail, "oh") })
    assert.is_false(pcall(task.shield, 1))
    -- and leaves nothing behind
    local t = task.spawn(function()
      pcall(task.shield, fail, "oh")
      task.sleep(1000)
    end)
    task.sleep(0.001)
    t:cancel()
    assert.are.equal("cancelled", kind_of(t.await, t))
  end)

  it("is left by an error of a coroutine inside, whoever catches it", function()
    local function work() task.shield(function() coroutine.wrap(fail)("oh") end) end
    for _, call in ipairs { pcall, coroutine.resume } do
      local t = task.spawn(function()
        assert.is_false(call(call == pcall and coroutine.wrap(work) or coroutine.create(work)))
        forever()
      end)
      task.sleep(0.001)
      assert.are.equal("cancelled", outcome_of_cancel(t))
    end
  end)

  it("of a generator is not that of its consumer", function()
    local saved = 0
    local function generate()
      task.shield(function()
        coroutine.yield(1)
        task.shield(coroutine.yield, 2)
        task.sleep(0)
        task.shield(task.sleep, 0)
        task.sleep(0)
        saved = saved + 1
      end)
      saved = saved + 1
      task.sleep(0)
      saved = saved + 1
    end
    local function consume(n)
      local next = coroutine.wrap(generate)
      for i = 1, n do assert.are.equal(i, next()) end
      forever()
    end
    for n = 1, 2 do
      local t = task.spawn(consume, n)
      task.yield()
      assert.are.equal("cancelled", outcome_of_cancel(t))
    end
    local t = task.spawn(function()
      local next = coroutine.wrap(generate)
      task.shield(function()
        next()
        next()
      end)
      task.current():cancel()
      next()
    end)
    t:result()
    assert.are.equal("cancelled", t:status())
    assert.are.equal(2, saved)
  end)
end)

describe("all and gather", function()
  it("run together and keep the order", function()
    local running, most = 0, 0
    local function f(s, v)
      return function()
        running = running + 1
        most = math.max(most, running)
        task.sleep(s)
        running = running - 1
        return v, "second"
      end
    end
    assert.are.same({ n = 3, 1, nil, 3 }, table.pack(task.all(f(0.003, 1), f(0.001, nil), f(0, 3))))
    assert.are.equal(3, most)
    assert.are.same({ n = 2, "a", "b" }, task.gather { task.spawn(nap, "a"), f(0, "b") })
    assert.are.same({ n = 0 }, task.gather {})
    assert.are.equal(0, select("#", task.all()))
  end)

  it("cancel the rest on the first error, and raise it when all have ended", function()
    local list = {}
    local function rest()
      local _ <close> = closer(list, "closed", true)
      task.sleep(1000)
    end
    local t = task.spawn(rest)
    local function first() fail "first" end
    assert.are.same({ false, "first" }, { pcall(task.gather, { t, first, rest }) })
    assert.are.same({ "closed", "closed" }, { table.unpack(list) })
    assert.are.equal("cancelled", t:status())
  end)

  it("with return_errors lets all end", function()
    local results, errs = task.gather({
      function() return nap(1) end,
      function() fail "two" end,
      function() return nap(3) end,
    }, { return_errors = true })
    assert.are.same({ n = 3, 1, nil, 3 }, results)
    assert.are.same({ nil, "two" }, errs)
  end)

  it("cancel all when their caller is cancelled, and return after that", function()
    for _, opts in ipairs { {}, { return_errors = true } } do
      local list = {}
      local function f()
        local _ <close> = closer(list, "closed", true)
        task.sleep(1000)
      end
      local t = task.spawn(function() return task.gather({ f, f }, opts) end)
      task.sleep(0)
      t:cancel()
      assert.are.equal("cancelled", kind_of(t.await, t))
      assert.are.same({ "closed", "closed" }, { table.unpack(list) })
    end
  end)

  it("say what they were given", function()
    assert.has_error(function() task.gather(1) end)
    local ok, e = pcall(task.gather, { nap, 5 })
    assert.is_false(ok)
    assert.matches("bad item 2 of the list %(a task or a function expected, got 5%)", e)
    ok, e = pcall(task.gather, {}, { return_error = true })
    assert.is_false(ok)
    assert.matches("task.gather: unknown option 'return_error' %(did you mean 'return_errors", e)
  end)
end)

describe("timeout", function()
  it("gives the results of what is in time", function()
    assert.are.same({ n = 3, 1, nil, 3 }, table.pack(task.timeout(10, nap, 1, nil, 3)))
    assert.are.same({ false, "oh" }, { pcall(task.timeout, 10, fail, "oh") })
  end)

  it("cancels what is late, and waits for its end", function()
    local list = {}
    local ok, e = pcall(task.timeout, 0.001, function()
      local _ <close> = closer(list, "closed", true)
      task.sleep(1000)
    end)
    assert.is_false(ok)
    assert.are.equal("timeout", e.kind)
    assert.matches("timed out after 0.001 s", e.message)
    assert.are.same({ "closed" }, { table.unpack(list) })
  end)

  it("nests", function()
    assert.are.equal("timeout", kind_of(task.timeout, 0.001, task.timeout, 1000, forever))
    assert.are.equal("timeout", kind_of(task.timeout, 1000, task.timeout, 0.001, forever))
  end)

  it("is cancelled with its caller", function()
    local list = {}
    local t = task.spawn(task.timeout, 1000, function()
      local _ <close> = closer(list, "closed", true)
      task.sleep(1000)
    end)
    task.sleep(0)
    t:cancel()
    assert.are.equal("cancelled", kind_of(t.await, t))
    assert.are.same({ "closed" }, { table.unpack(list) })
  end)

  it("wants seconds and a function", function()
    for _, bad in ipairs { -1, "1", {} } do assert.is_false(pcall(task.timeout, bad, nap)) end
    assert.is_false(pcall(task.timeout, 1, 2))
  end)
end)

describe("a group", function()
  it("waits for all when its scope is left", function()
    local done = 0
    do
      local g <close> = task.group()
      for i = 1, 10 do
        g:spawn(function(s)
          task.sleep(s)
          done = done + 1
          if i == 5 then
            g:spawn(function()
              local more = nap(100)
              done = done + more
            end)
          end
        end, i % 3 * 0.001)
      end
    end
    assert.are.equal(110, done)
  end)

  it("cancels the rest on the first error and raises it", function()
    local list = {}
    local ok, e = pcall(function()
      local g <close> = task.group()
      g:spawn(function()
        local _ <close> = closer(list, "closed", true)
        task.sleep(1000)
      end)
      g:spawn(fail, "first")
      g:spawn(forever)
    end)
    assert.are.same({ false, "first" }, { ok, e })
    assert.are.same({ "closed" }, { table.unpack(list) })
  end)

  it("cancels all when its scope is left by an error", function()
    local list = {}
    local ok, e = pcall(function()
      local g <close> = task.group()
      g:spawn(function()
        local _ <close> = closer(list, "closed", true)
        task.sleep(1000)
      end)
      task.yield()
      error("of the scope", 0)
    end)
    assert.are.same({ false, "of the scope" }, { ok, e })
    assert.are.same({ "closed" }, { table.unpack(list) })
  end)

  it("cancels all when its task is cancelled while it leaves", function()
    local list = {}
    local t = task.spawn(function()
      local g <close> = task.group()
      g:spawn(function()
        local _ <close> = closer(list, "closed", true)
        task.sleep(1000)
      end)
    end)
    task.sleep(0.001)
    t:cancel()
    assert.are.equal("cancelled", kind_of(t.await, t))
    assert.are.same({ "closed" }, { table.unpack(list) })
  end)

  it("minds no task that was cancelled", function()
    local g <close> = task.group()
    local t = g:spawn(forever)
    local other = g:spawn(nap, "fine")
    task.yield()
    t:cancel()
    assert.are.equal("fine", other:await())
  end)
end)

describe("wait", function()
  local function ids(list, names)
    local t = {}
    for i, x in ipairs(list) do t[i] = names[x] end
    return table.concat(t, " ")
  end

  it("returns when all, one, or a failed one has ended", function()
    for mode, expected in pairs {
      all_completed = { "quick bad slow", "" },
      first_completed = { "quick", "bad slow" },
      first_error = { "quick bad", "slow" },
    } do
      local gate, gate2 = task.promise(), task.promise()
      local quick = task.spawn(function() return "quick" end)
      local bad = task.spawn(function()
        gate:await()
        error("bad", 0)
      end)
      local slow = task.spawn(function() gate2:await() end)
      local names = { [quick] = "quick", [bad] = "bad", [slow] = "slow" }
      local opener = task.spawn(function()
        if mode == "first_completed" then return end
        task.sleep(0)
        gate:resolve()
        if mode == "all_completed" then
          task.sleep(0)
          gate2:resolve()
        end
      end)
      local done, pending = task.wait({ quick, bad, slow }, { return_when = mode })
      assert.are.same(expected, { ids(done, names), ids(pending, names) })
      gate:resolve()
      gate2:resolve()
      task.wait { quick, bad, slow, opener }
      bad:result()
    end
  end)

  it("has a timeout, and leaves the tasks running", function()
    local t = task.spawn(forever)
    local done, pending = task.wait({ t }, { timeout = 0.001 })
    assert.are.same({ {}, { t } }, { done, pending })
    assert.are.equal("running", t:status())
    t:cancel()
    t:result()
    done, pending = task.wait({ t, t })
    assert.are.same({ { t, t }, {} }, { done, pending })
    assert.are.same({ {}, {} }, { task.wait {} })
  end)

  it("says what it was given", function()
    local ok, e = pcall(task.wait, { task.spawn(nap), 7 })
    assert.is_false(ok)
    assert.matches("bad item 2 of the list %(a task expected, got 7%)", e)
    assert.is_false(pcall(task.wait, {}, { return_when = "first" }))
    ok, e = pcall(task.wait, {}, { timeot = 1 })
    assert.is_false(ok)
    assert.matches("unknown option 'timeot' %(did you mean 'timeout'%?%)", e)
    task.sleep(0)
  end)
end)

describe("a promise", function()
  it("ends once, by resolve or reject", function()
    local p = task.promise()
    assert.are.equal("running", p:status())
    local waiter = task.spawn(function() return p:await() end)
    task.yield()
    assert.is_true(p:resolve(1, nil, 3))
    assert.is_false(p:resolve(2))
    assert.is_false(p:reject "late")
    assert.are.same({ n = 3, 1, nil, 3 }, table.pack(waiter:await()))
    assert.are.equal("done", p:status())
    p = task.promise()
    p:reject "why"
    assert.are.same({ false, "why" }, { p:result() })
    assert.are.equal("failed", p:status())
  end)

  it("may be cancelled", function()
    local p = task.promise()
    p:cancel "nobody will"
    local ok, e = p:result()
    assert.are.same({ false, "cancelled", "nobody will" }, { ok, e.kind, e.reason })
    assert.are.equal("cancelled", p:status())
    assert.is_false(p:resolve())
  end)

  it("may be awaited with a timeout, gathered and waited for", function()
    local p = task.promise()
    assert.are.equal("timeout", kind_of(p.await, p, 0.001))
    p:resolve "x"
    assert.are.same({ n = 2, "x", "y" }, task.gather { p, function() return nap "y" end })
    assert.are.same({ { p }, {} }, { task.wait { p } })
  end)

  it("is no task with a function", function()
    local t = task.spawn(forever)
    assert.is_false(pcall(t.resolve, t, 1))
    t:cancel()
    t:result()
  end)
end)
