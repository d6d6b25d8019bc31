-- Redirections: which requests follow which answers, and what the next server gets to see.

local fails = require "tests.support.fails"
local fs = require "luapool.fs"
local http = require "luapool.http"
local nginx = require "tests.support.nginx"
local raw_server = require "tests.support.raw_server"

local answer = raw_server.answer

describe("a redirection", function()
  local server, url, other

  setup(function()
    server = nginx.start()
    url = server.url
    other = url:gsub("127%.0%.0%.1", "localhost")
  end)
  teardown(function()
    http.close()
    server:stop()
  end)

  -- What arrives at the end of a redirection from the test's server to this URL.
  local function sent_on(to, opts, code)
    opts.params = { url = to, code = code }
    return http.get(url .. "/goto", opts):json()
  end

  it("is followed to the end, whose response tells the way", function()
    local res = http.get(url .. "/redirect/3")
    assert.are.equal(url .. "/echo", res.url)
    assert.are.equal(200, res.status)
    local way = {}
    for i = 3, 1, -1 do
      way[#way + 1] = { status = 302, url = url .. "/redirect/" .. i }
    end
    assert.are.same(way, res.history)
    assert.are.same({}, http.get(url .. "/echo").history)
  end)

  it("keeps, changes or drops method and body by its status", function()
    local kept, got = { [307] = true, [308] = true }, {}
    for _, method in ipairs { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" } do
      for _, code in ipairs { 301, 302, 303, 307, 308 } do
        local page = ("%s/redirect/2?code=%d"):format(url, code)
        local res = http.request(method, page, method ~= "HEAD" and { json = { 1 } } or nil)
        if method ~= "HEAD" then got = res:json() end
        local expected = method
        if code == 303 or code < 303 and method == "POST" then expected = "GET" end
        local told = method .. " " .. code
        if method == "HEAD" then
          assert.are.equal("", res.body, told)
        else
          assert.are.equal(expected, got.method, told)
          local keeps = kept[code] or code ~= 303 and method ~= "POST"
          if method == "GET" then keeps = true end
          assert.are.equal(keeps and "[1]" or "", got.body, told)
          assert.are.equal(keeps and "application/json" or nil, got.headers["content-type"], told)
        end
      end
    end
  end)

  it("drops the headers of a body with it, and keeps others", function()
    local headers = { ["Content-Language"] = "de", ["X-Mine"] = "1", ["content-md5"] = "x" }
    local opts = { body = "x", headers = headers }
    local got = http.post(url .. "/redirect/1?code=302", opts):json().headers
    assert.is_nil(got["content-language"])
    assert.is_nil(got["content-md5"])
    assert.is_nil(got["content-length"])
    assert.are.equal("1", got["x-mine"])
  end)

  it("is counted, and may be refused", function()
    local e = fails("redirects", http.get, url .. "/redirect/11")
    assert.is_truthy(tostring(e):find("more than 10 redirections", 1, true))
    assert.are.equal(url .. "/redirect/1", e.url)
    fails("redirects", http.get, url .. "/redirect/3", { redirects = 2 })
    assert.are.equal(200, http.get(url .. "/redirect/2", { redirects = 2 }).status)
    assert.are.equal(200, http.get(url .. "/redirect/10", { redirects = true }).status)
    assert.are.equal(302, http.get(url .. "/redirect/1", { redirects = false }).status)
    local first = http.get(url .. "/redirect/1", { redirects = 0 })
    assert.are.equal("/echo", first.headers.location:match("/echo$"))
    assert.are.same({}, first.history)
  end)

  it("takes no credentials to another origin, and none back from there", function()
    local opts = {
      { auth = { "me", "secret" } }, { bearer = "t0ken" }, { cookies = { a = "1" } },
      { cookies = "a=1" }, { headers = { Authorization = "x" } }, { headers = { cookie = "a=1" } },
    }
    for _, given in ipairs(opts) do
      local got = sent_on(url .. "/echo", given).headers
      assert.is_truthy(got.authorization or got.cookie)
      local back = ("%s/goto?url=%s/echo"):format(other, url)
      for _, to in ipairs { other .. "/echo", back } do
        got = sent_on(to, given).headers
        assert.is_nil(got.authorization)
        assert.is_nil(got.cookie)
      end
    end
    local client <close> = http.client { cookies = { a = "1" }, headers = { Authorization = "x" } }
    local got = client:get(url .. "/goto", { params = { url = other .. "/echo" } }):json().headers
    assert.is_nil(got.authorization)
    assert.is_nil(got.cookie)
  end)

  it("shows no certificate to another origin, and leaves the socket of its own", function()
    local to = server.https_url:gsub("127%.0%.0%.1", "127.0.0.3") .. "/certificate"
    local opts = { cert = server.dir .. "/server.pem", key = server.dir .. "/server.key",
      verify = false }
    assert.are.equal("CN=localhost", http.get(to, opts).body)
    opts.params = { url = to }
    assert.are.equal("", http.get(server.https_url .. "/goto", opts).body)
    local spy <close> = raw_server.start(function() return answer("arrived") end)
    local given = { unix_socket = server.dir .. "/socket", params = { url = "/echo" } }
    assert.are.equal("/echo", http.get("http://there.example/goto", given):json().uri)
    given.params.url = spy.url .. "/"
    assert.are.equal("arrived", http.get("http://there.example/goto", given).body)
  end)

  it("is no way around the port or the scheme of an origin", function()
    local spy <close> = raw_server.start(function(request)
      return answer(tostring(request.headers.authorization))
    end)
    local to = { params = { url = spy.url .. "/" }, auth = "me:secret" }
    assert.are.equal("nil", http.get(url .. "/goto", to).body)
    local https = { params = { url = server.https_url .. "/echo" }, auth = "me:secret",
      ca = server.ca }
    assert.is_nil(http.get(url .. "/goto", https):json().headers.authorization)
  end)

  it("names another host than a Host header given by hand", function()
    local given = { headers = { Host = "mine.example" } }
    assert.are.equal("mine.example", sent_on("/echo", given).headers.host)
    assert.are.equal(other:match("//(.*)"), sent_on(other .. "/echo", given).headers.host)
  end)

  it("keeps user and password of the URL inside its origin", function()
    local from = url:gsub("//", "//me:secret@")
    local way = { "/echo", url .. "/echo", other .. "/echo" }
    for i, to in ipairs(way) do
      local got = http.get(from .. "/goto", { params = { url = to } }):json().headers
      assert.are.equal(i < 3, got.authorization ~= nil, to)
    end
  end)

  it("does not leave HTTP", function()
    for _, to in ipairs { "file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:1/x",
      "javascript:alert(1)", "data:,x", "mailto:a@b", "http:///", "http://" } do
      local e = fails("protocol", http.get, url .. "/goto", { params = { url = to } })
      assert.is_truthy(tostring(e):find("redirects to", 1, true), tostring(e))
    end
  end)

  it("is relative to where it stands, and keeps the fragment", function()
    server:file("dir/page", "here")
    local hops = { "page", "./page", "../dir/page", "/dir/page", "//" .. url:match("//(.*)")
      .. "/dir/page", "page#there" }
    local spy <close> = raw_server.start(function(request)
      local n = tonumber(request.target:match("/dir/(%d+)"))
      if not n then return answer(request.target) end
      return answer("", "302 X", ("Location: %s\r\n"):format(hops[n]))
    end)
    for i, hop in ipairs(hops) do
      local res = http.get(spy.url .. "/dir/" .. i .. "#top")
      assert.is_truthy(res.body == "/dir/page" or res.body == "here", hop)
      assert.are.equal(hop:find "#" and "there" or "top", res.url:match("#(.*)"))
    end
    local empty <close> = raw_server.start(function(request)
      if request.target == "/a?b" then return answer("", "302 X", "Location: ?c d\r\n") end
      return answer(request.target)
    end)
    assert.are.equal("/a?c%20d", http.get(empty.url .. "/a?b").body)
  end)

  it("without a place to go is an answer, with two it is an error", function()
    local spy <close> = raw_server.start(function(request)
      if request.target == "/none" then return answer("stay", "302 X") end
      if request.target == "/same" then
        return answer("", "302 X", "Location: /there\r\nLocation: /there\r\n")
      end
      if request.target == "/there" then return answer("there") end
      if request.target == "/304" then return "HTTP/1.1 304 X\r\nLocation: /there\r\n\r\n" end
      if request.target == "/300" then return answer("many", "300 X", "Location: /there\r\n") end
      return answer("", "302 X", "Location: /there\r\nLocation: http://evil.example/\r\n")
    end)
    assert.are.equal("stay", http.get(spy.url .. "/none").body)
    assert.are.equal("there", http.get(spy.url .. "/same").body)
    assert.are.equal(304, http.get(spy.url .. "/304").status)
    assert.are.equal("many", http.get(spy.url .. "/300").body)
    fails("protocol", http.get, spy.url .. "/two")
  end)

  it("leads nowhere by an odd address", function()
    local seen
    local spy <close> = raw_server.start(function(request, c)
      if request.target ~= "/" then
        seen = request
        return answer "arrived"
      end
      c:send "HTTP/1.1 302 X\r\nContent-Length: 0\r\nLocation: "
      c:send(seen)
      return "\r\n\r\n"
    end)
    -- Each with the kind of error, or true where it ends at a page of this server.
    local port = ":" .. spy.port
    local rows = {
      ["/a\0b"] = "protocol", ["/a\tb"] = true, ["/a\127b"] = true, ["/ a b "] = true,
      ["/\xC3\xA4"] = true, ["\\\\evil.invalid/x"] = true, ["/x\\@evil.invalid"] = true,
      ["http://evil.invalid@127.0.0.1" .. port .. "/x"] = true,
      ["http://127.0.0.1" .. port .. "@nobody.invalid/x"] = "dns",
      ["http://127.0.0.1" .. port .. "#@nobody.invalid/x"] = "redirects",
      ["http://nobody.invalid\\@127.0.0.1" .. port .. "/x"] = true,
      ["HTTP://LOCALHOST" .. port .. "/x"] = true,
      ["//nobody.invalid/x"] = "dns", ["http://127.0.0.1:99999/x"] = "protocol",
      ["http://[::1/x"] = "protocol", ["http://127.0.0.1:1/x"] = "connect",
      ["http://0x7f000001" .. port .. "/x"] = true, ["?x"] = true, ["./../../x"] = true,
      ["/" .. ("x"):rep(300000)] = "too_large", ["/" .. ("x"):rep(60000)] = true,
    }
    for to, expected in pairs(rows) do
      seen = to
      local ok, res = pcall(http.get, spy.url, { auth = "me:secret" })
      local told = ("%q: %s"):format(to:sub(1, 60), res)
      if expected == true then
        assert.is_true(ok, told)
        assert.are.equal("arrived", res.body, told)
        local host = res.url:match("^http://([^/?#]*)"):gsub("^.*@", "")
        if host ~= "127.0.0.1" .. port then assert.is_nil(seen.headers.authorization, told) end
      else
        assert.is_false(ok, told)
        assert.are.equal(expected, res.kind, told)
      end
    end
  end)

  it("gives its connection back, also where a stream or a file was asked for", function()
    local dir <close> = fs.tempdir()
    local spy <close> = raw_server.start(function(request)
      local n = tonumber(request.target:match("%d+"))
      if n == 0 then return answer("the end") end
      return answer(("x"):rep(20000), "302 X", ("Location: /%d\r\n"):format(n - 1))
    end)
    local client <close> = http.client()
    assert.are.equal("the end", client:get(spy.url .. "/3").body)
    assert.are.equal("the end", client:get(spy.url .. "/3", { stream = true }):read())
    local saved = client:get(spy.url .. "/3", { save_to = dir .. "/file" })
    assert.are.equal(dir .. "/file", saved.saved_to)
    assert.are.equal("the end", fs.read(dir .. "/file"))
    assert.are.equal("the end", client:get(spy.url .. "/3", { max_body = 7 }).body)
    assert.are.equal(1, spy.connections)
  end)

  it("is followed whatever becomes of its body", function()
    local spy <close> = raw_server.start(function(request, c)
      if request.target == "/end" then return answer("the end") end
      local length = request.target == "/short" and 1000 or 1 << 40
      c:send(("HTTP/1.1 302 X\r\nLocation: /end\r\nContent-Length: %d\r\n\r\n"):format(length))
      if request.target == "/short" then return false end
      repeat until not c:send(("x"):rep(10000)) -- for ever
    end)
    for _, opts in ipairs { {}, { stream = true } } do
      for _, page in ipairs { "/short", "/endless" } do
        local res <close> = http.get(spy.url .. page, opts)
        assert.are.equal("the end", res.body or res:read())
      end
    end
  end)

  it("is timed with all others of its chain", function()
    local spy <close> = raw_server.start(function(request)
      require("luapool.task").sleep(0.15)
      return answer("", "302 X", ("Location: %sx\r\n"):format(request.target))
    end)
    local opts = { timeout = 0.5, redirects = 100 }
    local e = fails("timeout", http.get, spy.url .. "/", opts)
    assert.is_truthy(tostring(e):find("not done after 0.5 s", 1, true), tostring(e))
    assert.is_true(#spy.requests <= 4)
    local slow = http.get(url .. "/goto", { params = { url = url .. "/delay/0.1" } })
    assert.is_true(slow.elapsed >= 0.1)
  end)
end)
