-- Which way a request takes: proxies, given addresses, public addresses alone; and what it demands
-- of encryption. On nginx, tinyproxy, and small servers where these are too good.

local errors = require "luapool.error"
local http = require "luapool.http"
local nginx = require "tests.support.nginx"
local process = require "luapool.process"
local raw_server = require "tests.support.raw_server"
local socket = require "socket"
local task = require "luapool.task"
local tinyproxy = require "tests.support.tinyproxy"

local server, url, tls_url, port, tls_port

setup(function()
  server = nginx.start()
  url, tls_url = server.url, server.https_url
  port, tls_port = url:match ":(%d+)", tls_url:match ":(%d+)"
end)
teardown(function()
  http.close()
  server:stop()
end)

local function fails(kind, ...)
  local ok, e = pcall(...)
  assert.is_false(ok)
  assert.is_true(errors.is(e, kind), tostring(e))
  return tostring(e)
end

local function has(text, part)
  assert.is_truthy(text:find(part, 1, true), text)
end

describe("only_public", function()
  local opts = { only_public = true, timeout = 20, ca = "/dev/null" }

  it("refuses addresses of this machine and of private networks", function()
    for _, host in ipairs {
      "127.0.0.1", "localhost", "a.localhost", "[::1]", "0.0.0.0", "[::]", "10.0.0.1",
      "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "[::ffff:127.0.0.1]",
      "[fe80::1]", "[fd00::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "127.1", "0x7f000001",
      "2130706433", "017700000001", "224.0.0.1", "255.255.255.255", "１２７.0.0.1",
    } do
      local text = fails("refused", http.get, ("http://%s:%s/bytes/1"):format(host, port), opts)
      has(text, "only_public")
      fails("refused", http.post, ("https://%s:%s/"):format(host, tls_port), opts)
    end
  end)

  it("refuses a kept connection to one, too", function()
    local client <close> = http.client { limit = 1 }
    assert.are.equal(200, client:get(url .. "/bytes/1").status)
    fails("refused", client.get, client, url .. "/bytes/1", { only_public = true })
    assert.are.equal(200, client:get(url .. "/bytes/1").status)
  end)

  it("is an option of clients, and not retried", function()
    local client <close> = http.client {
      only_public = true, retry = { attempts = 5, wait = require("luapool.retry").fixed(60) },
    }
    fails("refused", client.get, client, url .. "/bytes/1")
    assert.are.equal(200, client:get(url .. "/bytes/1", { only_public = false }).status)
  end)

  it("looks at each redirection", function()
    -- what leads in is allowed by the option resolve alone
    fails("refused", http.get, "http://public.example:" .. port .. "/goto?url=" .. url, {
      only_public = true, resolve = { ["public.example:" .. port] = "127.0.0.1" },
    })
  end)

  it("refuses addresses in URLs that go through a proxy", function()
    local proxy <close> = tinyproxy.start()
    for _, host in ipairs { "127.0.0.1", "localhost", "[::1]" } do
      fails("refused", http.get, ("http://%s:%s/"):format(host, port),
        { only_public = true, proxy = proxy.url })
    end
  end)
end)

describe("resolve", function()
  it("names the address of a host", function()
    local res = http.get(("http://some.example:%s/echo"):format(port), {
      resolve = { ["some.example:" .. port] = "127.0.0.1" },
    })
    assert.are.equal("some.example:" .. port, res:json().headers.host)
    local client <close> = http.client { resolve = { ["Some.Example:" .. port] = "127.0.0.1" } }
    res = client:get(("http://SOME.example:%s/redirect/2"):format(port))
    assert.are.equal(("http://some.example:%s/echo"):format(port), res.url:lower())
  end)

  it("holds for its request and its port alone", function()
    local client <close> = http.client()
    local page = ("http://localhost:%s/bytes/1"):format(port)
    local elsewhere = { resolve = { ["localhost:" .. port] = "127.0.0.9" } }
    fails("connect", client.get, client, page, elsewhere)
    assert.are.equal(200, client:get(page).status)
    assert.are.equal(200, client:get(page, { resolve = { ["localhost:1"] = "127.0.0.9" } }).status)
    fails("connect", client.get, client, page, { resolve = { ["localhost:" .. port] = "[::1]" } })
  end)

  it("does not change the name that a certificate is for", function()
    local opts = { ca = server.ca, resolve = {
      ["localhost:" .. tls_port] = "127.0.0.1", ["other.example:" .. tls_port] = "127.0.0.1",
    } }
    assert.are.equal(200, http.get(("https://localhost:%s/bytes/1"):format(tls_port), opts).status)
    fails("tls", http.get, ("https://other.example:%s/bytes/1"):format(tls_port), opts)
  end)

  it("takes addresses of whole places alone", function()
    local function refused(resolve)
      has(fails("usage", http.get, url, { resolve = resolve }), "resolve")
    end
    refused { ["a.example"] = "127.0.0.1" }
    refused { ["a.example:80"] = "b.example" }
    refused { ["a.example:80"] = 7 }
    refused { "127.0.0.1" }
  end)
end)

describe("a proxy", function()
  it("gets the requests", function()
    local proxy <close> = tinyproxy.start()
    local res = http.get(url .. "/echo", { proxy = proxy.url })
    assert.is_truthy(res:json().headers.via:find "tinyproxy")
    res = http.get(tls_url .. "/echo", { proxy = proxy.url, ca = server.ca })
    assert.is_nil(res:json().headers.via)
    assert.are.equal(200, res.status)
    assert.are.equal(200, http.get(url .. "/echo", { proxy = "127.0.0.1:" .. proxy.port }).status)
    http.close()
  end)

  it("may depend on the scheme, with exceptions", function()
    local proxy <close> = tinyproxy.start()
    local function via(page, proxies)
      return http.get(page, { proxy = proxies, ca = server.ca, timeout = 20 }):json().headers.via
    end
    local page = url .. "/echo"
    assert.is_truthy(via(page, { http = proxy.url, https = "http://127.0.0.1:1" }))
    assert.is_nil(via(page, { https = "http://127.0.0.1:1" }))
    assert.is_truthy(via(page, { all = proxy.url }))
    assert.is_nil(via(page, { all = proxy.url, http = "" }))
    for _, except in ipairs {
      "*", "127.0.0.1", "127.0.0.0/8", "127.0.0.1:" .. port, "a.example, 127.0.0.1",
      { "10.0.0.0/8", "127.0.0.0/31" },
    } do
      assert.is_nil(via(page, { all = proxy.url, except = except }))
    end
    for _, except in ipairs {
      "127.0.0.2", "127.0.0.1:1", "128.0.0.0/8", "::1", "localhost", ".",
    } do
      assert.is_truthy(via(page, { all = proxy.url, except = except }))
    end
    page = ("http://localhost:%s/echo"):format(port)
    assert.is_nil(via(page, { all = proxy.url, except = "LOCALHOST" }))
    assert.is_truthy(via(page, { all = proxy.url, except = "host" }))
    page = ("http://a.localhost:%s/echo"):format(port)
    assert.is_nil(via(page, { all = proxy.url, except = ".localhost" }))
    assert.is_nil(via(page, { all = proxy.url, except = "localhost" }))
    http.close()
  end)

  it("is chosen anew for each redirection", function()
    local proxy <close> = tinyproxy.start()
    local client <close> = http.client { proxy = { all = proxy.url, except = "localhost" } }
    local function goto_(host) return ("/goto?url=http://%s:%s/echo"):format(host, port) end
    assert.is_nil(client:get(url .. goto_ "localhost"):json().headers.via)
    local direct = ("http://localhost:%s"):format(port)
    assert.is_truthy(client:get(direct .. goto_ "127.0.0.1"):json().headers.via)
  end)

  it("is named where it fails", function()
    local text = fails("connect", http.get, url, { proxy = "http://127.0.0.1:1" })
    has(text, "the proxy http://127.0.0.1:1")
    text = fails("connect", http.get, tls_url, { proxy = "http://127.0.0.1:1" })
    has(text, "the proxy http://127.0.0.1:1")
    text = fails("dns", http.get, url, { proxy = "http://no-such-proxy.invalid:1" })
    has(text, "proxy")
  end)

  it("asks for a password", function()
    local proxy <close> = tinyproxy.start { auth = "ann secret" }
    local client <close> = http.client { ca = server.ca, timeout = 20 }
    assert.are.equal(407, client:get(url .. "/echo", { proxy = proxy.url }).status)
    local text = fails("connect", client.get, client, tls_url .. "/echo", { proxy = proxy.url })
    has(text, "407")
    has(text, "the proxy http://127.0.0.1:" .. proxy.port)
    local known = "http://ann:secret@127.0.0.1:" .. proxy.port
    local res = client:get(url .. "/echo", { proxy = known })
    assert.are.equal(200, res.status)
    assert.is_nil(res:json().headers["proxy-authorization"])
    assert.are.equal(200, client:get(tls_url .. "/echo", { proxy = known }).status)
    text = fails("connect", client.get, client, tls_url .. "/echo",
      { proxy = "http://ann:wrong@127.0.0.1:" .. proxy.port })
    assert.is_nil(text:find("wrong", 1, true))
  end)

  it("may refuse a connection, or say nothing", function()
    local proxy <close> = tinyproxy.start { lines = "ConnectPort 1\n" }
    has(fails("connect", http.get, tls_url, { proxy = proxy.url }), "the proxy")
    local silent <close> = assert(socket.bind("127.0.0.1", 0))
    local silent_url = "http://127.0.0.1:" .. select(2, silent:getsockname())
    local text = fails("timeout", http.get, tls_url, { proxy = silent_url, connect_timeout = 0.2 })
    has(text, "the proxy " .. silent_url)
    for _, answer in ipairs { "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 200 OK\r\n\r\nthis is no TLS", "SSH-2.0-x\r\n", "" } do
      local odd <close> = raw_server.start(function(_, c)
        c:send(answer)
        return nil
      end)
      local ok, e = pcall(http.get, tls_url, { proxy = odd.url, timeout = 20 })
      assert.is_false(ok)
      has("connect tls aborted protocol", e.kind)
    end
  end)

  it("comes from the environment, but for its exceptions", function()
    local proxy <close> = tinyproxy.start()
    local function via(env, page)
      local script = ("print(require('luapool.http').get('%s'):json().headers.via)"):format(page)
      local command = 'printf %s "$SCRIPT" >"$DIR/s.lua"; exec "$LUAPOOL" run "$DIR/s.lua"'
      env.SCRIPT, env.DIR = script, server.dir
      env.LUAPOOL, env.PATH = os.getenv "LUAPOOL", os.getenv "PATH"
      local out = process.exec { "sh", "-c", command, env = env }
      assert.are.equal(0, out.code, out.stderr)
      return out.stdout:find "tinyproxy" ~= nil
    end
    assert.is_true(via({ http_proxy = proxy.url }, url .. "/echo"))
    assert.is_true(via({ all_proxy = proxy.url }, url .. "/echo"))
    assert.is_false(via({ HTTP_PROXY = proxy.url }, url .. "/echo"))
    assert.is_false(via({ http_proxy = proxy.url, no_proxy = "a.b,127.0.0.1" }, url .. "/echo"))
  end)

  it("must be a URL, and exceptions texts", function()
    has(fails("protocol", http.get, url, { proxy = "ftp://127.0.0.1:1" }), "proxy")
    fails("usage", http.get, url, { proxy = { http = 1 } })
    fails("usage", http.get, url, { proxy = { htp = "" } })
    fails("usage", http.get, url, { proxy = { except = { 1 } } })
  end)
end)

-- A SOCKS5 proxy of a few lines: it notes what it was asked for, and answers the request itself.
local function socks()
  local asked = {}
  local listener = assert(socket.bind("127.0.0.1", 0))
  local loop = task.spawn(function()
    for c in function() return (listener:accept()) end do
      local n = c:receive(2):byte(2)
      c:receive(n)
      c:send "\5\0"
      local kind = c:receive(4):byte(4)
      if kind == 1 then asked[#asked + 1] = table.concat({ c:receive(4):byte(1, 4) }, ".")
      else asked[#asked + 1] = c:receive(c:receive(1):byte()) end
      c:receive(2)
      c:send "\5\0\0\1\0\0\0\0\0\0"
      repeat until c:receive() == ""
      c:send "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
      c:close()
    end
  end)
  local self = { asked = asked, port = select(2, listener:getsockname()) }
  return setmetatable(self, { __close = function()
    loop:cancel()
    loop:result()
    listener:close()
  end })
end

describe("a SOCKS proxy", function()
  it("looks names up itself, or is given an address", function()
    local proxy <close> = socks()
    local function get(scheme, host)
      return http.get(("http://%s/"):format(host),
        { proxy = ("%s://127.0.0.1:%s"):format(scheme, proxy.port), timeout = 20 }).body
    end
    assert.are.equal("ok", get("socks5h", "only.the.proxy.knows"))
    assert.are.equal("ok", get("socks5", "localhost"))
    assert.are.equal("only.the.proxy.knows", proxy.asked[1])
    assert.are_not.equal("localhost", proxy.asked[2]) -- but an address of it
    fails("dns", get, "socks5", "no-such-name.invalid")
  end)
end)

describe("tls", function()
  local function get(tls, page)
    return http.get((page or tls_url) .. "/bytes/1", { ca = server.ca, tls = tls, timeout = 20 })
  end

  -- What a server has agreed to that speaks one version alone.
  local function agreed(version, tls)
    local host = version == "1.2" and "127.0.0.3" or "127.0.0.4"
    tls.server_name = "localhost"
    return http.get(("https://%s:%s/"):format(host, tls_port), { ca = server.ca, tls = tls }).body
  end

  it("demands a version", function()
    assert.is_truthy(agreed("1.2", { min = "1.2" }):find "^TLSv1.2")
    assert.is_truthy(agreed("1.3", { min = "1.2" }):find "^TLSv1.3")
    assert.is_truthy(agreed("1.3", { min = "1.3" }):find "^TLSv1.3")
    fails("tls", agreed, "1.2", { min = "1.3" })
    fails("usage", get, { min = "1.4" })
  end)

  it("demands ciphers", function()
    local one, other = "AES128-GCM-SHA256", "AES256-GCM-SHA384"
    for _, name in ipairs { one, other } do
      local both = ("ECDHE-ECDSA-%s:ECDHE-RSA-%s"):format(name, name)
      assert.is_truthy(agreed("1.2", { ciphers = both }):find(name, 1, true))
      local new = "TLS_" .. name:gsub("-", "_"):gsub("AES(%d+)", "AES_%1")
      assert.are.equal("TLSv1.3 " .. new, agreed("1.3", { ciphers = both .. ":" .. new }))
    end
    fails("tls", get, { ciphers = "NO-SUCH-CIPHER" })
    fails("tls", get, { ciphers = "TLS_NO_SUCH" })
  end)

  it("demands a key of the server", function()
    local pipe = process.exec { "sh", "-c", [[openssl x509 -in "$0/server.pem" -pubkey -noout |
      openssl pkey -pubin -outform der | openssl dgst -sha256 -binary |
      openssl base64]], server.dir }
    local pin = "sha256//" .. pipe.stdout:gsub("%s", "")
    local other = "sha256//" .. ("A"):rep(43) .. "="
    assert.are.equal(200, get({ pin = pin }).status)
    assert.are.equal(200, get({ pin = { other, pin } }).status)
    has(fails("tls", get, { pin = other }), "tls.pin")
    local unverified = { verify = false, tls = { pin = other } }
    fails("tls", http.get, tls_url, unverified)
    fails("usage", get, { pin = "server.pem" })
    fails("usage", get, { pin = { 1 } })
  end)

  it("asks for another name", function()
    local client <close> = http.client { ca = server.ca, timeout = 20 }
    local other = tls_url:gsub("127%.0%.0%.1", "127.0.0.2") -- not in the certificate
    fails("tls", client.get, client, other .. "/echo")
    local res = client:get(other .. "/echo", { tls = { server_name = "localhost" } })
    assert.are.equal(other .. "/echo", res.url)
    local headers = res:json().headers
    assert.are.equal(other:match "//(.*)", headers.host)
    assert.is_truthy(headers["user-agent"]:find "luapool")
    res = client:get(other .. "/redirect/1", { tls = { server_name = "localhost" } })
    assert.are.equal(other .. "/echo", res.url)
    fails("tls", client.get, client, tls_url, { tls = { server_name = "other.example" } })
    fails("tls", client.get, client, other .. "/echo")
    res = client:get(other .. "/echo", {
      tls = { server_name = "localhost" }, headers = { Host = "x.y" },
    })
    assert.are.equal("x.y", res:json().headers.host)
    -- another origin is asked for its own name
    res = client:get(other .. "/goto?url=" .. tls_url .. "/echo", {
      tls = { server_name = "localhost" },
    })
    assert.are.equal(tls_url .. "/echo", res.url)
    res = client:get(url .. "/echo", { tls = { server_name = "localhost" } })
    assert.are.equal("127.0.0.1:" .. port, res:json().headers.host)
  end)

  it("resumes sessions over new connections, for the same demands alone", function()
    for _, host in ipairs { "127.0.0.3", "127.0.0.4" } do
      local client <close> = http.client { timeout = 20 }
      local page = ("https://%s:%s/resumed"):format(host, tls_port)
      local function resumed(opts)
        opts.tls = { server_name = "localhost", pin = opts.pin }
        opts.pin = nil
        return client:get(page, opts).body == "r"
      end
      assert.is_false(resumed { ca = server.ca })
      assert.is_true(resumed { ca = server.ca })
      assert.is_false(resumed { verify = false })
      assert.is_true(resumed { verify = false })
      fails("tls", resumed, {})
      fails("tls", resumed, { ca = server.ca, pin = "sha256//" .. ("A"):rep(43) .. "=" })
      fails("tls", client.get, client, page, { ca = server.ca,
        tls = { server_name = "other.example" } })
      assert.is_true(resumed { ca = server.ca })
    end
  end)

  it("opens a key with its password", function()
    local dir = server.dir
    process.exec { "openssl", "pkey", "-in", dir .. "/server.key", "-aes256", "-passout",
      "pass:sesame", "-out", dir .. "/locked.key" }
    local opts = { ca = server.ca, cert = dir .. "/server.pem", key = dir .. "/locked.key" }
    opts.tls = { key_password = "sesame" }
    assert.are.equal(200, http.get(tls_url .. "/bytes/1", opts).status)
    http.close()
    opts.tls = { key_password = "wrong" }
    fails("tls", http.get, tls_url .. "/bytes/1", opts)
  end)

  it("refuses what it does not know", function()
    fails("usage", get, { minimum = "1.2" })
    fails("usage", get, { server_name = "a\r\nb" })
  end)
end)

describe("HTTP/2", function()
  it("is spoken over TLS where it is asked for", function()
    local client <close> = http.client { ca = server.ca, http_version = "2" }
    local res = client:get(tls_url .. "/echo", { tls = { server_name = "localhost" } })
    assert.are.equal("2", res.http_version)
    local all = {}
    for i = 1, 20 do all[i] = function() return client:get(tls_url .. "/bytes/" .. i * 1000) end end
    for i, r in ipairs(task.gather(all)) do
      assert.are.equal(i * 1000, #r.body)
      assert.are.equal("2", r.http_version)
    end
    assert.are.equal("body", client:post(tls_url .. "/body", { body = "body" }).body)
  end)
end)
