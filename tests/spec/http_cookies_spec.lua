-- Cookies: which the jar takes, to whom it sends them, and what users may do with it.

local internal = require "tests.support.internal"
local cookie = internal "luapool.internal.http.cookie"
local fails = require "tests.support.fails"
local fs = require "luapool.fs"
local http = require "luapool.http"
local json = require "luapool.json"
local nginx = require "tests.support.nginx"
local pool = require "luapool.pool"
local raw_server = require "tests.support.raw_server"

local Jar = internal "luapool.internal.http.jar"

-- A jar that has received these Set-Cookie lines from a URL.
local function jar_of(url, ...)
  local jar = http.client().cookies
  jar:receive(url, table.concat({ ... }, "\r\n") .. "\r\n")
  return jar
end

-- What a jar of these lines sends to another URL.
local function sent(to, from, ...)
  return jar_of(from, ...):header(to)
end

describe("a cookie", function()
  local at = "https://www.example.com/dir/page"

  it("goes back to its host, and below its domain", function()
    assert.are.equal("a=1", sent(at, at, "a=1"))
    assert.is_nil(sent("https://example.com/dir/x", at, "a=1"))
    assert.is_nil(sent("https://sub.www.example.com/dir/x", at, "a=1"))
    for _, domain in ipairs { "example.com", ".example.com", "EXAMPLE.com" } do
      local line = "a=1; Domain=" .. domain
      assert.are.equal("a=1", sent("https://other.example.com/dir/", at, line))
      assert.are.equal("a=1", sent("https://example.com/dir/", at, line))
      assert.is_nil(sent("https://notexample.com/dir/", at, line))
      assert.is_nil(sent("https://example.com.evil.org/dir/", at, line))
    end
    assert.are.equal("a=1", sent("http://www.example.com:8080/dir/", at, "a=1"))
  end)

  it("is for no domain that others share, nor for one elsewhere", function()
    for _, domain in ipairs { "com", ".com", "evil.org", "xample.com", "www.example.com.",
      "a.www" } do
      assert.is_nil(sent(at, at, "a=1; domain=" .. domain), domain)
    end
    local below = "https://shop.example.co.uk/"
    assert.is_nil(sent(below, below, "a=1; domain=co.uk"))
    assert.are.equal("a=1", sent(below, below, "a=1; domain=example.co.uk"))
    assert.is_nil(sent("https://me.github.io/", "https://me.github.io/", "a=1; domain=github.io"))
    assert.are.equal("a=1", sent("http://localhost/", "http://localhost/", "a=1; domain=localhost"))
    local address = "http://10.0.0.1/"
    assert.is_nil(sent(address, address, "a=1; domain=0.0.1"))
    assert.are.equal("a=1", sent(address, address, "a=1; domain=10.0.0.1"))
    assert.is_nil(sent("http://1.10.0.0.1/", address, "a=1; domain=10.0.0.1"))
  end)

  it("goes to its path and below", function()
    local function goes(path, line)
      return sent("https://www.example.com" .. path, at, line) ~= nil
    end
    for path, expected in pairs { ["/dir/page"] = true, ["/dir/"] = true, ["/dir"] = true,
      ["/dir/a/b"] = true, ["/direct"] = false, ["/"] = false, ["/dir?x"] = true } do
      assert.are.equal(expected, goes(path, "a=1"), path)
      assert.are.equal(expected, goes(path, "a=1; path=/dir"), path)
      assert.are.equal(true, goes(path, "a=1; path=/"), path)
    end
    assert.is_true(goes("/dir/x", "a=1; path=other"))
    assert.is_false(goes("/dir", "a=1; path=/dir/"))
  end)

  it("that is secure is kept to encryption", function()
    local plain = "http://www.example.com/dir/page"
    assert.are.equal("a=1", sent(at, at, "a=1; Secure"))
    assert.is_nil(sent(plain, at, "a=1; secure"))
    assert.is_nil(sent(at, plain, "a=1; secure"))
    assert.are.equal("a=1", sent("http://127.0.0.1/", "http://127.0.0.1/", "a=1; secure"))
    local jar = jar_of(at, "a=1; secure")
    jar:receive(plain, "a=evil\n")
    assert.are.equal("a=1", jar:header(at))
    jar:receive(at, "a=2; secure\n")
    assert.are.equal("a=2", jar:header(at))
  end)

  it("keeps the promise of its name", function()
    assert.is_nil(sent(at, at, "__Secure-a=1"))
    assert.are.equal("__Secure-a=1", sent(at, at, "__Secure-a=1; secure"))
    assert.is_nil(sent(at, at, "__Host-a=1; secure"))
    assert.is_nil(sent(at, at, "__Host-a=1; secure; path=/; domain=www.example.com"))
    assert.are.equal("__Host-a=1", sent(at, at, "__Host-a=1; secure; path=/"))
  end)

  it("is replaced by one of its name, domain and path, and sent in order", function()
    local jar = jar_of(at, "a=1", "b=2; path=/", "a=3", "c=4")
    assert.are.equal("a=3; c=4; b=2", jar:header(at))
    jar:receive(at, "a=; max-age=0\nb=x; expires=Thu, 01 Jan 1970 00:00:00 GMT; path=/\n")
    assert.are.equal("c=4", jar:header(at))
  end)

  it("ends when it says", function()
    for _, line in ipairs { "a=1; max-age=0", "a=1; max-age=-5",
      "a=1; expires=Wed, 21 Oct 2015 07:28:00 GMT", "a=1; max-age=0; expires=" .. ("9"):rep(3),
      "a=1; expires=Fri, 01 Jan 2100 00:00:00 GMT; max-age=0" } do
      assert.is_nil(sent(at, at, line), line)
    end
    for _, line in ipairs { "a=1; max-age=60", "a=1; max-age=" .. ("9"):rep(40), "a=1; max-age=x",
      "a=1; expires=Fri, 01 Jan 2100 00:00:00 GMT", "a=1; expires=soon",
      "a=1; expires=Wed, 21 Oct 2015 07:28:00 GMT; max-age=60" } do
      assert.are.equal("a=1", sent(at, at, line), line)
    end
    local jar = jar_of(at)
    jar:set { name = "a", value = "1", url = at, expires = os.time() + 1 }
    assert.are.equal("1", jar:get "a")
    jar.domains["www.example.com"][1].expires = os.time() - 1
    assert.is_nil(jar:get "a")
    assert.are.equal(0, #jar:list())
  end)

  it("is read as it comes, or left out", function()
    for line, expected in pairs {
      ["a=b=c"] = "a=b=c", [" a = 1 ;x"] = "a=1", ["a="] = "a=", ['a="q r"'] = 'a="q r"',
      ["=1"] = false, ["a"] = false, [""] = false, [";"] = false, ["a=1\0b"] = false,
      ["a=\1"] = false, ["a=1; path"] = "a=1", ["a=1;;;=;; =x;domain"] = "a=1",
      ["a=" .. ("x"):rep(4095)] = "a=" .. ("x"):rep(4095), ["a=" .. ("x"):rep(4096)] = false,
      ["a=\xC3\xA4"] = "a=\xC3\xA4", ["a=1; domain=com; domain=example.com"] = "a=1",
    } do
      assert.are.equal(expected or nil, sent(at, at, line), line)
    end
  end)

  it("has a date in any form that servers use", function()
    local expected = 1445412480
    for _, text in ipairs { "Wed, 21 Oct 2015 07:28:00 GMT", "Wednesday, 21-Oct-15 07:28:00 GMT",
      "Wed Oct 21 07:28:00 2015", "21 October 2015 7:28:0", "2015 oct 21 07:28:00 +0100",
      "Wed, 21-Oct-2015 07:28:00 GMT", "07:28:00 21 Oct 15" } do
      assert.are.equal(expected, cookie.date(text), text)
    end
    assert.are.equal(0, cookie.date "Thu, 01 Jan 70 00:00:00")
    for _, text in ipairs { "", "soon", "21 Oct 2015", "32 Oct 2015 07:28:00",
      "21 Oct 2015 24:00:00",
      "21 Oct 1600 07:28:00", "0 Oct 2015 07:28:00", "07:28:00 Oct 2015" } do
      assert.is_nil(cookie.date(text), text)
    end
  end)

  it("is one of a bounded number", function()
    local jar, lines = Jar.new(), {}
    for i = 1, 300 do lines[i] = ("n%d=1"):format(i) end
    jar:receive(at, table.concat(lines, "\n") .. "\n")
    assert.are.equal(180, #jar:list())
    assert.is_nil(jar:get "n1")
    assert.are.equal("1", jar:get "n300")
    for i = 1, 4000 do jar:receive(("http://h%d.example.com/"):format(i), "a=1\n") end
    assert.are.equal(3000, #jar:list())
    assert.are.equal("1", jar:get("a", "http://h4000.example.com/"))
  end)
end)

describe("a client's jar", function()
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

  it("keeps what servers set, the plain functions keep nothing", function()
    local client <close> = http.client()
    client:get(url .. "/cookie/a/1")
    assert.are.same({ a = "1" }, client:get(url .. "/cookie"):json())
    assert.are.same({}, client:get(other .. "/cookie"):json())
    http.get(url .. "/cookie/b/1")
    assert.are.same({}, json.decode(http.get(url .. "/cookie").body))
    local none <close> = http.client { cookies = false }
    none:get(url .. "/cookie/a/1")
    assert.is_nil(none.cookies)
    assert.are.same({}, none:get(url .. "/cookie"):json())
    assert.are.same({ c = "2" }, none:get(url .. "/cookie", { cookies = { c = 2 } }):json())
  end)

  it("gives way to cookies of the same name that are given by hand", function()
    local client <close> = http.client()
    client:get(url .. "/cookie/a/jar")
    client:get(url .. "/cookie/b/jar")
    local function got(opts) return client:get(url .. "/echo", opts):json().headers.cookie end
    assert.are.equal("b=jar; a=mine", got { cookies = { a = "mine" } })
    assert.are.equal("b=jar; a=mine", got { cookies = "a=mine" })
    assert.are.equal("b=jar; a=mine", got { headers = { Cookie = "a=mine" } })
    assert.are.equal("b=jar; a=1; a=mine", got { headers = { cookie = "a=mine" },
      cookies = { a = "1" } })
    assert.is_nil(got { headers = { Cookie = false } })
    assert.are.equal("a=jar; b=jar", got())
    local fixed <close> = http.client { cookies = { a = "fixed", z = "1" } }
    fixed:get(url .. "/cookie/a/jar")
    assert.are.equal("a=fixed; z=1", fixed:get(url .. "/echo"):json().headers.cookie)
  end)

  it("takes and sends them at each hop of a redirection", function()
    local spy <close> = raw_server.start(function(request)
      local n = tonumber(request.target:match("%d"))
      if n == 3 then return raw_server.answer(tostring(request.headers.cookie)) end
      return raw_server.answer("", "302 X",
        ("Location: /%d\r\nSet-Cookie: n%d=1; Path=/\r\n"):format(n + 1, n))
    end)
    local client <close> = http.client()
    assert.are.equal("n1=1; n2=1", client:get(spy.url .. "/1").body)
    assert.are.equal("n1=1", client:get(spy.url .. "/2", { redirects = 0 }) and
      spy.requests[2].headers.cookie)
    local stream = client:get(spy.url .. "/1", { stream = true })
    assert.are.equal("n1=1; n2=1", stream:read())
  end)

  it("takes those of failures, of streams and of a challenge", function()
    local spy <close> = raw_server.start(function(request)
      if request.target == "/digest" and not request.headers.authorization then
        return raw_server.answer("", "401 X", "Set-Cookie: c=1\r\n"
          .. 'WWW-Authenticate: Digest realm="x", nonce="y", qop="auth"\r\n')
      end
      local name = request.target:match("%a+")
      local status = name == "fails" and "500 X" or "200 OK"
      return raw_server.answer("body", status, ("Set-Cookie: %s=1\r\n"):format(name))
    end)
    local client <close> = http.client()
    client:get(spy.url .. "/fails")
    client:get(spy.url .. "/stream", { stream = true }):close()
    client:get(spy.url .. "/digest", { auth = { "a", "b", type = "digest" } })
    local names = {}
    for _, c in ipairs(client.cookies:list()) do names[#names + 1] = c.name end
    assert.are.same({ "fails", "stream", "c", "digest" }, names)
  end)

  it("may be shared between clients, and with a single request", function()
    local one <close> = http.client()
    local two <close> = http.client { cookies = one.cookies }
    one:get(url .. "/cookie/a/1")
    assert.are.same({ a = "1" }, two:get(url .. "/cookie"):json())
    two:get(url .. "/cookie/b/2")
    assert.are.equal("2", one.cookies:get "b")
    local res = http.get(url .. "/cookie", { cookies = one.cookies })
    assert.are.same({ a = "1", b = "2" }, res:json())
    http.get(url .. "/cookie/c/3", { cookies = one.cookies })
    assert.are.equal("3", one.cookies:get "c")
  end)

  it("travels to workers as a copy", function()
    local workers <close> = pool.new { processes = 1 }
    local client <close> = http.client()
    client:get(url .. "/cookie/a/1")
    local jar, page = client.cookies, url .. "/cookie"
    local got, back = workers:apply(function()
      local there <close> = require("luapool.http").client { cookies = jar }
      there:get(page .. "/b/2")
      return there:get(page):json(), there.cookies
    end)
    assert.are.same({ a = "1", b = "2" }, got)
    assert.are.equal("2", back:get "b")
    assert.is_nil(jar:get "b")
  end)

  it("is set, asked, listed and cleared", function()
    local client <close> = http.client()
    local jar = client.cookies
    jar:set { name = "a", value = 1, url = url .. "/deep/page" }
    jar:set { name = "b", value = "2", domain = ".Example.com", path = "/x", secure = true,
      http_only = true, max_age = 100 }
    assert.are.same({ a = "1" }, client:get(url .. "/cookie"):json())
    assert.are.equal("1", jar:get "a")
    assert.are.equal("1", jar:get("a", url))
    assert.is_nil(jar:get("a", other))
    assert.are.equal("2", jar:get("b", "https://www.example.com/x/y"))
    assert.is_nil(jar:get("b", "http://www.example.com/x/y"))
    assert.is_nil(jar:get("a", "no url"))
    local list = jar:list()
    assert.is_true(list[2].expires - os.time() > 90)
    list[2].expires = nil
    assert.are.same({
      { name = "a", value = "1", domain = "127.0.0.1", path = "/", host_only = true,
        secure = false, http_only = false },
      { name = "b", value = "2", domain = "example.com", path = "/x", host_only = false,
        secure = true, http_only = true },
    }, list)
    jar:set { name = "a", value = "", url = url, expires = 0 }
    assert.is_nil(jar:get "a")
    jar:clear()
    assert.are.same({}, jar:list())
    for _, bad in ipairs {
      {}, { name = "a" }, { name = "a", value = "b" }, { value = "b", url = url },
      { name = "a", value = "b", url = url, domain = "x" },
      { name = "a", value = "b;c", url = url }, { name = "", value = "b", url = url },
      { name = "a\r\n", value = "b", url = url }, { name = "a=b", value = "b", url = url },
      { name = "a", value = "b", url = url, path = "/\r\nx" },
      { name = "a", value = "b\0", url = url }, { name = "a", value = "b", domain = "x;y" },
      { name = "a", value = "b", url = "nowhere://" }, { name = "a", value = "b", urls = url },
    } do
      fails("usage", jar.set, jar, bad)
    end
    fails("usage", jar.get, jar)
    fails("usage", jar.get, client, "a")
  end)

  it("is saved and loaded as the curl program does it", function()
    local dir <close> = fs.tempdir()
    local file = dir .. "/cookies.txt"
    local jar = Jar.new()
    jar:set { name = "a", value = "1", url = url, http_only = true }
    jar:set { name = "b", value = "", domain = "example.com", path = "/x", secure = true,
      expires = 4102444800 }
    jar:save(file)
    assert.are.same({ "cookies.txt" }, fs.list(dir.path))
    local again = Jar.new()
    again:load(file)
    assert.are.same(jar:list(), again:list())
    local pipe <close> = io.popen(("curl -s -b %s %s/cookie"):format(file, url))
    assert.are.same({ a = "1" }, json.decode(pipe:read "a"))
    os.execute(("curl -s -c %s %s/cookie/c/3 >/dev/null"):format(file, url))
    again:load(file)
    assert.are.equal("3", again:get("c", url))
    fs.write(file, "# a comment\n\nnonsense\n.x\tTRUE\t/\tFALSE\t1\told\tgone\r\n"
      .. "host.example\tFALSE\t/\tFALSE\t0\tkept\tva lue\r\n")
    again:clear()
    again:load(file)
    assert.are.equal(1, #again:list())
    assert.are.equal("va lue", again:get("kept", "http://host.example/"))
    fails("fs", again.load, again, dir .. "/none")
    fails("fs", again.save, again, dir .. "/none/x")
  end)
end)
