-- The LuaSocket door: TCP through LuaSocket's socket.lua, with luapool's socket.core below it.

local socket = require "socket"
local errors = require "luapool.error"
local task = require "luapool.task"

describe("socket", function()
  local open

  before_each(function() open = {} end)
  after_each(function()
    for _, s in ipairs(open) do s:close() end
  end)

  local function keep(s, message)
    assert.is_truthy(s, message)
    open[#open + 1] = s
    return s
  end

  local function port_of(s) return (select(2, s:getsockname())) end

  -- A connection: both ends, and the server.
  local function pair()
    local server = keep(socket.bind("127.0.0.1", 0))
    local _, port = server:getsockname()
    local client = keep(socket.connect("127.0.0.1", port))
    return client, keep(server:accept()), server, port
  end

  it("is luapool's own below LuaSocket's files", function()
    assert.are.equal(socket.newtry, require "socket.core".newtry)
    assert.are.equal("/usr/share/lua/5.4/socket.lua", (package.searchpath("socket", package.path)))
    local source = debug.getinfo(socket.newtry, "S").source
    assert.is_truthy(source:find("luapool/internal/socket.lua", 1, true))
  end)

  it("answers as LuaSocket does", function()
    local c, a, server, port = pair()
    assert.is_truthy(tostring(c):find("^tcp{client}: "))
    assert.is_truthy(tostring(server):find("^tcp{server}: "))
    assert.is_truthy(tostring(socket.tcp()):find("^tcp{master}: "))
    assert.are.same({ "127.0.0.1", math.tointeger(port), "inet" }, { c:getpeername() })
    assert.are.same({ "127.0.0.1", port, "inet" }, { server:getsockname() })
    assert.are.equal(5, a:send "hello")
    local sent = {}
    for i, range in ipairs { { 2 }, { 2, 2 }, { -2, -1 }, { 5 }, { 3, 2 }, {} } do
      sent[i] = a:send("xyz", table.unpack(range))
    end
    assert.are.same({ 3, 2, 3, 4, 2, 3 }, sent)
    assert.are.equal("hello", c:receive(5))
    assert.are.equal("yzyyzxyz", c:receive(8))
    local received, none, age = c:getstats()
    assert.are.same({ 13, 0 }, { received, none })
    assert.is_true(age >= 0 and age < 60)
    assert.are.equal(1, c:setstats(1, 2, 100))
    assert.is_true(select(3, c:getstats()) >= 100)
    assert.are.equal(1, c:close())
    assert.are.equal(1, c:close())
    assert.are.same({ nil, "closed", "" }, { c:receive() })
    assert.are.same({ nil, "closed", 0 }, { c:send "x" })
    assert.are.equal(-1, c:getfd())
  end)

  it("receives lines, numbers of bytes and everything", function()
    local c, a = pair()
    a:send "one\r\ntw\ro\n\nrest of it"
    assert.are.equal("one", c:receive())
    assert.are.equal("two", c:receive "*l")
    assert.are.equal("", c:receive "*l")
    assert.are.equal("rest", c:receive(4))
    assert.are.equal("pre of", c:receive(6, "pre"))
    assert.are.equal("pre", c:receive(2, "pre"))
    c:settimeout(0)
    assert.are.same({ nil, "timeout", " it" }, { c:receive(100) })
    assert.are.same({ nil, "timeout", "pre" }, { c:receive("*l", "pre") })
    c:settimeout(nil)
    a:send "tail\nmore"
    a:close()
    assert.are.equal("Atail", c:receive("*l", "A"))
    assert.are.equal("Bmore", c:receive("*a", "B"))
    assert.are.same({ nil, "closed", "" }, { c:receive "*a" })
    assert.are.same({ nil, "closed", "C" }, { c:receive("*l", "C") })
    for _, pattern in ipairs { "*x", -1, "x" } do
      assert.is_false((pcall(c.receive, c, pattern)))
    end
  end)

  it("gives the part that has come when the peer closes", function()
    local c, a = pair()
    a:send "no end"
    a:close()
    assert.are.same({ nil, "closed", "no end" }, { c:receive "*l" })
  end)

  it("waits without holding up others", function()
    local c, a = pair()
    local log = {}
    local reader = task.spawn(function()
      local line = c:receive()
      log[#log + 1] = line
    end)
    task.spawn(function()
      log[#log + 1] = "other"
      a:send "line\n"
    end)
    reader:await()
    assert.are.same({ "other", "line" }, log)
  end)

  it("keeps settimeout's limits", function()
    local c, a = pair()
    c:settimeout(0.05)
    a:send "part"
    assert.are.same({ nil, "timeout", "part" }, { c:receive(5) })
    local now = task.now()
    assert.are.same({ nil, "timeout", "" }, { c:receive(5) })
    assert.is_true(task.now() - now >= 0.05)
    assert.are.equal(1, c:settimeout(3, "t"))
    assert.are.same({ 0.05, 3 }, { c:gettimeout() })
    assert.is_false((pcall(c.settimeout, c, 1, "x")))
  end)

  it("counts mode b from the peer's last sign, mode t for the whole call", function()
    local c, a = pair()
    local writer = task.spawn(function()
      for _ = 1, 8 do
        task.sleep(0.05)
        a:send "x"
      end
    end)
    c:settimeout(0.3)
    assert.are.equal("xxxxxxxx", c:receive(8)) -- 0.4 s
    writer:await()
    c:settimeout(0.12, "t")
    writer = task.spawn(function()
      for _ = 1, 8 do
        a:send "y"
        task.sleep(0.05)
      end
    end)
    local all, message, part = c:receive(8)
    assert.is_nil(all)
    assert.are.equal("timeout", message)
    assert.is_true(#part >= 1 and #part < 8, part)
    writer:await()
  end)

  it("refuses, and tells why", function()
    local _, _, server, port = pair()
    server:close()
    assert.are.same({ nil, "connection refused" }, { socket.connect("127.0.0.1", port) })
    local t = keep(socket.tcp())
    assert.are.same({ nil, "connection refused" }, { t:connect("127.0.0.1", port) })
    local nobody = "host or service not provided, or not known"
    assert.are.same({ nil, nobody }, { t:connect("no such", 1) })
    local no_port = "service not supported for socket type"
    assert.are.same({ nil, no_port }, { t:connect("127.0.0.1", "nonesuch") })
    local other = keep(socket.bind("127.0.0.1", 0))
    assert.are.same({ nil, "address already in use" },
      { keep(socket.tcp()):bind("127.0.0.1", port_of(other)) })
    assert.is_false((pcall(socket.connect)))
    assert.is_false((pcall(socket.tcp().receive, socket.tcp())))
    assert.is_false((pcall(other.receive, io.stdout)))
  end)

  it("connects to names, trying each address", function()
    local _, _, _, port = pair()
    assert.are.equal("127.0.0.1", (keep(socket.connect("localhost", port)):getpeername()))
    assert.are.equal("inet4", keep(socket.connect4("localhost", port)):getfamily())
    local six = socket.bind("::1", 0)
    if six then
      keep(six)
      local _, six_port = six:getsockname()
      assert.are.equal("::1", (keep(socket.connect6("::1", six_port)):getpeername()))
    end
  end)

  it("connects without waiting when the limit is 0", function()
    local server = keep(socket.bind("127.0.0.1", 0))
    local c = keep(socket.tcp())
    c:settimeout(0)
    local ok, message = c:connect("127.0.0.1", port_of(server))
    assert.is_true(ok == 1 or message == "timeout", message)
    local _, w = socket.select(nil, { c })
    assert.are.equal(c, w[1])
    assert.are.equal(1, c:send "x")
    assert.are.equal("x", keep(server:accept()):receive(1))
    server:settimeout(0)
    assert.are.same({ nil, "timeout" }, { server:accept() })
  end)

  it("echoes for many clients in one process", function()
    local server = keep(socket.bind("127.0.0.1", 0, 128))
    local _, port = server:getsockname()
    local acceptor = task.spawn(function()
      while true do
        local peer = server:accept()
        if not peer then return end
        task.spawn(function()
          for line in function() return peer:receive() end do peer:send(line .. "\n") end
          peer:close()
        end)
      end
    end)
    local clients = {}
    for i = 1, 50 do
      clients[i] = function()
        local c = assert(socket.connect("127.0.0.1", port))
        for j = 1, 20 do
          local line = ("client %d line %d"):format(i, j)
          c:send(line .. "\n")
          assert(c:receive() == line)
        end
        c:close()
        return i
      end
    end
    assert.are.equal(50, #task.gather(clients))
    server:close()
    acceptor:await()
  end)

  it("moves megabytes against a slow reader", function()
    local c, a = pair()
    local text = ("0123456789abcdef"):rep(1 << 18)
    local sent = false
    local writer = task.spawn(function()
      assert.are.equal(#text, a:send(text))
      sent = true
      a:close()
    end)
    task.sleep(0.01)
    assert.is_false(sent) -- the kernel's buffers are full
    local parts = {}
    for i = 1, 100 do
      parts[i] = c:receive(10000)
      if i % 10 == 0 then task.sleep(0.001) end
    end
    parts[#parts + 1] = c:receive "*a"
    assert.is_true(table.concat(parts) == text)
    writer:await()
  end)

  it("tells how much was sent when the limit passes", function()
    local _, a = pair()
    a:settimeout(0.05)
    local text = ("x"):rep(1 << 23)
    local ok, message, last = a:send(text)
    assert.is_nil(ok)
    assert.are.equal("timeout", message)
    assert.is_true(last > 0 and last < #text)
    a:settimeout(0)
    local _, _, none = a:send(text, last + 1)
    assert.is_true(none >= last and none < #text)
  end)

  it("loses nothing when a read is cancelled", function()
    local c, a = pair()
    local reader = task.spawn(c.receive, c, "*l")
    a:send "half "
    task.sleep(0.01)
    reader:cancel()
    assert.is_true(errors.is(select(2, reader:result()), "cancelled"))
    a:send "whole\n"
    assert.are.equal("half whole", c:receive())
  end)

  it("stops a cancelled write, and one whose time is over", function()
    local c, a = pair()
    local text = ("x"):rep(1 << 23)
    local writer = task.spawn(a.send, a, text)
    task.sleep(0.01)
    writer:cancel()
    assert.is_true(errors.is(select(2, writer:result()), "cancelled"))
    local ok, e = pcall(task.timeout, 0.02, a.send, a, text)
    assert.is_false(ok)
    assert.is_true(errors.is(e, "timeout"))
    a:close()
    assert.is_true(#c:receive "*a" < #text)
  end)

  it("cancels accept and connect", function()
    local server = keep(socket.bind("127.0.0.1", 0))
    local waiting = task.spawn(server.accept, server)
    task.yield()
    waiting:cancel()
    assert.is_true(errors.is(select(2, waiting:result()), "cancelled"))
    local c = keep(socket.connect("127.0.0.1", port_of(server)))
    keep(server:accept()):send "x"
    assert.are.equal("x", c:receive(1))
    local full = keep(socket.bind("127.0.0.1", 0, 0)) -- has room for one that it has not accepted
    keep(socket.connect("127.0.0.1", port_of(full)))
    local connecting = task.spawn(socket.connect, "127.0.0.1", port_of(full))
    task.yield()
    connecting:cancel()
    assert.is_true(errors.is(select(2, connecting:result()), "cancelled"))
  end)

  it("serves those who read the same socket in turn", function()
    local c, a = pair()
    local got = {}
    local readers = {}
    for i = 1, 3 do
      readers[i] = function() got[i] = c:receive() end
    end
    local cancelled = task.spawn(c.receive, c)
    task.yield()
    local all = task.spawn(task.gather, readers)
    task.yield()
    cancelled:cancel()
    a:send "1\n2\n3\n"
    all:await()
    assert.are.same({ "1", "2", "3" }, got)
    assert.are.equal("cancelled", cancelled:status())
  end)

  it("hands bytes to one reader only when others are late", function()
    local c, a = pair()
    a:send "12345"
    c:settimeout(0.02)
    local late = task.spawn(c.receive, c, 10)
    task.yield()
    local next_one = task.spawn(c.receive, c, 3)
    local last = task.spawn(c.receive, c, "*a")
    task.yield()
    c:settimeout(0)
    assert.are.same({ nil, "timeout", "" }, { c:receive(1) })
    assert.are.same({ nil, "timeout", "12345" }, { late:await() })
    assert.are.same({ nil, "timeout", "" }, { next_one:await() })
    assert.are.same({ nil, "timeout", "" }, { last:await() })
    a:send "6"
    c:settimeout(nil)
    assert.are.equal("6", c:receive(1))
  end)

  it("reads and writes one socket at the same time", function()
    local c, a = pair()
    local text = ("x"):rep(1 << 22)
    local function both(s)
      return task.all(function() return s:send(text) end, function() return #s:receive(#text) end)
    end
    local mine, other = task.spawn(both, c), task.spawn(both, a)
    assert.are.same({ #text, #text }, { mine:await() })
    assert.are.same({ #text, #text }, { other:await() })
  end)

  it("wakes those who wait when it is closed", function()
    local c, a, server = pair()
    local reader = task.spawn(c.receive, c)
    local acceptor = task.spawn(server.accept, server)
    a:send "part"
    task.sleep(0.01)
    c:close()
    server:close()
    assert.are.same({ nil, "closed", "part" }, { reader:await() })
    assert.are.same({ nil, "closed" }, { acceptor:await() })
  end)

  it("shuts one direction", function()
    local c, a = pair()
    c:send "request"
    assert.are.equal(1, c:shutdown "send")
    assert.are.equal("request", a:receive "*a")
    a:send "answer"
    a:close()
    assert.are.equal("answer", c:receive "*a")
    assert.are.same({ nil, "closed", 0 }, { c:send "x" })
    assert.is_false((pcall(c.shutdown, c, "x")))
  end)

  it("notices a peer that is gone", function()
    local c, a = pair()
    a:setoption("linger", { on = true, timeout = 0 })
    local reader = task.spawn(c.receive, c)
    task.yield()
    a:close() -- with a reset
    assert.are.same({ nil, "closed", "" }, { reader:await() })
  end)

  it("sets and tells options", function()
    local c, _, server = pair()
    assert.are.equal(1, c:setoption("keepalive", true))
    assert.is_true(c:getoption "keepalive")
    assert.are.equal(1, c:setoption("tcp-nodelay", true))
    assert.is_true(c:getoption "tcp-nodelay")
    assert.is_true(server:getoption "reuseaddr")
    assert.are.equal(1, c:setoption("linger", { on = true, timeout = 3 }))
    assert.are.same({ on = true, timeout = 3 }, c:getoption "linger")
    assert.is_nil(c:getoption "error")
    assert.are.same({ nil, "setsockopt failed" }, { socket.tcp():setoption("reuseaddr", true) })
    local ok, message = pcall(c.setoption, c, "nonesuch", true)
    assert.is_false(ok)
    assert.is_truthy(message:find("unsupported option `nonesuch'", 1, true))
    assert.is_false((pcall(c.setoption, c, "linger", true)))
  end)

  it("gives a descriptor away and takes it", function()
    local c, a, _, port = pair()
    local fd = c:getfd()
    local other = keep(socket.connect("127.0.0.1", port))
    local old = other:getfd()
    c:setfd(-1)
    other:setfd(fd)
    a:send "x\n"
    assert.are.equal("x", other:receive())
    c:setfd(old)
  end)

  it("closes with <close> and when it is collected", function()
    local _, _, server, port = pair()
    do
      local c <close> = socket.connect("127.0.0.1", port)
      keep(server:accept())
      assert.is_true(c:getfd() > 0)
    end
    assert.are.same({ nil, "closed", "" }, { open[#open]:receive() })
    socket.connect("127.0.0.1", port)
    keep(server:accept())
    collectgarbage()
    collectgarbage()
    assert.are.same({ nil, "closed", "" }, { open[#open]:receive() })
  end)

  it("leaves nothing open when whoever accepts comes to the ceiling of memory", function()
    local p <close> = require("luapool.pool").new { processes = 1, memory_limit = "64M" }
    local before, after, kind = p:apply(function()
      local core, fs = require "socket.core", require "luapool.fs"
      local server, clients = core.tcp4(), {}
      server:bind("127.0.0.1", 0)
      server:listen(100)
      server:settimeout(0)
      for i = 1, 100 do
        clients[i] = core.tcp4()
        clients[i]:connect(server:getsockname())
      end
      local open_before = #fs.list "/proc/self/fd"
      local hog = task.spawn(function()
        local kept = {}
        for i = 1, 1000 do
          kept[#kept + 1] = server:accept()
          kept[#kept + 1] = ("x"):rep((1 << 20) + i)
        end
      end)
      local _, e = pcall(hog.await, hog)
      collectgarbage()
      collectgarbage()
      return open_before, #fs.list "/proc/self/fd", e.kind
    end)
    assert.are.equal("memory", kind)
    assert.are.equal(before, after)
  end)

  it("needs no task to be suspended when there is nothing to wait for", function()
    local c, a = pair()
    a:send "a\nb\n"
    c:receive()
    assert.are.equal("b", (("x"):gsub("x", function() return (c:receive()) end)))
    local ok, e = pcall(string.gsub, "x", "x", function() return c:receive() end)
    assert.is_false(ok)
    assert.is_true(errors.is(e, "cannot_wait"), tostring(e))
  end)
end)
