-- TLS of luapool's own clients: luapool.redis and luapool.memcached on real servers, and servers
-- that no client may trust, or that do not keep to the protocol.

local memcached = require "luapool.memcached"
local memcached_server = require "tests.support.memcached_server"
local redis = require "luapool.redis"
local redis_server = require "tests.support.redis_server"
local refused = require "tests.support.refused"
local socket = require "socket"
local task = require "luapool.task"

-- A server that does `serve` with each client, and its address.
local function plain_server(serve)
  local server = assert(socket.bind("127.0.0.1", 0))
  local url = ("rediss://127.0.0.1:%d"):format((select(2, server:getsockname())))
  local running = task.spawn(function()
    while true do
      local client = server:accept()
      if not client then return end
      serve(client)
      client:close()
    end
  end)
  return url, function()
    server:close()
    running:cancel()
    running:result()
  end
end

describe("rediss://", function()
  local server

  setup(function() server = redis_server.start { tls = true, password = "secret" } end)
  teardown(function() server:stop() end)

  it("speaks to a server whose authority is given, from many tasks", function()
    local client <close> = redis.connect(server.tls_url, { tls = { ca = server.ca } })
    local big = ("0123456789"):rep(300000)
    local work = {}
    for i = 1, 100 do
      work[i] = function() return client:incr "n" and client:set("k" .. i, "v" .. i) end
    end
    task.gather(work)
    assert.are.equal("100", client:get "n")
    client:set("big", big)
    assert.is_true(client:get "big" == big)
    assert.is_true(client:get "big" == big)
  end)

  it("takes either version, and the lowest that is demanded", function()
    for _, min in ipairs { "1.2", "1.3" } do
      local opts = { tls = { ca = server.ca, min = min } }
      local client <close> = redis.connect(server.tls_url, opts)
      assert.are.equal("PONG", client:ping())
    end
    local old <close> = redis_server.start { tls = true, config = { "tls-protocols TLSv1.2" } }
    local client <close> = redis.connect(old.tls_url, { tls = { ca = old.ca,
      ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256" } })
    assert.are.equal("PONG", client:ping())
    refused("tls", "protocol version", redis.connect, old.tls_url,
      { tls = { ca = old.ca, min = "1.3" } })
  end)

  it("refuses an authority that nobody has named, unless it is told to", function()
    refused("tls", "certificate verify failed", redis.connect, server.tls_url)
    refused("tls", "self-signed certificate in certificate chain", redis.connect, server.tls_url)
    local client <close> = redis.connect(server.tls_url, { tls = { verify = false } })
    assert.are.equal("PONG", client:ping())
  end)

  it("refuses certificates of another host, of yesterday, and of nobody", function()
    for file, words in pairs { other = "hostname mismatch", expired = "certificate has expired",
      self = "self-signed certificate" } do
      local bad <close> = redis_server.start { tls = true, chain = file }
      refused("tls", words, redis.connect, bad.tls_url, { tls = { ca = bad.ca } })
      local client <close> = redis.connect(bad.tls_url, { tls = { verify = false } })
      assert.are.equal("PONG", client:ping())
    end
  end)

  it("checks an address, and the name that is given in place of the host", function()
    local by_address = server.tls_url:gsub("localhost", "127.0.0.1")
    local client <close> = redis.connect(by_address, { tls = { ca = server.ca } })
    assert.are.equal("PONG", client:ping())
    local opts = { tls = { ca = server.ca, server_name = "cache.example" } }
    refused("tls", "hostname mismatch", redis.connect, server.tls_url, opts)
    opts.tls.server_name = "127.0.0.9"
    refused("tls", "IP address mismatch", redis.connect, server.tls_url, opts)
    opts.tls.server_name = "localhost"
    local named <close> = redis.connect(by_address, opts)
    assert.are.equal("PONG", named:ping())
  end)

  it("shows a certificate where the server demands one", function()
    local strict <close> = redis_server.start { tls = "clients" }
    local dir = strict.dir
    local opts = { tls = {
      ca = strict.ca, cert = dir .. "/client.pem", key = dir .. "/server.key",
    } }
    local client <close> = redis.connect(strict.tls_url, opts)
    assert.are.equal("PONG", client:ping())
    opts.tls.cert, opts.tls.key = nil, nil
    assert.is_false((pcall(redis.connect, strict.tls_url, opts)))
  end)

  it("tells which file cannot be used", function()
    local function try(tls) return redis.connect(server.tls_url, { tls = tls }) end
    refused("tls", "CA locations (/no/ca.pem: No such file", try, { ca = "/no/ca.pem" })
    refused("tls", "/no/client.pem: No such file", try, { cert = "/no/client.pem" })
    refused("tls", "error loading private key", try, { cert = server.dir .. "/client.pem" })
    refused("tls", "key values mismatch", try,
      { cert = server.dir .. "/client.pem", key = server.dir .. "/ca.key" })
    refused("usage", "unknown field 'caa' (did you mean 'ca'?)", try, { caa = "x" })
    refused("usage", "'min' must be", try, { min = "1.0" })
    refused("usage", "without its 'cert'", try, { key = "x" })
    refused("usage", "begin with rediss://", redis.connect, server.url, { tls = {} })
  end)

  it("is told of a server that closes, that speaks plain, that says nothing", function()
    local url, stop = plain_server(function() end)
    refused("connect", "TLS: ", redis.connect, url)
    stop()
    url, stop = plain_server(function(client) client:receive(5) end)
    refused("connect", "TLS: ", redis.connect, url)
    stop()
    url, stop = plain_server(function(client)
      client:receive(5)
      client:send "-ERR unknown command, and some more text that is no TLS\r\n"
      client:receive "*a"
    end)
    refused("tls", "wrong version number (does the server speak TLS there?)", redis.connect, url)
    stop()
    url, stop = plain_server(function(client) client:receive "*a" end)
    refused("connect", "within 0.05 s", redis.connect, url, { connect_timeout = 0.05 })
    stop()
  end)

  it("connects again after the server was killed", function()
    local one <close> = redis_server.start { tls = true }
    local client <close> = redis.connect(one.tls_url, { tls = { ca = one.ca }, timeout = 30 })
    assert.are.equal("PONG", client:ping())
    one:kill()
    one:start()
    assert.are.equal("PONG", client:ping())
  end)
end)

describe("TLS of luapool.memcached", function()
  it("speaks to a real server, and refuses what it cannot trust", function()
    local server <close> = memcached_server.start { tls = true }
    local ca = server.dir .. "/ca.pem"
    local client <close> = memcached.client { servers = { server.address }, tls = { ca = ca } }
    local work, big = {}, ("x"):rep(500000)
    for i = 1, 50 do work[i] = function() client:set("k" .. i, i) end end
    task.gather(work)
    for i = 1, 50 do assert.are.equal(i, client:get("k" .. i)) end
    client:set("big", big)
    assert.is_true(client:get "big" == big)
    local strict <close> = memcached.client { servers = { server.address }, tls = true }
    refused("tls", "certificate verify failed", strict.get, strict, "k1")
    local lax <close> = memcached.client { servers = { server.address }, tls = { verify = false } }
    assert.are.equal(1, lax:get "k1")
  end)

  it("is refused over a Unix socket whose certificate has no name to look for", function()
    local server <close> = memcached_server.start { unix = true }
    local client <close> = memcached.client { servers = { server.address }, tls = true }
    refused("tls", "server_name", client.get, client, "a")
  end)
end)
