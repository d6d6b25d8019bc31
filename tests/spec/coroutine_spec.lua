-- Coroutines of scripts: waits pass through them up to the task. That they are otherwise those
-- of stock Lua, tests/cli/slices.sh shows.

local errors = require "luapool.error"
local task = require "luapool.task"

-- 1..n, each after a nap
local function slow(n)
  return coroutine.wrap(function()
    for i = 1, n do
      task.sleep(i % 2 * 0.0005)
      coroutine.yield(i)
    end
  end)
end

local function sum(iterator)
  local total = 0
  for v in iterator do total = total + v end
  return total
end

-- Counts how often others ran while f did.
local function beside(f, ...)
  local turns, on = 0, true
  local other = task.spawn(function()
    while on do
      turns = turns + 1
      task.sleep(0)
    end
  end)
  local results = table.pack(f(...))
  on = false
  other:await()
  return turns, table.unpack(results, 1, results.n)
end

describe("a generator that waits", function()
  it("gives its consumer only what it yields", function()
    local turns, total = beside(sum, slow(10))
    assert.are.equal(55, total)
    assert.is_true(turns > 5)
  end)

  it("waits below others", function()
    local function through(g)
      return coroutine.wrap(function()
        for v in g do
          task.sleep(0)
          coroutine.yield(v)
        end
      end)
    end
    local g = slow(4)
    for _ = 1, 90 do g = through(g) end -- stock Lua has room for 98
    assert.are.equal(10, sum(g))
  end)

  it("waits at the bottom of calls", function()
    local function nest(depth)
      if depth > 0 then return coroutine.wrap(nest)(depth - 1) end
      task.sleep(0)
      coroutine.yield("bottom")
    end
    assert.are.equal("bottom", coroutine.wrap(nest)(180))
  end)

  it("is resumed with coroutine.resume", function()
    local co = coroutine.create(function(a, b)
      task.sleep(0.001)
      local c = coroutine.yield(a + b)
      task.sleep(0.001)
      return c, nil, "end", nil
    end)
    assert.are.same({ true, 3 }, { coroutine.resume(co, 1, 2) })
    assert.are.equal("suspended", coroutine.status(co))
    assert.are.same({ n = 5, true, "c", nil, "end" }, table.pack(coroutine.resume(co, "c")))
    assert.are.equal("dead", coroutine.status(co))
  end)

  it("raises what it raises", function()
    local function fails(e)
      return function()
        task.sleep(0.001)
        error(e, 0)
      end
    end
    assert.are.same({ false, "text" }, { coroutine.resume(coroutine.create(fails "text")) })
    local object = {}
    local ok, e = coroutine.resume(coroutine.create(fails(object)))
    assert.is_false(ok)
    assert.are.equal(object, e)
    assert.are.same({ false, object }, { pcall(coroutine.wrap(fails(object))) })
    ok, e = pcall(function() return coroutine.wrap(fails "text")() .. "" end)
    assert.is_false(ok)
    assert.matches("coroutine_spec.lua:%d+: text$", e)
  end)

  it("gets results and errors of what it awaits", function()
    local failing = task.spawn(function() error("its own", 0) end)
    local co = coroutine.wrap(function()
      coroutine.yield(task.spawn(function() return 1, 2 end):await())
      local ok, e = pcall(failing.await, failing)
      coroutine.yield(ok, e)
      failing:await()
    end)
    assert.are.same({ 1, 2 }, { co() })
    assert.are.same({ false, "its own" }, { co() })
    local ok, e = pcall(co)
    assert.is_false(ok)
    assert.matches("its own$", e)
  end)

  it("is shared by tasks, one at a time", function()
    local g = slow(20)
    local seen, busy = {}, 0
    local function consume()
      while #seen < 20 do
        local ok, v = pcall(g)
        if not ok then
          busy = busy + 1
          task.sleep(0.001)
        elseif v then
          seen[#seen + 1] = v
        end
      end
    end
    task.all(consume, consume, consume)
    for i = 1, 20 do assert.are.equal(i, seen[i]) end
    assert.is_true(busy > 0)
  end)

  it("may be left in the middle", function()
    for v in slow(1000) do
      if v == 3 then break end
    end
    collectgarbage()
  end)
end)

describe("a coroutine that waits", function()
  it("is normal, and belongs to its task", function()
    local co = coroutine.create(function()
      task.sleep(0.005)
      return "done"
    end)
    local other = task.spawn(function()
      local t = { coroutine.status(co), coroutine.resume(co) }
      t[#t + 1], t[#t + 2] = pcall(coroutine.close, co)
      return t, pcall(coroutine.wrap(function() return coroutine.resume(co) end))
    end)
    assert.are.same({ true, "done" }, { coroutine.resume(co) })
    local seen, ok, resumed, message = other:await()
    assert.are.same({ "normal", false, "cannot resume non-suspended coroutine", false,
      "cannot close a normal coroutine" }, seen)
    assert.is_true(ok)
    assert.are.same({ false, "cannot resume non-suspended coroutine" }, { resumed, message })
  end)

  it("is running for itself, in its task", function()
    local here = task.current()
    local co
    co = coroutine.create(function()
      task.sleep(0.001)
      local same = coroutine.running() == co and task.current() == here
      return coroutine.status(co), coroutine.isyieldable(), same
    end)
    assert.are.same({ true, "running", true, true }, { coroutine.resume(co) })
  end)

  it("waits while it is closed by its own end, not by coroutine.close", function()
    local function with_close(leave)
      return coroutine.create(function()
        local _ <close> = setmetatable({}, { __close = function() task.sleep(0.001) end })
        if not leave then coroutine.yield() end
        return "left"
      end)
    end
    assert.are.same({ true, "left" }, { coroutine.resume(with_close(true)) })
    local co = with_close(false)
    coroutine.resume(co)
    local ok, e = coroutine.close(co)
    assert.is_false(ok)
    assert.matches("%(sleep%): it is called by the C function 'coroutine.close'", e.message)
    assert.are.equal("dead", coroutine.status(co))
  end)

  it("is cancelled with its task", function()
    local closed = {}
    local function closing(name)
      return setmetatable({}, { __close = function()
        if name == "outer" then task.sleep(0) end -- the inner one is closed by coroutine.wrap
        closed[#closed + 1] = name
      end })
    end
    local t = task.spawn(function()
      local _ <close> = closing "outer"
      for _ in coroutine.wrap(function()
        local _ <close> = closing "inner"
        task.sleep(1000)
      end) do
        closed[#closed + 1] = "never"
      end
    end)
    task.sleep(0)
    t:cancel()
    local ok, e = t:result()
    assert.is_false(ok)
    assert.is_true(errors.is(e, "cancelled"))
    assert.are.equal("cancelled", t:status())
    assert.are.same({ "inner", "outer" }, closed)
  end)
end)

describe("a wait passes through", function()
  local function nap(value)
    task.sleep(0)
    return value
  end

  local Slow = {}
  Slow.__index = function(_, k) return nap(k) end
  Slow.__newindex = function(t, k, v) rawset(t, k, nap(v)) end
  Slow.__call = function(_, v) return nap(v) end
  Slow.__add = function() return nap "add" end
  Slow.__concat = function() return nap "concat" end
  Slow.__len = function() return nap "len" end
  Slow.__unm = function() return nap "unm" end
  Slow.__eq = function() return nap(true) end
  Slow.__lt = function() return nap(true) end
  Slow.__le = function() return nap(false) end
  Slow.__pairs = function() return nap(next), { nap "v" } end

  it("metamethods", function()
    local s, other = setmetatable({}, Slow), setmetatable({}, Slow)
    assert.are.equal("field", s.field)
    s.x = "kept"
    assert.are.equal("kept", rawget(s, "x"))
    assert.are.equal(5, s(5))
    assert.are.equal("add concat len unm", table.concat({ s + 1, s .. "x", #s, -s }, " "))
    assert.is_true(s == other)
    assert.is_true(s < other)
    assert.is_false(s <= other)
    local seen = {}
    for k, v in pairs(s) do seen[k] = v end
    assert.are.same({ "v" }, seen)
  end)

  it("metamethods inside coroutines inside pcall inside metamethods", function()
    local outer = setmetatable({}, { __index = function(_, k)
      local co = coroutine.wrap(function()
        local inner = setmetatable({}, { __call = function(_, v)
          local ok, got = pcall(function()
            task.sleep(0.001)
            if v == "bad" then error("bad", 0) end
            return v .. "!"
          end)
          coroutine.yield(ok)
          return got
        end })
        return inner(k)
      end)
      local ok = co()
      return tostring(ok) .. " " .. co()
    end })
    assert.are.equal("true good!", outer.good)
    assert.are.equal("false bad", outer.bad)
  end)

  it("pcall, xpcall, error and select", function()
    assert.are.same({ true, 1, nil, 3 }, { pcall(function()
      task.sleep(0)
      return 1, nil, 3
    end) })
    local function fail()
      task.sleep(0)
      error("oh", 0)
    end
    assert.are.same({ false, "oh?" }, { xpcall(fail, function(m) return m .. "?" end) })
    assert.are.same({ false, "oh" }, { select(2, pcall(pcall, fail)) })
    local e
    xpcall(fail, function() e = select(2, pcall(task.sleep, 0)) end)
    assert.is_true(errors.is(e, "cannot_wait"))
  end)

  it("dofile and require", function()
    local name = os.tmpname()
    local file = assert(io.open(name, "w"))
    file:write "require 'luapool.task'.sleep(0.001) return 'loaded', ..."
    file:close()
    finally(function() os.remove(name) end)
    assert.are.equal("loaded", dofile(name))
    package.preload["waiting_module"] = loadfile(name)
    local turns, a, b = beside(task.all, function() return require "waiting_module" end,
      function() return require "waiting_module" end)
    package.preload["waiting_module"], package.loaded["waiting_module"] = nil, nil
    assert.are.same({ "loaded", "loaded" }, { a, b })
    assert.is_true(turns > 0)
  end)

  it("for iterators and their closing value", function()
    local closed
    local function iterator(last)
      local i = 0
      return function()
        task.sleep(0)
        i = i + 1
        return i <= last and i or nil
      end, nil, nil, setmetatable({}, { __close = function()
        task.sleep(0)
        closed = true
      end })
    end
    assert.are.equal(6, sum(iterator(3)))
    closed = false
    for i in iterator(3) do
      if i == 1 then break end
    end
    assert.is_true(closed)
  end)
end)

describe("a wait is refused, by name, in", function()
  local function refused(name, f)
    it(name, function()
      local ok, e = pcall(f)
      assert.is_false(ok)
      assert.is_true(errors.is(e, "cannot_wait"))
      local why = "it is called by " .. name .. ", which cannot be suspended"
      assert.matches("cannot wait here %(sleep%): " .. why, e.message)
      assert.matches("coroutine_spec.lua:%d+", e.message)
    end)
  end

  local function nap() return task.sleep(0) end
  local function the(name) return "the C function '" .. name .. "'" end

  refused(the "table.sort", function() table.sort({ 3, 2, 1 }, nap) end)
  refused(the "string.gsub", function() return (("x"):gsub("x", nap)) end)
  refused(the "tostring", function() return tostring(setmetatable({}, { __tostring = nap })) end)
  refused(the "table.concat", function()
    return table.concat(setmetatable({}, { __index = nap, __len = function() return 1 end }))
  end)
  refused(the "table.sort", function()
    table.sort({ 3, 2, 1 }, function() return coroutine.wrap(nap)() end)
  end)
  refused(the "load", function()
    local _, e = load(nap)
    error(e)
  end)
  refused(the "coroutine.close", function()
    local co = coroutine.create(function()
      local _ <close> = setmetatable({}, { __close = nap })
      coroutine.yield()
    end)
    coroutine.resume(co)
    error(select(2, coroutine.close(co)))
  end)
  refused(the "coroutine.wrap", function()
    coroutine.wrap(function()
      local _ <close> = setmetatable({}, { __close = nap })
      error "dies"
    end)()
  end)
  refused("a hook", function()
    debug.sethook(function()
      debug.sethook()
      nap()
    end, "l")
    local _ = 1
  end)
  refused("the garbage collector", function()
    local e
    setmetatable({}, { __gc = function() e = select(2, pcall(nap)) end })
    collectgarbage()
    error(e)
  end)

  it("none of these for a plain yield to a coroutine below", function()
    local t = { 3, 2, 1 }
    table.sort(t, function(a, b)
      local co = coroutine.wrap(function()
        coroutine.yield()
        return a < b
      end)
      co()
      return co()
    end)
    assert.are.same({ 1, 2, 3 }, t)
  end)
end)

it("a script cannot yield out of a task", function()
  local ok, e = pcall(coroutine.yield)
  assert.is_false(ok)
  assert.matches("outside a coroutine", e)
  assert.is_false(coroutine.isyieldable())
  local t = task.spawn(function()
    local co, root = coroutine.running()
    return coroutine.status(co), root, coroutine.resume(co)
  end)
  local message = "cannot resume non-suspended coroutine"
  assert.are.same({ "running", true, false, message }, { t:await() })
end)
