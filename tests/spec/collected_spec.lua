-- What is still needed is not collected, though the script has dropped its handle: each test runs
-- beside a task that collects at every turn.

local eventually = require "tests.support.eventually"
local fs = require "luapool.fs"
local http = require "luapool.http"
local nginx = require "tests.support.nginx"
local pool = require "luapool.pool"
local process = require "luapool.process"
local progress = require "luapool.progress"
local retry = require "luapool.retry"
local sync = require "luapool.sync"
local task = require "luapool.task"

local function descriptors() return #fs.list "/proc/self/fd" end

-- Runs fn while everything that can be collected is; afterwards what it has opened is given back.
local function under_collection(fn)
  local before = descriptors()
  local collector = task.spawn(function()
    while true do
      collectgarbage()
      task.yield()
    end
  end)
  local ok, e = pcall(fn)
  if ok then eventually(function() return descriptors() <= before end) end
  collector:cancel()
  collector:result()
  if not ok then error(e, 0) end
end

local function it_keeps(what, fn)
  it("keeps " .. what, function() under_collection(fn) end)
end

describe("in one process the collector", function()
  it_keeps("periodic calls that nobody holds", function()
    local n = 0
    local weak = setmetatable({}, { __mode = "v" })
    weak[1] = task.every(0.001, function() n = n + 1 end)
    eventually(function() return n >= 20 end)
    weak[1]:stop()
  end)

  it_keeps("tasks, promises and callbacks that nobody holds", function()
    local done
    task.spawn(function()
      local promise = task.promise()
      task.spawn(function()
        task.sleep(0.01)
        promise:resolve(4)
      end)
      return promise:await()
    end):on_done(function(t) done = select(2, t:result()) end)
    eventually(function() return done == 4 end)
  end)

  it_keeps("the queue of an iterator", function()
    local function lines()
      local queue = sync.queue()
      task.spawn(function()
        for i = 1, 5 do
          task.sleep(0.002)
          queue:put(i)
        end
        queue:close()
      end)
      return queue:iter()
    end
    local sum = 0
    for i in lines() do sum = sum + i end
    assert.are.equal(15, sum)
  end)

  it_keeps("the handle of a map, a wrapper of retry, a bar", function()
    local sum, attempts = 0, 0
    local function slowly(x)
      task.sleep(0.01)
      return x
    end
    for _, x in task.map({ 1, 2, 3 }, slowly) do sum = sum + x end
    assert.are.equal(6, sum)
    local policy = { attempts = 5, wait = retry.fixed(0.002) }
    local result = retry.wrap(function()
      attempts = attempts + 1
      task.sleep(0.002)
      if attempts < 3 then error "again" end
      return attempts
    end, policy)()
    assert.are.equal(3, result)
    for x in progress.wrap { 1, 2, 3 } do
      task.sleep(0.002)
      sum = sum - x
    end
    assert.are.equal(0, sum)
  end)

  it_keeps("a program and a process that run", function()
    assert.are.equal(3, process.exec({ "sh", "-c", "sleep 0.05; exit 3" }).code)
    local queue = sync.queue()
    process.new(function(q)
      require("luapool.task").sleep(0.05)
      q:put "ran"
    end, { args = { queue } }):start()
    assert.are.equal("ran", queue:get())
  end)
end)

describe("of HTTP the collector", function()
  local server
  setup(function() server = nginx.start() end)
  teardown(function() server:close() end)

  it_keeps("a client while it fetches", function()
    local function fetch()
      return http.client { base_url = server.url }:get("/delay/0.05").status
    end
    assert.are.equal(200, fetch())
    assert.are.equal(200, task.spawn(fetch):await())
  end)

  it_keeps("response and client of a stream", function()
    local path = "/chunks/10?delay=0.01&size=100"
    local function get()
      return http.client { base_url = server.url }:get(path, { stream = true })
    end
    local n = 0
    for chunk in get():chunks() do n = n + #chunk end
    for line in get():lines() do n = n + #line end
    assert.is_true(n >= 1900)
    local response = get()
    repeat
      local bytes = response:read(7)
      n = n + (bytes and #bytes or 0)
    until not bytes
    assert.is_true(n >= 2900)
  end)
end)

describe("between processes the collector", function()
  it_keeps("the objects of sync that only a call's arguments hold", function()
    local p <close> = pool.new { processes = 2 }
    local function use(o, how)
      require("luapool.task").sleep(0.02)
      for i = 1, 5 do how(o, i) end
      return true
    end
    local uses = {
      [sync.queue()] = function(q, i) q:put(i) assert(q:get() == i) end,
      [sync.lock()] = function(l) local _ <close> = l:hold() end,
      [sync.semaphore(1)] = function(s) s:acquire() s:release() end,
      [sync.event()] = function(e) e:set() e:wait() end,
      [sync.counter()] = function(c, i) assert(c:add(1) == i) end,
      [sync.map()] = function(m, i) m:set("k", i) assert(m:get "k" == i) end,
      [sync.limiter { rate = 1e6 }] = function(l) l:acquire() end,
      [sync.barrier(1)] = function(b) b:wait() end,
      [sync.condition()] = function(c) c:notify() end,
    }
    local futures = {}
    for object, how in pairs(uses) do table.insert(futures, p:submit(use, object, how)) end
    uses = nil -- luacheck: ignore
    assert.are.equal(9, #task.gather(futures))
  end)

  it_keeps("what waits in line with its call, and what runs again", function()
    local p <close> = pool.new { processes = 1, concurrency = 1 }
    local function echo(q)
      q:put(1)
      return q:get()
    end
    local futures, sum = {}, 0
    for i = 1, 5 do futures[i] = p:submit(echo, sync.queue()) end
    local n = 0
    local function queues()
      n = n + 1
      if n <= 20 then return sync.queue() end
    end
    for _, one in p:map(echo, queues) do sum = sum + one end
    for _, future in ipairs(futures) do sum = sum + future:await() end
    assert.are.equal(25, sum)
    assert.are.equal(2, p:submit(function(counter)
      if counter:add(1) == 1 then os.exit(1) end
      return counter:get()
    end, sync.counter()):await())
  end)

  it_keeps("what a worker has kept of an earlier call", function()
    local p <close> = pool.new {
      processes = 1,
      init = function(q) _G.given = q end,
      init_args = { sync.queue() },
    }
    local function pass()
      local upvalue = sync.queue()
      p:apply(function(q) _G.argument, _G.upvalue = q, upvalue end, sync.queue())
      for _ in p:map(function() _G.mapped = upvalue end, { 1 }) do end -- luacheck: ignore
    end
    pass()
    for _ = 1, 20 do task.yield() end
    assert.are.equal(4, p:apply(function()
      local n = 0
      for _, name in ipairs { "given", "argument", "upvalue", "mapped" } do
        _G[name]:put(1)
        n = n + _G[name]:get()
      end
      return n
    end))
  end)

  it_keeps("what lies in another object, and what one worker gave another", function()
    local p <close> = pool.new { processes = 2, concurrency = 1 }
    local mail, map = sync.queue(), sync.map()
    map:set("queue", sync.queue())
    mail:put { sync.lock() }
    assert.are.equal(5, p:apply(function()
      local lock = mail:get()[1]
      lock:acquire()
      map:get("queue"):put(5)
      lock:release()
      return map:get("queue"):get()
    end))
    local giver = p:submit(function(q, taken)
      mail:put(q)
      q = nil -- luacheck: ignore
      collectgarbage()
      taken:wait()
    end, sync.queue(), sync.event())
    local taker = p:submit(function()
      local q = mail:get()
      q:put(7)
      return q:get()
    end)
    assert.are.equal(7, taker:await())
    giver:cancel()
    giver:result()
  end)

  it_keeps("a pool while a call of it is awaited", function()
    assert.are.equal(1, pool.new({ processes = 1 }):submit(function()
      require("luapool.task").sleep(0.05)
      return 1
    end):await())
    assert.are.equal(2, pool.new({ processes = 1 }):apply(function() return 2 end))
  end)
end)
