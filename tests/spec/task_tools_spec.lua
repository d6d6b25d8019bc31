-- luapool.task: what stands on tasks: as_completed, map, every, locals, on_done, iter.

local errors = require "luapool.error"
local sync = require "luapool.sync"
local task = require "luapool.task"

-- A task that ends when its gate is opened: tests choose the order of ends.
local function gated(...)
  local gate, values = task.promise(), table.pack(...)
  local t = task.spawn(function()
    gate:await()
    return table.unpack(values, 1, values.n)
  end)
  return t, gate
end

local function raised(f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  return e
end

describe("as_completed", function()
  it("gives tasks in the order in which they end", function()
    local a, gate_a = gated "a"
    local b, gate_b = gated "b"
    local done = task.spawn(function() return "c" end)
    done:await()
    local seen = {}
    for t in task.as_completed { a, done, b } do
      table.insert(seen, t:await())
      if #seen == 1 then gate_b:resolve() end
      if #seen == 2 then gate_a:resolve() end
    end
    assert.are.same({ "c", "b", "a" }, seen)
  end)

  it("gives each as often as it is listed, and failed ones too", function()
    local bad = task.spawn(function() error("oh", 0) end)
    local n = 0
    for t in task.as_completed { bad, bad } do
      assert.are.same({ false, "oh" }, { t:result() })
      n = n + 1
    end
    assert.are.equal(2, n)
    assert.is_nil(task.as_completed {}())
  end)

  it("has a timeout for all, and leaves the tasks running", function()
    local a, gate = gated "a"
    local step = task.as_completed({ a, (task.spawn(function() end)) }, { timeout = 0.02 })
    assert.are.equal("done", step():status())
    assert.are.equal("timeout", raised(step).kind)
    assert.are.equal("running", a:status())
    gate:resolve()
    assert.are.equal("a", step():await())
    assert.is_nil(step())
  end)

  it("is cancelled with its caller, and forgets what it waited for", function()
    local a, gate = gated "a"
    local t = task.spawn(function() return task.as_completed { a }() end)
    task.yield()
    t:cancel()
    t:result()
    assert.are.equal("cancelled", t:status())
    collectgarbage()
    gate:resolve()
    assert.are.equal("a", a:await())
  end)

  it("says what it was given", function()
    local e = raised(function() task.as_completed(1) end)
    assert.matches("task_tools_spec.lua:%d+: bad argument #1 to 'task.as_completed'", e)
    assert.matches("a list expected, got 1", e)
    e = raised(function() task.as_completed { print } end)
    assert.matches("task_tools_spec.lua:%d+: task.as_completed: bad item 1 of the list", e)
    assert.matches("a task expected, got a function", e)
    assert.matches("unknown option 'timout' %(did you mean 'timeout'%?%)",
      raised(function() task.as_completed({}, { timout = 1 }) end))
  end)
end)

describe("map", function()
  it("gives results in order, with their places", function()
    local seen = {}
    for i, r in task.map({ 3, 2, 1 }, function(x)
      task.sleep(x / 500)
      return x * 10
    end) do
      table.insert(seen, i .. ":" .. r)
    end
    assert.are.equal("1:30 2:20 3:10", table.concat(seen, " "))
  end)

  it("unordered gives them as they come", function()
    local gates = { task.promise(), task.promise() }
    gates[2]:resolve()
    local seen = {}
    for i in task.map({ 1, 2 }, function(x) gates[x]:await() end, { ordered = false }) do
      table.insert(seen, i)
      gates[1]:resolve()
    end
    assert.are.same({ 2, 1 }, seen)
  end)

  it("takes an iterator, gives nil results their place, collects and drains", function()
    local i = 0
    local function items()
      i = i + 1
      task.sleep(0)
      return i <= 5 and i or nil
    end
    local list, n = task.map(items, function(x) return x % 2 == 0 and x or nil end):collect()
    assert.are.same({ nil, 2, nil, 4, nil }, list)
    assert.are.equal(5, n)
    assert.are.equal(3, task.map({ 1, 2, 3 }, function() end):drain())
    assert.are.equal(0, task.map({}, function() end):drain())
  end)

  it("hands all values of task.iter to its function", function()
    local t = { a = 1, b = 2, c = 3 }
    local sum = 0
    for _, s in task.map(task.iter(pairs(t)), function(k, v) return k .. v end) do
      sum = sum + #s
    end
    assert.are.equal(6, sum)
  end)

  it("runs no more at once than it may, and pulls no further", function()
    local running, most, pulled, taken = 0, 0, 0, 0
    local function items()
      pulled = pulled + 1
      assert.is_true(pulled - taken <= 2 * 3 + 1)
      return pulled <= 50 and pulled or nil
    end
    for _ in task.map(items, function(_)
      running = running + 1
      most = math.max(most, running)
      task.sleep(0)
      running = running - 1
    end, { concurrency = 3 }) do
      taken = taken + 1
    end
    assert.are.equal(50, taken)
    assert.are.equal(3, most)
  end)

  it("raises the first error when the rest has been cancelled", function()
    local closed = 0
    local e = raised(function()
      task.map({ 1, 2, 3 }, function(x)
        local _ <close> = setmetatable({}, { __close = function()
          task.sleep(0)
          closed = closed + 1
        end })
        if x == 2 then error("oh", 0) end
        task.sleep(1000)
      end, { ordered = false }):drain()
    end)
    assert.are.equal("oh", e)
    assert.are.equal(3, closed)
  end)

  it("starts nothing more once it has failed, whatever its items do", function()
    local given, started = 0, 0
    local function items()
      given = given + 1
      if given > 1 then pcall(task.sleep, 1000) end -- eats the cancel error
      return given
    end
    local function fails(x)
      started = started + 1
      if x == 1 then error("first", 0) end
      task.sleep(1000)
    end
    local ok, e = pcall(function() task.map(items, fails):drain() end)
    assert.is_false(ok)
    assert.are.equal("first", e)
    assert.are.equal(1, started)
  end)

  it("with return_errors gives errors and items, and tells on_error", function()
    local seen, told = {}, {}
    for i, r, e, item in task.map({ "a", "b" }, function(x)
      if x == "a" then error("no " .. x, 0) end
      return x:upper()
    end, {
      return_errors = true,
      on_error = function(e, item) table.insert(told, e .. " " .. item) end,
    }) do
      seen[i] = { r or false, e or false, item }
    end
    assert.are.same({ { false, "no a", "a" }, { "B", false, "b" } }, seen)
    assert.are.same({ "no a a" }, told)
  end)

  it("cancels the rest when its loop is left early, or its caller is cancelled", function()
    local ended = 0
    local function work(x)
      local _ <close> = setmetatable({}, { __close = function() ended = ended + 1 end })
      if x > 1 then task.sleep(1000) end
      return x
    end
    for i in task.map({ 1, 2, 3 }, work) do
      if i == 1 then break end
    end
    assert.are.equal(3, ended)
    local t = task.spawn(function() task.map({ 2, 3 }, work):drain() end)
    task.sleep(0)
    task.sleep(0)
    t:cancel()
    t:result()
    assert.are.equal("cancelled", t:status())
    assert.are.equal(5, ended)
  end)

  it("may be left before it has begun", function()
    local ran = false
    local function work() ran = true end
    do
      local map <close> = task.map({ 1, 2 }, work)
      assert.is_not_nil(map)
    end
    local t = task.spawn(function()
      pcall(task.sleep, 1000)
      task.map({ 1, 2 }, work):drain()
    end)
    task.yield()
    t:cancel()
    assert.are.equal("cancelled", raised(t.await, t).kind)
    assert.is_false(ran)
  end)

  it("raises an error of its input after the results before it", function()
    local n = 0
    local function items()
      n = n + 1
      if n == 3 then error("input", 0) end
      return n
    end
    local seen = {}
    local e = raised(function()
      for i in task.map(items, function(_) task.sleep(0) end) do table.insert(seen, i) end
    end)
    assert.are.equal("input", e)
    assert.are.same({ 1, 2 }, seen)
  end)

  it("says what it was given", function()
    local function check(pattern, ...)
      local e = raised(function(...) task.map(...) end, ...)
      assert.matches("task_tools_spec.lua:%d+: ", e)
      assert.matches(pattern, e)
    end
    check("bad argument #2 to 'task.map' %(a function expected, got nil%)", {}, nil)
    check("task.map: bad argument #1 %(the items%): a list or a function expected, got 1", 1, print)
    check("task.map: unknown option 'concurency' %(did you mean 'concurrency'%?%)", {}, print,
      { concurency = 1 })
    check("'concurrency' must be a whole number from 1 to 1000000, got 0", {}, print,
      { concurrency = 0 })
  end)
end)

describe("every", function()
  it("can be waited for, until it is stopped, fails, or the time is over", function()
    local calls, p = 0, nil
    p = task.every(0.001, function()
      calls = calls + 1
      if calls == 3 then p:stop() end
    end)
    p:wait()
    assert.are.equal(3, calls)
    p:wait()
    local broken = task.every(0.001, function() error("oh", 0) end)
    assert.are.same({ false, "oh" }, { pcall(broken.wait, broken) })
    local slow <close> = task.every(1000, print)
    local ok, e = pcall(slow.wait, slow, 0.01)
    assert.are.same({ false, "timeout" }, { ok, e.kind })
    local stopper = task.spawn(function() slow:stop() end)
    slow:wait()
    stopper:await()
  end)

  it("calls at multiples of its time, one call at once, until it is stopped", function()
    local times, inside = {}, 0
    local start = task.now()
    local p
    local done = task.promise()
    p = task.every(0.02, function()
      inside = inside + 1
      assert.are.equal(1, inside)
      times[#times + 1] = task.now() - start
      if #times == 1 then task.sleep(0.05) end -- overruns two of them
      inside = inside - 1
      if #times == 3 then
        p:stop()
        done:resolve()
      end
    end)
    done:await()
    task.sleep(0.05)
    assert.are.equal(3, #times)
    assert.is_true(times[1] >= 0.02 and times[2] >= 0.08 - 0.001 and times[3] >= times[2] + 0.0001)
  end)

  it("may begin at once, and stops while it sleeps", function()
    local n = 0
    local p = task.every(1000, function() n = n + 1 end, { immediate = true })
    task.sleep(0.001)
    task.sleep(0.001)
    assert.are.equal(1, n)
    p:stop()
    p:stop()
    task.sleep(0)
    assert.are.equal(1, n)
  end)

  it("lets a call that runs come to its end", function()
    local begun, gate, ended = task.promise(), task.promise(), task.promise()
    do
      local _ <close> = task.every(1000, function()
        begun:resolve()
        gate:await()
        ended:resolve(true)
      end, { immediate = true })
      begun:await()
    end
    gate:resolve()
    assert.is_true(ended:await())
  end)

  it("hands errors to on_error and goes on", function()
    local told, done = {}, task.promise()
    local p = task.every(0.001, function() error("oh", 0) end, { on_error = function(e)
      table.insert(told, e)
      if #told == 2 then done:resolve() end
    end })
    done:await()
    p:stop()
    assert.are.equal("oh", told[1])
  end)

  it("says what it was given", function()
    local here = "task_tools_spec.lua:%d+: "
    local function check(what, ...)
      assert.matches(here .. what, raised(function(...) task.every(...) end, ...))
    end
    check("bad argument #1 to 'task.every'", 0, print)
    check("bad argument #2 to 'task.every'", 1)
    assert.matches("unknown option 'imediate' %(did you mean 'immediate'%?%)",
      raised(function() task.every(1, print, { imediate = true }) end))
  end)
end)

describe("locals", function()
  local locals = task.locals

  it("belong to the current task and are inherited by what it spawns", function()
    task.spawn(function()
      assert.is_nil(locals.user)
      locals.user = "anna"
      local child = task.spawn(function()
        assert.are.equal("anna", locals.user)
        locals.user = "bert"
        locals.only = true
        return task.spawn(function() return locals.user end):await()
      end)
      locals.user = "carl" -- after the spawn: not seen there
      assert.are.equal("bert", child:await())
      assert.are.equal("carl", locals.user)
      assert.is_nil(locals.only)
    end):await()
    assert.is_nil(locals.user)
  end)

  it("are seen inside a script's coroutines, and may be walked", function()
    task.spawn(function()
      locals.a, locals.b = 1, 2
      local seen = {}
      coroutine.wrap(function()
        for k, v in pairs(locals) do
          seen[k] = v
          locals[k] = nil
        end
      end)()
      assert.are.same({ a = 1, b = 2 }, seen)
      assert.is_nil(next((function()
        local t = {}
        for k in pairs(locals) do t[k] = true end
        return t
      end)()))
    end):await()
    for _ in pairs(locals) do error "none here" end
  end)

  it("reach the tasks of map, gather and groups", function()
    task.spawn(function()
      locals.id = 7
      local function id() return locals.id end
      assert.are.same({ 7, 7 }, (task.map({ 1, 2 }, id):collect()))
      assert.are.equal(7, task.gather({ id })[1])
      local g <close> = task.group()
      assert.are.equal(7, g:spawn(id):await())
    end):await()
  end)
end)

describe("on_done", function()
  it("calls each function once, in order, whenever it was given", function()
    local t, gate = gated()
    local seen = {}
    local function note(name)
      t:on_done(function(ended)
        assert.are.equal(t, ended)
        table.insert(seen, name)
      end)
    end
    note "a"
    note "b"
    gate:resolve()
    t:await()
    note "c"
    task.sleep(0)
    task.sleep(0)
    assert.are.same({ "a", "b", "c" }, seen)
  end)

  it("works for promises, and for tasks that are cancelled before they start", function()
    local seen = {}
    local function note(ended) table.insert(seen, ended:status()) end
    local p, t = task.promise(), task.spawn(print)
    p:on_done(note)
    t:on_done(note)
    t:cancel()
    p:resolve()
    task.sleep(0)
    task.sleep(0)
    assert.are.same({ "done", "cancelled" }, seen)
  end)

  it("wants a function", function()
    local e = raised(function() task.spawn(print):on_done(1) end)
    assert.matches("bad argument #1 to 'Task:on_done'", e)
  end)
end)

describe("a group", function()
  it("may be joined by what its members spawn, and not once it is left", function()
    local ran, group = 0, task.group()
    do
      local g <close> = group
      g:spawn(function()
        task.sleep(0)
        g:spawn(function()
          task.sleep(0)
          ran = ran + 1
        end)
      end)
    end
    assert.are.equal(1, ran)
    assert.matches("the group has been left", raised(function() group:spawn(print) end))
  end)

  it("cancels what its members spawn when they are cancelled", function()
    local ended = 0
    local function grow(group, depth)
      local _ <close> = setmetatable({}, { __close = function() ended = ended + 1 end })
      pcall(task.sleep, 1000)
      if depth > 0 then group:spawn(grow, group, depth - 1) end
    end
    local e = raised(function()
      local g <close> = task.group()
      g:spawn(grow, g, 3)
      task.yield()
      error("left", 0)
    end)
    assert.are.equal("left", e)
    local t = task.spawn(function()
      local g <close> = task.group()
      g:spawn(grow, g, 3)
    end)
    task.sleep(0)
    t:cancel()
    assert.are.equal("cancelled", raised(t.await, t).kind)
    assert.are.equal(2, ended)
  end)

  it("cancels the others while its owner is busy elsewhere", function()
    local lock = sync.lock()
    local other
    local e = raised(function()
      local g <close> = task.group()
      other = g:spawn(function()
        local _ <close> = lock:hold()
        task.sleep(1000)
      end)
      g:spawn(error, "oh", 0)
      for _ = 1, 6 do task.sleep(0) end
      assert.are.equal("cancelled", other:status())
      assert.is_true(lock:try_acquire())
    end)
    assert.are.equal("oh", e)
    assert.is_false(errors.is(e))
  end)
end)
