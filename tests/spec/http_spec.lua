-- luapool.http against a real nginx: what goes out, what comes back, limits, errors, cancelling.

local internal = require "tests.support.internal"
local errors = require "luapool.error"
local fails = require "tests.support.fails"
local fs = require "luapool.fs"
local http = require "luapool.http"
local nginx = require "tests.support.nginx"
local pool = require "luapool.pool"
local task = require "luapool.task"

local function number(text)
  return math.tointeger(tonumber(text))
end

describe("luapool.http", function()
  local server, url, client

  setup(function()
    server = nginx.start()
    url = server.url
  end)
  teardown(function()
    http.close()
    server:stop()
  end)
  before_each(function() client = http.client() end)
  after_each(function() client:close() end)

  local function get(path, opts)
    return client:get(url .. path, opts)
  end

  local function echo(method, opts)
    return client:request(method, url .. "/echo", opts):json()
  end

  -- Connections that nginx has accepted; the one that asks is counted too.
  local function accepted()
    local asks <close> = http.client()
    return number(asks:get(url .. "/nginx_status").body:match("\n%s*(%d+)"))
  end

  describe("a response", function()
    it("has status, body, url, version and time", function()
      local res = get("/bytes/10")
      assert.are.equal(200, res.status)
      assert.is_true(res.ok)
      assert.are.equal("xxxxxxxxxx", res.body)
      assert.are.equal(url .. "/bytes/10", res.url)
      assert.are.equal("1.1", res.http_version)
      assert.is_true(res.elapsed > 0 and res.elapsed < 60)
      assert.are.equal("200 OK", res:reason())
    end)

    it("finds headers without regard to case, repeated ones joined and listed", function()
      local res = get("/repeated")
      assert.are.equal("one, two, three", res.headers["x-many"])
      assert.are.equal("one, two, three", res.headers["X-MANY"])
      assert.are.same({ "one", "two", "three" }, res.headers:list("X-Many"))
      assert.are.same({}, res.headers:list("X-None"))
      assert.is_nil(res.headers["X-None"])
      local names = {}
      for name in pairs(res.headers) do names[name] = true end
      assert.is_true(names["x-many"] and names["content-length"])
    end)

    it("raises kind status for 4xx and 5xx only", function()
      local res = get("/bytes/1")
      assert.are.equal(res, res:raise_for_status())
      local e = fails("status", function() get("/status/404"):raise_for_status() end)
      assert.are.equal(404, e.status)
      assert.are.equal(url .. "/status/404", e.url)
      assert.are.equal("status 404\n", e.response.body)
      assert.is_truthy(tostring(e):find("404 Not Found", 1, true))
      assert.is_false(get("/status/503").ok)
    end)

    it("is cut to 64 KB inside an error", function()
      server:file("large.html", ("y"):rep(100000))
      local res = get("/large.html")
      res.status = 500
      local e = fails("status", res.raise_for_status, res)
      assert.are.equal(65536, #e.response.body)
      assert.are.equal(100000, #res.body)
    end)

    it("decodes JSON", function()
      assert.are.equal("GET", get("/echo").json(get("/echo")).method)
    end)

    it("gives HTML with absolute links", function()
      server:file("dir/page.html", "<a href='other.html'>x</a>")
      assert.are.same({ url .. "/dir/other.html" }, get("/dir/page.html"):html():links())
    end)

    it("travels between processes, with its methods", function()
      local workers <close> = pool.new { processes = 1 }
      local page = url .. "/repeated"
      local res = workers:apply(function()
        local h <close> = require("luapool.http").client()
        local r = h:get(page)
        return r.headers and r
      end)
      assert.are.equal("ok", res.body)
      assert.are.equal("one, two, three", res.headers["X-Many"])
      assert.are.equal(res, res:raise_for_status())
      assert.are.equal(200, workers:apply(function(r) return r:raise_for_status().status end, res))
    end)

    it("keeps a large body whole", function()
      local body = get("/bytes/5000000").body
      assert.are.equal(5000000, #body)
      assert.is_nil(body:find("[^x]"))
      assert.are.equal(5000000, #get("/bytes/5000000").body) -- by the larger buffer
    end)

    it("of HEAD has no body", function()
      local res = client:head(url .. "/bytes/10")
      assert.are.equal("", res.body)
      assert.are.equal("10", res.headers["Content-Length"])
    end)
  end)

  describe("a request", function()
    it("has each method", function()
      for _, method in ipairs { "get", "post", "put", "patch", "delete", "options" } do
        assert.are.equal(method:upper(), client[method](client, url .. "/echo"):json().method)
        assert.are.equal(method:upper(), http[method](url .. "/echo"):json().method)
      end
      assert.are.equal("PURGE", http.request("purge", url .. "/echo"):json().method)
    end)

    it("adds params, in order, escaped", function()
      local got = echo("GET", { params = { q = "a b&ä", n = 1, list = { "x", "y" } } })
      assert.are.equal("/echo?list=x&list=y&n=1&q=a%20b%26%C3%A4", got.uri)
      assert.are.equal(url .. "/echo?a=1&b=2#there",
        internal("luapool.internal.http.plan").url({}, url .. "/echo?a=1#there", { b = 2 }))
    end)

    it("escapes spaces and bytes beyond ASCII in a URL", function()
      assert.are.equal("/echo/a%20%C3%A4", get("/echo/a ä"):json().uri)
    end)

    it("sends headers, the user agent by default", function()
      local got = echo("GET").headers
      assert.are.equal("luapool/" .. require("luapool").version, got["user-agent"])
      assert.is_truthy(got["accept-encoding"]:find "gzip")
      got = echo("GET", { headers = { ["X-One"] = 1, ["x-list"] = { "a", "b" }, Accept = false } })
      assert.are.equal("1", got.headers["x-one"])
      assert.are.same({ "a", "b" }, got.headers["x-list"])
      assert.is_nil(got.headers.accept)
      assert.are.equal("luapool/" .. require("luapool").version, got.headers["user-agent"])
      got = echo("GET", { headers = { ["user-agent"] = "me" } })
      assert.are.equal("me", got.headers["user-agent"])
    end)

    it("sends bodies with their types", function()
      local got = echo("POST", { json = { a = 1 } })
      assert.are.equal('{"a":1}', got.body)
      assert.are.equal("application/json", got.headers["content-type"])
      got = echo("POST", { form = { a = "1 2", b = "&" } })
      assert.are.equal("a=1%202&b=%26", got.body)
      assert.are.equal("application/x-www-form-urlencoded", got.headers["content-type"])
      got = echo("PUT", { body = "raw\0bytes" })
      assert.are.equal("raw\0bytes", got.body)
      assert.is_nil(got.headers["content-type"])
      got = echo("POST", { body = "x", headers = { ["content-type"] = "text/x" } })
      assert.are.equal("text/x", got.headers["content-type"])
      assert.are.equal("0", echo("POST").headers["content-length"])
      assert.are.equal("x", echo("GET", { body = "x" }).body)
    end)

    it("sends a large body", function()
      local body = ("z"):rep(3000000)
      assert.is_true(client:post(url .. "/body", { body = body }).body == body)
    end)

    it("sends multipart forms, also from files", function()
      local dir <close> = fs.tempdir()
      fs.write(dir .. "/a.txt", "of the file")
      local got = echo("POST", {
        multipart = {
          a = "text",
          b = { file = dir .. "/a.txt" },
          c = { data = "d", filename = "c.bin", type = "x/y" },
        },
      })
      assert.is_truthy(got.headers["content-type"]:find("^multipart/form%-data; boundary="))
      assert.is_truthy(got.body:find('name="a"\r\n\r\ntext\r\n', 1, true))
      assert.is_truthy(got.body:find('name="b"; filename="a.txt"', 1, true))
      assert.is_truthy(got.body:find("of the file", 1, true))
      assert.is_truthy(got.body:find('name="c"; filename="c.bin"\r\nContent-Type: x/y', 1, true))
      fails("system", echo, "POST", { multipart = { a = { file = dir .. "/none" } } })
    end)

    it("decodes what is compressed unless told not to", function()
      server:file("zip.txt", ("a"):rep(10000))
      local res = get("/gzip/zip.txt")
      assert.are.equal(10000, #res.body)
      local asks = { decode = false, headers = { ["Accept-Encoding"] = "gzip" } }
      local raw = get("/gzip/zip.txt", asks)
      assert.are.equal("gzip", raw.headers["Content-Encoding"])
      assert.is_true(#raw.body < 1000)
    end)

    it("goes through a proxy, which looks the name up", function()
      assert.are.equal("/echo", get("/echo", { proxy = url }):json().uri)
      assert.are.equal(200, client:get("http://nobody.invalid/echo", { proxy = url }).status)
      fails("connect", get, "/echo", { proxy = "http://127.0.0.1:1" })
    end)

    it("leaves by a socket of the file system, or from an address", function()
      local opts = { unix_socket = server.dir .. "/socket" }
      local res = client:get("http://nobody.invalid/echo", opts)
      assert.are.equal("nobody.invalid", res:json().headers.host)
      fails("connect", client.get, client, "http://localhost/", { unix_socket = "/no/such" })
      assert.are.equal(200, get("/echo", { interface = "127.0.0.1" }).status)
      assert.are.equal(200, get("/echo", { interface = "lo" }).status)
      fails("connect", get, "/echo", { interface = "no-such-interface" })
    end)

    it("takes an HTTP version", function()
      assert.are.equal(1.0, tonumber(echo("GET", { http_version = "1.0" }).version))
      assert.are.equal(1.1, tonumber(echo("GET").version))
    end)
  end)

  describe("a client", function()
    it("keeps connections", function()
      local before = accepted()
      for _ = 1, 20 do get("/bytes/1") end
      assert.are.equal(before + 2, accepted())
    end)

    it("keeps each of many connections, also when an answer comes as quickly as can be", function()
      local before, left, tasks = accepted(), 3000, {}
      for i = 1, 60 do
        tasks[i] = function()
          while left > 0 do
            left = left - 1
            get("/bytes/1")
          end
        end
      end
      task.gather(tasks)
      assert.is_true(accepted() - before <= 61)
    end)

    it("holds its limit and the limit of a host", function()
      local function peak(opts, n)
        local limited <close> = http.client(opts)
        limited:get(url .. "/peak")
        local jobs = {}
        for i = 1, n do jobs[i] = function() return limited:get(url .. "/delay/0.05").body end end
        for _, body in ipairs(task.gather(jobs)) do assert.are.equal("ok", body) end
        return number(limited:get(url .. "/peak").body)
      end
      assert.are.equal(3, peak({ limit = 3 }, 10))
      assert.are.equal(2, peak({ limit_per_host = 2 }, 7))
      assert.are.equal(2, peak({ limit = 4, limit_per_host = 2 }, 7))
    end)

    it("sends 300 requests at once, over several multi handles", function()
      local wide <close> = http.client { limit = 300 }
      wide:get(url .. "/peak")
      local function peak(delay)
        local jobs = {}
        for i = 1, 300 do
          jobs[i] = function() return wide:get(url .. "/delay/" .. delay .. "/" .. i).status end
        end
        for _, status in ipairs(task.gather(jobs)) do assert.are.equal(200, status) end
        return number(wide:get(url .. "/peak").body)
      end
      assert.is_true(peak(0.5) > 200 or peak(8) > 200) -- a busy machine needs longer to send them
    end)

    it("goes on with another host while one is full", function()
      local limited <close> = http.client { limit = 2, limit_per_host = 1 }
      local other = url:gsub("127%.0%.0%.1", "localhost")
      local order = {}
      local function request(name, page)
        return function()
          limited:get(page)
          order[#order + 1] = name
        end
      end
      task.all(request("slow", url .. "/delay/0.6"), request("queued", url .. "/bytes/1"),
        request("other", other .. "/bytes/1"))
      assert.are.same({ "other", "slow", "queued" }, order)
    end)

    it("has defaults for its requests", function()
      local c <close> = http.client {
        base_url = url .. "/", headers = { ["X-A"] = "client", ["X-B"] = "client" },
        params = nil, timeout = 20,
      }
      local got = c:get("/echo", { headers = { ["x-a"] = "request" } }):json()
      assert.are.equal("request", got.headers["x-a"])
      assert.are.equal("client", got.headers["x-b"])
      assert.are.equal(200, c:get(url .. "/bytes/1").status)
    end)

    it("ends what is under way when it is closed", function()
      local c = http.client()
      local waiting = task.spawn(function() return c:get(url .. "/delay/30") end)
      task.sleep(0.05)
      c:close()
      c:close()
      local ok, e = waiting:result()
      assert.is_false(ok)
      assert.is_true(errors.is(e, "aborted"), tostring(e))
      fails("aborted", c.get, c, url .. "/bytes/1")
    end)

    it("asks again for a page whose kept connection was closed meanwhile", function()
      server:file("idle.txt", "here")
      local before = accepted()
      for _ = 1, 3 do
        assert.are.equal("here", get("/idle/idle.txt").body)
        task.sleep(0.3) -- nginx closes after 0.1
      end
      assert.are.equal(before + 4, accepted())
    end)

    it("repeats over a new connection only what may be done twice", function()
      local logged <close> = nginx.start { log = true }
      local c <close> = http.client { base_url = logged.url }
      local function drop(method)
        c:get("/bytes/1") -- a connection that is kept
        return fails("aborted", c.request, c, method, "/drop")
      end
      drop("GET")
      assert.is_truthy(tostring(drop("POST")):find("not repeated", 1, true))
      local seen = { GET = 0, POST = 0 }
      for _, line in ipairs(logged:log()) do
        local method = line:match('"(%u+) /drop')
        if method then seen[method] = seen[method] + 1 end
      end
      assert.are.same({ GET = 2, POST = 1 }, seen)
    end)

    it("does not spin while closed connections are idle", function()
      server:file("idle.txt", "here")
      local jobs = {}
      for i = 1, 20 do jobs[i] = function() get("/idle/idle.txt") end end
      task.gather(jobs)
      task.sleep(0.3)
      local cpu = os.clock()
      task.sleep(1)
      assert.is_true(os.clock() - cpu < 0.2)
    end)
  end)

  describe("save_to", function()
    local dir
    before_each(function() dir = fs.tempdir() end)
    after_each(function() dir:close() end)

    it("writes the body of a good answer to a file", function()
      local res = get("/bytes/300000", { save_to = dir .. "/a" })
      assert.is_nil(res.body)
      assert.are.equal(dir .. "/a", res.saved_to)
      assert.are.equal(("x"):rep(300000), fs.read(dir .. "/a"))
      get("/bytes/0", { save_to = dir .. "/empty" })
      assert.are.equal("", fs.read(dir .. "/empty"))
    end)

    it("leaves nothing of a bad one, nor of one that breaks off", function()
      fs.write(dir .. "/old", "old")
      local res = get("/status/404", { save_to = dir .. "/old" })
      assert.are.equal("status 404\n", res.body)
      fails("aborted", get, "/cut", { save_to = dir .. "/old" })
      fails("timeout", get, "/chunks/50?delay=0.1", { save_to = dir .. "/old", timeout = 0.3 })
      fails("too_large", get, "/bytes/1000", { save_to = dir .. "/new", max_body = 999 })
      assert.are.same({ "old" }, fs.list(dir.path or tostring(dir)))
      assert.are.equal("old", fs.read(dir .. "/old"))
    end)

    it("says what cannot be written", function()
      local e = fails("system", get, "/bytes/1", { save_to = dir .. "/none/a" })
      assert.is_truthy(tostring(e):find("/none/a: No such file", 1, true))
    end)
  end)

  describe("an error", function()
    it("says that nobody listens", function()
      local e = fails("connect", client.get, client, "http://127.0.0.1:1/x")
      assert.are.equal("http://127.0.0.1:1/x", e.url)
      assert.is_truthy(tostring(e):find("GET http://127.0.0.1:1/x", 1, true))
    end)

    it("says that a host is unknown", function()
      fails("dns", client.get, client, "http://nobody.invalid/")
    end)

    it("says what is no URL for HTTP", function()
      local list = "ftp://x/|x||http://|file:///etc/passwd|http://a/\n|http://a b/"
      for bad in list:gmatch("[^|]*") do
        fails("protocol", client.get, client, bad)
      end
      fails("usage", client.get, client, 7)
      fails("usage", http.get, nil)
    end)

    it("says that the server broke off", function()
      fails("aborted", get, "/cut")
      fails("aborted", get, "/drop")
      fails("aborted", client.post, client, url .. "/drop", { body = "x" })
    end)

    it("names unknown options, and wrong types", function()
      local e = fails("usage", get, "/", { timout = 3 })
      local told = "unknown option 'timout' (did you mean 'timeout'?)"
      assert.is_truthy(tostring(e):find(told, 1, true))
      fails("usage", get, "/", { timeout = "3" })
      fails("usage", get, "/", { headers = { ["a b"] = "c" } })
      fails("usage", get, "/", { headers = { a = "b\r\nc: d" } })
      fails("usage", get, "/", { json = {}, body = "" })
      fails("usage", get, "/", "x")
      fails("usage", http.client, { limits = 1 })
      fails("usage", http.client, { limit = 0 })
    end)

    it("says that a body is too large, also one of unknown or hidden size", function()
      fails("too_large", get, "/bytes/1001", { max_body = 1000 })
      assert.are.equal(1000, #get("/bytes/1000", { max_body = 1000 }).body)
      fails("too_large", get, "/chunks/100?size=100", { max_body = "2K" })
      server:file("bomb", ("\0"):rep(1000000))
      fails("too_large", get, "/gzip/bomb", { max_body = 100000 })
    end)
  end)

  describe("timeouts and cancelling", function()
    it("bound the whole request", function()
      local e = fails("timeout", get, "/delay/30", { timeout = 0.1 })
      assert.is_truthy(tostring(e):find("0.1 s (waiting for the answer)", 1, true), tostring(e))
      fails("timeout", get, "/chunks/100?delay=0.1", { timeout = 0.3 })
    end)

    it("leave the client usable in each phase", function()
      local c <close> = http.client { limit = 2 }
      for _, page in ipairs { "/delay/30", "/chunks/100?delay=0.1", "/bytes/1" } do
        local list = {}
        for i = 1, 4 do list[i] = task.spawn(function() return c:get(url .. page) end) end
        task.sleep(0.05)
        for _, t in ipairs(list) do t:cancel() end
        for _, t in ipairs(list) do t:result() end
        assert.are.equal(200, c:get(url .. "/bytes/1").status)
      end
      local early = task.spawn(function() return c:get(url .. "/bytes/1") end)
      early:cancel()
      assert.is_false(early:result())
    end)

    it("close the connection of a cancelled request", function()
      local t = task.spawn(function() return get("/delay/1") end)
      task.sleep(0.05)
      t:cancel()
      t:result()
      local before = accepted()
      get("/bytes/1")
      assert.are.equal(before + 2, accepted())
    end)
  end)

  describe("TLS", function()
    it("trusts an authority that is named, and no other", function()
      local page = server.https_url .. "/bytes/1"
      fails("tls", client.get, client, page)
      assert.are.equal(200, client:get(page, { ca = server.ca }).status)
      assert.are.equal(200, client:get(page, { verify = false }).status)
      fails("tls", client.get, client, page)
      fails("tls", client.get, client, page, { ca = server.ca .. ".none" })
    end)

    it("refuses a certificate for another name", function()
      local page = server.https_url:gsub("127%.0%.0%.1", "127.0.0.2") .. "/bytes/1"
      fails("tls", client.get, client, page, { ca = server.ca })
    end)

    it("refuses a port that does not speak it", function()
      fails("tls", client.get, client, (url:gsub("^http", "https")) .. "/")
    end)
  end)

  describe("a stream", function()
    it("gives chunks while they come", function()
      local n, text = 0, {}
      local res = get("/chunks/5?delay=0.05", { stream = true })
      assert.are.equal(200, res.status)
      assert.is_true(res.elapsed > 0)
      for piece in res:chunks() do
        n = n + 1
        text[n] = piece
      end
      assert.is_true(n > 1)
      assert.are.equal("chunk 1\nchunk 2\nchunk 3\nchunk 4\nchunk 5\n", table.concat(text))
    end)

    it("gives lines, and any number of bytes", function()
      local lines = {}
      for line in get("/chunks/1000", { stream = true }):lines() do lines[#lines + 1] = line end
      assert.are.equal(1000, #lines)
      assert.are.equal("chunk 1000", lines[1000])
      local res = get("/bytes/1000", { stream = true })
      assert.are.equal(600, #res:read(600))
      assert.are.equal(400, #res:read(600))
      assert.is_nil(res:read(1))
      assert.are.equal(70000, #get("/bytes/70000", { stream = true }):read())
    end)

    it("holds the server back when nobody reads", function()
      local size = 64 << 20
      local res = get("/bytes/" .. size, { stream = true })
      task.sleep(0.3)
      collectgarbage()
      local total, largest = 0, 0
      for piece in res:chunks() do
        total = total + #piece
        largest = math.max(largest, #piece)
      end
      assert.are.equal(size, total)
      assert.is_true(largest < 1 << 20)
    end)

    it("is broken off when the loop is left, or dropped", function()
      for piece in get("/chunks/1000?delay=0.1", { stream = true }):chunks() do
        if #piece > 0 then break end
      end
      get("/chunks/1000?delay=0.1", { stream = true }) -- luacheck: ignore
      collectgarbage()
      collectgarbage()
      assert.are.equal(200, get("/bytes/1").status)
    end)

    it("raises what breaks it, and times out for each wait", function()
      local res = get("/cut", { stream = true })
      fails("aborted", res.read, res)
      res = get("/chunks/3?delay=0.1", { stream = true, timeout = 5 })
      assert.is_truthy(res:read())
      res = get("/chunks/3?delay=10", { stream = true, timeout = 0.2 })
      fails("timeout", res.read, res)
      fails("usage", function() get("/bytes/1"):chunks() end)
    end)
  end)
end)
