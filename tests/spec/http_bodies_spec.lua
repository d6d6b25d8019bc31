-- Bodies of requests: from functions and files, in parts, compressed; and parts of answers.

local digest = require "luapool.digest"
local fails = require "tests.support.fails"
local fs = require "luapool.fs"
local http = require "luapool.http"
local nginx = require "tests.support.nginx"
local raw_server = require "tests.support.raw_server"
local task = require "luapool.task"

local answer = raw_server.answer

describe("a body", function()
  local server, url, dir

  setup(function()
    server = nginx.start()
    url = server.url
    dir = fs.tempdir()
  end)
  teardown(function()
    http.close()
    server:stop()
    dir:close()
  end)

  -- A function that returns these one after another, and how often it was called.
  local function pieces(list, before)
    local calls = { n = 0 }
    return function()
      calls.n = calls.n + 1
      if before then before(calls.n) end
      return list[calls.n]
    end, calls
  end

  local function echo(opts, method)
    return http.request(method or "POST", url .. "/echo", opts):json()
  end

  local function file(name, text)
    fs.write(dir .. "/" .. name, text)
    return dir .. "/" .. name
  end

  describe("from a function", function()
    it("is sent in chunks", function()
      for _, method in ipairs { "POST", "PUT", "PATCH", "DELETE", "REPORT" } do
        local got = echo({ body = pieces { "one ", "", "two\0", "three" } }, method)
        assert.are.equal(method, got.method)
        assert.are.equal("one two\0three", got.body)
        assert.are.equal("chunked", got.headers["transfer-encoding"])
        assert.is_nil(got.headers["content-length"])
        assert.is_nil(got.headers["content-type"])
      end
    end)

    it("is sent with its length, where that is known", function()
      local got = echo { body = pieces { "12345", "67" }, content_length = 7,
        headers = { ["Content-Type"] = "text/x" } }
      assert.are.equal("1234567", got.body)
      assert.are.equal("7", got.headers["content-length"])
      assert.are.equal("text/x", got.headers["content-type"])
      assert.are.equal("", echo { body = pieces {}, content_length = 0 }.body)
      assert.are.equal("", echo { body = pieces {} }.body)
    end)

    it("must be as long as was said", function()
      local e = fails("usage", echo, { body = pieces { "123" }, content_length = 4 })
      assert.is_truthy(e.message:find("only 3 bytes, content_length is 4", 1, true), e.message)
      e = fails("usage", echo, { body = pieces { "123", "45" }, content_length = 4 })
      assert.is_truthy(e.message:find("more bytes than content_length, 4", 1, true), e.message)
      fails("usage", echo, { body = "x", content_length = 1 })
      fails("usage", echo, { content_length = 1 })
    end)

    it("may wait, while others go on", function()
      local seen = task.promise()
      local spy <close> = raw_server.start(function(request)
        return answer(table.concat(request.chunks, "|"))
      end)
      local other = task.spawn(function()
        seen:await()
        return http.get(url .. "/echo").status
      end)
      local body = pieces({ "one", "two", "three" }, function(n)
        if n == 2 then
          seen:resolve(true)
          assert.are.equal(200, other:await())
        end
        if n > 1 then task.sleep(0.05) end
      end)
      assert.are.equal("one|two|three", http.post(spy.url, { body = body }).body)
    end)

    it("is asked for no faster than the server takes", function()
      local gate = task.promise()
      local slow <close> = raw_server.start(function() end)
      slow.serve = function(self, c)
        self.open[c] = true
        repeat local line = c:receive() until line == ""
        gate:await() -- reads no further until the test says so
        for _ = 1, 64 do c:receive(1 << 20) end
        c:send(answer "ok")
      end
      local piece, n = ("x"):rep(1 << 20), 0
      local sender = task.spawn(http.post, slow.url, {
        body = function()
          n = n + 1
          return n <= 64 and piece or nil
        end, content_length = "64M",
      })
      task.sleep(0.3)
      assert.is_true(n > 0 and n < 40, "pieces: " .. n)
      gate:resolve(true)
      assert.are.equal("ok", sender:await().body)
      assert.is_true(n >= 64)
    end)

    it("raises what the function raises, and keeps the client usable", function()
      local client <close> = http.client { base_url = url }
      local thrown = { "mine" }
      for _, bad in ipairs { function() error(thrown) end, function() error("text", 0) end,
        function() task.sleep(0.01) error("text", 0) end } do
        local ok, e = pcall(client.post, client, "/echo", { body = bad })
        assert.is_false(ok)
        assert.is_true(e == thrown or e == "text", tostring(e))
      end
      local late = pieces({ ("x"):rep(100000) }, function(n)
        if n == 2 then error("late", 0) end
      end)
      assert.are.same({ false, "late" }, { pcall(client.post, client, "/echo", { body = late }) })
      local e = fails("usage", client.post, client, "/echo", { body = function() return 7 end })
      assert.is_truthy(e.message:find("must return a string or nil, got a number", 1, true)
        or e.message:find("must return a string or nil, got 7", 1, true), e.message)
      assert.are.equal("fine", client:post("/body", { body = pieces { "fine" } }).body)
    end)

    it("is cancelled with its request, and timed", function()
      local closed = false
      local t = task.spawn(http.post, url .. "/echo", { body = function()
        local _ <close> = setmetatable({}, { __close = function() closed = true end })
        task.sleep(60)
      end })
      task.sleep(0.05)
      t:cancel()
      assert.is_false(t:result())
      task.yield()
      assert.is_true(closed)
      fails("timeout", http.post, url .. "/echo", { timeout = 0.1, body = function()
        task.sleep(60)
      end })
    end)

    it("is not needed by a server that answers at once", function()
      local spy <close> = raw_server.start(function() end)
      spy.serve = function(self, c)
        c:receive() -- the first line is enough
        c:send(answer("no", "413 X", "Connection: close\r\n"))
        self.open[c] = true
      end
      local n = 0
      local res = http.post(spy.url, { body = function()
        n = n + 1
        task.sleep(0.01)
        return "x"
      end })
      assert.are.equal(413, res.status)
      local before = n
      task.sleep(0.1)
      assert.is_true(n <= before + 1)
    end)

    it("goes out while a stream is read", function()
      local spy <close> = raw_server.start(function() end)
      spy.serve = function(self, c) -- echoes each chunk as it comes
        self.open[c] = true
        repeat local line = c:receive() until line == ""
        c:send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        repeat
          local size = c:receive()
          local bytes = c:receive(tonumber(size, 16))
          c:receive()
          c:send(("%s\r\n%s\r\n"):format(size, bytes))
        until bytes == ""
      end
      local turn = task.promise()
      local res = http.post(spy.url, { stream = true, body = pieces({ "ping", "pong" }, function(n)
        if n == 2 then turn:await() end
      end) })
      assert.are.equal("ping", res:read(4))
      turn:resolve(true)
      assert.are.equal("pong", res:read(4))
      assert.is_nil(res:read(1))
    end)

    it("cannot be sent twice", function()
      local e = fails("redirects", http.post, url .. "/redirect/1?code=307", {
        body = pieces { "x" } })
      assert.is_truthy(tostring(e):find("cannot be sent again", 1, true))
      local got = http.post(url .. "/redirect/1?code=303", { body = pieces { "x" } }):json()
      assert.are.equal("GET", got.method)
      assert.are.equal("", got.body)
    end)

    it("is sent again over a new connection, and to a challenge", function()
      server:file("idle.txt", "here")
      local client <close> = http.client { base_url = url }
      for _ = 1, 3 do
        assert.are.equal("here", client:get("/idle/idle.txt").body)
        task.sleep(0.2) -- nginx closes the connection meanwhile
        assert.are.equal("xy", client:put("/body", { body = pieces { "x", "y" } }).body)
      end
      local auth = { "me", "secret", type = "digest" }
      local res = client:post("/auth/digest/me/secret", { body = pieces { "x" }, auth = auth })
      assert.are.equal(200, res.status)
    end)

    it("travels over HTTP/2", function()
      local res = http.post(server.https_url .. "/body", { ca = server.ca, http_version = "2",
        body = pieces({ "one", "two" }, function() task.sleep(0.02) end) })
      assert.are.equal("2", res.http_version)
      assert.are.equal("onetwo", res.body)
    end)
  end)

  describe("from a file", function()
    it("is sent as it is, under any method", function()
      local text = ("0123456789"):rep(300000)
      local path = file("large", text)
      for _, method in ipairs { "POST", "PUT" } do
        local res = http.request(method, url .. "/body", { body = { file = path } })
        assert.are.equal(digest.sha256(text), digest.sha256(res.body))
      end
      local got = echo({ body = { file = file("small", "a\0b") } })
      assert.are.equal("a\0b", got.body)
      assert.are.equal("3", got.headers["content-length"])
      assert.are.equal("", echo({ body = { file = file("empty", "") } }).body)
    end)

    it("goes along with a redirection, and to a challenge", function()
      local path = file("again", "again")
      local res = http.put(url .. "/redirect/2?code=307", { body = { file = path } })
      assert.are.equal("again", res:json().body)
      local auth = { "me", "secret", type = "digest" }
      local opts = { body = { file = path }, auth = auth }
      assert.are.equal(200, http.post(url .. "/auth/digest/me/secret", opts).status)
    end)

    it("must be one that can be read", function()
      fails("system", echo, { body = { file = dir .. "/none" } })
      fails("system", echo, { body = { file = dir.path } })
      fails("usage", echo, { body = { path = "x" } })
      fails("usage", echo, { body = {} })
      fails("usage", echo, { body = { file = "a\0b" } })
    end)

    it("that becomes shorter breaks off", function()
      local path = file("shrinks", ("x"):rep(8 << 20))
      local spy <close> = raw_server.start(function() end)
      spy.serve = function(self, c)
        self.open[c] = true
        c:receive(1000)
        assert(io.open(path, "wb")):close()
        while c:receive(65536) do end -- luacheck: ignore
        c:close()
      end
      fails("aborted", http.post, spy.url, { body = { file = path } })
    end)
  end)

  describe("of several parts", function()
    local function parts(opts)
      local got = echo { multipart = opts }
      local boundary = got.headers["content-type"]:match("boundary=(.*)")
      local list = {}
      for part in got.body:gmatch("%-%-" .. boundary:gsub("%-", "%%-") .. "\r\n(.-)\r\n%f[-]") do
        list[#list + 1] = part
      end
      return list
    end

    it("is a list, or a table by name", function()
      local path = file("a.txt", "of the file")
      assert.are.same({
        'Content-Disposition: form-data; name="a"\r\n\r\ntext',
        'Content-Disposition: form-data; name="b"; filename="a.txt"\r\n'
          .. "Content-Type: text/plain\r\n\r\nof the file",
        'Content-Disposition: form-data; name="c"; filename="c.bin"\r\n'
          .. "Content-Type: x/y\r\nX-Empty:\r\nX-Part: 1\r\n\r\nd\0e",
        'Content-Disposition: form-data; name="a"\r\n\r\n7',
      }, parts {
        { name = "a", data = "text" },
        { name = "b", file = path },
        { name = "c", data = "d\0e", filename = "c.bin", content_type = "x/y",
          headers = { ["X-Part"] = 1, ["X-Empty"] = "" } },
        { name = "a", data = 7 },
      })
      assert.are.same({
        'Content-Disposition: form-data; name="a"\r\n\r\n1',
        'Content-Disposition: form-data; name="b"; filename="x"\r\nContent-Type: x/y\r\n\r\n2',
      }, parts { a = "1", b = { data = "2", filename = "x", type = "x/y" } })
    end)

    it("may come from functions", function()
      assert.are.same({
        'Content-Disposition: form-data; name="a"\r\n\r\none two',
        'Content-Disposition: form-data; name="b"\r\n\r\nplain',
        'Content-Disposition: form-data; name="c"; filename="f"\r\nContent-Type: x/y\r\n\r\nthree',
      }, parts {
        { name = "a", body = pieces({ "one ", "two" }, function() task.sleep(0.02) end) },
        { name = "b", data = "plain" },
        { name = "c", filename = "f", content_type = "x/y",
          body = pieces({ "three" }, function() task.sleep(0.02) end) },
      })
      local e = select(2, pcall(parts, { { name = "a", body = function() error("mine", 0) end } }))
      assert.are.equal("mine", e)
    end)

    -- With so many at once, curl comes to the first part of some in the turn before its first
    -- piece.
    it("goes on whenever a piece comes", function()
      local client <close> = http.client { base_url = url, timeout = 20 }
      local posts = {}
      for i = 1, 200 do
        local body = pieces({ "one ", "two" }, function()
          for _ = 1, i % 30 do task.yield() end
        end)
        posts[i] = function()
          return client:post("/body", { multipart = { { name = "a", body = body } } }).status
        end
      end
      for _, status in ipairs(task.gather(posts)) do assert.are.equal(200, status) end
    end)

    it("is checked", function()
      for _, bad in ipairs {
        { { name = "a" } }, { { name = "a", data = "1", file = "2" } },
        { { name = "a", data = {} } }, { { name = "a", dat = "1" } },
        { { name = "a", data = "1", type = "a/b", content_type = "a/b" } },
        { { name = "a", data = "1", headers = { ["a b"] = "c" } } },
        { { name = "a", data = "1", headers = { a = "b\r\nc: d" } } },
      } do
        fails("usage", parts, bad)
      end
      fails("system", parts, { a = { file = dir .. "/none" } })
    end)
  end)

  it("is compressed when asked to", function()
    local text = ("text "):rep(100000)
    local forms = {
      function() return text end,
      function() return pieces { text:sub(1, 7), "", text:sub(8) } end,
      function() return { file = file("plain", text) } end,
    }
    local packed = file("packed", "")
    local spy <close> = raw_server.start(function(request) return answer(request.body) end)
    for i, make in ipairs(forms) do
      local res = http.post(spy.url, { body = make(), compress = "gzip", save_to = packed })
      assert.are.equal(200, res.status)
      assert.are.equal("gzip", table.remove(spy.requests).headers["content-encoding"])
      local size = fs.stat(packed).size
      assert.is_true(size > 20 and size < 10000)
      local pipe <close> = io.popen("gzip -dc <" .. packed .. " | sha256sum")
      assert.are.equal(digest.sha256(text), pipe:read("a"):match("^%x+"), "form " .. i)
    end
    local path = file("plain", text)
    local opts = { body = { file = path }, compress = "gzip" }
    assert.are.equal(200, http.put(url .. "/redirect/1?code=307", opts).status)
    fails("usage", echo, { compress = "gzip" })
    fails("usage", echo, { compress = "gzip", multipart = { a = "b" } })
    fails("usage", echo, { compress = "zip", body = "x" })
    fails("usage", echo, { compress = "gzip", body = pieces {}, content_length = 3 })
  end)

  it("may be asked for in part", function()
    local page = server:file("digits", "0123456789")
    for range, expected in pairs { ["0-3"] = "0123", ["7-"] = "789", ["-2"] = "89" } do
      local res = http.get(page, { range = range })
      assert.are.equal("206 " .. expected, res.status .. " " .. res.body)
    end
    assert.are.equal("234", http.get(page, { range = { 2, 4 } }).body)
    assert.are.equal("234", http.get(page, { range = { from = 2, to = 4 } }).body)
    assert.are.equal("789", http.get(page, { range = { 7 } }).body)
    assert.are.equal(416, http.get(page, { range = "50-60" }).status)
    local got = http.get(url .. "/echo", { range = "0-3" }):json().headers
    assert.are.equal("identity", got["accept-encoding"])
    for _, bad in ipairs { "x", "3", "", "1-2\r\nX: y" } do
      fails("usage", http.get, page, { range = bad })
    end
  end)
end)
