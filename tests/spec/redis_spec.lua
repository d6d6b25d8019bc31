-- luapool.redis: commands, replies, pipelines, transactions, channels, scripts. What becomes of
-- connections stands in redis_connection_spec.lua.

local cut_proxy = require "tests.support.cut_proxy"
local fails = require "tests.support.fails"
local internal = require "tests.support.internal"
local pool = require "luapool.pool"
local redis = require "luapool.redis"
local redis_server = require "tests.support.redis_server"
local refused = require "tests.support.refused"
local task = require "luapool.task"
local core = internal "luapool.redis.core"

describe("luapool.redis", function()
  local server, client

  setup(function() server = redis_server.start() end)
  teardown(function() server:stop() end)

  before_each(function()
    client = redis.connect(server.url)
    client:flushall()
  end)

  after_each(function() client:close() end)

  it("runs commands as methods, and by their words", function()
    assert.are.equal("OK", client:set("a", 1))
    assert.are.equal("1", client:get "a")
    assert.are.equal(2, client:incr "a")
    assert.are.equal("2", client:command("get", "a"))
    assert.is_nil(client:get "none")
    assert.are.equal("string", client:type "a")
    assert.are.same({ maxmemory = "0" }, client:config_get "maxmemory")
    assert.are.equal("noeviction", client:config_get("maxmemory-policy")["maxmemory-policy"])
    client:set("i", 1)
    assert.are.equal("int", client:object_encoding "i")
  end)

  it("keeps every byte and every number", function()
    local bytes = {}
    for i = 0, 255 do bytes[i + 1] = string.char(i) end
    bytes = table.concat(bytes):rep(3) .. "\r\n$-1\r\n"
    client:set("bytes", bytes)
    assert.are.equal(bytes, client:get "bytes")
    client:set("", "")
    assert.are.equal("", client:get "")
    for _, n in ipairs { 0, -1, math.maxinteger, math.mininteger, 0.1, 1e300, -2.5, 1 / 3 } do
      client:set("n", n)
      assert.are.equal(n, tonumber(client:get "n"))
    end
    client:set("n", 3.0)
    assert.are.equal("3", client:get "n")
    local long = ("x"):rep(5000000)
    local patient <close> = redis.connect(server.url, { timeout = 100 })
    patient:set("long", long)
    assert.are.equal(#long, #patient:get "long")
    assert.are.equal(math.maxinteger, client:incrby("i", math.maxinteger))
  end)

  it("takes lists for their items, and gives false for what is missing in one", function()
    client:mset { "a", 1, "b", 2 }
    assert.are.same({ "1", false, "2" }, client:mget { "a", "x", "b" })
    assert.are.same({}, client:lrange("none", 0, -1))
    assert.are.equal(3, client:rpush("l", { "x", "y" }, "z"))
    assert.are.same({ "x", "y", "z" }, client:lrange("l", 0, -1))
    client:hset("h", { "f", 1, "g", 2 })
    assert.are.same({ f = "1", g = "2" }, client:hgetall "h")
    local many = {}
    for i = 1, 100000 do many[i] = i end
    assert.are.equal(100000, client:rpush("many", many))
    assert.are.equal(100000, #client:lrange("many", 0, -1))
    local nested = client:eval("return {1, {2, {3, {false, 'x'}}}}", 0)
    assert.are.same({ 1, { 2, { 3, { false, "x" } } } }, nested)
  end)

  it("raises the server's errors with their code, at the user's line", function()
    client:set("a", "text")
    local e = refused("redis", "redis_spec.lua:", function()
      local n = client:lpush("a", 1)
      return n
    end)
    assert.are.equal("WRONGTYPE", e.code)
    assert.are.equal("LPUSH", e.command)
    e = refused("redis", "Client:command: INCR: ERR value is not an integer", client.command,
      client, "INCR", "a")
    assert.are.equal("ERR", e.code)
    refused("redis", "unknown command", client.no, client)
    local list = client:eval("return {1, redis.error_reply('MINE text')}", 0)
    assert.are.equal("MINE", list[2].code)
  end)

  it("refuses what is wrong, and what would change the connection of all", function()
    refused("usage", "bad argument #1 to 'Client:get'", client.get, client, nil)
    refused("usage", "bad argument #2 to 'Client:set'", client.set, client, "a", true)
    refused("usage", "bad argument #2 to 'Client:set'", client.set, client, "a", { {} })
    refused("usage", "bad argument #1 to 'Client:config_get'", client.config_get, client, print)
    refused("usage", "bad argument #1 to 'Client:command'", client.command, client)
    refused("usage", "was not called on a luapool.redis.Client", client.get, "a")
    for name in ("multi exec watch select auth monitor hello quit reset"):gmatch "%a+" do
      refused("usage", "cannot be used", client[name], client, "1")
    end
    refused("usage", "cannot be used", client.command, client, "subscribe", "a")
    refused("usage", "cannot be used", client.client_reply, client, "OFF")
    refused("usage", "cannot be used", client.pipeline, client, function(p) p:multi() end)
    assert.is_nil(client.Upper)
    assert.are.equal("PONG", client:ping())
  end)

  it("refuses URLs and options that are wrong", function()
    for url, words in pairs {
      ["localhost"] = "no URL", ["redsi://h"] = "did you mean 'redis'?",
      ["redis://h:x"] = "no host",
      ["redis://h:70000"] = "no host", ["redis://h/x"] = "no number of a database",
      ["redis://h/0?tiemout=1"] = "unknown parameter 'tiemout'", ["unix://x/y"] = "unix:///path",
      ["unix:///"] = "unix:///path", ["redis+sentinel://h"] = "name of the master",
      ["redis+sentinel:///m"] = "no Sentinel", ["redis+sentinel://a:b/m"] = "no host",
      ["redis://h?db=-1"] = "'db' is no number",
    } do
      local e = refused("usage", words, redis.connect, url)
      assert.is_truthy(e.message:find("redis.connect: bad URL", 1, true) or words:find "unknown")
    end
    refused("usage", "unknown option 'timout' (did you mean 'timeout'?)", redis.connect, server.url,
      { timout = 1 })
    refused("usage", "option 'timeout' must be", redis.connect, server.url, { timeout = 0 })
    refused("usage", "bad argument #1 to 'redis.connect'", redis.connect, 5)
    local e = fails("usage", redis.connect, "redis://user:secret@h:x")
    assert.is_nil(e.message:find("secret", 1, true))
  end)

  it("sends what the tasks of one turn ask for in one write", function()
    local proxy <close> = cut_proxy.start(server.port)
    local through <close> = redis.connect(proxy.url)
    local before, tasks = proxy.writes, {}
    for i = 1, 100 do
      tasks[i] = function()
        through:set("k" .. i, i)
        return through:get("k" .. i)
      end
    end
    local values = task.gather(tasks)
    for i = 1, 100 do assert.are.equal(tostring(i), values[i]) end
    assert.is_true(proxy.writes - before <= 20, proxy.writes - before .. " writes")
  end)

  it("runs a pipeline, and tells its errors by their places", function()
    local replies = client:pipeline(function(p)
      p:set("a", 5)
      p:incr "a"
      p:get "nothing"
      p:command("ECHO", "x")
      p:hgetall "none"
    end)
    assert.are.same({ "OK", 6, nil, "x", {}, n = 5 }, replies)
    local list, errs = client:pipeline(function(p)
      p:set("a", "text")
      p:incr "a"
      p:get "a"
    end, { return_errors = true })
    assert.are.equal("text", list[3])
    assert.are.equal("ERR", errs[2].code)
    assert.is_nil(errs[1])
    refused("redis", "INCR: ERR", client.pipeline, client, function(p)
      p:incr "a"
      p:set("after", 1)
    end)
    assert.are.equal("1", client:get "after")
    assert.are.same({ n = 0 }, client:pipeline(function() end))
    local kept
    client:pipeline(function(p) kept = p end)
    refused("usage", "the pipeline has been sent", kept.get, kept, "a")
    refused("usage", "bad argument #3 to 'Pipeline:set'", client.pipeline, client, function(p)
      p:set "a"
      p:set("a", {}, print)
    end)
  end)

  it("runs a transaction as one", function()
    assert.are.same({ "OK", 2, n = 2 }, client:transaction(function(t)
      t:set("a", 1)
      t:incr "a"
    end))
    local e = refused("redis", "NO: ERR unknown command", client.transaction, client, function(t)
      t:set("b", 1)
      t:command "NO"
    end)
    assert.are.equal("ERR", e.code)
    assert.is_nil(client:get "b")
    e = refused("redis", "WRONGTYPE", client.transaction, client, function(t)
      t:set("b", 1)
      t:lpush("b", 1)
    end)
    assert.are.equal("WRONGTYPE", e.code)
    assert.are.equal("1", client:get "b")
  end)

  it("begins a transaction again when what it watches was changed", function()
    client:set("n", 0)
    local calls = 0
    local function add()
      client:transaction(function(t, now)
        calls = calls + 1
        local n = now:get "n"
        task.yield()
        t:set("n", n + 1)
      end, { watch = "n", attempts = 1000 })
    end
    local adders = {}
    for i = 1, 10 do adders[i] = add end
    task.gather(adders)
    assert.are.equal("10", client:get "n")
    assert.is_true(calls >= 10)
    refused("conflict", "in each of 2 attempts", client.transaction, client, function(t, now)
      client:incr "n"
      t:set("n", now:get "n")
    end, { watch = { "n" }, attempts = 2 })
    assert.are.equal("12", client:get "n")
    fails("redis", client.transaction, client, function(_, now) now:incr "n" now:lpush("n", 1) end,
      { watch = "n" })
    assert.are.equal("13", client:get "n")
  end)

  it("waits in the server without keeping others waiting", function()
    local popped = task.spawn(client.blpop, client, "list", 0)
    local late = task.spawn(client.brpop, client, "none", 0.05)
    local read = task.spawn(client.xread, client, "BLOCK", 0, "STREAMS", "stream", "$")
    assert.are.equal("PONG", client:ping())
    assert.is_nil(late:await())
    while client:info("clients"):match "blocked_clients:(%d+)" ~= "2" do task.sleep(0.005) end
    client:rpush("list", "x")
    assert.are.same({ "list", "x" }, popped:await())
    client:xadd("stream", "1-1", "f", "v")
    assert.are.same({ { "stream", { { "1-1", { "f", "v" } } } } }, read:await())
    local cancelled = task.spawn(client.blpop, client, "list", 0)
    while client:info("clients"):match "blocked_clients:(%d+)" ~= "1" do task.sleep(0.005) end
    cancelled:cancel()
    cancelled:result()
    while client:info("clients"):match "blocked_clients:(%d+)" ~= "0" do task.sleep(0.005) end
    client:rpush("list", "y")
    assert.are.equal("y", client:lpop "list")
    refused("redis", "timeout is not a float", client.blpop, client, "list", "x")
  end)

  it("gives the messages of channels and patterns", function()
    local news = client:subscribe({ "news", "other" }, { patterns = { "weather.*" } })
    client:publish("news", "one")
    client:publish("weather.north", "rain")
    client:publish("nobody", "listens")
    client:publish("other", "two")
    local got = {}
    for message, channel, pattern in news do
      table.insert(got, { message, channel, pattern })
      if #got == 3 then break end
    end
    assert.are.same({ { "one", "news" }, { "rain", "weather.north", "weather.*" },
      { "two", "other" } }, got)
    fails("timeout", news.get, news, 0.01)
    local waiting = task.spawn(news.get, news)
    task.yield()
    refused("usage", "another task waits", news.get, news)
    news:close()
    assert.is_nil(waiting:await())
    assert.is_nil(news:get())
    news:close()
    refused("usage", "no channel", client.subscribe, client, {})
    refused("usage", "channel 2 must be a string", client.subscribe, client, { "a", 5 })
    assert.are.equal(0, client:publish("news", "x"))
  end)

  it("runs scripts by their digest, whatever the server has forgotten", function()
    local add = client:script "return redis.call('INCRBY', KEYS[1], ARGV[1]) + #KEYS"
    assert.are.equal(6, add({ "n" }, 5))
    client:script_flush()
    assert.are.equal(12, add({ "n", "m" }, 5))
    local e = refused("redis", "Script", add, { "n" }, "x")
    assert.are.equal("ERR", e.code)
    assert.are.equal(1, client:script "return 1"())
    refused("usage", "bad argument #1 to 'Script'", add, 5)
  end)

  it("fails with kind closed after its end", function()
    for round = 1, 2 do -- while the connection of the command is made, and when it waits
      local other = redis.connect(server.url)
      local waiting = task.spawn(other.blpop, other, "none", 0)
      local news = other:subscribe "news"
      if round == 2 then
        while client:info("clients"):match "blocked_clients:(%d+)" ~= "1" do task.sleep(0.005) end
      end
      other:close()
      other:close()
      fails("closed", waiting.await, waiting)
      assert.is_nil(news:get())
      fails("closed", other.get, other, "a")
      fails("closed", other.pipeline, other, function(p) p:get "a" end)
      fails("closed", other.subscribe, other, "a")
      fails("closed", other.transaction, other, function(p) p:get "a" end)
    end
  end)

  it("does not travel, and is made in workers", function()
    local p <close> = pool.new { processes = 1 }
    refused("cannot_send", "a client of Redis: each worker connects by itself", p.apply, p,
      function() return client end)
    local url = server.url
    assert.are.equal("5", p:apply(function()
      local own <close> = require("luapool.redis").connect(url)
      own:set("worker", 5)
      return own:get "worker"
    end))
  end)

  it("reads replies whose bytes come one by one", function()
    local reader = core.reader()
    local bytes = "+OK\r\n:42\r\n$-1\r\n$4\r\na\r\nb\r\n*3\r\n$0\r\n\r\n$-1\r\n"
      .. "*2\r\n:1\r\n-ERR no\r\n-BAD x\r\n*0\r\n*-1\r\n:-9223372036854775808\r\n"
    local got = {}
    for i = 1, #bytes do
      reader:feed(bytes:sub(i, i))
      local complete, value, text = reader:next()
      assert.is_not_nil(complete, value)
      if complete then table.insert(got, { value, text }) end
    end
    assert.are.equal(9, #got)
    assert.are.same({ { "OK" }, { 42 }, {}, { "a\r\nb" } }, { got[1], got[2], got[3], got[4] })
    assert.are.same({ "", false, 1 }, { got[5][1][1], got[5][1][2], got[5][1][3][1] })
    assert.are.equal("ERR", got[5][1][3][2].code)
    assert.are.same({ { nil, "BAD x" }, { {} }, {}, { math.mininteger } },
      { got[6], got[7], got[8], got[9] })
  end)

  it("refuses bytes that are no replies", function()
    for _, bytes in ipairs { "!\r\n", "HTTP/1.1 200 OK\r\n", ":x\r\n", "$x\r\n", "*-5\r\n",
      ("*1\r\n"):rep(9) .. ":1\r\n", ("*1\r\n"):rep(100000) .. ":1\r\n",
      ":99999999999999999999\r\n" } do
      local reader = core.reader()
      reader:feed(bytes)
      local complete, message = reader:next()
      assert.is_nil(complete, bytes)
      assert.is_string(message)
    end
    for _, bytes in ipairs { ",1.5\r\n", "#t\r\n", "%1\r\n+a\r\n+b\r\n", ">1\r\n+a\r\n",
      "~0\r\n" } do
      local reader = core.reader()
      reader:feed(bytes)
      assert.is_nil((reader:next()), bytes)
    end
    local reader = core.reader() -- what is promised takes no memory until it comes
    reader:feed "*2147483647\r\n*2147483647\r\n$536870912\r\nx"
    assert.is_false((reader:next()))
  end)

  it("survives any bytes", function()
    math.randomseed(12)
    local words = { "*", "$", ":", "+", "-", "\r\n", "1", "3", "-1", "abc", "\n", "\r", "\0", "99" }
    for _ = 1, 3000 do
      local reader, parts = core.reader(), {}
      for i = 1, math.random(1, 12) do parts[i] = words[math.random(#words)] end
      local bytes = table.concat(parts)
      local whole, pieces = {}, {}
      reader:feed(bytes)
      for _ = 1, 20 do
        local complete, value, text = reader:next()
        table.insert(whole, { tostring(complete), type(value), text })
        if not complete then break end
      end
      reader = core.reader()
      for i = 1, #bytes do
        reader:feed(bytes:sub(i, i))
        repeat
          local complete, value, text = reader:next()
          if complete ~= false then
            table.insert(pieces, { tostring(complete), type(value), text })
          end
        until not complete
        if pieces[#pieces] and pieces[#pieces][1] == "nil" then break end
      end
      if whole[#whole][1] == "false" then table.remove(whole) end
      assert.are.equal(#whole, #pieces, ("%q"):format(bytes))
    end
  end)
end)
