-- Calls that are wrong: each says what is wrong, at the line of this file that made it.

local errors = require "luapool.error"
local fs = require "luapool.fs"
local pool = require "luapool.pool"
local process = require "luapool.process"
local sync = require "luapool.sync"
local task = require "luapool.task"

local function one() return 1 end

-- f is wrong in a way that `said` (a pattern) tells.
local function refused(said, f, kind)
  local line = debug.getinfo(f, "S").linedefined
  local ok, e = pcall(f)
  assert.is_false(ok)
  local place = "tests/spec/misuse_spec.lua:" .. line .. ": "
  assert.are.equal(place, tostring(e):sub(1, #place))
  assert.are.equal(kind or "usage", e.kind)
  assert.matches(said, e)
end

describe("a method that is called with '.'", function()
  local function told(class, object, method, ...)
    local args = table.pack(...)
    local ok, e = pcall(function() object[method](table.unpack(args, 1, args.n)) end)
    assert.is_false(ok)
    assert.are.equal("usage", e.kind)
    assert.matches("^tests/spec/misuse_spec.lua:%d+: '%a+:" .. method .. "' was not called on ", e)
    assert.matches(class .. ".*is it called with ':'%?$", e)
  end

  it("is told so by groups, periodics and maps", function()
    local group, ticker = task.group(), task.every(1000, one)
    told("luapool.Group", group, "spawn", one)
    told("luapool.Group", group, "close")
    told("luapool.Periodic", ticker, "stop")
    told("luapool.Map", (task.map({}, one)), "collect")
    ticker:stop()
  end)

  it("is told so by folders, processes and pools", function()
    local dir <close> = fs.tempdir()
    told("luapool.Tempdir", dir, "close")
    told("luapool.Process", process.new(one), "start")
    told("luapool.Process", process.new(one), "is_alive")
    local p <close> = pool.new { processes = 1 }
    told("luapool.Pool", p, "close")
    told("luapool.Pool", p, "apply", one)
    told("luapool.Pool", p, "map", one, {})
  end)

  it("is told so by what is shared", function()
    for class, methods in pairs {
      lock = "acquire try_acquire release hold", event = "set clear is_set wait",
      condition = "wait notify notify_all", counter = "add get set", map = "get delete keys",
      queue = "get try_get task_done join close iter",
    } do
      for method in methods:gmatch "%S+" do
        told("", sync[class](), method)
      end
    end
    told("luapool.sync.queue", sync.queue(), "put", "x")
    told("luapool.sync.queue", sync.queue(), "get", 5)
    told("luapool.sync.lock", sync.lock(), "acquire", 5)
    told("luapool.sync.map", sync.map(), "set", "key", "value")
    told("luapool.sync.barrier", sync.barrier(2), "wait")
    told("luapool.sync.semaphore", sync.semaphore(2), "release")
    told("lock or semaphore", sync.semaphore(2), "hold")
    told("luapool.sync.limiter", sync.limiter { rate = 1 }, "acquire")
  end)

  it("is told so in a worker", function()
    local q, p <close> = sync.queue(), pool.new { processes = 1 }
    local ok, e = pcall(p.apply, p, function()
      q.get()
      return 1
    end)
    assert.is_false(ok)
    assert.matches("misuse_spec.lua:%d+: 'queue:get' was not called on a luapool.sync.queue", e)
  end)
end)

describe("a wrong argument is named at its line by", function()
  it("fs.mkdir and fs.remove", function()
    refused("bad argument #1 to 'fs.mkdir'", function() fs.mkdir() end)
    refused("bad argument #1 to 'fs.remove'", function() fs.remove({}, { recursive = true }) end)
  end)

  it("task.iter", function()
    refused("bad argument #1 to 'task.iter' .*got nil", function() task.iter() end)
    assert.are.same({ "ab" }, (task.map(task.iter(pairs { a = "b" }), function(k, v)
      return k .. v
    end):collect()))
  end)

  it("maps over the three values of pairs and ipairs", function()
    local workers <close> = pool.new { processes = 1 }
    local function same(x) return x end
    refused("bad argument #2 %(the items%): 'pairs' .*: write task.iter%(pairs%(t%)%)",
      function() workers:map(same, pairs { a = 1 }) end)
    refused("pool:map: .*'ipairs' .*: write task.iter%(ipairs%(t%)%)",
      function() workers:map(same, ipairs { 1 }) end)
    refused("pool:starmap: .*'pairs'", function() workers:starmap(same, pairs { 1 }) end)
    refused("task.map: .*#1 .*'pairs'", function() task.map(pairs { 1 }, same) end)
    refused("task.map: .*#2 .*'ipairs'", function() task.map(same, ipairs { 1 }) end)
  end)

  it("gather, whose list has options or names in it", function()
    refused("a list expected, but .* 'return_errors': options come in a table behind it",
      function() task.gather { one, return_errors = true } end)
    refused("it has a field 'first'", function() task.gather { first = one } end)
    assert.are.same({ 1, 1, n = 2 }, task.gather(table.pack(one, one)))
  end)

  it("wait, given a task and no list", function()
    refused("a list expected, got a luapool.Task", function() task.wait(task.spawn(one)) end)
  end)

  it("task.locals, given no key", function()
    refused("a key cannot be nil", function() task.locals[nil] = 1 end)
    refused("a key cannot be nil or NaN", function() task.locals[0 / 0] = 1 end)
    assert.is_nil(task.locals[nil])
  end)

  it("process.exec, whose options are elsewhere, or whose arguments have a gap", function()
    local opts = { timeout = 1 }
    refused("options stand in the one table", function() process.exec({ "true" }, opts) end)
    local gap = { "a", "b", nil, "c" }
    refused("item 3 of the command must be a string, got nil", function() process.exec(gap) end)
    refused("the value of 'A' in 'env'", function() process.exec { "true", env = { A = {} } } end)
  end)
end)

it("a timeout names the line of the call that was late", function()
  refused("timed out after 0 s$", function() task.timeout(0, task.sleep, 1000) end, "timeout")
end)

it("a wait with a limit says what was late", function()
  local sleeper = task.spawn(task.sleep, 1000)
  refused(": task.as_completed: timed out$",
    function() for _ in task.as_completed({ sleeper }, { timeout = 0 }) do end end, "timeout")
  sleeper:cancel()
  local p <close> = process.new(task.sleep, { args = { 1000 } })
  p:start()
  refused(": process: timed out$", function() p:join(0) end, "timeout")
  p:kill()
end)

it("a process that a worker starts", function()
  local p <close> = pool.new { processes = 1 }
  local ok, e = pcall(p.apply, p, function()
    require("luapool.process").new(print):start()
  end)
  assert.is_false(ok)
  assert.are.equal("usage", e.kind)
  assert.matches("Process:start: a process cannot be started inside a worker", e)
end)

describe("what waits for several tasks where nobody may wait", function()
  local function in_sort(f)
    local ok, e = pcall(table.sort, { 2, 1 }, f)
    assert.is_false(ok)
    assert.is_true(errors.is(e, "cannot_wait"))
    assert.matches("called by the C function 'table.sort'", e.message)
  end

  local function collected(f)
    local ok, e
    setmetatable({}, { __gc = function() ok, e = pcall(f) end })
    collectgarbage()
    assert.is_false(ok)
    assert.matches("called by the garbage collector", e.message)
  end

  for name, f in pairs {
    gather = function() task.gather { one } end,
    timeout = function() task.timeout(1, one) end,
    shield = function() task.shield(task.sleep, 0) end,
    group = function()
      local g <close> = task.group()
      g:spawn(one)
    end,
  } do
    it("says why, in " .. name, function()
      in_sort(f)
      collected(f)
    end)
  end
end)

describe("the function and the items of a map", function()
  local function double(n) return n * 2 end
  local function numbers()
    local n = 0
    return function()
      n = n + 1
      return n <= 3 and n or nil
    end
  end

  it("stand in either order in task.map, where that can be told", function()
    for _, items in ipairs { { 1, 2, 3 }, false } do
      local function given() return items or numbers() end
      assert.are.same({ 2, 4, 6 }, (task.map(double, given()):collect()))
      assert.are.same({ 2, 4, 6 }, (task.map(given(), double):collect()))
    end
    assert.are.same({ 2, 4, 6 }, (task.map(coroutine.wrap(function()
      for i = 1, 3 do coroutine.yield(i) end
    end), double):collect()))
    assert.are.same({ "1", "2", "3" }, (task.map(tostring, task.iter(numbers())):collect()))
    local wrapped = require("luapool.retry").wrap(double)
    assert.are.same({ 2, 4, 6 }, (task.map(numbers(), wrapped):collect()))
    assert.are.same({ 1, 1, 1 }, (task.map(one, task.iter(numbers())):collect()))
    assert.are.same({ 1, 1, 1 }, (task.map(task.iter(numbers()), one):collect()))
  end)

  it("are in doubt where nothing tells them apart", function()
    refused("two functions, and nothing tells which gives the items",
      function() task.map(numbers(), one) end)
    refused("two functions, and nothing tells", function() task.map(print, tostring) end)
    refused("two functions, and nothing tells", function() task.map(tostring, numbers()) end)
    local letters = string.gmatch("abc", "%a")
    refused("two functions, and nothing tells", function() task.map(letters, one) end)
    refused("two functions, and nothing tells", function() task.map(double, double) end)
  end)

  it("are told when they were exchanged in pool:map", function()
    local p <close> = pool.new { processes = 1 }
    refused("pool:map: the function comes first", function() p:map({ 1, 2 }, double) end)
    refused("pool:map: the function comes first", function() p:map(numbers(), double) end)
    refused("pool:starmap: the function comes first", function() p:starmap({ { 1 } }, double) end)
    assert.are.same({ 2, 4, 6 }, (p:map(double, numbers()):collect()))
    assert.are.same({ 1, 1, 1 }, (p:map(one, numbers()):collect()))
  end)

  it("are told when the items are no list", function()
    local p <close> = pool.new { processes = 1 }
    local gap, names, far = { 1, nil, 3 }, { a = 1 }, { [1000] = 1 }
    refused("#2 %(the items%): a list expected, but it has no item 2 and an item %[3%]",
      function() p:map(one, gap) end)
    refused("it has no item 1 and a field 'a': the pairs of a table are task.iter%(pairs%(t%)%)",
      function() p:map(one, names) end)
    refused("it has no item 1 and an item %[1000%]", function() task.map(one, far) end)
    refused("bad argument #1 %(the items%)", function() task.map(gap, one) end)
    refused("a list or a function expected, got 5", function() task.map(one, 5) end)
    local backwards = {}
    for i = 100, 1, -1 do backwards[i] = i end
    local more = { 1, 2, name = "kept", [0] = 0, [-1] = 0, [1.5] = 0 }
    local proxy = setmetatable({}, { __index = function(_, i) return i <= 3 and i or nil end })
    for n, list in pairs { [100] = backwards, [2] = more, [0] = {}, [3] = proxy } do
      assert.are.equal(n, task.map(double, list):drain())
    end
  end)

  it("are not walked by ipairs and pairs", function()
    local map <close> = task.map(one, { 1 })
    local step, _, from = ipairs(map)
    refused("luapool.Map: it is iterated as it is", function() step(map, from) end)
    refused("luapool.Map: it is iterated as it is", function() pairs(map) end)
  end)
end)

it("a table that can be called is a function everywhere", function()
  local function callable(f)
    return setmetatable({}, { __call = function(_, ...) return f(...) end })
  end
  local add = callable(function(a, b) return a + (b or 1) end)
  local three = callable(function() return 3 end)
  assert.are.equal(3, task.spawn(add, 1, 2):await())
  assert.are.same({ 3, n = 1 }, task.gather { three })
  assert.are.equal(3, (task.all(three)))
  assert.are.equal(3, task.timeout(5, add, 1, 2))
  assert.are.equal(3, task.shield(add, 1, 2))
  assert.are.same({ 2, 3 }, (task.map(add, { 1, 2 }):collect()))
  do
    local group <close> = task.group()
    assert.are.equal(3, group:spawn(add, 1, 2):await())
  end
  local told, ticked = task.promise(), task.promise()
  task.spawn(one):on_done(callable(function(t) told:resolve(t:await()) end))
  assert.are.equal(1, told:await())
  local _ <close> = task.every(0.001, callable(function() ticked:resolve() end))
  ticked:await()
  local p <close> = pool.new {
    processes = 1, init = callable(function(n) rawset(_G, "base", n) end), init_args = { 40 },
  }
  local sum = callable(function(n) return rawget(_G, "base") + n end)
  assert.are.equal(42, p:apply(sum, 2))
  assert.are.equal(42, p:submit(sum, 2):await())
  assert.are.same({ 41, 42 }, (p:map(sum, { 1, 2 }):collect()))
  assert.are.same({ 41, 42 }, (p:starmap(sum, { { 1 }, { 2 } }):collect()))
  local other = process.new(add, { args = { 1, 2 } })
  other:start()
  assert.are.equal(3, other:join())
end)
