-- luapool's own require: modules whose main chunks wait, and who else wants them meanwhile.

local fs = require "luapool.fs"
local pool = require "luapool.pool"
local task = require "luapool.task"

local function raised(f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  return e
end

describe("require", function()
  local made

  -- A module of this name; its main chunk is fn.
  local function module(name, fn)
    package.preload[name] = fn
    table.insert(made, name)
  end

  before_each(function() made = {} end)

  after_each(function()
    for _, name in ipairs(made) do
      package.preload[name], package.loaded[name] = nil, nil
    end
  end)

  it("loads a module that waits once, for all who want it", function()
    local loads = 0
    module("slow", function()
      loads = loads + 1
      task.sleep(0.002)
      return { loads }
    end)
    local list = {}
    for i = 1, 10 do list[i] = function() return require "slow" end end
    local got = task.gather(list)
    for i = 1, 10 do assert.are.equal(package.loaded.slow, got[i]) end
    assert.are.equal(1, loads)
  end)

  it("loads a module that computes for longer than a slice once, also in a worker", function()
    local dir = fs.tempdir()
    fs.write(dir .. "/computes.lua", [[
      local start = os.clock()
      while os.clock() < start + 0.1 do end
      return {}
    ]])
    local path = package.path
    finally(function()
      package.path = path
      fs.remove(dir .. "/computes.lua")
      fs.remove(dir)
    end)
    package.path = dir .. "/?.lua;" .. path
    local workers <close> = pool.new { processes = 1, concurrency = 4 }
    local function address() return (("%p"):format(require "computes")) end
    local first
    for _, got in workers:map(address, { 1, 2, 3, 4 }) do
      first = first or got
      assert.are.equal(first, got)
    end
  end)

  it("says of one that is not found what stock Lua says, at the line that wants it", function()
    local function want()
      local chunk = load("local want = require\n\nwant 'not.there'", "@wants.lua")
      package.path, package.cpath = "./?.lua;/x/?.lua", "./?.so"
      chunk()
    end
    local path, cpath = package.path, package.cpath
    finally(function() package.path, package.cpath = path, cpath end)
    local text = "wants.lua:3: module 'not.there' not found:"
      .. "\n\tno field package.preload['not.there']"
      .. "\n\tno file './not/there.lua'\n\tno file '/x/not/there.lua'"
      .. "\n\tno file './not/there.so'\n\tno file './not.so'"
    assert.are.equal(text, raised(want))
    assert.are.equal(text, raised(function() task.spawn(want):await() end))
    local workers <close> = pool.new { processes = 1 }
    assert.are.equal(text, raised(workers.apply, workers, want))
  end)

  it("gives every one of them an error of its own when it fails", function()
    local loads = 0
    module("failing", function()
      loads = loads + 1
      task.sleep(0)
      error("load " .. loads, 0)
    end)
    local function load() return require "failing" end
    local _, errors = task.gather({ load, load, load }, { return_errors = true })
    assert.are.same({ "load 1", "load 2", "load 3" }, errors)
  end)

  it("goes on in another task when the one that loads it is cancelled", function()
    module("slow", function()
      task.sleep(0.001)
      return "loaded"
    end)
    local first, second = task.spawn(require, "slow"), task.spawn(require, "slow")
    task.yield()
    first:cancel()
    assert.are.equal("loaded", (second:await()))
    assert.is_false((first:result()))
  end)

  it("raises in tasks that would load each other's modules for ever", function()
    local function needs(name)
      return function()
        task.sleep(0.001)
        return require(name)
      end
    end
    module("ma", needs "mb")
    module("mb", needs "mc")
    module("mc", needs "ma")
    local tasks = {}
    for i, name in ipairs { "ma", "mb", "mc" } do tasks[i] = task.spawn(require, name) end
    for i = 1, 3 do
      assert.matches("loop of requires: '[^']*' needs '[^']*' needs '[^']*' needs '[^']*'$",
        raised(function() tasks[i]:await(10) end))
    end
  end)

  it("lets one of them do without", function()
    module("ma", function()
      task.sleep(0.001)
      return { b = require "mb" }
    end)
    module("mb", function()
      task.sleep(0.001)
      return { a = pcall(require, "ma") }
    end)
    local a, b = task.spawn(require, "ma"), task.spawn(require, "mb")
    assert.are.equal(b:await(10), a:await(10).b)
    assert.is_false(b:await().a)
  end)

  it("raises in a task that loads what it is loading, over and over", function()
    module("ma", function() return require "mb" end)
    module("mb", function() return require "ma" end)
    assert.matches("loop of requires: 'm[ab]' is wanted while it is being loaded$",
      raised(require, "ma"))
  end)

  it("loads a module anew that wants itself and can do without, as stock Lua does", function()
    local guard = false
    module("ma", function()
      if guard then return "inner" end
      guard = true
      return { require "ma" }
    end)
    assert.are.equal("inner", (require "ma")[1])
  end)
end)
