-- luapool.task under the collector: it may run finalizers, and free what nobody holds, wherever
-- memory is asked for.

local task = require "luapool.task"

-- Calls f with a complete collection at each allocation.
local function collecting(f)
  collectgarbage("incremental", 1, 1000, 40)
  collectgarbage()
  local ok, e = pcall(f)
  collectgarbage("incremental", 200, 100, 13)
  assert(ok, e)
end

-- Returns a function; `fn` runs where memory is asked for next after it was called.
local function finalizer(fn)
  local mt = { __gc = fn }
  return function() setmetatable({}, mt) end
end

describe("a collection at each allocation", function()
  it("leaves a task that ends its coroutine", function()
    collecting(function()
      local function fail()
        task.sleep(0)
        error {}
      end
      for _ = 1, 10 do
        local tasks = {}
        for i = 1, 5 do tasks[i] = task.spawn(fail) end
        for i = 1, 5 do assert.is_false((tasks[i]:result())) end
      end
    end)
  end)
end)

describe("a finalizer", function()
  it("may settle the promise that is being cancelled", function()
    local promise
    local settle = finalizer(function() promise:resolve "first" end)
    collecting(function()
      promise = task.promise()
      settle()
      promise:cancel()
    end)
    assert.are.equal("first", promise:await())
  end)

  it("may settle the promise whose end is about to be followed", function()
    local promise
    local settle = finalizer(function() promise:resolve() end)
    local seen
    collecting(function()
      promise = task.promise()
      settle()
      promise:on_done(function(p) seen = p end)
    end)
    task.sleep(0)
    assert.are.equal(promise, seen)
  end)

  it("may give the task a field while it gets another", function()
    local write = finalizer(function() task.locals.first = 1 end)
    local me
    local t = task.spawn(collecting, function()
      me = task.current()
      write()
      me:name "me"
      assert.are.equal("me", me:name())
      assert.are.equal(1, task.locals.first)
      task.locals.second = 2
      assert.are.equal(2, task.locals.second)
    end)
    t:await()
  end)
end)

describe("a coroutine that is used again", function()
  it("holds nothing of the hook that the last task had", function()
    local seen = setmetatable({}, { __mode = "k" })
    local function hooked()
      local held = {}
      seen[held] = true
      debug.sethook(function() return held end, "", 1000000)
    end
    task.spawn(hooked):await()
    collectgarbage()
    collectgarbage()
    assert.is_nil((next(seen)))
  end)
end)
