-- Characters where none may be, and frames of bodies that contradict themselves: bytes as answers
-- (`raw` in tests/support/hostile/bodies.py). What may not be read in one way alone is an error.

local errors = require "luapool.error"
local hostile = require "tests.support.hostile"
local http = require "luapool.http"

local OK = "HTTP/1.1 200 OK\r\n"
local LENGTH = "Content-Length: 2\r\n"

describe("the text of hostile servers:", function()
  local server

  setup(function() server = hostile.start() end)
  teardown(function() server:stop() end)

  local rows = {}
  local function raw(what, answer, fields)
    fields = fields or { body = "ok" }
    fields[1], fields[2], fields.args = "raw", what, { answer = answer, close = fields.close }
    rows[#rows + 1] = fields
  end
  local BROKEN = { "protocol", "aborted" }

  -- --- control characters ---

  -- Some versions of libcurl refuse a zero byte in a header, others cut it off there.
  raw("a zero byte in a value", OK .. LENGTH .. "X-A: a\0b\r\n\r\nok", { kind = BROKEN })
  raw("a zero byte in a name", OK .. LENGTH .. "X\0A: b\r\n\r\nok", { kind = BROKEN })
  for code = 1, 31 do
    if code ~= 10 and code ~= 13 then
      raw(("character %d in a value"):format(code),
        OK .. LENGTH .. ("X-A: a%sb\r\n\r\nok"):format(string.char(code)), {
          check = function(res)
            assert(res.body == "ok")
            assert(res.headers["x-b"] == nil)
          end,
        })
    end
  end
  raw("DEL and bytes beyond ASCII in a value", OK .. LENGTH .. "X-A: \127\xc3\xbf\r\n\r\nok", {
    check = function(res) assert(res.headers["x-a"] == "\127\255") end, -- sent as Latin-1
  })
  raw("a lone CR in a value makes no header", OK .. LENGTH .. "X-A: a\rX-B: b\r\n\r\nok", {
    check = function(res)
      local ok = errors.is(res) or res.headers["x-b"] == nil
      assert(ok, "a header out of nothing")
    end,
  })
  raw("lines that end with LF alone", "HTTP/1.1 200 OK\nContent-Length: 2\nX-A: b\n\nok", {
    body = "ok", check = function(res) assert(res.headers["x-a"] == "b") end,
  })
  raw("a blank before the colon", OK .. LENGTH .. "X-A : b\r\n\r\nok")
  raw("a line without a name", OK .. LENGTH .. ": b\r\n\r\nok")
  raw("blank lines first", "\r\n\r\n" .. OK .. LENGTH .. "\r\nok", { kind = BROKEN })
  raw("four thousand headers", OK .. LENGTH .. ("A: b\r\n"):rep(4000) .. "\r\nok", {
    check = function(res) assert(#res.headers:list "a" == 4000) end,
  })
  raw("four thousand cookies", OK .. LENGTH .. ("Set-Cookie: a=b\r\n"):rep(4000) .. "\r\nok")
  raw("a folded value", OK .. LENGTH .. "X-A: a\r\n b\r\n\tc\r\n\r\nok", {
    check = function(res) assert(res.headers["x-a"] == "a b c") end,
  })

  -- --- the status line ---

  for _, line in ipairs {
    "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 abc OK", "HTTP/1.1 20 OK", "HTTP/1.1 2000 OK",
    "HTTP/1.1 -20 OK", "HTTP/1.1 099 X", "HTTP/9.9 200 OK", "HTTP/ 200 OK", "HTTP/1 200 OK",
    "HTTP/1.12 200 OK", "ICY 200 OK", "\0\0\0\0 200 OK", "HTTP/1.1  ",
  } do
    raw(("status line %q"):format(line):gsub("\n", "?"), line .. "\r\n" .. LENGTH .. "\r\nok", {
      kind = BROKEN,
    })
  end
  raw("a status without words", "HTTP/1.1 200\r\n" .. LENGTH .. "\r\nok")
  raw("a status with many words",
    "HTTP/1.1 200 " .. ("x "):rep(10000) .. "\r\n" .. LENGTH .. "\r\nok")
  raw("a status with control characters", "HTTP/1.1 200 O\1\27[31mK\r\n" .. LENGTH .. "\r\nok")
  raw("status 999", "HTTP/1.1 999 X\r\n" .. LENGTH .. "\r\nok", { status = 999, body = "ok" })

  -- --- answers that may have no body ---

  for _, status in ipairs { 204, 304 } do
    raw(status .. " with a body", ("HTTP/1.1 %d X\r\n%s\r\nok"):format(status, LENGTH),
      { status = status, body = "" })
    raw(status .. " in chunks",
      ("HTTP/1.1 %d X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"):format(status),
      { status = status, body = "" })
  end
  raw("a HEAD with a body", OK .. LENGTH .. "\r\nok", { method = "HEAD", body = "" })
  raw("100 with a length", "HTTP/1.1 100 Continue\r\n" .. LENGTH .. "\r\n" .. OK .. LENGTH
    .. "\r\nok")
  raw("101 that nobody asked for",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    { kind = { "protocol", "aborted" } })

  -- --- lengths and encodings that contradict each other ---

  local chunks = "2\r\nok\r\n0\r\n\r\n"
  raw("a length and chunks", OK .. "Content-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n"
    .. chunks)
  raw("chunks and a length", OK .. "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"
    .. chunks)
  raw("chunked in capitals", OK .. "Transfer-Encoding: CHUNKED\r\n\r\n" .. chunks)
  raw("chunks of HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" .. chunks)
  for _, encoding in ipairs { "xchunked", "chunked, xyz", "\11chunked" } do
    raw(("encoding %q"):format(encoding):gsub("\n", "?"),
      OK .. "Transfer-Encoding: " .. encoding .. "\r\n\r\n" .. chunks, { kind = "protocol" })
  end
  for _, length in ipairs { "2x", "0x2", "2.0", "+2", "2,3", "\"2\"", "two", "2 3" } do
    raw("length " .. length, OK .. "Content-Length: " .. length .. "\r\n\r\nok", {
      kind = "protocol",
    })
  end
  raw("a length of no digits", OK .. "Content-Length:\r\n\r\nok", { kind = "protocol" })

  -- --- chunks ---

  local CHUNKED = OK .. "Transfer-Encoding: chunked\r\n\r\n"
  raw("an extension of a chunk", CHUNKED .. "2;a=b;c=\"d;e\"\r\nok\r\n0;x\r\n\r\n")
  raw("a long extension", CHUNKED .. "2;" .. ("x"):rep(100000) .. "\r\nok\r\n0\r\n\r\n")
  raw("chunks with zeros in front", CHUNKED .. "0000002\r\nok\r\n000\r\n\r\n")
  raw("a chunk's length with many zeros", CHUNKED .. ("0"):rep(100) .. "2\r\nok\r\n0\r\n\r\n",
    { kind = "protocol" })
  raw("a negative chunk", CHUNKED .. "-2\r\nok\r\n0\r\n\r\n", { kind = "protocol" })
  raw("a chunk with a prefix", CHUNKED .. "0x2\r\nok\r\n0\r\n\r\n", { kind = BROKEN })
  raw("a chunk without a line end", CHUNKED .. "2\r\nokX0\r\n\r\n", { kind = "protocol" })
  raw("a chunk without a length", CHUNKED .. ";x\r\nok\r\n0\r\n\r\n", { kind = "protocol" })
  raw("chunks that end with LF alone", CHUNKED:gsub("\r", "") .. "2\nok\n0\n\n", {
    check = function(res) assert(errors.is(res, "protocol") or res.body == "ok", tostring(res)) end,
  })
  raw("a hundred thousand chunks", CHUNKED .. ("1\r\nx\r\n"):rep(100000) .. "0\r\n\r\n",
    { body = ("x"):rep(100000) })

  local function drip(what, head, unit)
    rows[#rows + 1] = { "drip", what, args = { head = head, unit = unit },
      opts = { timeout = 0.3 }, kind = "timeout" }
  end
  drip("an extension of a chunk", CHUNKED .. "2;", "x")
  drip("the length of a chunk", CHUNKED, "0")
  drip("trailers", CHUNKED .. "2\r\nok\r\n0\r\n", "X: y\r\n")
  drip("informational answers", "", "HTTP/1.1 102 Processing\r\n\r\n")
  drip("the status line", "HTTP/1.1 200 ", "x")
  drip("one header", OK .. "X: ", "x")

  hostile.rows(function() return server end, rows)

  -- --- what we ask for ---

  it("a URL of 9 MB is refused or answered", function()
    local at <close> = server:open "good"
    local client <close> = http.client { timeout = 20 }
    for _, tail in ipairs { "/" .. ("x"):rep(9 << 20), "/?" .. ("%41"):rep(3 << 20) } do
      local ok, res = pcall(client.get, client, at.url .. tail)
      assert.is_true(ok or res.kind == "protocol", ok or tostring(res):sub(1, 300))
      if not ok then assert.is_true(#tostring(res) < 1000) end
    end
    assert.are.equal("ok", client:get(at.url).body)
  end)

  it("control characters in a URL are refused", function()
    local at <close> = server:open "good"
    for code = 0, 127 do
      local c = string.char(code)
      if c:find "%c" then
        for _, url in ipairs {
          at.url .. "/a" .. c .. "b", at.url .. "/?" .. c, "http://a" .. c .. "b/",
          "http://u" .. c .. "@127.0.0.1/", "ht" .. c .. "tp://127.0.0.1/",
        } do
          local ok, e = pcall(http.get, url)
          assert.is_false(ok, ("%q"):format(url))
          assert.are.equal("protocol", e.kind)
        end
      end
    end
    assert.are.equal(0, at:stats().connections)
  end)
end)
