-- luapool.task: what its parts do with what is odd, wrong or late.

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
