-- Connections that are reset, closed, stale or unclean: tests/support/hostile/connections.py.

local hostile = require "tests.support.hostile"
local http = require "luapool.http"

describe("on hostile connections", function()
  local server

  setup(function() server = hostile.start() end)
  teardown(function() server:stop() end)

  local big = ("x"):rep(2000000)
  hostile.rows(function() return server end, {
    { "good", "a client and a server that get along", times = 3, body = "ok" },
    { "good", "over TLS", tls = true, times = 3, body = "ok" },
    { "good", "over IPv6", host = "::1", times = 3, body = "ok" },
    { "reset_at_once", "before or after it is connected", kind = { "connect", "aborted" } },
    { "reset_at_once", "over TLS", tls = true, kind = { "connect", "aborted", "tls" } },
    { "reset_unanswered", "the request was read", kind = "aborted" },
    { "close_at_once", "no answer", kind = "aborted" },
    { "close_unanswered", "the request was read", kind = "aborted" },
    { "reset_behind", "an answer cut short", args = { cut = 1 }, kind = "aborted" },
    { "refuse_upload", "the server reads the rest", method = "POST", opts = { body = big },
      args = { linger = true }, status = 413, body = "big" },
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
    for _, how in ipairs { "finish" } do
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
end)
