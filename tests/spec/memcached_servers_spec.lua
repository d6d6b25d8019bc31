-- luapool.memcached: which server has a key, and servers that die, stall, come back, or talk
-- nonsense.

local cut_proxy = require "tests.support.cut_proxy"
local eventually = require "tests.support.eventually"
local fails = require "tests.support.fails"
local internal = require "tests.support.internal"
local memcached = require "luapool.memcached"
local pool, sync = require "luapool.pool", require "luapool.sync"
local rings = internal "luapool.internal.memcached.ring"
local servers = require "tests.support.memcached_server"
local socket = require "socket"
local task = require "luapool.task"

-- The server that a client knows has less time from now on. To begin with it had enough, also on a
-- machine that is busy.
local function hurry(server, timeout)
  server.timeout, server.link.timeout = timeout, timeout
end

local function start(n, opts)
  local list, addresses = {}, {}
  for i = 1, n do
    list[i] = servers.start(opts or { unix = true })
    addresses[i] = list[i].address
  end
  return setmetatable(list, { __close = function()
    for _, server in ipairs(list) do server:stop() end
  end }), addresses
end

-- Keys by the number of the server that has them, as long as all are well.
local function keys_of(client, n)
  local keys = {}
  for i = 1, n do keys[i] = {} end
  for i = 1, 300 do
    local server = client.ring:server("key" .. i, function() return true end)
    for number, other in ipairs(client.servers) do
      if other == server then table.insert(keys[number], "key" .. i) end
    end
  end
  return keys
end

describe("the ring", function()
  -- These are what libmemcached 1.1.4 says.
  for answers, hosts in pairs {
    ["312121133133313332222322223333132222332233313331133332112311"] = {
      { "1", "10.0.0.1", 11211, 1 }, { "2", "10.0.0.2", 11211, 1 }, { "3", "10.0.0.3", 11212, 1 },
    },
    ["bbacdcdabbbcbdbbcbdcbdadbdcbcddbcddbcddcddddddddbcddbddbdcbd"] = {
      { "a", "a", 11211, 3 }, { "b", "b", 11211, 7 }, { "c", "c", 9000, 5 },
      { "d", "d", 11211, 11 },
    },
  } do
    it("has keys where libmemcached has them: " .. #hosts .. " servers", function()
      local list = {}
      for i, host in ipairs(hosts) do
        list[i] = { name = host[1], host = host[2], port = host[3], weight = host[4] }
      end
      local ring, found = rings.new(list), {}
      for i = 1, #answers do
        found[i] = ring:server("key" .. i, function() return true end).name
      end
      assert.are.equal(answers, table.concat(found))
    end)
  end

  it("gives away only the keys of the server that is left out", function()
    local list = {}
    for i = 1, 5 do list[i] = { host = "h" .. i, port = 1, weight = 1 } end
    local ring, moved = rings.new(list), {}
    for i = 1, 2000 do
      local all = ring:server("key" .. i, function() return true end)
      local rest = ring:server("key" .. i, function(server) return server ~= list[3] end)
      assert.are_not.equal(list[3], rest)
      if all ~= list[3] then assert.are.equal(all, rest) end
      if all ~= rest then moved[rest] = (moved[rest] or 0) + 1 end
    end
    for i = 1, 5 do assert.are.equal(i ~= 3, (moved[list[i]] or 0) > 20) end
    assert.is_nil(ring:server("key", function() return false end))
  end)
end)

describe("several servers", function()
  it("share the keys, and many are asked together", function()
    local list <close>, addresses = start(3)
    local client <close> = memcached.client { servers = addresses, timeout = 30 }
    local items, names = {}, {}
    for i = 1, 300 do items["key" .. i], names[i] = i, "key" .. i end
    assert.are.same({}, client:set_many(items))
    assert.are.same(items, client:get_many(names))
    local total = 0
    for _, address in ipairs(addresses) do
      local n = client:stats()[address].curr_items
      assert.is_true(n > 30, n)
      total = total + n
    end
    assert.are.equal(300, total)
    assert.are.equal(3, #list)
  end)

  it("have their weights", function()
    local list <close>, addresses = start(2)
    local client <close> = memcached.client { timeout = 30, servers = {
      { address = addresses[1], weight = 9 }, addresses[2],
    } }
    local keys = keys_of(client, 2)
    assert.is_true(#keys[1] > 2 * #keys[2])
    assert.is_true(#keys[2] > 0)
    assert.are.equal(2, #list)
  end)

  it("go on when one dies, and have it again when it comes back", function()
    local list <close>, addresses = start(3)
    local client <close> = memcached.client { servers = addresses, timeout = 30 }
    local keys = keys_of(client, 3)
    local lost, kept = keys[2][1], keys[1][1]
    for _, key in ipairs { lost, kept } do client:set(key, "before") end
    list[2]:kill()
    assert.is_nil(client:get(lost)) -- of the next server, which has nothing
    assert.are.equal("before", client:get(kept))
    assert.is_true(client:set(lost, "meanwhile"))
    assert.are.equal("meanwhile", client:get(lost))
    assert.are.equal(1, (client:set(lost, 1) and client:incr(lost)) - 1)
    assert.are.same({ [kept] = "before", [lost] = 2 }, client:get_many { kept, lost })
    assert.are.same({}, client:set_many { [lost] = 3, [kept] = 3 })
    assert.is_nil(client:stats()[addresses[2]])
    list[2]:start()
    -- It is empty, so its keys are gone when it has them again.
    eventually(function() return client:get(lost) == nil end)
    assert.are.equal(3, client:get(kept))
    client:set(lost, "again")
    assert.are.equal(1, client:stats()[addresses[2]].curr_items)
  end)

  it("take the calls that wait when one dies: what may be done twice is done elsewhere", function()
    local list <close>, addresses = start(3)
    local client <close> = memcached.client { servers = addresses, timeout = 30 }
    local key = keys_of(client, 3)[2][1]
    client:set(key, 1)
    list[2]:signal "STOP"
    local function later(method, ...) return task.spawn(client[method], client, key, ...) end
    local repeated = { later "get", later("set", 2), later "delete", later("touch", 9) }
    local many = task.spawn(client.get_many, client, { key })
    local doubtful = { later "incr", later("add", 1), later("append", "x"), later("replace", 1) }
    eventually(function() -- until all are sent
      local link = client.servers[2].link
      return #link.out == 0 and link.last - link.first == 8
    end)
    list[2]:kill()
    for _, one in ipairs(repeated) do one:await() end
    assert.are.same({}, many:await())
    for _, one in ipairs(doubtful) do
      local ok, e = one:result()
      assert.is_false(ok)
      assert.are.same({ "aborted", true, addresses[2] }, { e.kind, e.sent, e.server })
    end
  end)

  it("are not held up by one that stalls: once it has cost its time, it is left out", function()
    local list <close>, addresses = start(3)
    local client <close> = memcached.client { servers = addresses, timeout = 30 }
    local keys = keys_of(client, 3)
    for number = 1, 3 do assert.is_true(client:set(keys[number][1], number)) end
    list[2]:signal "STOP"
    hurry(client.servers[2], 0.2)
    assert.is_nil(client:get(keys[2][1]))
    assert.are.equal("out", client.servers[2].state)
    local began = task.now()
    for _ = 1, 50 do client:get(keys[2][1]) end
    assert.is_true(task.now() - began < 10) -- and not 50 times 0.2 s
    list[2]:signal "CONT"
    eventually(function() return client:get(keys[2][1]) == 2 end)
  end)

  it("are asked in vain when all are dead, and at once when one is back", function()
    local list <close>, addresses = start(2)
    local client <close> = memcached.client { servers = addresses, timeout = 30 }
    client:set("a", 1)
    for _, server in ipairs(list) do server:kill() end
    for _ = 1, 5 do
      local e = fails("connect", client.get, client, "a")
      assert.is_truthy(e.server == addresses[1] or e.server == addresses[2])
      fails("connect", client.set, client, "a", 1)
      fails("connect", client.incr, client, "a")
      fails("connect", client.get_many, client, { "a", "b" })
      assert.are.equal("connect", client:set_many({ a = 1 }).a.kind)
    end
    assert.are.same({}, client:stats())
    list[1]:start()
    list[2]:start()
    assert.is_nil(client:get "a")
    assert.is_true(client:set("a", 2))
    assert.are.equal(2, client:get "a")
  end)
end)

describe("a connection", function()
  local server, proxy
  setup(function() server = servers.start() end)
  teardown(function() server:stop() end)
  before_each(function() proxy = cut_proxy.start(server.port) end)
  after_each(function() proxy:stop() end)

  local function new()
    return memcached.client { servers = { "127.0.0.1:" .. proxy.port }, timeout = 30 }
  end

  it("is made anew when it was cut while it rested", function()
    local client <close> = new()
    for i = 1, 5 do
      client:set("a", i)
      proxy:cut()
      assert.are.equal(i, client:get "a")
    end
  end)

  it("does not believe a token of another connection", function()
    local client <close> = new()
    client:set("a", 1)
    local _, token = client:gets "a"
    proxy:cut()
    eventually(function() return not client:cas("a", 2, token) end)
    assert.are.equal(1, client:get "a")
    assert.is_false(client:cas("a", 2, token))
    _, token = client:gets "a"
    assert.is_true(client:cas("a", 3, token))
  end)

  it("keeps to its limit when nobody answers", function()
    local client <close> = new()
    client:set("a", 1)
    hurry(client.servers[1], 0.1)
    proxy:stall()
    local e = fails("timeout", client.incr, client, "a")
    assert.is_true(e.sent)
    fails("connect", client.incr, client, "a")
    local began = task.now()
    assert.is_false(pcall(client.get, client, "a"))
    assert.is_true(task.now() - began < 20)
  end)
end)

describe("what is no memcached", function()
  -- A server that takes connections, and does no more.
  local function silent()
    local listener = assert(socket.bind("127.0.0.1", 0))
    return setmetatable({ address = "127.0.0.1:" .. select(2, listener:getsockname()) }, {
      __close = function() listener:close() end,
    })
  end

  -- A server that answers the greeting, and then this, to whatever it is asked.
  local function liar(answer, greeting)
    local listener = assert(socket.bind("127.0.0.1", 0))
    local serving = task.spawn(function()
      while true do
        local peer = listener:accept()
        if not peer then return end
        task.spawn(function()
          local first <close> = peer
          if peer:receive() and peer:send(greeting or "VERSION 1.6.18\r\n") and peer:receive() then
            peer:send(answer)
            peer:receive "*a"
          end
          return first
        end)
      end
    end)
    local address = "127.0.0.1:" .. select(2, listener:getsockname())
    return setmetatable({ address = address }, { __close = function()
      listener:close()
      serving:await()
    end })
  end

  it("keeps nobody waiting longer because there are several: all are asked at once", function()
    local one <close> = silent()
    local two <close> = silent()
    local three <close> = silent()
    local addresses, keys = { one.address, two.address, three.address }, {}
    local client <close> = memcached.client { servers = addresses, timeout = 30 }
    for i = 1, 60 do keys[i] = "key" .. i end
    local asking = task.spawn(client.get_many, client, keys)
    eventually(function()
      local n = 0
      for _, server in ipairs(client.servers) do n = n + (server.connecting and 1 or 0) end
      return n == 3
    end)
    client:close()
    assert.is_false(asking:result())
  end)

  it("is told at the greeting", function()
    for _, text in ipairs { "HTTP/1.1 400 Bad Request\r\n", "-ERR no\r\n", "STORED\r\n",
      "ERROR\r\n", "SSH-2.0-OpenSSH\r\n", "\0\1\2\r\n", ("x"):rep(20000) } do
      local other <close> = liar("", text)
      local client <close> = memcached.client { servers = { other.address }, timeout = 30 }
      local e = fails("protocol", client.get, client, "a")
      assert.matches(other.address, e.message, 1, true)
    end
  end)

  it("loses its connection when its answers cannot be", function()
    for answer, method in pairs {
      ["STORED\r\n"] = "get", ["VALUE b 0 1\r\nx\r\nEND\r\n"] = "get", ["END\r\n"] = "delete",
      ["nonsense\r\n"] = "get", ["12\r\n"] = "delete", ["STORED\r\n\1"] = "incr",
      ["VALUE a 0 1\r\nxyz\r\nEND\r\n"] = "gets", ["STAT a 1\r\nEND\r\n"] = "get",
      ["OK\r\n"] = "stats", ["VALUE a 0 1\r\nx\r\nEND\r\n\r\n"] = "stats",
    } do
      local other <close> = liar(answer)
      local client <close> = memcached.client { servers = { other.address }, timeout = 30 }
      local e = fails("protocol", client[method], client, method ~= "stats" and "a" or nil)
      assert.matches(other.address, e.message, 1, true)
    end
  end)
end)

describe("a counter in twenty processes", function()
  it("loses no update by cas, although the connections are cut again and again", function()
    local server <close> = servers.start()
    local proxy = cut_proxy.start(server.port)
    local address, conflicts = "127.0.0.1:" .. proxy.port, sync.counter()
    local client <close> = memcached.client { servers = { server.address }, timeout = 50 }
    client:set("counter", { n = 0, by = {} })
    local workers <close> = pool.new { processes = 20, concurrency = 1 }
    local done = false
    local cutting = task.spawn(function()
      while not done do
        task.sleep(0.3)
        proxy:cut()
      end
    end)
    local jobs = {}
    for i = 1, 20 do
      jobs[i] = workers:submit(function()
        local module, name = require "luapool.memcached", tostring(i)
        local ok, finished
        local own <close> = module.client { servers = { address }, timeout = 50 }
        -- Whether a cas whose answer was lost has been done, the value itself tells.
        repeat
          ok, finished = pcall(function()
            local value, token = own:gets "counter"
            local mine = value.by[name] or 0
            if mine == 25 then return true end
            value.n, value.by[name] = value.n + 1, mine + 1
            if not own:cas("counter", value, token) then conflicts:add() end
          end)
        until ok and finished
      end)
    end
    for i = 1, 20 do jobs[i]:await() end
    done = true
    cutting:await()
    proxy:stop()
    local value = client:get "counter"
    assert.are.equal(500, value.n)
    for i = 1, 20 do assert.are.equal(25, value.by[tostring(i)]) end
    assert.is_true(conflicts:get() > 0)
  end)
end)
