-- luapool.memcached with one server: its calls, keys, values, errors.

local memcached, json = require "luapool.memcached", require "luapool.json"
local pool, task, errors = require "luapool.pool", require "luapool.task", require "luapool.error"
local fails = require "tests.support.fails"
local servers = require "tests.support.memcached_server"
local socket = require "socket"

local server, client
setup(function()
  server = servers.start()
  client = memcached.client { servers = { server.address }, timeout = 30 }
end)
teardown(function()
  client:close()
  server:stop()
end)

local function misused(text, fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_true(not ok and errors.is(e, "usage"), tostring(e))
  assert.matches(text, e.message, 1, true)
  assert.matches("memcached_spec.lua:%d+: ", e.message)
end

-- What is really in the server: its flags and bytes.
local function raw(key)
  local plain <close> = assert(socket.connect("127.0.0.1", server.port))
  plain:send("get " .. key .. "\r\n")
  local flags, size = plain:receive():match "^VALUE %S+ (%d+) (%d+)"
  if not flags then return nil end
  return math.tointeger(flags), plain:receive(math.tointeger(size))
end

describe("values", function()
  it("come back as they were", function()
    local every = {}
    for i = 0, 255 do every[i + 1] = string.char(i) end
    for _, value in ipairs {
      "", "text", table.concat(every), ("x"):rep(1000000), "\r\nEND\r\n", 0, 1, -7, math.maxinteger,
      math.mininteger, 0.5, -1e300, 2.0, 0.1, math.huge, -math.huge, true, false, {}, { 1, 2, 3 },
      { a = { b = { "c" } }, n = 1 << 60 }, json.array {},
    } do
      assert.is_true(client:set("key", value))
      local got = client:get "key"
      assert.are.same(value, got)
      assert.are.equal(math.type(value), math.type(got))
    end
    client:set("key", 0 / 0)
    local nan = client:get "key"
    assert.is_true(nan ~= nan)
  end)

  it("are what other clients can read, and theirs can be read", function()
    client:set("s", "a b")
    client:set("i", 12)
    client:set("f", 0.25)
    client:set("t", { 1 })
    assert.are.same({ 0, "a b" }, { raw "s" })
    assert.are.same({ 2, "12" }, { raw "i" })
    assert.are.same({ 256, "0.25" }, { raw "f" })
    assert.are.same({ 512, "[1]" }, { raw "t" })
    local plain <close> = assert(socket.connect("127.0.0.1", server.port))
    plain:send "set other 1 0 3\r\nabc\r\nset odd 2 0 3\r\nabc\r\nset spaces 2 0 3\r\n9  \r\n"
    for _ = 1, 3 do assert.are.equal("STORED", (plain:receive())) end
    assert.are.same({ other = "abc", odd = "abc", spaces = 9 },
      client:get_many { "other", "odd", "spaces" })
  end)

  it("that have no form are refused, and those that are damaged are told", function()
    for _, value in pairs { print, coroutine.create(print), io.stdout } do
      misused("bad argument #2 to 'Client:set' (a string, a number, a boolean or a table expected",
        client.set, client, "key", value)
    end
    misused("bad argument #2 to 'Client:set'", client.set, client, "key", nil)
    fails("json", client.set, client, "key", { print })
    client:set("key", { 1 })
    client:append("key", "]")
    fails("json", client.get, client, "key")
  end)

  it("that are too large are told, and the connection goes on", function()
    local e = fails("too_large", client.set, client, "key", ("x"):rep(2 << 20))
    assert.are.same({ "SERVER_ERROR", server.address }, { e.code, e.server })
    assert.is_true(client:set("key", "small"))
    assert.are.equal("small", client:get "key")
  end)
end)

describe("calls", function()
  it("store: set, add, replace, append, prepend", function()
    client:delete "key"
    assert.is_false(client:replace("key", 1))
    assert.is_false(client:append("key", "x"))
    assert.is_false(client:prepend("key", "x"))
    assert.is_nil(client:get "key")
    assert.is_true(client:add("key", "b"))
    assert.is_false(client:add("key", "c"))
    assert.is_true(client:append("key", "c"))
    assert.is_true(client:prepend("key", "a"))
    assert.are.equal("abc", client:get "key")
    assert.is_true(client:replace("key", { 1 }))
    assert.are.same({ 1 }, client:get "key")
  end)

  it("delete", function()
    client:set("key", 1)
    assert.is_true(client:delete "key")
    assert.is_false(client:delete "key")
    assert.is_nil(client:get "key")
  end)

  it("count: incr and decr", function()
    client:delete "key"
    assert.is_nil(client:incr "key")
    assert.is_nil(client:decr "key")
    client:set("key", 10)
    assert.are.same({ 11, 16, 16, 15, 9 }, {
      client:incr "key", client:incr("key", 5), client:incr("key", 0), client:decr "key",
      client:decr("key", 6),
    })
    assert.are.equal("integer", math.type(client:get "key"))
    assert.are.equal(9, client:get "key")
    assert.are.equal(0, client:decr("key", 100))
    client:set("key", math.maxinteger)
    assert.are.equal(2.0 ^ 63, client:incr "key")
    client:set("key", "no number")
    local e = fails("memcached", client.incr, client, "key")
    assert.are.same({ "CLIENT_ERROR", server.address }, { e.code, e.server })
    misused("bad argument #2 to 'Client:incr' (an integer from 0", client.incr, client, "key", -1)
    misused("bad argument #2 to 'Client:decr'", client.decr, client, "key", 1.5)
  end)

  it("obey the ttl: set, add, replace, cas, set_many, touch", function()
    local plain <close> = assert(socket.connect("127.0.0.1", server.port))
    -- The server says how many seconds are left, -1: for ever.
    local function left(key)
      plain:send("mg " .. key .. " t\r\n")
      return math.tointeger(plain:receive():match "^HD t(%-?%d+)")
    end
    -- The clock of the server has whole seconds.
    local function near(seconds, got) return math.abs(got - seconds) < 30 end
    for _, row in ipairs {
      { 100, 100 }, { 99.2, 100 }, { 40 * 86400, 40 * 86400 }, { 29 * 86400, 29 * 86400 },
    } do
      client:set("key", 1, { ttl = row[1] })
      assert.is_true(near(row[2], left "key"), left "key")
    end
    for _, ttl in ipairs { math.huge, 1e9 } do
      client:set("key", 1, { ttl = ttl })
      assert.are.equal(-1, left "key")
    end
    client:set("key", 1)
    assert.are.equal(-1, left "key")
    assert.is_true(client:touch("key", 200))
    assert.is_true(near(200, left "key"))
    client:touch("key", math.huge)
    assert.are.equal(-1, left "key")
    assert.is_false(client:touch("nothing", 200))
    client:replace("key", 1, { ttl = 300 })
    assert.is_true(near(300, left "key"))
    local _, token = client:gets "key"
    client:cas("key", 1, token, { ttl = 400 })
    assert.is_true(near(400, left "key"))
    client:set_many({ key = 2 }, { ttl = 500 })
    assert.is_true(near(500, left "key"))
    client:delete "key"
    client:add("key", 1, { ttl = 600 })
    assert.is_true(near(600, left "key"))
    client:set("key", 1, { ttl = 0.01 })
    assert.is_true(left "key" == nil or left "key" <= 1)
  end)

  it("compare and swap", function()
    client:delete "key"
    assert.is_nil(client:gets "key")
    client:set("key", { 1 })
    local value, token = client:gets "key"
    assert.are.same({ 1 }, value)
    assert.is_true(client:cas("key", 2, token))
    assert.is_false(client:cas("key", 3, token))
    assert.are.equal(2, client:get "key")
    value, token = client:gets "key"
    assert.are.equal(2, value)
    client:delete "key"
    assert.is_false(client:cas("key", 4, token))
    misused("bad argument #3 to 'Client:cas' (a token that gets has returned expected", client.cas,
      client, "key", 1, "7")
    misused("bad argument #3 to 'Client:cas'", client.cas, client, "key", 1)
  end)

  it("get and set many, more than fit into one request", function()
    local items, keys = {}, {}
    for i = 1, 1000 do
      local key = ("many %d"):format(i):gsub(" ", ":"):rep(8)
      items[key], keys[i] = i % 3 == 0 and { i } or i, key
    end
    assert.are.same({}, client:set_many(items))
    table.insert(keys, "not:there")
    table.insert(keys, keys[1])
    assert.are.same(items, client:get_many(keys))
    assert.are.same({}, client:get_many {})
    assert.are.same({}, client:set_many {})
    local problems = client:set_many { small = 1, big = ("x"):rep(2 << 20), other = 2 }
    assert.are.equal("too_large", problems.big.kind)
    assert.are.equal(1, client:get "small" * client:get "other" // 2)
    assert.is_nil(problems.small)
    misused("bad argument #1 to 'Client:get_many'", client.get_many, client, "key")
    misused("bad argument #1 to 'Client:get_many' (a string expected, got 7)", client.get_many,
      client, { 7 })
  end)

  it("give figures", function()
    local figures = client:stats()[server.address]
    assert.are.equal("integer", math.type(figures.pid))
    assert.are.equal("1.", figures.version:sub(1, 2))
    assert.are.equal("table", type(client:stats("settings")[server.address]))
    assert.is_true(client:stats("settings")[server.address].maxbytes > 1000)
    client:stats "items"
    client:stats "slabs"
    misused("bad argument #1 to 'Client:stats'", client.stats, client, "reset")
  end)

  it("refuse keys that memcached does not take", function()
    local prefixed <close> = memcached.client { servers = { server.address }, prefix = "pre:" }
    assert.is_true(client:set(("k"):rep(250), 1))
    assert.are.equal(1, client:get(("k"):rep(250)))
    assert.is_true(prefixed:set(("k"):rep(246), 2))
    for _, method in ipairs { "get", "gets", "delete", "incr", "decr" } do
      local name = "Client:" .. method
      misused(name .. ": the key is 251 bytes long, and memcached takes 250", client[method],
        client, ("k"):rep(251))
      misused("251 bytes long with its prefix, and memcached takes 250", prefixed[method], prefixed,
        ("k"):rep(247))
      misused(name .. ": the key is empty", client[method], client, "")
      misused('the key "a b" has a space', client[method], client, "a b")
      misused("has a control character (byte 13)", client[method], client, "a\r\ndelete b")
      misused("has a control character (byte 0)", client[method], client, "a\0")
      misused("has a control character (byte 127)", client[method], client, "a\127")
      misused("bad argument #1 to '" .. name, client[method], client, 7)
    end
    for _, method in ipairs { "set", "add", "replace", "append", "prepend" } do
      misused("has a space", client[method], client, "a b", "x")
    end
    misused("has a space", client.touch, client, "a b", 1)
    misused("has a space", client.cas, client, "a b", 1, "0:0")
    misused("has a space", client.get_many, client, { "a", "a b" })
    misused("has a space", client.set_many, client, { ["a b"] = 1 })
    client:set("käse", "ü")
    assert.are.equal("ü", client:get "käse")
  end)

  it("keep to the prefix of the client", function()
    local one <close> = memcached.client { servers = { server.address }, prefix = "one:" }
    local two <close> = memcached.client { servers = { server.address }, prefix = "two:" }
    one:set("key", 1)
    two:set("key", 2)
    assert.are.same({ 1, 2, 1 }, { one:get "key", two:get "key", client:get "one:key" })
    assert.are.same({ key = 1 }, one:get_many { "key", "none" })
    one:set_many { key = 3 }
    assert.are.equal(3, client:get "one:key")
  end)
end)

describe("a client", function()
  it("shares one connection among its tasks, and one write among what they send", function()
    local before = client:stats()[server.address]
    local tasks = {}
    for i = 1, 500 do
      tasks[i] = task.spawn(function()
        client:set("shared:" .. i, i)
        return client:get("shared:" .. i)
      end)
    end
    for i, got in ipairs(task.gather(tasks)) do assert.are.equal(i, got) end
    local after = client:stats()[server.address]
    assert.are.equal(before.total_connections, after.total_connections)
    assert.are.equal(500, after.cmd_set - before.cmd_set)
  end)

  it("is not disturbed by tasks that are cancelled", function()
    for round = 1, 20 do
      local tasks = {}
      for i = 1, 20 do tasks[i] = task.spawn(client.set, client, "cancelled:" .. i, round) end
      task.yield()
      for i = 1, 20, 2 do tasks[i]:cancel() end
      for i = 2, 20, 2 do assert.is_true(tasks[i]:await()) end
    end
    assert.are.equal(20, client:get "cancelled:20")
  end)

  it("ends what waits when it is closed", function()
    server:signal "STOP"
    local own = memcached.client { servers = { server.address }, timeout = 30 }
    local one, two = task.spawn(own.get, own, "a"), task.spawn(own.set_many, own, { a = 1 })
    task.sleep(0.01)
    own:close()
    own:close()
    local ok, e = one:result()
    assert.is_true(not ok and errors.is(e, "closed"), tostring(e))
    assert.are.equal("closed", two:await().a.kind)
    server:signal "CONT"
    for _, method in ipairs { "get", "gets", "delete", "incr" } do
      fails("closed", own[method], own, "a")
    end
    fails("closed", own.stats, own)
  end)

  it("works over a Unix socket", function()
    local other <close> = servers.start { unix = true }
    local own <close> = memcached.client { servers = { other.address } }
    own:set("key", { 1 })
    assert.are.same({ 1 }, own:get "key")
    assert.are.equal(other.address, next(own:stats()))
  end)

  it("tells who makes it wrongly", function()
    misused("option 'servers' is missing", memcached.client, {})
    misused("option 'servers' must be a list of servers", memcached.client, { servers = {} })
    misused("'a:b' is no server", memcached.client, { servers = { "a:b" } })
    misused("'' is no server", memcached.client, { servers = { "" } })
    misused("'a:70000' is no server", memcached.client, { servers = { "a:70000" } })
    misused("the server a:11211 is there twice", memcached.client, { servers = { "a", "a:11211" } })
    misused("a server lacks its `address`", memcached.client, { servers = { { weight = 1 } } })
    misused("unknown option 'adress' (did you mean 'address'?)", memcached.client,
      { servers = { { adress = "a" } } })
    misused("option 'weight' must be", memcached.client,
      { servers = { { address = "a", weight = 0 } } })
    misused("option 'prefix' must have no spaces", memcached.client,
      { servers = { "a" }, prefix = "a b" })
    misused("bytes long with its prefix", memcached.client,
      { servers = { "a" }, prefix = ("x"):rep(250) })
    misused("unknown option 'server' (did you mean 'servers'?)", memcached.client, { server = "a" })
    misused("option 'timeout' must be", memcached.client, { servers = { "a" }, timeout = 0 })
    misused("unknown option 'tll'", client.set, client, "key", 1, { tll = 1 })
    misused("Client:get", client.get, {}, "key")
  end)

  it("does not travel, and can be made in each worker", function()
    local p <close> = pool.new { processes = 1 }
    local e = fails("cannot_send", p.apply, p, function() return client end)
    assert.matches("a client of memcached: each worker makes its own", e.message, 1, true)
    client:set("key", "from main")
    local address = server.address
    assert.are.equal("from main", p:apply(function()
      local own <close> = require("luapool.memcached").client { servers = { address } }
      return own:get "key"
    end))
  end)
end)
