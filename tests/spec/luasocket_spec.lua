-- Libraries written for LuaSocket, unmodified, from many tasks of one process: LuaSocket's own
-- socket.http, smtp and ftp, and redis-lua.

local nginx = require "tests.support.nginx"
local pool = require "luapool.pool"
local redis_server = require "tests.support.redis_server"
local ftp = require "socket.ftp"
local http = require "socket.http"
local ltn12 = require "ltn12"
local smtp = require "socket.smtp"
local socket = require "socket"
local task = require "luapool.task"

local function times(n, fn)
  local list = {}
  for i = 1, n do list[i] = function() return fn(i) end end
  return task.gather(list)
end

describe("socket.http", function()
  it("makes 50 requests of 0.1 s at once", function()
    local server <close> = nginx.start()
    local began = task.now()
    local bodies = times(50, function()
      local body, status = http.request(server.url .. "/delay/0.1")
      assert(status == 200, status)
      return body
    end)
    local elapsed = task.now() - began
    for i = 1, 50 do assert.are.equal("ok", (bodies[i]:gsub("\n", ""))) end
    assert.is_true(tonumber((http.request(server.url .. "/peak"))) >= 40)
    assert.is_true(elapsed < 2.5, elapsed) -- 5 s one after the other
  end)

  it("works in workers, as an upvalue", function()
    local server <close> = nginx.start()
    local workers <close> = pool.new { processes = 2 }
    local urls = {}
    for i = 1, 20 do urls[i] = server.url .. "/bytes/" .. i end
    local n = 0
    for i, body in workers:map(function(url) return (http.request(url)) end, urls) do
      assert.are.equal(i, #body)
      n = n + 1
    end
    assert.are.equal(20, n)
  end)

  it("reads bodies of any kind", function()
    local server <close> = nginx.start()
    assert.are.equal(1000000, #http.request(server.url .. "/bytes/1000000"))
    assert.are.equal(1000, #http.request(server.url .. "/chunks/10?delay=0.01&size=100"))
    local parts = {}
    local ok, status = http.request { url = server.url .. "/body", method = "POST",
      source = ltn12.source.string("sent"), headers = { ["content-length"] = "4" },
      sink = ltn12.sink.table(parts) }
    assert.are.same({ 1, 200, "sent" }, { ok, status, table.concat(parts) })
    assert.is_truthy(http.request(server.url .. "/redirect/2"))
    assert.are.same({ nil, "connection refused" }, { http.request "http://127.0.0.1:1/" })
  end)
end)

describe("socket.smtp", function()
  -- A server for one mail, which it returns.
  local function serve(server)
    local peer, lines = server:accept(), {}
    peer:send "220 here\r\n"
    for line in function() return peer:receive() end do
      lines[#lines + 1] = line
      if line == "DATA" then
        peer:send "354 go on\r\n"
        repeat
          local text = peer:receive()
          lines[#lines + 1] = text
        until text == "."
      end
      peer:send(line == "QUIT" and "221 bye\r\n" or "250 ok\r\n")
      if line == "QUIT" then break end
    end
    peer:close()
    return table.concat(lines, "\n")
  end

  it("sends a mail to a server in the same process", function()
    local server = socket.bind("127.0.0.1", 0)
    local _, port = server:getsockname()
    local receiver = task.spawn(serve, server)
    local ok, message = smtp.send { from = "<a@example.com>", rcpt = "<b@example.com>",
      server = "127.0.0.1", port = port,
      source = smtp.message { headers = { subject = "hello" }, body = "text" } }
    assert.are.equal(1, ok, message)
    local mail = receiver:await()
    assert.is_truthy(mail:find("MAIL FROM:<a@example.com>", 1, true), mail)
    assert.is_truthy(mail:find("\ntext\n", 1, true), mail)
    server:close()
  end)
end)

describe("socket.ftp", function()
  -- Takes the connection of a transfer, which the client makes.
  local function transfer(peer, data, files, verb, name)
    peer:send "150 begin\r\n"
    local other = data:accept()
    if verb == "RETR" then other:send(files[name]) else files[name] = other:receive "*a" end
    other:close()
    data:close()
    return "226 done\r\n"
  end

  local answers = { USER = "331 and?\r\n", PASS = "230 in\r\n", QUIT = "221 bye\r\n" }

  local function serve(peer, files)
    local data
    peer:send "220 here\r\n"
    for line in function() return peer:receive() end do
      local verb, argument = line:match "^(%a+) ?(.*)"
      verb = verb:upper()
      local answer = answers[verb] or "200 yes\r\n"
      if verb == "EPSV" then
        data = socket.bind("127.0.0.1", 0)
        answer = ("229 there (|||%d|)\r\n"):format((select(2, data:getsockname())))
      elseif verb == "RETR" or verb == "STOR" then
        answer = transfer(peer, data, files, verb, argument)
      end
      peer:send(answer)
      if verb == "QUIT" then break end
    end
    peer:close()
  end

  it("gets and puts files, many at once, with a server in the same process", function()
    local files = { a = "of a", b = ("b"):rep(300000) }
    local server = socket.bind("127.0.0.1", 0)
    local _, port = server:getsockname()
    local acceptor = task.spawn(function()
      while true do task.spawn(serve, server:accept(), files) end
    end)
    local url = ("ftp://127.0.0.1:%d/"):format(port)
    local results = times(10, function(i)
      assert(ftp.put(url .. i, "of " .. i))
      return assert(ftp.get(url .. i)) .. #assert(ftp.get(url .. "b"))
    end)
    for i = 1, 10 do assert.are.equal(("of %d300000"):format(i), results[i]) end
    acceptor:cancel()
    acceptor:result()
    server:close()
  end)
end)

describe("redis-lua", function()
  local path

  setup(function()
    path = package.path
    package.path = path .. ";/usr/share/lua/5.3/?.lua"
  end)

  teardown(function() package.path = path end)

  it("serves 20 tasks at once from a real redis-server", function()
    local redis = require "redis"
    local server <close> = redis_server.start()
    local results = times(20, function(i)
      local client = redis.connect("127.0.0.1", server.port)
      local key = "key" .. i
      for _ = 1, 50 do
        client:incr "all"
        client:incrby(key, i)
      end
      client:set(key .. ":text", ("a\r\n\0b"):rep(i))
      assert(client:get(key .. ":text") == ("a\r\n\0b"):rep(i))
      local sum = tonumber(client:get(key))
      client:quit()
      return sum
    end)
    for i = 1, 20 do assert.are.equal(50 * i, results[i]) end
    local client = redis.connect("127.0.0.1", server.port)
    assert.are.equal("1000", client:get "all")
    client:quit()
  end)

  it("blocks in one task, not in the others", function()
    local redis = require "redis"
    local server <close> = redis_server.start()
    local waiting = task.spawn(function()
      local client = redis.connect("127.0.0.1", server.port)
      local item = client:blpop("list", 0)
      client:quit()
      return item
    end)
    local client = redis.connect("127.0.0.1", server.port)
    repeat task.sleep(0.01) until client:info().clients.blocked_clients == "1"
    client:rpush("list", "item")
    assert.are.same({ "list", "item" }, waiting:await())
    client:quit()
  end)
end)
