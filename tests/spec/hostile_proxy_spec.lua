-- Proxies that break the rules: tests/support/hostile/proxies.py. None of them may make a request
-- hang, end with a success, or with an error that is the server's.

local hostile = require "tests.support.hostile"

describe("through hostile proxies", function()
  local server

  setup(function() server = hostile.start() end)
  teardown(function() server:stop() end)

  local rows = {}

  -- A request through a proxy that answers so fails with one of these kinds.
  local function test(what, behaviour, args, scheme, url, kinds, timeout)
    local list = {}
    for kind in kinds:gmatch "%S+" do list[#list + 1] = kind end
    rows[#rows + 1] = { behaviour, what, args = args, proxy = scheme, url = url, kind = list,
      client = timeout and { timeout = timeout, connect_timeout = timeout },
      check = function(e) assert(#tostring(e) < 1000, "the message is long") end }
  end

  local function tunnel(what, answer, kinds, how, timeout)
    test(what, "proxy", { answer = answer, how = how or "finish" }, "http", "https://a.example/",
      kinds, timeout)
  end

  tunnel("no answer", "", "connect aborted")
  tunnel("RST in place of an answer", "", "connect aborted", "reset")
  tunnel("silence", "", "timeout", "wait", 0.3)
  tunnel("half a status line, and silence", "HTTP/1.1 2", "timeout", "wait", 0.3)
  tunnel("half a header", "HTTP/1.1 200 OK\r\nX: y", "connect aborted protocol")
  for _, status in ipairs { 301, 403, 404, 407, 429, 500, 502, 503, 504 } do
    tunnel("status " .. status,
      ("HTTP/1.1 %d No\r\nContent-Length: 2\r\nLocation: http://b/\r\n\r\nno"):format(status),
      "connect")
  end
  tunnel("a refusal whose body never comes", "HTTP/1.1 403 No\r\nContent-Length: 99\r\n\r\n",
    "connect timeout", "wait", 0.5)
  tunnel("a refusal in chunks that are none",
    "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\nzz", "connect protocol aborted")
  tunnel("a tunnel that ends at once", "HTTP/1.1 200 OK\r\n\r\n", "tls aborted")
  tunnel("a tunnel that is reset", "HTTP/1.1 200 OK\r\n\r\n", "tls aborted", "reset")
  tunnel("a tunnel that says nothing", "HTTP/1.1 200 OK\r\n\r\n", "timeout", "wait", 0.3)
  tunnel("a tunnel to a server without TLS", "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    "tls")
  tunnel("a tunnel with a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "tls aborted")
  tunnel("HTTP/0.9", "<html>", "connect protocol aborted")
  tunnel("another protocol", "SSH-2.0-OpenSSH_9.2\r\n", "connect protocol aborted")
  tunnel("a header of zero bytes", "HTTP/1.1 200 OK\r\n" .. ("\0"):rep(100) .. "\r\n\r\n",
    "connect protocol aborted tls")
  tunnel("endless informational answers", ("HTTP/1.1 100 Continue\r\n\r\n"):rep(1000),
    "connect protocol aborted too_large tls")

  local function endless(what, args, kinds, timeout)
    test(what, "proxy_endless", args, "http", "https://a.example/", kinds, timeout)
  end
  -- libcurl reads the answer of a proxy byte by byte, up to 300 KB.
  endless("a header of many lines", { unit = "X: y\r\n" }, "too_large connect aborted", 50)
  endless("a header of one line", { unit = "aaaaaaaa" }, "too_large connect aborted", 50)
  endless("a header that drips", { unit = "X: y\r\n", pause = 0.05 }, "timeout", 0.3)
  endless("informational answers",
    { head = "", unit = "HTTP/1.1 100 Continue\r\n\r\n" }, "too_large connect aborted timeout", 1)

  local function socks(what, scheme, answers, kinds, how, timeout)
    test(what, "socks", { answers = answers, how = how or "finish" }, scheme, "http://127.0.0.1:9/",
      kinds, timeout)
  end
  local REFUSED = "connect aborted"
  socks("no answer", "socks5h", {}, REFUSED)
  socks("RST", "socks5h", {}, REFUSED, "reset")
  socks("silence", "socks5h", {}, "timeout connect", "wait", 0.3)
  socks("another version", "socks5h", { "0400" }, REFUSED)
  socks("no way to authenticate", "socks5h", { "05ff" }, REFUSED)
  socks("an unknown way to authenticate", "socks5h", { "0577" }, REFUSED)
  socks("half a greeting", "socks5h", { "05" }, REFUSED)
  socks("HTTP", "socks5h", { "485454502f312e3120343030" }, REFUSED)
  for code = 1, 8 do
    local refusal = ("05%02x0001000000000000"):format(code)
    socks("refusal " .. code, "socks5h", { "0500", refusal }, REFUSED)
  end
  socks("half an answer", "socks5h", { "0500", "050000" }, REFUSED)
  socks("half an answer, and silence", "socks5h", { "0500", "050000" }, "timeout connect",
    "wait", 0.3)
  socks("an unknown kind of address", "socks5h", { "0500", "05000099000000000000" }, REFUSED)
  socks("a tunnel that ends at once", "socks5h", { "0500", "05000001000000000000" }, REFUSED)
  socks("no answer", "socks4", {}, REFUSED)
  socks("a refusal", "socks4", { "005b000000000000" }, REFUSED)
  socks("another version", "socks4", { "055a000000000000" }, REFUSED)
  socks("silence", "socks4a", {}, "timeout connect", "wait", 0.3)

  hostile.rows(function() return server end, rows)
end)
