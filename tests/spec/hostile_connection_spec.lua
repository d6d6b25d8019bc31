-- Connections that are reset, closed, stale or unclean: tests/support/hostile/connections.py.

local hostile = require "tests.support.hostile"

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
end)
