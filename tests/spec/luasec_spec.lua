-- The module ssl with LuaSec's names: LuaSec's own ssl.https, unmodified, from many tasks; client
-- and server by ssl.wrap; certificates that must be refused; openssl as the peer.

local https = require "ssl.https"
local nginx = require "tests.support.nginx"
local process = require "luapool.process"
local fs = require "luapool.fs"
local socket = require "socket"
local ssl = require "ssl"
local task = require "luapool.task"

local function merge(t, more)
  for key, value in pairs(more or {}) do t[key] = value end
  return t
end

describe("ssl.https", function()
  local server

  setup(function() server = nginx.start() end)
  teardown(function() server:close() end)

  local function get(path, opts)
    local parts = {}
    local ok, status, headers = https.request(merge({
      url = server.https_url .. path, sink = require "ltn12".sink.table(parts),
    }, opts))
    return ok and table.concat(parts), status, headers
  end

  it("makes 50 requests of 0.1 s at once", function()
    local work, began, spent = {}, task.now(), 0
    for i = 1, 50 do
      work[i] = function()
        local own = task.now()
        local body, status = https.request(server.https_url .. "/delay/0.1")
        assert(status == 200, status)
        spent = spent + task.now() - own
        return body
      end
    end
    local bodies = task.gather(work)
    local elapsed = task.now() - began
    for i = 1, 50 do assert.are.equal("ok", (bodies[i]:gsub("\n", ""))) end
    -- However slow the machine is: one after the other, both would be the same.
    assert.is_true(spent > 10 * elapsed, spent / elapsed)
    assert.is_true(tonumber((https.request(server.https_url .. "/peak"))) > 1)
  end)

  it("reads a large body, and posts one", function()
    assert.are.equal(1000000, #https.request(server.https_url .. "/bytes/1000000"))
    local body = ("x"):rep(200000)
    assert.is_truthy(https.request(server.https_url .. "/echo", body):find(body, 1, true))
  end)

  it("verifies when it is told to", function()
    local body, status = get("/bytes/5", { verify = "peer", cafile = server.ca })
    assert.are.equal(5, body and #body, status)
    body, status = get("/bytes/5", { verify = "peer" })
    assert.are.same({ false, "certificate verify failed" }, { body or false, status })
  end)
end)

describe("ssl.wrap", function()
  local dir, path

  setup(function()
    dir = fs.tempdir()
    path = dir.path
    local made = process.exec { "sh", "tests/support/certificates", path, "more" }
    assert(made.code == 0, made.stderr)
  end)
  teardown(function() dir:close() end)

  local open = {} -- connections of the test
  after_each(function()
    for i, connection in pairs(open) do
      connection:close()
      open[i] = nil
    end
  end)

  local function server_cfg(more)
    return merge({ mode = "server", protocol = "any", certificate = path .. "/server.pem",
      key = path .. "/server.key" }, more)
  end

  local function client_cfg(more)
    return merge({ mode = "client", protocol = "any", verify = "peer",
      cafile = path .. "/ca.pem" }, more)
  end

  -- A connected pair of plain sockets.
  local function pair()
    local listener <close> = assert(socket.bind("127.0.0.1", 0))
    local client = assert(socket.connect("127.0.0.1", (select(2, listener:getsockname()))))
    return client, assert(listener:accept())
  end

  -- Wraps both ends and shakes hands; what each handshake has returned.
  local function connect(client_more, server_more, name)
    local a, b = pair()
    local client = assert(ssl.wrap(a, client_cfg(client_more)))
    local server = assert(ssl.wrap(b, server_cfg(server_more)))
    table.insert(open, client)
    table.insert(open, server)
    client:settimeout(20)
    server:settimeout(20)
    if name then client:sni(name) end
    local other = task.spawn(function() return { server:dohandshake() } end)
    local mine = { client:dohandshake() }
    return client, server, mine, other:await()
  end

  it("makes a client and a server, which speak both ways at once", function()
    local client, server, mine, other = connect({}, {}, "localhost")
    assert.are.same({ { true }, { true } }, { mine, other })
    local big = ("0123456789abcdef"):rep(200000)
    local sums = task.gather {
      function() return client:send(big) end, function() return server:send(big) end,
      function() return #client:receive(#big) end, function() return #server:receive(#big) end,
    }
    for i = 1, 4 do assert.are.equal(#big, sums[i]) end
    server:send "line one\r\nline two\n"
    assert.are.equal("line one", client:receive())
    assert.are.equal("line two", client:receive "*l")
    assert.are.equal("localhost", server:getsniname())
    server:send "rest"
    server:close()
    assert.are.same({ "rest" }, { client:receive "*a" })
    assert.are.same({ nil, "closed", "" }, { client:receive() })
  end)

  it("refuses certificates of another host, of yesterday, of nobody", function()
    for file in pairs { other = true, expired = true, self = true } do
      local _, _, mine =
        connect({}, { certificate = path .. "/" .. file .. ".pem" }, "localhost")
      assert.are.same({ false, "certificate verify failed" }, { mine[1], mine[2] }, file)
    end
    local _, _, mine =
      connect({}, { certificate = path .. "/other.pem" }, "other.example")
    assert.are.same({ true }, mine)
  end)

  it("goes on and tells what is wrong, with lsec_continue", function()
    local client, _, mine = connect({ verifyext = "lsec_continue" },
      { certificate = path .. "/expired.pem" }, "localhost")
    assert.are.same({ true }, mine)
    local ok, faults = client:getpeerverification()
    assert.are.same({ false, { { "certificate has expired" } } }, { ok, faults })
  end)

  it("demands certificates of clients", function()
    local demands = { verify = { "peer", "fail_if_no_peer_cert" }, cafile = path .. "/ca.pem" }
    local shows = { certificate = path .. "/client.pem", key = path .. "/server.key" }
    local client, server, _, other = connect(shows, demands, "localhost")
    assert.are.same({ true }, other)
    assert.is_true(server:getpeerverification())
    assert.are.equal(client:getlocalcertificate(), server:getpeercertificate())
    local _, _, _, refused = connect({}, demands, "localhost")
    assert.are.same({ false, "peer did not return a certificate" }, { refused[1], refused[2] })
  end)

  it("chooses the certificate by the name that a client asks for, and the protocol", function()
    local other = assert(ssl.newcontext(server_cfg { certificate = path .. "/other.pem" }))
    local function try(name, strict)
      local a, b = pair()
      local client <close> = assert(ssl.wrap(a, client_cfg { alpn = { "h9", "http/1.1" } }))
      local server <close> = assert(ssl.wrap(b, server_cfg { alpn = { "http/1.1", "h2" } }))
      server:sni({ ["other.example"] = other }, strict)
      client:sni(name)
      local shaking = task.spawn(server.dohandshake, server)
      local ok, message = client:dohandshake()
      shaking:result()
      return ok and client:getalpn() or message
    end
    assert.are.equal("http/1.1", try "other.example")
    assert.are.equal("http/1.1", try "localhost")
    assert.is_truthy(try("localhost", true):find "unrecognized name")
  end)

  it("tells what was agreed on", function()
    local client, server = connect({ protocol = "tlsv1_2" }, {}, "localhost")
    local info = client:info()
    assert.are.same({ "TLSv1.2", 256 }, { info.protocol, info.bits })
    assert.are.equal(info.cipher, server:info "cipher")
    assert.are.equal(client:getfinished(), server:getpeerfinished())
    assert.are.equal(client:exportkeyingmaterial("label", 32),
      server:exportkeyingmaterial("label", 32))
    assert.are.equal("nothing", client:want())
  end)

  it("shows certificates", function()
    local client = connect({}, {}, "localhost")
    local certificate = client:getpeercertificate()
    assert.are.equal(certificate, ssl.loadcertificate(fs.read(path .. "/server.pem")))
    assert.are.equal(certificate, client:getpeerchain()[1])
    assert.are.same({ oid = "2.5.4.3", name = "commonName", value = "localhost" },
      certificate:subject()[1])
    assert.are.equal("luapool test CA", certificate:issuer()[1].value)
    local names = certificate:extensions()["2.5.29.17"]
    assert.are.same({ { "localhost" }, { "127.0.0.1", "::1" } },
      { names.dNSName, names.iPAddress })
    assert.is_true(certificate:validat(os.time()))
    assert.is_false(certificate:validat(0))
    assert.are.equal(64, #certificate:digest "sha256")
    assert.are.equal("EC", (select(2, certificate:pubkey())))
    assert.are.equal(fs.read(path .. "/server.pem"), certificate:pem())
    local ca = ssl.loadcertificate(fs.read(path .. "/ca.pem"))
    assert.is_true(ca:issued(certificate))
    assert.is_nil((certificate:issued(ca)))
    assert.is_nil((ssl.loadcertificate "no certificate"))
  end)

  it("says what it waits for when it is late, and loses nothing", function()
    local client, server = connect({}, {}, "localhost")
    client:settimeout(0)
    assert.are.same({ nil, "wantread", "" }, { client:receive() })
    server:settimeout(0)
    local big, sent = ("0123456789abcdef"):rep(1 << 16), 0
    local reader = task.spawn(function()
      client:settimeout(30)
      return client:receive(#big)
    end)
    while sent < #big do
      local n, message, part = server:send(big, sent + 1)
      assert(n or message == "wantwrite", message)
      sent = n or part
      task.sleep(0)
    end
    assert.is_true(reader:await() == big)
  end)

  it("survives a task that is cancelled while it sends", function()
    local client, server = connect({}, {}, "localhost")
    local many = ("x"):rep(1 << 20)
    server:settimeout(0)
    while server:want() ~= "write" do server:send(many) end -- part of a record is not sent yet
    server:settimeout(20)
    local sender = task.spawn(server.send, server, many)
    task.sleep(0)
    sender:cancel()
    sender:result()
    local sent = select(2, server:getstats())
    local rest = task.spawn(server.send, server, "END\n")
    local text = client:receive()
    rest:await()
    assert.are.same({ sent, "END" }, { #text:match "^x*", text:match "^x*(.*)" })
  end)

  -- openssl as the server of one client, which listens to commands of one letter.
  local function openssl(version)
    local listener = assert(socket.bind("127.0.0.1", 0))
    local port = math.tointeger((select(2, listener:getsockname())))
    listener:close()
    local command = "exec setpriv --pdeathsig KILL stdbuf -oL openssl s_server -naccept 1 "
      .. "-accept %d %s -cert %s/server.pem -key %s/server.key >%s/output 2>&1"
    local peer = assert(io.popen(command:format(port, version, path, path, path), "w"))
    peer:setvbuf "line"
    local client
    repeat
      task.sleep(0.01)
      client = socket.connect("127.0.0.1", port)
    until client
    return peer, client
  end

  -- Waits until it has printed something so many times.
  local function printed(pattern, times)
    while select(2, fs.read(path .. "/output"):gsub(pattern, "")) < times do task.sleep(0.01) end
  end

  it("answers key updates and renegotiations of openssl", function()
    for version, command in pairs { ["-tls1_3"] = "K", ["-tls1_2"] = "R" } do
      local peer, plain = openssl(version)
      local client <close> = assert(ssl.wrap(plain, client_cfg()))
      client:settimeout(20)
      client:sni "localhost"
      assert(client:dohandshake())
      for round = 1, 3 do
        peer:write(command, "\n")
        printed("SSL_do_handshake %-> %d+.-", round) -- what it reads at once is one command
        peer:write("hello ", round, "\n")
        assert.are.equal("hello " .. round, client:receive())
        assert(client:send("back " .. round .. "\n"))
        printed("back " .. round, 1)
      end
      peer:write "Q\n"
      peer:close()
    end
  end)

  it("tells which setting is wrong", function()
    local function try(more) return select(2, ssl.newcontext(client_cfg(more))) end
    assert.are.equal("invalid protocol (sslv9)", try { protocol = "sslv9" })
    assert.are.equal("invalid mode (both)", try { mode = "both" })
    assert.are.equal("invalid option (no_such)", try { options = { "all", "no_such" } })
    assert.are.equal("invalid verify option (maybe)", try { verify = "maybe" })
    assert.is_truthy(try { ciphers = "NOTHING" }:find "no cipher match")
    assert.is_truthy(try { certificate = "/no/file" }:find "/no/file: No such file")
    assert.is_truthy(try { curve = "nothing" })
    assert.are.equal("invalid password type", try { key = "x", password = 5 })
    assert.are.equal("private key does not match public key",
      try { certificate = path .. "/server.pem", key = path .. "/ca.key" })
    local client, server = pair()
    client:close()
    assert.are.same({ nil, "closed" }, { ssl.wrap(client, client_cfg()) })
    server:close()
  end)

  it("tells of a peer that closes or speaks plain", function()
    local a, b = pair()
    local client <close> = assert(ssl.wrap(a, client_cfg()))
    b:send "220 hello, this is no TLS at all\r\n"
    assert.are.same({ false, "wrong version number" },
      { table.unpack({ client:dohandshake() }, 1, 2) })
    b:close()
    a, b = pair()
    local other <close> = assert(ssl.wrap(a, client_cfg()))
    b:close()
    assert.is_false((other:dohandshake()))
    local half, server = connect({}, {}, "localhost")
    server:setoption("linger", { on = true, timeout = 0 })
    assert.are.same({ nil, "wantread" }, { table.unpack({ (function()
      half:settimeout(0)
      return half:receive()
    end)() }, 1, 2) })
    server:close()
  end)
end)
