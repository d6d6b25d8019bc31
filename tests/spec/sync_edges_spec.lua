-- luapool.sync: what its classes refuse, and what is given back more than one way.

local sync, task = require "luapool.sync", require "luapool.task"

local function refused(text, fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  assert.are.equal("usage", e.kind)
  assert.matches("^tests/spec/sync_edges_spec.lua:%d+: ", e)
  assert.matches(text, e, 1, true)
end

describe("hold", function()
  for _, object in ipairs { sync.lock(), sync.semaphore(1) } do
    it("of a " .. getmetatable(object).__name .. " is given back by close, once", function()
      do
        local held <close> = object:hold()
        assert.is_false(object:try_acquire())
        held:close()
        assert.is_true(object:try_acquire()) -- leaving the scope does not release this one
      end
      assert.is_false(object:try_acquire())
      object:release()
    end)
  end
end)

describe("a limiter", function()
  local nan, inf = 0 / 0, math.huge

  it("refuses rates that say nothing", function()
    for _, wrong in ipairs { {}, { rate = 0 }, { rate = -1 }, { rate = nan }, { rate = inf },
      { rate = 1, per = 0 }, { rate = 1, per = inf }, { rate = 1, per = nan },
      { rate = 1, burst = 0 }, { rate = 1, burst = nan } } do
      refused("limiter: ", function() return (sync.limiter(wrong)) end)
    end
    refused("limiter: ", function() return (sync.limiter()) end)
    assert.is_truthy(sync.limiter { rate = 1, burst = inf })
  end)

  it("refuses amounts that would never come", function()
    local limiter = sync.limiter { rate = 1000 }
    for _, n in ipairs { nan, inf, -1, "1" } do
      refused("bad argument #1 to 'limiter:acquire'", function() limiter:acquire(n) end)
    end
    limiter:acquire(0)
    limiter:acquire(0.5)
    limiter:acquire(2)
  end)

  it("counts over `per` seconds", function()
    local limiter = sync.limiter { rate = 1, per = 0.02 }
    local before = task.now()
    for _ = 1, 4 do limiter:acquire() end
    assert.is_true(task.now() - before >= 0.059)
  end)
end)

describe("a queue", function()
  it("refuses a priority that is before and behind none", function()
    local queue = sync.queue { order = "priority" }
    refused("priority", function() queue:put("x", { priority = 0 / 0 }) end)
    refused("priority", function() queue:try_put("x", { priority = 0 / 0 }) end)
    assert.are.equal(0, #queue)
  end)

  it("keeps the order of those of one priority, also below 0 and at the ends", function()
    local queue, order = sync.queue { order = "priority" }, {}
    for i, priority in ipairs { 3, 1, -5, 1, math.huge, -math.huge, -5, 0.5 } do
      queue:put(i, { priority = priority })
    end
    queue:put(9) -- 0
    queue:close()
    for i in queue:iter() do table.insert(order, i) end
    assert.are.same({ 6, 3, 7, 9, 8, 2, 4, 1, 5 }, order)
  end)

  it("has no time to wait for in try_put", function()
    refused("try_put: unknown option 'timeout'", function()
      sync.queue():try_put("x", { timeout = 1 })
    end)
  end)

  it("finds the option that was meant by its beginning", function()
    refused("unknown option 'prio' (did you mean 'priority'?)", function()
      sync.queue():put("x", { prio = 1 })
    end)
  end)
end)
