-- luapool.task: what its parts do with what is odd, wrong or late.

local sync = require "luapool.sync"
local task = require "luapool.task"

local function raised(f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  return e
end

describe("a task that would wait for itself", function()
  for name, wait in pairs {
    await = function(me) me:await() end,
    result = function(me) me:result() end,
    wait = function(me) task.wait({ task.spawn(function() end), me }, { timeout = 1 }) end,
    gather = function(me) task.gather { me } end,
    as_completed = function(me)
      for _ in task.as_completed({ me }, { timeout = 1 }) do end
    end,
  } do
    it("is told so by " .. name, function()
      local e = raised(wait, task.current())
      assert.matches("^tests/spec/task_edges_spec.lua:%d+: .*a task cannot wait for itself", e)
      task.sleep(0) -- and has not been cancelled
    end)
  end
end)

describe("all", function()
  it("takes every argument for a function", function()
    local function one() return 1 end
    assert.matches("bad item 2 of the list", raised(task.all, one, nil))
    assert.matches("bad item 1 of the list", raised(task.all, nil, one))
    assert.matches("bad item 3 of the list", raised(task.all, one, one, nil, nil))
  end)
end)

describe("on_done", function()
  it("has the locals of who asked, whether or not the task has ended", function()
    local seen = {}
    local function note() table.insert(seen, task.locals.who or "nobody") end
    task.locals.who = "me"
    local one = task.spawn(function()
      task.locals.who = "it"
      task.sleep(0)
    end)
    one:on_done(note)
    task.locals.who = "me, later"
    one:await()
    one:on_done(note)
    task.sleep(0)
    task.sleep(0)
    task.locals.who = nil
    assert.are.same({ "me", "me, later" }, seen)
  end)
end)

describe("close", function()
  it("leaves a group, once", function()
    local done = 0
    do
      local g <close> = task.group()
      g:spawn(function()
        task.sleep(0)
        done = done + 1
      end)
      g:close()
      assert.are.equal(1, done)
      assert.matches("the group has been left", raised(g.spawn, g, print))
    end
    local function failing()
      local g <close> = task.group()
      g:spawn(error, "of the member", 0)
      assert.are.equal("of the member", raised(g.close, g))
    end
    failing() -- leaving the scope does not raise it again
  end)

  it("stops a periodic", function()
    local n = 0
    local ticker = task.every(0.001, function() n = n + 1 end)
    task.sleep(0.005)
    ticker:close()
    local before = n
    ticker:close()
    task.sleep(0.005)
    assert.are.equal(before, n)
  end)

  it("ends a map", function()
    local cancelled = 0
    local map = task.map({ 1, 2, 3 }, function()
      local _ <close> = setmetatable({}, { __close = function() cancelled = cancelled + 1 end })
      task.sleep(1000)
    end)
    task.sleep(0.001)
    map:close()
    map:close()
    assert.are.equal(3, cancelled)
    assert.is_nil((map()))
  end)
end)

describe("a task that ends", function()
  -- Each step of the collector is a whole cycle, so that whatever is not held goes at once.
  before_each(function() collectgarbage("incremental", 10, 1000, 20) end)
  after_each(function() collectgarbage("incremental", 200, 100, 13) end)

  it("keeps its coroutine until all have been told", function()
    local lock, told = sync.lock(), 0
    for _ = 1, 100 do
      local one = task.spawn(function() lock:hold():close() end)
      one:on_done(function() told = told + 1 end)
      assert.is_true((one:result()))
      assert.is_false((task.spawn(error, {}, 0):result()))
    end
    task.sleep(0)
    assert.are.equal(100, told)
  end)
end)
