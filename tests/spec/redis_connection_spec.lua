-- luapool.redis: connections: how they are made, how they end, and what becomes of the commands
-- then.

local cut_proxy = require "tests.support.cut_proxy"
local eventually = require "tests.support.eventually"
local fails = require "tests.support.fails"
local redis = require "luapool.redis"
local redis_server = require "tests.support.redis_server"
local refused = require "tests.support.refused"
local socket = require "socket"
local task = require "luapool.task"

describe("a connection of luapool.redis", function()
  local server, proxy

  setup(function() server = redis_server.start() end)
  teardown(function() server:stop() end)
  before_each(function() proxy = cut_proxy.start(server.port) end)
  after_each(function() proxy:stop() end)

  it("is made over TCP, by name, and over a Unix socket", function()
    for url, db in pairs { [server.url] = "0", [server.unix_url] = "0",
      ["redis://localhost:" .. server.port] = "0", [server.url .. "/3"] = "3",
      [server.unix_url:gsub("^unix", "redis+unix") .. "?db=4"] = "4" } do
      local client <close> = redis.connect(url, { name = "spec" })
      local info = client:client_info()
      assert.is_truthy(info:find("name=spec", 1, true))
      assert.are.equal(db, info:match " db=(%d+)")
    end
    local client <close> = redis.connect(server.url .. "/3", { db = 5 })
    assert.are.equal("5", client:client_info():match " db=(%d+)")
  end)

  it("is refused with the reason", function()
    refused("connect", "127.0.0.1:1: connection refused", redis.connect, "redis://127.0.0.1:1")
    refused("dns", "no-such-host.invalid:6379", redis.connect, "redis://no-such-host.invalid")
    refused("connect", "/no/such/socket: ", redis.connect, "unix:///no/such/socket")
    refused("connect", "File name too long", redis.connect, "unix:///" .. ("x"):rep(200))
    local e = refused("redis", "DB index is out of range", redis.connect, server.url .. "/99")
    assert.are.equal("SELECT", e.command)
    proxy:stall()
    refused("connect", "within 0.05 s", redis.connect, proxy.url, { connect_timeout = 0.05 })
  end)

  it("waits for its turn when the server has too many, unless that takes too long", function()
    local few <close> = redis_server.start { config = { "maxclients 2" } }
    local one, two = redis.connect(few.url), redis.connect(few.url)
    local e = fails("redis", redis.connect, few.url)
    assert.are.same({ "ERR", true }, { e.code, e.message:find "max number of clients" ~= nil })
    local later <close> = redis.connect(few.url, { lazy = true, timeout = 30 })
    local ping = task.spawn(later.ping, later)
    task.sleep(0.05) -- it tries meanwhile
    assert.are.equal("running", ping:status())
    one:close()
    two:close()
    assert.are.equal("PONG", ping:await())
  end)

  it("is told why a channel is refused", function()
    local admin <close> = redis.connect(server.url)
    admin:command("ACL", "SETUSER", "ann", "on", ">pw", "+@all", "~*", "resetchannels", "&open")
    local client <close> = redis.connect(server.url, { username = "ann", password = "pw" })
    local e = refused("redis", "NOPERM", client.subscribe, client, "news")
    assert.are.same({ "NOPERM", "SUBSCRIBE" }, { e.code, e.command })
    local news <close> = client:subscribe "open"
    client:publish("open", "hello")
    assert.are.equal("hello", news:get())
    admin:command("ACL", "SETUSER", "ann", "resetchannels") -- which ends the connection
    refused("redis", "NOPERM", news.get, news, 60)
    admin:command("ACL", "DELUSER", "ann")
  end)

  it("gives each call its own replies, whatever is cut and cancelled", function()
    local client <close> = redis.connect(proxy.url, { timeout = 30 })
    local ends, tasks, kinds = false, {}, {}
    local cutting = task.spawn(function()
      while not ends do
        task.sleep(math.random() * 0.05)
        proxy:cut()
      end
    end)
    local function ask(i, n)
      local word, long = i .. ":" .. n, ("x"):rep(math.random(100000))
      assert(client:echo(word) == word)
      local replies = client:pipeline(function(p)
        p:echo(word)
        p:echo(long)
      end)
      assert(replies[1] == word and replies[2] == long)
      replies = client:transaction(function(t)
        t:set(word, n)
        t:get(word)
      end)
      assert(replies[1] == "OK" and replies[2] == tostring(n))
      assert(client:blpop("nothing" .. i, 0.001) == nil)
    end
    for i = 1, 30 do
      tasks[i] = task.spawn(function()
        for n = 1, 30 do
          local limit = n % 5 == 0 and math.random() * 0.01 or 60
          local ok, e = pcall(task.timeout, limit, ask, i, n)
          if not ok then kinds[e.kind or tostring(e)] = true end
        end
      end)
    end
    task.gather(tasks)
    ends = true
    cutting:await()
    ask(0, 0)
    kinds.timeout, kinds.aborted = nil, nil
    assert.are.same({}, kinds)
  end)

  it("logs in", function()
    local locked <close> = redis_server.start { password = "s@cret" }
    local url = "redis://127.0.0.1:" .. locked.port
    assert.are.equal("NOAUTH", fails("redis", redis.connect, url).code)
    assert.are.equal("WRONGPASS", fails("redis", redis.connect, url, { password = "no" }).code)
    local client <close> = redis.connect(url, { password = "s@cret" })
    client:acl_setuser("ann", "on", ">pw:/?", "~*", "+@all", "-ping")
    local ann <close> = redis.connect("redis://ann:pw%3A%2F%3F@127.0.0.1:" .. locked.port)
    assert.are.equal("ann", ann:acl_whoami())
    local again <close> = redis.connect("redis://:s%40cret@127.0.0.1:" .. locked.port)
    assert.are.equal("default", again:acl_whoami())
    assert.are.equal("ERR", fails("redis", redis.connect, server.url, { password = "x" }).code)
  end)

  it("is made when it is needed, and anew when it has ended at rest", function()
    local lazy <close> = redis.connect(proxy.url, { lazy = true })
    assert.are.equal(0, proxy.connections)
    lazy:set("a", 1)
    for n = 2, 5 do
      proxy:cut()
      task.sleep(0.01) -- the end of the connection has come by then
      assert.are.equal("1", lazy:get "a")
      assert.are.equal(n, proxy.connections)
    end
    local e = refused("connect", "connection refused", function()
      local nobody <close> = redis.connect("redis://127.0.0.1:1", { lazy = true, timeout = 0.1 })
      nobody:get "a"
    end)
    assert.is_truthy(e.message:find("within 0.1 s", 1, true))
  end)

  it("fails what was sent and not answered, and repeats what only reads", function()
    local client <close> = redis.connect(proxy.url)
    client:set("n", 1)
    proxy.drop_answers = true
    local writing = task.spawn(client.incr, client, "n")
    local piped = task.spawn(client.pipeline, client, function(p) p:get "n" p:incr "n" end)
    local done = task.spawn(client.transaction, client, function(t) t:incr "n" end)
    local reading = task.spawn(client.get, client, "n")
    local many = task.spawn(client.pipeline, client, function(p) p:get "n" p:exists "n" end)
    local popping = task.spawn(client.blpop, client, "list", 0.01)
    for _, one in ipairs { writing, piped, done } do
      local e = refused("aborted", "has ended", one.await, one)
      assert.is_nil(e.code)
    end
    refused("aborted", "has ended", popping.await, popping)
    assert.are.equal("running", reading:status() == "pending" and "running" or reading:status())
    proxy.drop_answers = false
    assert.are.equal("4", reading:await()) -- each was run once
    assert.are.same({ "4", 1, n = 2 }, many:await())
    local again = redis.connect(server.url)
    assert.are.equal("4", again:get "n")
    again:close()
  end)

  it("is given up when the server is silent", function()
    local client <close> = redis.connect(proxy.url, { timeout = 0.2 })
    client:set("n", 1)
    proxy:stall()
    local e = fails("timeout", client.incr, client, "n")
    assert.is_true(e.sent)
    refused("connect", "within 0.2 s", client.get, client, "n")
    proxy:cut()
    proxy:resume()
    assert.are.equal("PONG", eventually(function()
      local ok, reply = pcall(client.ping, client)
      return ok and reply
    end))
    assert.is_true(proxy.connections >= 2)
  end)

  it("is not disturbed by a caller that gives up", function()
    local client <close> = redis.connect(proxy.url)
    client:set("n", 0)
    for round = 1, 50 do
      local tasks = {}
      for i = 1, 10 do tasks[i] = task.spawn(client.incr, client, "n") end
      if round % 2 == 0 then task.yield() end
      for i = 1, 10, 3 do tasks[i]:cancel "no more" end
      for i = 1, 10 do tasks[i]:result() end
      assert.are.equal("hello", client:echo "hello")
    end
    assert.are.equal(1, proxy.connections)
  end)

  it("comes back with the server, and waits for it no longer than it may", function()
    local own <close> = redis_server.start { config = { "appendonly yes", "appendfsync always" } }
    local client <close> = redis.connect(own.url, { timeout = 30 })
    for n = 1, 5 do
      client:set("n", n)
      own:kill()
      local reading = task.spawn(client.get, client, "n")
      task.sleep(0.05)
      assert.are.equal("running", reading:status())
      own:start()
      assert.are.equal(tostring(n), reading:await())
    end
  end)

  it("waits for a server that loads", function()
    local own <close> = redis_server.start { config = { "save 3600 1", "key-load-delay 200",
      "loading-process-events-interval-bytes 1024", "enable-debug-command yes" } }
    local client <close> = redis.connect(own.url, { timeout = 60 })
    client:command("DEBUG", "POPULATE", 3000, "key", 100)
    client:save()
    own:kill()
    local reading = task.spawn(client.dbsize, client)
    own:launch()
    local writing = task.spawn(client.set, client, "new", 1)
    assert.are.equal(3000, reading:await())
    assert.are.equal("OK", writing:await())
  end)

  it("leaves a server that has become a replica", function()
    local replica <close> = redis_server.start { replica_of = server }
    local client <close> = redis.connect(replica.url, { timeout = 2 })
    assert.are.equal("PONG", client:ping())
    local before = client:client_id()
    local e = refused("redis", "READONLY", client.set, client, "a", 1)
    assert.are.equal("READONLY", e.code)
    assert.are_not.equal(before, client:client_id())
    client:replicaof("NO", "ONE")
    assert.are.equal("OK", client:set("a", 1))
    client:replicaof("127.0.0.1", server.port)
    local tasks = {}
    for i = 1, 20 do
      tasks[i] = i % 2 == 0 and function() return client:exists "none" end
        or function() return client:set("a", i) end
    end
    tasks[21] = function()
      return client:transaction(function(t) t:set("b", 5) t:incr "b" end)[2]
    end
    local admin <close> = redis.connect(replica.url)
    local promoted = task.spawn(function() admin:replicaof("NO", "ONE") end)
    local results = task.gather(tasks, { return_errors = true })
    promoted:await()
    for i = 2, 20, 2 do assert.are.equal(0, results[i]) end
    assert.are.equal(1, client:exists "a")
  end)

  it("asks Sentinel where the master is, again after a failover", function()
    local master <close> = redis_server.start()
    local replica <close> = redis_server.start { replica_of = master,
      config = { "replica-priority 1" } }
    local sentinel <close> = redis_server.sentinel(master, "shop")
    local url = ("redis+sentinel://127.0.0.1:1,127.0.0.1:%d/shop/2"):format(sentinel.port)
    local client <close> = redis.connect(url, { timeout = 50 })
    assert.are.equal("2", client:client_info():match " db=(%d+)")
    client:set("a", 1)
    local direct <close> = redis.connect(replica.url .. "/2")
    eventually(function() return direct:get "a" == "1" end)
    local asking <close> = redis.connect("redis://127.0.0.1:" .. sentinel.port)
    eventually(function() return #asking:sentinel("REPLICAS", "shop") > 0 end)
    local news <close> = client:subscribe("news")
    master:kill()
    assert.are.equal("OK", client:set("a", 2))
    assert.are.equal("2", direct:get "a")
    assert.are.equal("master", client:role()[1])
    local heard = task.spawn(news.get, news)
    eventually(function() return client:publish("news", "again") == 1 end)
    assert.are.equal("again", heard:await())
    refused("connect", "does not know the master 'other'", redis.connect,
      ("redis+sentinel://127.0.0.1:%d/other"):format(sentinel.port))
    refused("connect", "no Sentinel knows where master 'shop' is", redis.connect,
      "redis+sentinel://127.0.0.1:1/shop")
  end)

  it("keeps a subscription over its end, and over silence", function()
    local again = 0
    local client <close> = redis.connect(proxy.url, { timeout = 0.2 })
    local direct <close> = redis.connect(server.url)
    local function count() again = again + 1 end
    local news <close> = client:subscribe("news", { on_reconnect = count })
    local heard = task.spawn(news.get, news)
    task.sleep(0.5) -- so long that signs of life were asked for
    direct:publish("news", "one")
    assert.are.equal("one", heard:await())
    assert.are.equal(0, again)
    for round = 1, 2 do
      local text = "round " .. round
      heard = task.spawn(function()
        repeat local message = news:get() until message == text
      end)
      if round == 1 then
        proxy:cut()
      else
        proxy:stall()
        eventually(function() return not news.link end)
        proxy:cut()
        proxy:resume()
      end
      eventually(function()
        return direct:publish("news", text) == 1 and heard:status() == "done"
      end)
      assert.are.equal(round, again)
    end
  end)

  it("is closed by what is no reply", function()
    local listener <close> = assert(socket.bind("127.0.0.1", 0))
    local port = math.tointeger((select(2, listener:getsockname())))
    local serving = task.spawn(function()
      for c in function() return (listener:accept()) end do
        c:receive()
        c:send "HTTP/1.1 400 Bad Request\r\n\r\n"
        c:close()
      end
    end)
    refused("protocol", "Protocol error", redis.connect, "redis://127.0.0.1:" .. port)
    serving:cancel()
    serving:result()
  end)

  it("ends with kind closed while it is being made", function()
    local client = redis.connect("redis://127.0.0.1:1", { lazy = true })
    local waiting = task.spawn(client.get, client, "a")
    task.sleep(0.03)
    client:close()
    fails("closed", waiting.await, waiting)
  end)
end)
