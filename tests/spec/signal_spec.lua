-- luapool.signal: handlers and waits, with signals that another program sends.

local pool, process = require "luapool.pool", require "luapool.process"
local signal, sync, task = require "luapool.signal", require "luapool.sync", require "luapool.task"
local fails = require "tests.support.fails"

-- Sends a signal to this process, and returns when it has been sent.
local function send(name)
  local sent = process.exec { "sh", "-c", "kill -s " .. name .. " $PPID" }
  assert.are.equal(0, sent.code)
end

describe("signal.on", function()
  for name in ("ALRM CONT HUP INT QUIT TERM USR1 USR2 WINCH"):gmatch "%w+" do
    it("calls the function for " .. name, function()
      local got = sync.queue()
      local _ <close> = signal.on(name, function(...) got:put { ... } end)
      for _ = 1, 3 do
        send(name)
        assert.are.same({ name }, got:get())
      end
    end)
  end

  it("takes names as C has them, and functions that are tables", function()
    local got = sync.queue()
    local fn = setmetatable({}, { __call = function(_, name) got:put(name) end })
    local _ <close> = signal.on("SIGUSR1", fn)
    send "USR1"
    assert.are.equal("USR1", got:get())
  end)

  it("calls all functions in the order in which they were set, each in its own task", function()
    local got, hold = sync.queue(), sync.event()
    local _ <close> = signal.on("USR1", function()
      got:put "first"
      hold:wait()
    end)
    local second <close> = signal.on("USR1", function() got:put "second" end)
    for _ = 1, 2 do
      send "USR1"
      assert.are.same({ "first", "second" }, { got:get(), got:get() })
    end
    second:close()
    second:close()
    send "USR1"
    assert.are.equal("first", got:get())
    assert.are.equal(0, #got)
    hold:set()
  end)

  it("may wait, close itself and set others", function()
    local done = sync.event()
    local handler
    handler = signal.on("WINCH", function()
      handler:close()
      task.sleep(0.001)
      signal.on("WINCH", print):close()
      done:set()
    end)
    send "WINCH"
    done:wait()
  end)

  it("leaves a process that ignores a signal by itself as it was", function()
    local heard = sync.event()
    signal.on("WINCH", function() error "closed" end):close()
    local _ <close> = signal.on("CONT", function() heard:set() end)
    send "WINCH"
    send "CONT"
    heard:wait()
  end)
end)

describe("signal.wait", function()
  it("returns the name when the signal comes, to all who wait", function()
    local tasks = {}
    for i = 1, 3 do tasks[i] = task.spawn(signal.wait, i == 1 and "SIGUSR2" or "USR2", 60) end
    task.yield()
    send "USR2"
    assert.are.equal("USR2 USR2 USR2", table.concat(task.gather(tasks), " "))
  end)

  it("raises kind timeout, and can be cancelled", function()
    fails("timeout", signal.wait, "ALRM", 0.001)
    fails("timeout", signal.wait, "ALRM", 0)
    local waiting = task.spawn(signal.wait, "ALRM")
    task.yield()
    waiting:cancel()
    assert.is_false(waiting:result())
  end)

  it("loses none between two waits, and counts several as one", function()
    local all_here = sync.event()
    local _ <close> = signal.on("CONT", function() all_here:set() end)
    for _, name in ipairs { "USR1", "HUP" } do
      fails("timeout", signal.wait, name, 0)
      send(name)
      send(name)
      send "CONT"
      all_here:wait()
      all_here:clear()
      assert.are.equal(name, signal.wait(name))
      fails("timeout", signal.wait, name, 0.001)
      send(name)
      assert.are.equal(name, signal.wait(name, 60))
    end
  end)

  it("goes together with a handler", function()
    local got = sync.event()
    local _ <close> = signal.on("INT", function() got:set() end)
    local waiting = task.spawn(signal.wait, "INT")
    task.yield()
    send "INT"
    assert.are.equal("INT", waiting:await())
    got:wait()
  end)
end)

describe("signals", function()
  it("are told when they cannot be had", function()
    for name, text in pairs {
      KILL = "signal.on: the signal KILL cannot be had: no process can catch it",
      SIGSTOP = "signal.on: the signal STOP cannot be had",
      CHLD = "the signal CHLD cannot be had: luapool.process sees to programs",
      SEGV = "unknown signal 'SEGV'", [""] = "unknown signal ''", int = "unknown signal 'int'",
      SIGTREM = "unknown signal 'SIGTREM' (did you mean 'TERM'?)", HUPP = "(did you mean 'HUP'?)",
    } do
      local e = fails("usage", signal.on, name, print)
      assert.matches(text, e.message, 1, true)
    end
    assert.matches("bad argument #1 to 'signal.on'", fails("usage", signal.on, 15, print).message)
    assert.matches("bad argument #2 to 'signal.on'", fails("usage", signal.on, "HUP").message)
    assert.matches("signal.wait: unknown signal", fails("usage", signal.wait, "SIG").message)
    assert.matches("bad argument #2 to 'signal.wait'",
      fails("usage", signal.wait, "HUP", "soon").message)
  end)

  it("are not for workers, which ignore what is sent to all", function()
    local p <close> = pool.new { processes = 1 }
    for _, fn in ipairs {
      function() require("luapool.signal").on("TERM", print) end,
      function() require("luapool.signal").wait("TERM", 0) end,
    } do
      local e = fails("denied", p.apply, p, fn)
      assert.matches("workers get no signals: listen in the main process", e.message, 1, true)
      assert.are.same({ "process", "signal TERM" }, { e.what, e.subject })
    end
    local pid = p:stats().workers[1].pid
    for _, name in ipairs { "USR1", "USR2", "ALRM", "INT", "TERM", "HUP", "QUIT" } do
      assert.are.equal(0, process.exec({ "kill", "-s", name, pid }).code)
    end
    assert.are.equal(pid, p:apply(function() return require("luapool").worker.pid end))
  end)
end)
