-- The LuaSocket door: UDP, select, names, exceptions.

local socket = require "socket"
local errors = require "luapool.error"
local task = require "luapool.task"

local NOBODY = "host or service not provided, or not known"
local open = {}

local function keep(s, message)
  assert.is_truthy(s, message)
  open[#open + 1] = s
  return s
end

local function close_all()
  for _, s in ipairs(open) do s:close() end
  open = {}
end

local function port_of(s) return (select(2, s:getsockname())) end

describe("socket.udp", function()
  after_each(close_all)

  -- Two, of which the first is bound.
  local function pair()
    local a, b = keep(socket.udp()), keep(socket.udp())
    assert.are.equal(1, a:setsockname("127.0.0.1", 0))
    return a, b, port_of(a)
  end

  it("sends and receives datagrams", function()
    local a, b, port = pair()
    assert.is_truthy(tostring(b):find("^udp{unconnected}: "))
    assert.are.equal(5, b:sendto("hello", "127.0.0.1", port))
    local data, ip, from = a:receivefrom()
    assert.are.same({ "hello", "127.0.0.1" }, { data, ip })
    assert.are.equal(6, a:sendto("answer", ip, from))
    assert.are.equal("answer", b:receive())
    b:sendto("", "127.0.0.1", port)
    assert.are.equal("", a:receive())
    b:sendto("cut it", "127.0.0.1", port)
    assert.are.equal("cut", a:receive(3))
  end)

  it("connects", function()
    local a, _, port = pair()
    local b = keep(socket.udp4()) -- localhost may be ::1 first
    assert.are.equal(1, b:setpeername("localhost", port))
    assert.is_truthy(tostring(b):find("^udp{connected}: "))
    assert.are.same({ "127.0.0.1", math.tointeger(port), "inet" }, { b:getpeername() })
    assert.are.equal(2, b:send "hi")
    assert.are.equal("hi", a:receive())
    a:close()
    b:send "x"
    b:settimeout(5)
    assert.are.same({ nil, "connection refused" }, { b:receive() })
    assert.are.equal(1, b:setpeername "*")
    assert.is_false((pcall(b.send, b, "x")))
  end)

  it("waits with a limit, and is cancelled", function()
    local a, b, port = pair()
    a:settimeout(0.02)
    assert.are.same({ nil, "timeout" }, { a:receive() })
    a:settimeout(nil)
    local reader = task.spawn(a.receive, a)
    task.yield()
    reader:cancel()
    assert.is_true(errors.is(select(2, reader:result()), "cancelled"))
    local readers = { function() return a:receive() end, function() return a:receive() end }
    local both = task.spawn(task.gather, readers)
    task.yield()
    b:sendto("1", "127.0.0.1", port)
    b:sendto("2", "127.0.0.1", port)
    assert.are.same({ "1", "2", n = 2 }, both:await())
  end)

  it("refuses", function()
    local a, b = pair()
    assert.are.same({ nil, NOBODY }, { b:sendto("x", "no such", 1) })
    a:close()
    assert.are.same({ nil, "closed" }, { a:receive() })
    assert.is_false((pcall(a.send, a, "x")))
    assert.is_false((pcall(a.receivefrom, a, -1)))
  end)

  it("joins groups", function()
    local a = keep(socket.udp4())
    assert.are.equal(1, a:setoption("ip-multicast-loop", true))
    assert.are.equal(1, a:setoption("ip-multicast-ttl", 1))
    assert.are.equal(1, a:setoption("ip-multicast-if", "127.0.0.1"))
    assert.are.equal("127.0.0.1", a:getoption "ip-multicast-if")
    local group = { multiaddr = "224.0.0.251", interface = "127.0.0.1" }
    assert.are.equal(1, a:setoption("ip-add-membership", group))
    assert.is_false((pcall(a.setoption, a, "ip-add-membership", { multiaddr = "x" })))
  end)
end)

describe("socket.select", function()
  after_each(close_all)

  local function pair()
    local server = keep(socket.bind("127.0.0.1", 0))
    local c = keep(socket.connect("127.0.0.1", port_of(server)))
    return c, keep(server:accept()), server
  end

  it("tells what is ready", function()
    local c, a, server = pair()
    local r, w, e = socket.select({ server, c }, { c }, 0)
    assert.are.same({ {}, { c, [c] = 1 } }, { r, w })
    assert.is_nil(e)
    a:send "two\nlines\n"
    assert.are.equal("two", c:receive())
    assert.is_true(c:dirty())
    r = socket.select({ server, c }, nil, 0)
    assert.are.same({ c, [c] = 1 }, r)
  end)

  it("waits, while others run", function()
    local c, a, server = pair()
    local waiting = task.spawn(socket.select, { c, a, server }, {})
    task.sleep(0.01)
    assert.are.equal("running", waiting:status())
    keep(socket.connect("127.0.0.1", port_of(server)))
    local r = waiting:await()
    assert.are.equal(server, r[1])
    a:send "x"
    r = socket.select({ c, c }, nil, 5)
    assert.are.equal(2, #r)
  end)

  it("waits beside a task that reads the same socket", function()
    local c, a = pair()
    local reader = task.spawn(c.receive, c)
    local waiting = task.spawn(socket.select, { c }, { c, c })
    task.sleep(0)
    a:send "x\n"
    assert.are.equal("x", reader:await())
    assert.are.equal(c, select(2, waiting:await())[1])
  end)

  it("waits until the limit, and is cancelled", function()
    local c = pair()
    local r, w, e = socket.select({ c }, nil, 0.02)
    assert.are.same({ 0, 0, "timeout" }, { #r, #w, e })
    assert.are.equal("timeout", select(3, socket.select(nil, nil, 0.01)))
    local waiting = task.spawn(socket.select, { c })
    task.yield()
    waiting:cancel()
    assert.is_true(errors.is(select(2, waiting:result()), "cancelled"))
  end)

  it("takes any object with a descriptor", function()
    local c, a = pair()
    local object = { getfd = function() return c:getfd() end }
    local dirty = { getfd = function() return c:getfd() end, dirty = function() return true end }
    assert.are.same({}, (socket.select({ object, {} }, nil, 0)))
    a:send "x"
    assert.are.equal(object, socket.select({ object }, nil, 5)[1])
    assert.are.equal(dirty, socket.select({ dirty }, nil, 0)[1])
    assert.is_false((pcall(socket.select, 1)))
  end)
end)

describe("socket.dns and the rest", function()
  it("looks names up", function()
    local ip, resolved = socket.dns.toip "localhost"
    assert.are.equal("127.0.0.1", ip)
    assert.are.equal("127.0.0.1", resolved.ip[1])
    assert.are.equal("localhost", resolved.name)
    assert.are.same({ nil, "host not found" }, { socket.dns.toip "no such" })
    assert.are.equal("127.0.0.1", socket.dns.getaddrinfo "127.0.0.1"[1].addr)
    assert.are.same({ nil, NOBODY }, { socket.dns.getaddrinfo "no such" })
    assert.are.equal("string", type(socket.dns.gethostname()))
    assert.are.equal("localhost", (socket.dns.tohostname "127.0.0.1"))
    local names, service = socket.dns.getnameinfo("127.0.0.1", 49151) -- a port without a name
    assert.are.same({ { "localhost" }, "49151" }, { names, service })
  end)

  it("sleeps and tells the time", function()
    local now = socket.gettime()
    socket.sleep(0.02)
    socket.sleep(-1)
    assert.is_true(socket.gettime() - now >= 0.019)
    assert.is_true(math.abs(socket.gettime() - os.time()) < 5)
  end)

  it("tries and protects, also through waits", function()
    local finalized = 0
    local try = socket.newtry(function()
      task.sleep(0)
      finalized = finalized + 1
    end)
    local f = socket.protect(function(...)
      task.sleep(0)
      return try(...)
    end)
    assert.are.same({ 1, 2 }, { f(1, 2) })
    assert.are.same({ nil, "no" }, { f(nil, "no", 3) })
    assert.are.equal(1, finalized)
    local ok, e = pcall(socket.protect(error), "real", 0)
    assert.are.same({ false, "real" }, { ok, e })
    assert.are.same({ 3, 4 }, { socket.skip(2, 1, 2, 3, 4) })
  end)

  it("lets a cancel pass", function()
    local t = task.spawn(socket.protect(function() task.sleep(100) end))
    task.yield()
    t:cancel()
    assert.is_true(errors.is(select(2, t:result()), "cancelled"))
  end)
end)
