-- The cancel matrix: whatever a task does, and whatever ends it, it is woken once at most, its
-- <close> variables run once, nothing leaks, and what it waited for is not handed to it.

local internal = require "tests.support.internal"
local core = internal "luapool.core"
local errors = require "luapool.error"
local fs = require "luapool.fs"
local pool = require "luapool.pool"
local process = require "luapool.process"
local states = require "tests.support.cancel_states"
local sync = require "luapool.sync"
local task = require "luapool.task"
local task_core = internal "luapool.task.core"

-- Each way runs a task into the state `s` and ends it; returns what became of it, a status or the
-- kind of an error.
local ways = {}

function ways.cancel(s, run)
  local t = task.spawn(run)
  states.enter(s)
  local was_running = t:cancel "why"
  local ok, e = t:result()
  assert.are.equal(not s.done, was_running)
  assert.is_false(t:cancel "again")
  if not ok then assert.are.equal("why", e.reason) end
  return t:status()
end

function ways.timeout(s, run)
  local ok, result = pcall(task.timeout, s.done and 60 or 0.03, run)
  assert.are.equal(s.done or false, ok)
  return ok and "done" or result.kind
end

ways["group failure"] = function(s, run)
  local victim
  local ok, e = pcall(function()
    local group <close> = task.group()
    victim = group:spawn(run)
    group:spawn(function()
      states.enter(s)
      error("another one", 0)
    end)
  end)
  assert.is_false(ok)
  assert.are.equal("another one", e)
  return victim:status()
end

local expected = { cancel = "cancelled", timeout = "timeout", ["group failure"] = "cancelled" }

local function settle()
  for _ = 1, 3 do task.sleep(0.002) end
  collectgarbage()
  collectgarbage()
  task.sleep(0)
end

local function counts() return task_core.count(), core.descriptors() end

local function check_probe(s, probe)
  assert.are.equal(1, probe.closed)
  assert.are.equal(1, probe.unwound)
  assert.is_true(probe.woken <= 1)
  s.late()
  settle()
  s.check()
  assert.is_true(probe.woken <= 1)
  assert.are.equal(1, probe.closed)
end

local function try(name, way)
  local s <close> = states.open(name)
  local probe = {}
  local status = ways[way](s, states.victim(s, probe))
  assert.are.equal(s.done and "done" or expected[way], status)
  check_probe(s, probe)
end

for way in pairs(ways) do
  describe(way, function()
    for _, name in ipairs(states.names) do
      it("while " .. name, function()
        try(name, way) -- what is made once is there from here on
        settle()
        local tasks, descriptors = counts()
        try(name, way)
        settle()
        local tasks_after, descriptors_after = counts()
        assert.are.equal(tasks, tasks_after)
        assert.are.equal(descriptors, descriptors_after)
      end)
    end
  end)
end

-- Kills the only worker of a pool that has one.
local function kill_worker(p)
  local pid = p:stats().workers[1].pid
  assert.is_true(pid > 1)
  process.exec { "kill", "-9", tostring(pid) }
  repeat task.sleep(0.002) until p:stats().restarts > 0
end

describe("a task that has not started", function()
  local function never() error "it ran" end

  it("does not, when it is cancelled", function()
    local t = task.spawn(never)
    assert.is_true(t:cancel())
    assert.are.equal("cancelled", select(2, t:result()).kind)
  end)

  it("does not, when its group has failed", function()
    local late
    local e = select(2, pcall(function()
      local group <close> = task.group()
      group:spawn(error, "oh", 0)
      for _ = 1, 5 do task.sleep(0) end
      late = group:spawn(never)
    end))
    assert.are.equal("oh", e)
    assert.are.equal("cancelled", late:status())
  end)

  it("runs once elsewhere, when its worker is gone", function()
    local p <close> = pool.new { processes = 1, concurrency = 1, crash_retries = 0 }
    p:apply(function() end)
    local begun = sync.event()
    local first = p:submit(function()
      begun:set()
      require "luapool.task".sleep(1000)
    end)
    local second = p:submit(function() return require "luapool.task".current().attempt end)
    begun:wait()
    kill_worker(p)
    assert.is_false(first:result())
    assert.are.equal("number", type(second:await()))
  end)
end)

describe("a worker that is gone", function()
  -- In the worker; objects that travel are those of main.
  local function remote(begun, name, home)
    begun:set()
    local own = require "tests.support.cancel_states"
    own.home = home
    local s <close> = own.open(name)
    s.wait()
  end

  local function wait_there(begun, wait)
    begun:set()
    wait()
  end

  for _, name in ipairs(states.names) do
    it("while " .. name, function()
      local home <close> = fs.tempdir()
      local s <close> = states.open(name)
      if s.main_only then return end
      do
        local p <close> = pool.new { processes = 1, crash_retries = 0 }
        p:apply(function() end)
        local begun = sync.event()
        local future = s.travels and p:submit(wait_there, begun, s.wait)
          or p:submit(remote, begun, name, home.path)
        begun:wait()
        task.sleep(0.02)
        if s.done then future:result() end
        kill_worker(p)
        local ok, e = future:result()
        assert.are.equal(s.done or false, ok)
        if not ok then assert.is_true(errors.is(e, "worker_died")) end
        assert.are.equal(1, p:apply(function() return 1 end))
      end
      states.bury(home.path)
      s.late()
      settle()
      if s.travels then s.check() end
    end)
  end
end)

-- In the foreground of its shell, which has its background ignore the signal.
describe("an interrupted main", function()
  local script = [[
    (until grep -q ready "$2"; do sleep 0.02; done; kill -INT $$) &
    exec "$0" run tests/support/cancel_child.lua -- "$1" >"$2"
  ]]

  for _, name in ipairs(states.names) do
    it("while " .. name, function()
      local path = os.tmpname()
      local exe = os.getenv "LUAPOOL"
      local result = process.exec { "sh", "-c", script, exe, name, path }
      local file <close> = assert(io.open(path))
      local lines = file:read "a"
      os.remove(path)
      local kind = name == "already done" and "returned" or "cancelled"
      assert.are.equal(kind .. "\t1\t1\t1\n", (lines:gsub("ready\n", "")), result.stderr)
      assert.are.equal(130, result.code)
    end)
  end
end)
