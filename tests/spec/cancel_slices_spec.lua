-- A task that never waits is cancelled where its slice ends: by `timeout`, by `cancel`, by a group.

local errors = require "luapool.error"
local task = require "luapool.task"

local function endless()
  while true do end
end

local function nested()
  coroutine.wrap(function() coroutine.wrap(endless)() end)()
end

local function sorts()
  while true do
    local list = {}
    for i = 1, 5000 do list[i] = -i end
    table.sort(list, function(a, b) return a < b end)
  end
end

-- These never let the error out.
local function swallows()
  while true do pcall(endless) end
end

local function swallows_waits()
  while true do pcall(task.sleep, 1) end
end

local function resumes()
  while true do coroutine.resume(coroutine.create(endless)) end
end

local function ends_at_its_timeout(loop)
  it("ends at its timeout", function()
    local ok, e = pcall(task.timeout, 0.05, loop)
    assert.is_false(ok)
    assert.is_true(errors.is(e, "timeout"), tostring(e))
  end)
end

local stubborn = { swallows = swallows, swallows_waits = swallows_waits, resumes = resumes }

for name, loop in pairs(stubborn) do
  describe("a loop that never lets an error out (" .. name .. ")", function()
    ends_at_its_timeout(loop)
  end)
end

for name, loop in pairs { endless = endless, nested = nested, sorts = sorts } do
  describe("a loop that never ends (" .. name .. ")", function()
    ends_at_its_timeout(loop)

    it("is cancelled", function()
      local t = task.spawn(loop)
      task.sleep(0.02)
      t:cancel "enough"
      local ok, e = t:result()
      assert.is_false(ok)
      assert.is_true(errors.is(e, "cancelled"), tostring(e))
      assert.are.equal("enough", e.reason)
      assert.are.equal("cancelled", t:status())
    end)

    it("is cancelled with its group", function()
      local member
      local ok, e = pcall(function()
        local group <close> = task.group()
        member = group:spawn(loop)
        group:spawn(error, "another one", 0)
      end)
      assert.is_false(ok)
      assert.are.equal("another one", e)
      assert.are.equal("cancelled", member:status())
    end)
  end)
end

describe("a cancelled task that does not wait", function()
  it("may wait while the error unwinds it", function()
    local closed
    local t = task.spawn(function()
      local _ <close> = setmetatable({}, {
        __close = function()
          task.sleep(0)
          closed = true
        end,
      })
      endless()
    end)
    task.sleep(0.02)
    t:cancel()
    assert.is_false(t:result())
    assert.are.equal("cancelled", t:status())
    assert.is_true(closed)
  end)

  it("gets the error once: it may clean up for longer than a slice", function()
    local caught, summed
    local function work()
      local ok, e = pcall(endless)
      caught = not ok and e
      local sum, start = 0, os.clock()
      while os.clock() < start + 0.1 do sum = sum + 1 end
      summed = sum
    end
    local t = task.spawn(work)
    task.sleep(0.02)
    t:cancel()
    assert.is_true(t:result())
    assert.is_true(errors.is(caught, "cancelled"))
    assert.is_true(summed > 0)
  end)

  it("is not told again of what its wait has raised", function()
    local computed
    local t = task.spawn(function()
      pcall(task.sleep, 60)
      local start = os.clock()
      while os.clock() < start + 0.1 do end
      computed = true
    end)
    task.sleep(0)
    t:cancel()
    assert.is_true(t:result())
    assert.is_true(computed)
  end)

  it("finishes what is in a shield", function()
    local finished
    local t = task.spawn(task.shield, function()
      local start = os.clock()
      while os.clock() < start + 0.1 do end
      finished = true
    end)
    task.sleep(0)
    t:cancel()
    t:result()
    assert.is_true(finished)
  end)
end)
