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
