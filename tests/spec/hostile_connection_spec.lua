-- Connections that are reset, closed, stale or unclean: tests/support/hostile/connections.py and
-- kept.py.

local hostile = require "tests.support.hostile"
local http = require "luapool.http"
local task = require "luapool.task"

describe("on hostile connections", function()
  local server

  setup(function() server = hostile.start() end)
  teardown(function() server:stop() end)

  local function the_server() return server end

  local big, long = ("x"):rep(2000000), ("x"):rep(20000)

  hostile.rows(the_server, {
    { "good", "a client and a server that get along", times = 3, body = "ok" },
    { "good", "over TLS", tls = true, times = 3, body = "ok" },
    { "good", "over IPv6", host = "::1", times = 3, body = "ok" },
    { "reset_at_once", "before or after it is connected", kind = { "connect", "aborted" } },
    { "reset_at_once", "over TLS", tls = true, kind = { "connect", "aborted", "tls" } },
    { "reset_unanswered", "the request was read", kind = "aborted" },
    { "close_at_once", "no answer", kind = "aborted" },
    { "close_unanswered", "the request was read", kind = "aborted" },
    { "reset_behind", "an answer cut short", args = { cut = 1 }, kind = "aborted" },
  })

  -- An answer that is cut anywhere is an error, and a whole one is none, however it ends. Behind
  -- the line of the last chunk nothing of the body is missing.
  local answers = {
    ["a length"] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ["chunks"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ["trailers"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      .. "2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n",
    ["an informational answer"] = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
      .. "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
  }
  for what, answer in pairs(answers) do
    for _, how in ipairs { "finish", "reset" } do
      it(("cut_at: %s behind each byte: %s"):format(how, what), function()
        local at <close> = server:open("cut_at", { args = { answer = answer, how = how } })
        local client <close> = http.client { timeout = 20 }
        local last_chunk = select(2, answer:find("\r\n0\r\n", 1, true)) or #answer
        for n = 0, #answer do
          local ok, res = pcall(client.get, client, ("%s/%d"):format(at.url, n))
          if n == #answer or ok and n >= last_chunk then
            assert.is_true(ok, tostring(res))
            assert.are.equal("ok", res.body)
          else
            assert.is_false(ok, "no error behind byte " .. n)
            assert.is_true(res.kind == "aborted" or res.kind == "protocol", tostring(res))
          end
        end
      end)
    end
  end

  describe("a reset hides nothing that came before it:", function()
    hostile.rows(the_server, {
      { "reset_behind", "a whole answer", times = 25, body = long },
      { "reset_behind", "a whole answer, in a stream", times = 25,
        opts = { stream = true }, body = long },
      { "reset_behind", "a whole answer over TLS", tls = true, times = 25, body = long },
      { "reset_behind", "a short answer", args = { size = 3 }, times = 25, body = "xxx" },
      { "refuse_upload", "an answer before the body was read", method = "POST", times = 25,
        opts = { body = big }, status = 413, body = "big" },
      { "refuse_upload", "the same over TLS", tls = true, method = "POST", times = 25,
        opts = { body = big }, status = 413, body = "big" },
      { "refuse_upload", "the same of a PUT", method = "PUT", times = 25,
        opts = { body = big }, status = 413, body = "big" },
      { "refuse_upload", "an answer while the server still reads", method = "POST",
        opts = { body = big }, args = { linger = true }, status = 413, body = "big" },
    })
  end)

  describe("a kept connection that has died", function()
    hostile.rows(the_server, {
      { "stale", "is replaced for a GET: reset", times = 30 },
      { "stale", "is replaced for a GET: closed", args = { how = "close" }, times = 30 },
      { "stale", "is replaced for a GET: reset over TLS", tls = true, times = 10 },
      { "stale", "is replaced for a GET: closed over TLS", tls = true, args = { how = "close" },
        times = 10 },
      { "stale", "is replaced for a PUT", method = "PUT", opts = { body = "x" }, times = 10 },
      { "stale", "is replaced for a PUT with a large body", method = "PUT", opts = { body = big },
        times = 5 },
    })

    it("is not repeated when the request may have been done", function()
      local at <close> = server:open "stale"
      local client <close> = http.client()
      client:get(at.url)
      local ok, e = pcall(client.post, client, at.url, { body = "x" })
      assert.is_false(ok)
      assert.are.equal("aborted", e.kind)
      assert.is_truthy(tostring(e):find("not repeated", 1, true), tostring(e))
      assert.are.equal(2, at:stats().requests)
    end)

    it("is replaced however many have died at once", function()
      local at <close> = server:open("stale", { args = { every = 1 } })
      local client <close> = http.client { limit = 20 }
      for _ = 1, 2 do
        local gets = {}
        for i = 1, 20 do
          gets[i] = function() return client:get(at.url).status end
        end
        for _, status in ipairs(task.gather(gets)) do assert.are.equal(200, status) end
      end
    end)
  end)

  it("a connection is kept whose answer came before it was known to be connected", function()
    local at <close> = server:open "early"
    local client <close> = http.client()
    local gets = {}
    for i = 1, 60 do
      gets[i] = function()
        for _ = 1, 5 do assert.are.equal("ok", client:get(at.url).body) end
      end
    end
    task.gather(gets)
    assert.is_true(at:stats().connections <= 60)
  end)

  describe("bytes that nobody asked for are no answer:", function()
    hostile.rows(the_server, {
      { "surplus", "behind a body", path = "/%d", times = 10, body = "path" },
      { "surplus", "behind a body, over TLS", tls = true, path = "/%d", times = 10, body = "path" },
      { "surplus", "more than a read takes", args = { times = 1000 }, path = "/%d", times = 10,
        body = "path" },
      { "surplus", "in a later read", args = { exact = 16384 }, path = "/%d", times = 10,
        body = "path" },
      { "surplus_chunked", "behind the last chunk", path = "/%d", times = 10, body = "path" },
      { "surplus_chunked", "more than a read takes", args = { fill = 100000 }, path = "/%d",
        times = 10, body = "path" },
    })

    for what, args in pairs {
      ["a HEAD with a body"] = { size = 0 }, ["a HEAD with a large body"] = { size = 100000 },
    } do
      for _, tls in ipairs { false, true } do
        it(what .. (tls and " over TLS" or ""), function()
          local at <close> = server:open("head_with_body", { args = args, tls = tls })
          local client <close> = http.client { ca = server.ca }
          for i = 1, 10 do
            assert.are.equal(200, client:head(at.url .. "/x").status)
            assert.are.equal("/" .. i, client:get(at.url .. "/" .. i).body)
          end
        end)
      end
    end

    it("a 204 and a 304 with bodies", function()
      for _, status in ipairs { "204 No Content", "304 Not Modified" } do
        for _, size in ipairs { 0, 100000 } do
          local args = { status = status, size = size }
          local at <close> = server:open("bodies_without", { args = args })
          local client <close> = http.client()
          for i = 1, 5 do
            assert.are.equal("", client:get(at.url .. "/bad").body)
            assert.are.equal("/" .. i, client:get(at.url .. "/" .. i).body)
          end
        end
      end
    end)

    for _, tls in ipairs { false, true } do
      it("pushed on an idle connection" .. (tls and " over TLS" or ""), function()
        local at <close> = server:open("push_idle", { tls = tls })
        local client <close> = http.client { ca = server.ca }
        assert.are.equal("/1", client:get(at.url .. "/1").body)
        at:signal()
        assert.is_true(at:wait { pushed = 1 })
        for i = 2, 5 do assert.are.equal("/" .. i, client:get(at.url .. "/" .. i).body) end
        assert.are.equal("/p", client:post(at.url .. "/p", { body = "x" }).body)
        assert.are.equal(2, at:stats().connections)
      end)
    end

    it("and the connection is closed while it is idle", function()
      local at <close> = server:open "push_idle"
      local client <close> = http.client()
      client:get(at.url .. "/1")
      at:signal()
      assert.is_true(at:wait { closed = 1 })
    end)
  end)
end)
