-- luapool.process: functions in a process of their own; exec and os.execute: results, input and
-- output of any size, time limits, and that no child and no descriptor stays (the runner looks for
-- descriptors).

local process = require "luapool.process"
local errors = require "luapool.error"
local pool = require "luapool.pool"
local task = require "luapool.task"

-- Fails unless the process is gone, and reaped: kill -0 finds zombies too.
local function assert_gone(pid)
  local r = process.exec { "sh", "-c", "kill -0 " .. pid }
  assert.are_not.equal(0, r.code)
end

local function fails(kind, command)
  local ok, e = pcall(process.exec, command)
  assert.is_false(ok)
  assert.is_true(errors.is(e, kind), tostring(e))
  return e
end

describe("process.exec", function()
  it("returns status and outputs", function()
    local r = process.exec { "sh", "-c", "echo out; echo err >&2; exit 3" }
    assert.are.same({ code = 3, stdout = "out\n", stderr = "err\n" }, r)
    assert.are.same({ code = 0, stdout = "", stderr = "" }, process.exec { "true" })
  end)

  it("tells the signal that ended it", function()
    local r = process.exec { "sh", "-c", "kill $$" }
    assert.are.same({ signal = 15, stdout = "", stderr = "" }, r)
  end)

  it("passes arguments as they are", function()
    local r = process.exec { "printf", "%s|", "a b", "*", "$HOME", "", "ü", 12 }
    assert.are.equal("a b|*|$HOME||ü|12|", r.stdout)
  end)

  it("feeds standard input, which is empty by default", function()
    assert.are.equal("a\0b", process.exec { "cat", stdin = "a\0b" }.stdout)
    assert.are.equal("", process.exec { "cat" }.stdout)
    assert.are.equal("", process.exec { "cat", stdin = "" }.stdout)
  end)

  it("moves megabytes both ways", function()
    local text = ("0123456789abcdef"):rep(1 << 18)
    local r = process.exec { "sh", "-c", "tee /dev/stderr", stdin = text }
    assert.is_true(r.stdout == text)
    assert.is_true(r.stderr == text)
  end)

  it("bears a child that does not read its input", function()
    local r = process.exec { "true", stdin = ("x"):rep(1 << 20) }
    assert.are.equal(0, r.code)
  end)

  it("sets the folder and the environment", function()
    assert.are.equal("/\n", process.exec { "pwd", cwd = "/" }.stdout)
    local r = process.exec { "sh", "-c", "echo $A-$HOME-${PATH:+path}",
      env = { A = "1", HOME = false } }
    assert.are.equal("1--path\n", r.stdout)
  end)

  it("raises kind process when it cannot start", function()
    local e = fails("process", { "no-such-program" })
    assert.are.equal("ENOENT", e.code)
    assert.is_truthy(tostring(e):find("cannot run 'no-such-program'", 1, true))
    e = fails("process", { "pwd", cwd = "/no/such" })
    assert.is_truthy(tostring(e):find("in '/no/such'", 1, true))
    assert.are.equal("EACCES", fails("process", { "/etc/passwd" }).code)
  end)

  it("refuses wrong arguments", function()
    for _, case in ipairs { { {} , "program is missing" }, { { "a", {} }, "item 2" },
      { { "a", stdn = "" }, "did you mean 'stdin'" }, { { "a", timeout = -1 }, "timeout" },
      { { "a\0" }, "zero byte" }, { { "a", env = { ["A=B"] = "" } }, "A=B" } } do
      local ok, e = pcall(process.exec, case[1])
      assert.is_false(ok)
      assert.are.equal("usage", e.kind)
      assert.is_truthy(tostring(e):find(case[2], 1, true), tostring(e))
    end
  end)

  it("kills it after a timeout, with what it said so far", function()
    local e = fails("timeout", { "sh", "-c", "echo $$; exec sleep 100", timeout = 0.2 })
    assert.is_truthy(tostring(e):find("'sh' was not done after 0.2 s", 1, true))
    assert_gone(e.stdout:match "%d+")
  end)

  it("does not wait for those who hold its output after a timeout", function()
    local e = fails("timeout", { "sh", "-c", "sleep 100 & echo $!", timeout = 0.2 })
    assert.is_true(os.execute("kill " .. e.stdout))
  end)

  it("kills it when the task is cancelled", function()
    local seen = os.tmpname()
    local t = task.spawn(process.exec, { "sh", "-c", "echo $$ >" .. seen .. "; exec sleep 100",
      stdin = ("x"):rep(1 << 20) })
    local pid
    repeat
      task.sleep(0.01)
      pid = io.open(seen):read "n"
    until pid
    t:cancel()
    assert.is_true(errors.is(select(2, t:result()), "cancelled"))
    assert_gone(pid)
    os.remove(seen)
  end)

  it("gives children default signals, in workers too", function()
    local function changed()
      local status = process.exec { "cat", "/proc/self/status" }.stdout
      local function mask(name) -- of the 31 that programs use: the C library keeps some above
        return tonumber(status:match(name .. ":%s*(%x+)"), 16) & 0x7fffffff
      end
      return { mask "SigIgn", mask "SigBlk" }
    end
    assert.are.same({ 0, 0 }, changed())
    local p <close> = pool.new { processes = 1 }
    assert.are.same({ 0, 0 }, p:apply(changed))
  end)

  it("runs many at once, in workers too", function()
    local function run(i) return process.exec { "sh", "-c", "exit " .. i }.code end
    local p <close> = pool.new { processes = 2 }
    local items, sum = {}, 0
    for i = 1, 50 do items[i] = i end
    for _, code in p:map(run, items) do sum = sum + code end
    assert.are.equal(50 * 51 // 2, sum)
    local jobs = {}
    for i = 1, 50 do jobs[i] = function() return run(i) end end
    assert.are.equal(50, task.gather(jobs)[50])
  end)
end)

describe("os.execute", function()
  it("returns what stock Lua does", function()
    assert.are.same({ true, "exit", 0 }, { os.execute "true" })
    assert.are.same({ nil, "exit", 3 }, { os.execute "exit 3" })
    assert.are.same({ nil, "signal", 15 }, { os.execute "kill $$" })
    assert.are.same({ nil, "exit", 127 }, { os.execute "no-such-program 2>/dev/null" })
    assert.are.same({ true }, { os.execute() })
  end)

  it("lets other tasks run", function()
    local pipe = os.tmpname()
    os.remove(pipe)
    os.execute("mkfifo " .. pipe)
    task.all(function() os.execute("echo >" .. pipe) end,
      function() os.execute("cat >/dev/null <" .. pipe) end)
    os.remove(pipe)
  end)

  it("blocks where Lua cannot yield", function()
    assert.are.equal("x", (("y"):gsub("y", function() return os.execute "exit 0" and "x" end)))
  end)
end)

describe("process.new", function()
  local function join_fails(kind, p)
    local ok, e = pcall(p.join, p)
    assert.is_false(ok)
    assert.is_true(errors.is(e, kind), tostring(e))
    return e
  end

  local function started(fn, opts)
    local p = process.new(fn, opts)
    p:start()
    return p
  end

  it("calls a function in a process of its own", function()
    local n = 1
    local p = process.new(function(...)
      n = n + 1
      return require("luapool").worker.pid, n, select("#", ...), ...
    end, { args = { "a", nil, "c", n = 3 } })
    assert.is_nil(p.pid)
    assert.is_false(p:is_alive())
    p:start()
    local pid = p.pid
    assert.is_true(p:is_alive())
    assert.is_nil(p.exitcode)
    assert.are.same({ pid, 2, 3, "a", nil, "c" }, { p:join() })
    assert.are.equal(1, n)
    assert.is_false(p:is_alive())
    assert.are.equal(0, p.exitcode)
    assert_gone(pid)
    assert.are.same({ pid, 2, 3, "a", nil, "c" }, { p:join() })
  end)

  it("has a name", function()
    assert.are.equal("mine", process.new(print, { name = "mine" }).name)
    assert.is_truthy(process.new(print).name:match "^process%-%d+$")
  end)

  it("runs init first", function()
    local p = started(function() return _G.given end, {
      init = function(a, b) rawset(_G, "given", a + b) end,
      init_args = { 1, 2 },
    })
    assert.are.equal(3, p:join())
  end)

  it("raises at join what fn raised", function()
    local p = started(function() error({ code = 5 }) end)
    local ok, e = pcall(p.join, p)
    assert.is_false(ok)
    assert.are.same({ code = 5 }, e)
    assert.are.equal(1, p.exitcode)
  end)

  it("tells the exit code of os.exit, and the signal", function()
    local p = started(function() os.exit(7) end)
    assert.are.equal(7, join_fails("worker_died", p).exitcode)
    assert.are.equal(7, p.exitcode)
    p = started(function() os.exit(0) end)
    assert.are.equal(0, select("#", p:join()))
    assert.are.equal(0, p.exitcode)
    p = started(function() require("luapool.task").sleep(100) end)
    process.exec { "kill", "-s", "ABRT", tostring(p.pid) }
    assert.are.equal(6, join_fails("worker_died", p).signal)
    assert.are.equal(-6, p.exitcode)
  end)

  it("does not begin again in another process when it is killed before it has begun", function()
    for _ = 1, 20 do
      local p = started(function() require("luapool.task").sleep(100) end)
      local pid = p.pid
      process.exec { "kill", "-s", "KILL", tostring(pid) }
      local e = join_fails("worker_died", p)
      assert.are.same({ pid, 9, -9 }, { e.pid, e.signal, p.exitcode })
    end
  end)

  it("ends when its init ends it, with its exit code", function()
    local p = started(print, { init = function() os.exit(4) end })
    assert.are.equal(4, join_fails("worker_died", p).exitcode)
    assert.are.equal(4, p.exitcode)
    assert.is_false(p:is_alive())
  end)

  it("joins for a time", function()
    local p = started(function() require("luapool.task").sleep(100) end)
    local ok, e = pcall(p.join, p, 0.01)
    assert.is_false(ok)
    assert.is_true(errors.is(e, "timeout"))
    assert.is_true(p:is_alive())
    p:terminate()
    join_fails("cancelled", p)
    assert.are.equal(-15, p.exitcode)
  end)

  it("is waited for when its scope is left, and terminated when that is by an error", function()
    local seen
    do
      local p <close> = process.new(function() task.sleep(0.01) end)
      p:start()
      seen = p
    end
    assert.is_false(seen:is_alive())
    assert.are.equal(0, seen.exitcode)
    seen:close()
    assert.is_false((pcall(function()
      local p <close> = process.new(function() task.sleep(1000) end)
      p:start()
      seen = p
      error "left"
    end)))
    assert.is_false(seen:is_alive())
    assert.are.equal(-15, seen.exitcode)
    local never <close> = process.new(print)
    never:close()
  end)

  it("kills what never waits", function()
    local p = started(function() while true do end end)
    p:kill()
    join_fails("cancelled", p)
    assert.are.equal(-9, p.exitcode)
    assert_gone(p.pid)
  end)

  it("lets the process close what it has when it ends", function()
    local name = os.tmpname()
    local p = started(function()
      local function close() os.execute("sleep 0.1; echo closed >" .. name) end
      rawset(_G, "kept", setmetatable({}, { __gc = close }))
    end)
    p:join()
    assert.are.equal(0, p.exitcode)
    local file <close> = io.open(name)
    os.remove(name)
    assert.are.equal("closed\n", file:read("a"))
  end)

  it("says what is wrong with its use", function()
    local p = process.new(function() end)
    assert.has_error(function() p:join() end)
    assert.has_error(function() p:terminate() end)
    assert.has_error(function() process.new("f") end)
    local ok, e = pcall(process.new, print, { arg = {} })
    assert.is_false(ok)
    assert.matches("'arg'.*args", e)
    p:start()
    assert.has_error(function() p:start() end)
    p:join()
  end)

  it("raises at start what cannot travel", function()
    local file <close> = io.tmpfile()
    local p = process.new(function() return file end)
    local ok, e = pcall(p.start, p)
    assert.is_false(ok)
    assert.is_truthy(tostring(e):find("upvalue 'file'", 1, true), tostring(e))
    assert.is_false(p:is_alive())
  end)

  it("goes on although nobody holds it", function()
    local q = require("luapool.sync").queue {}
    local held = setmetatable({ started(function() q:put "done" end) }, { __mode = "v" })
    collectgarbage()
    collectgarbage()
    assert.are.equal("done", q:get(10))
    if held[1] then held[1]:join() end
  end)
end)

describe("the name of a process", function()
  it("is in luapool.worker, in ps and in what its messages begin with", function()
    local p <close> = process.new(function()
      local comm <close> = io.open "/proc/self/comm"
      return require("luapool").worker.name, comm:read "l"
    end, { name = "an indexer of pages" })
    p:start()
    assert.are.same({ "an indexer of pages", "an indexer of p" }, { p:join() })
    local q <close> = process.new(function() return require("luapool").worker.name end)
    q:start()
    assert.are.equal(q.name, (q:join()))
  end)

  it("is nil in a worker of a pool", function()
    local p <close> = require("luapool.pool").new { processes = 1 }
    assert.is_nil(p:apply(function() return require("luapool").worker.name end))
  end)
end)
