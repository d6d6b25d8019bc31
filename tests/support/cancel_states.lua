-- What a task may be doing when something ends it: used by tests/spec/cancel_spec.lua, in workers
-- and in a program of its own. names lists them; open(name) makes one:
--
--   wait()   what the task does, for a long time unless it is told otherwise
--   ready()  whether it has come there
--   late()   what it waited for happens after all
--   check()  fails when something was handed to the task that is gone
--   close()  gives everything back
--
-- A worker that is killed gives nothing back: its folders go into `home`, which is main's, and
-- bury(home) ends what it has left running.

local dns = require "luapool.dns"
local fs = require "luapool.fs"
local http = require "luapool.http"
local pool = require "luapool.pool"
local process = require "luapool.process"
local socket = require "socket"
local sync = require "luapool.sync"
local task = require "luapool.task"
local threads = require "tests.support.threads"

local LONG = 1000

local M = { names = {}, home = nil }

local states = {}

local function state(name, open)
  table.insert(M.names, name)
  states[name] = open
end

-- A server that answers each line with `text`, when there is one, and keeps what is connected.
local function server(text)
  local self = { socket = assert(socket.bind("127.0.0.1", 0)), connections = {} }
  self.port = select(2, self.socket:getsockname())
  self.task = task.spawn(function()
    while true do
      local c = assert(self.socket:accept())
      c:receive "*l"
      table.insert(self.connections, c)
      if text then c:send(text) end
    end
  end)
  function self.answer(answer)
    for _, c in ipairs(self.connections) do c:send(answer) end
  end

  function self.close()
    self.task:cancel()
    self.task:result()
    self.socket:close()
    for _, c in ipairs(self.connections) do c:close() end
  end

  return self
end

local function url(port) return ("http://127.0.0.1:%d/"):format(port) end

local folders = 0

local function tempdir()
  if not M.home then return fs.tempdir() end
  folders = folders + 1
  local path = ("%s/%d"):format(M.home, folders)
  fs.mkdir(path)
  return { path = path, close = function() end }
end

-- A pipe with a name: who writes to it waits for a reader.
local function fifo()
  local dir = tempdir()
  local path = dir.path .. "/fifo"
  assert(process.exec { "mkfifo", path }.code == 0)
  return path, dir
end

-- A task that holds something until it is told to let go.
local function keeper(take, give)
  local gate = task.promise()
  local t = task.spawn(function()
    take()
    gate:await()
    give()
  end)
  task.yield()
  return function()
    gate:resolve()
    t:await()
  end
end

state("running", function()
  return { wait = function()
    local start = os.clock()
    while os.clock() - start < 0.1 do end
    task.sleep(LONG)
  end }
end)

state("sleeping", function()
  return { wait = function() task.sleep(LONG) end }
end)

state("awaiting a promise", function()
  local p = task.promise()
  return { wait = function() p:await() end, late = function() p:resolve() end }
end)

state("queue get", function()
  local q = sync.queue()
  return {
    travels = true,
    wait = function() q:get() end,
    late = function() q:put "late" end,
    check = function() assert(q:try_get() == "late") end,
  }
end)

state("queue put", function()
  local q = sync.queue { maxsize = 1 }
  q:put "first"
  return {
    travels = true,
    wait = function() q:put "second" end,
    late = function() assert(q:get() == "first") end,
    check = function() assert(q:try_get() == nil) end,
  }
end)

state("lock acquire", function()
  local lock = sync.lock()
  local release = keeper(function() lock:acquire() end, function() lock:release() end)
  return {
    travels = true,
    wait = function() lock:acquire() end,
    late = release,
    check = function()
      assert(lock:try_acquire())
      lock:release()
    end,
  }
end)

state("semaphore acquire", function()
  local semaphore = sync.semaphore(1)
  semaphore:acquire()
  return {
    travels = true,
    wait = function() semaphore:acquire() end,
    late = function() semaphore:release() end,
    check = function() assert(semaphore:try_acquire() and not semaphore:try_acquire()) end,
  }
end)

state("http: connecting", function()
  local s = assert(socket.tcp4())
  assert(s:bind("127.0.0.1", 0) and s:listen(0))
  local port = select(2, s:getsockname())
  local first = assert(socket.connect("127.0.0.1", port)) -- fills the line
  local client = http.client {}
  return {
    wait = function() client:get(url(port)) end,
    late = function() s:accept():close() end,
    close = function()
      client:close()
      first:close()
      s:close()
    end,
  }
end)

local function http_state(text, answer)
  local s = server(text)
  local client = http.client {}
  return {
    wait = function() client:get(url(s.port)) end,
    ready = function() return #s.connections > 0 end,
    late = function() s.answer(answer) end,
    close = function()
      client:close()
      s.close()
    end,
  }
end

state("http: waiting for headers", function()
  return http_state(nil, "HTTP/1.1 204 No Content\r\n\r\n")
end)

state("http: reading the body", function()
  return http_state("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf", "half")
end)

local function connection(serve)
  local s = serve or server()
  local c = assert(socket.connect("127.0.0.1", s.port))
  c:send "hello\n"
  while #s.connections == 0 do task.sleep(0.001) end
  return s, c
end

state("socket read", function()
  local s, c = connection()
  return {
    wait = function() c:receive "*l" end,
    late = function() s.answer "late\n" end,
    check = function() assert(c:receive "*l" == "late") end,
    close = function()
      c:close()
      s.close()
    end,
  }
end)

state("socket write", function()
  local s, c = connection()
  return {
    wait = function() c:send(("x"):rep(64 << 20)) end,
    late = function()
      s.connections[1]:settimeout(0)
      s.connections[1]:receive(1 << 16)
    end,
    close = function()
      c:close()
      s.close()
    end,
  }
end)

state("fs: no thread", function()
  local held = threads.hold()
  return { wait = function() fs.read "/dev/null" end, late = function() held:close() end }
end)

state("fs: waiting for a reader", function()
  local path, dir = fifo()
  return { wait = function() fs.write(path, "x") end, close = function() dir:close() end }
end)

state("fs: waiting for a writer", function()
  local path, dir = fifo()
  return { wait = function() fs.read(path) end, close = function() dir:close() end }
end)

state("process.exec", function()
  local dir = tempdir()
  local path = dir.path .. "/pid"
  local function pid()
    local file <close> = io.open(path)
    return file and file:read "n"
  end
  local function lives()
    local id = pid() -- none, when it was killed before it could tell
    return id and io.open(("/proc/%d/fd"):format(id)) ~= nil
  end
  return {
    wait = function()
      process.exec { "sh", "-c", 'echo $$ >"$0"; exec sleep 1000', path }
    end,
    ready = pid,
    check = function() assert(not lives()) end,
    close = function() dir:close() end,
  }
end)

state("in a <close> handler", function()
  return { wait = function()
    local _ <close> = setmetatable({}, { __close = function() task.sleep(LONG) end })
  end }
end)

state("in a script's coroutine", function()
  return { wait = function()
    for _ in coroutine.wrap(function()
      coroutine.yield(1)
      coroutine.wrap(task.sleep)(LONG)
    end) do end
  end }
end)

state("in pool:apply", function()
  local p = pool.new { processes = 1 }
  local function sleep(s) require "luapool.task".sleep(s) end
  p:apply(sleep, 0)
  return {
    main_only = true,
    wait = function() p:apply(sleep, LONG) end,
    ready = function() return p:stats().running == 1 end,
    check = function() p:apply(sleep, 0) end,
    close = function()
      p:terminate()
      p:join()
    end,
  }
end)

state("already done", function()
  return { done = true, wait = function() end }
end)

-- Look-ups, where support/names/run gives us a server for them. It answers no name "held…" before
-- "release…" was asked for.
local function held_name()
  local number = math.random(1 << 40)
  return ("held%d.test"):format(number), function()
    dns.lookup(("release%d.test"):format(number))
  end
end

if os.getenv "NAMES_ETC" then
  M.names, states = {}, {} -- the others run elsewhere

  state("http: resolving", function()
    local s = server "HTTP/1.1 204 No Content\r\n\r\n"
    local name, release = held_name()
    local client = http.client {}
    return {
      wait = function() client:get(("http://%s:%d/"):format(name, s.port)) end,
      late = release,
      check = function() assert(#s.connections == 0) end,
      close = function()
        client:close()
        s.close()
      end,
    }
  end)

  state("dns", function()
    local name, release = held_name()
    return { wait = function() dns.lookup(name) end, late = release }
  end)
end

--- Ends the program that a worker has left running, if any.
---@param home string
function M.bury(home)
  local file <close> = io.open(home .. "/1/pid")
  if file then process.exec { "kill", file:read "l" } end
end

--- Makes a state.
---@param name string one of names
---@return table
function M.open(name)
  local s = states[name]()
  local late, close = s.late, s.close
  local function once(f)
    local called = not f
    return function()
      if called then return end
      called = true
      f()
    end
  end
  s.late = once(late)
  s.check = s.check or function() end
  s.close = once(function()
    s.late()
    if close then close() end
  end)
  return setmetatable(s, { __close = s.close })
end

--- Waits until a task that was just spawned has come into the state.
---@param s table
function M.enter(s)
  for _ = 1, 5 do task.sleep(0.001) end
  while s.ready and not s.ready() do task.sleep(0.002) end
end

--- The function of a task in this state. `probe` counts: how often the wait came back, how often
--- the task's <close> variable was closed, and how often that came to its end.
---@param s table
---@param probe table
---@return function
function M.victim(s, probe)
  probe.woken, probe.closed, probe.unwound = 0, 0, 0
  return function()
    local _ <close> = setmetatable({}, { __close = function()
      probe.closed = probe.closed + 1
      task.sleep(0)
      probe.unwound = probe.unwound + 1
    end })
    local result = table.pack(pcall(s.wait))
    probe.woken = probe.woken + 1
    if not result[1] then error(result[2], 0) end
    return "returned"
  end
end

return M
