-- What runs outside of tasks, or in the middle of C functions, ends within a budget of its own, in
-- any runtime. Time is CPU time.

local task = require "luapool.task"

local function forever() while true do end end
local function stubborn() while true do pcall(forever) end end

-- Runs fn and returns its results; fails when it took more than some seconds of CPU.
local function soon(fn, ...)
  local began = os.clock()
  local results = table.pack(pcall(fn, ...))
  assert.is_true(os.clock() - began < 10)
  return table.unpack(results, 1, results.n)
end

describe("a budget outside of tasks", function()
  it("ends finalizers", function()
    for _, endless in ipairs { forever, stubborn } do
      soon(function()
        setmetatable({}, { __gc = endless })
        collectgarbage()
      end)
    end
  end)

  it("ends the <close> handlers of a task that is closed", function()
    local t = task.spawn(function()
      local _ <close> = setmetatable({}, { __close = forever })
      while true do pcall(task.sleep, 60) end
    end)
    task.sleep(0)
    soon(function()
      t:cancel()
      t:result()
    end)
    assert.are.equal("cancelled", t:status())
  end)

  it("ends a __tostring, and tells of one that raises", function()
    local text = require "tests.support.internal"("luapool.error.core").text
    local function of(fn) return select(2, soon(text, setmetatable({}, { __tostring = fn }))) end
    assert.matches("^%(a table whose __tostring raises: .*budget", of(forever))
    assert.matches("^%(a table whose __tostring raises: .*oh%)$", of(function() error "oh" end))
    assert.are.equal("fine", of(function() return "fine" end))
  end)
end)

describe("a finalizer", function()
  it("cannot be told from that of the standard setmetatable", function()
    local seen = {}
    local mt = { __gc = function(o) seen[#seen + 1] = o.name end }
    for i = 1, 3 do setmetatable({ name = i }, mt) end
    collectgarbage()
    assert.are.same({ 3, 2, 1 }, seen)
    mt.__gc { name = "by hand" }
    assert.are.equal("by hand", seen[4])
    assert.has_error(function() setmetatable(1, {}) end)
    assert.has_error(function() setmetatable({}, 1) end)
    assert.has_error(function() setmetatable(setmetatable({}, { __metatable = 1 }), {}) end)
  end)

  it("travels to workers", function()
    local pool <close> = require("luapool.pool").new { processes = 1 }
    local object = setmetatable({ n = 7 }, { __gc = function() end, __index = { m = 8 } })
    assert.are.equal(15, pool:apply(function() return object.n + object.m end))
  end)

  it("may not wait or yield", function()
    local e
    setmetatable({}, { __gc = function() e = select(2, pcall(coroutine.yield)) end })
    collectgarbage()
    assert.matches("outside a coroutine", e)
  end)
end)

describe("a message handler", function()
  it("of a cancelled task ends", function()
    local t = task.spawn(function() xpcall(forever, forever) end)
    task.sleep(0)
    soon(function()
      t:cancel()
      t:result()
    end)
  end)

  it("has the traceback of its error", function()
    local function fail() error "oh" end
    local _, trace = xpcall(fail, function(e) return debug.traceback(e) end)
    assert.matches("oh", trace)
    assert.matches("in function .error.", trace)
  end)
end)
