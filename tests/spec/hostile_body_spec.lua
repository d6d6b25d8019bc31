-- Headers and bodies: bombs, broken coding and framing, what is too large or never ends:
-- tests/support/hostile/bodies.py.

local errors = require "luapool.error"
local hostile = require "tests.support.hostile"
local http = require "luapool.http"
local log = require "luapool.log"
local task = require "luapool.task"

local OK = "HTTP/1.1 200 OK\r\n"
local CHUNKED = OK .. "Transfer-Encoding: chunked\r\n\r\n"

describe("of hostile servers", function()
  local server

  setup(function() server = hostile.start() end)
  teardown(function() server:stop() end)

  local function rows(list) hostile.rows(function() return server end, list) end

  local function coded(what, coding, row)
    row[1], row[2] = "encoded", ("%s as %s%s"):format(what, coding, row[2] or "")
    row.args = { what = what, coding = coding }
    return row
  end

  describe("the body", function()
    local function bomb(what, coding) return coded(what, coding, { kind = "too_large" }) end
    local any = { max_body = false, max_ratio = false }
    rows {
      bomb("gzip bomb", "gzip"),
      bomb("zlib bomb", "deflate"),
      bomb("raw bomb", "deflate"),
      bomb("nested bomb", "gzip, gzip"),
      bomb("thrice nested bomb", "gzip, gzip, gzip"),
      bomb("brotli bomb", "br"),
      bomb("zstd bomb", "zstd"),
      coded("gzip bomb", "gzip", { " in any memory", opts = { max_body = false },
        kind = "too_large", text = "max_ratio" }),
      coded("zstd bomb", "zstd", { " as large as one likes", opts = { max_ratio = false },
        kind = "too_large", text = "67108864 bytes, see max_body" }),
      coded("gzip bomb", "gzip", { " with a time limit", kind = "timeout",
        opts = { timeout = 0.05, max_body = false, max_ratio = false } }),
      coded("brotli bomb", "br", { " with a time limit", kind = "timeout",
        opts = { timeout = 0.02, max_body = false, max_ratio = false } }),
      coded("legal", "gzip", { check = function(res) assert(#res.body == 8 << 20) end }),
      coded("legal", "gzip", { " that is too large", opts = { max_body = "1M" },
        kind = "too_large", text = "1048576" }),
      coded("members", "gzip", { body = "hello world" }),
      coded("thousand members", "gzip", { body = ("x"):rep(1000) }),
      coded("padded", "gzip", { body = "hello" }),
      coded("rubbish behind", "x-gzip", { body = "hello" }),
      coded("zlib", "deflate", { body = "hello" }),
      coded("raw", "Deflate", { body = "hello" }),
      coded("twice", "gzip, gzip", { body = "hello" }),
      coded("empty", "gzip", { body = "" }),
      coded("members", "gzip", { " to a HEAD", method = "HEAD", body = "" }),
      coded("members", "identity", { check = function(res) assert(res.body:find "^\x1f\x8b") end }),
      coded("members", "gzip", { " left as it is", opts = { decode = false },
        check = function(res) assert(res.body:find "^\x1f\x8b") end }),
      coded("cut", "gzip", { kind = "protocol", text = "ends too early" }),
      coded("cut in the trailer", "gzip", { kind = "protocol", text = "ends too early" }),
      coded("damaged", "gzip", { kind = "protocol", text = "decode=false" }),
      coded("plain", "gzip", { kind = "protocol", text = "decode=false" }),
      coded("plain", "br", { kind = "protocol", text = "decode=false" }),
      coded("plain", "zstd", { kind = "protocol", text = "decode=false" }),
      coded("six times", "gzip,gzip,gzip,gzip,gzip,gzip", { kind = "protocol" }),
      coded("plain", "utf-8", { body = "plain text" }),
      coded("plain", "gzip, utf-8", { body = "plain text" }),
      { "encoded", "two lines of codings", body = "hello", args = { what = "twice",
        coding = "gzip", header = "Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n" } },
      coded("gzip bomb", "gzip", { " into a stream", opts = { stream = true, max_body = "1M" },
        check = function(res)
          local ok, e = pcall(res.read, res)
          assert(not ok and errors.is(e, "too_large"), tostring(e))
        end }),
      { "endless", "without a length", kind = "too_large", text = "67108864" },
      { "endless", "more than its length", args = { head = "Content-Length: 5\r\n" },
        body = "xxxxx" },
      { "endless_gzip", "compressed", kind = "too_large" },
      { "endless_members", "nothing comes out", opts = { timeout = 0.5 }, kind = "timeout" },
      { "drip", "bit by bit", opts = { timeout = 0.3 }, kind = "timeout", text = "receiving" },
      { "drip", "bit by bit, of chunks", opts = { timeout = 0.3 }, kind = "timeout",
        args = { head = CHUNKED, unit = "1\r\nx\r\n" } },
      { "raw", "chunks that are none", kind = "protocol",
        args = { answer = CHUNKED .. "zz\r\nhello\r\n0\r\n\r\n" } },
      { "raw", "a chunk longer than it says", kind = "protocol",
        args = { answer = CHUNKED .. "3\r\nhello\r\n0\r\n\r\n" } },
      { "raw", "a chunk's length of 20 digits", kind = "protocol", args = {
        answer = CHUNKED .. "ffffffffffffffffffff\r\nx" } },
      { "raw", "chunks without an end", kind = "aborted",
        args = { answer = CHUNKED .. "5\r\nhello\r\n" } },
      { "raw", "a status line behind the chunks", kind = "protocol", args = {
        answer = CHUNKED .. "5\r\nhello\r\n0\r\nHTTP/1.1 500 no\r\nX: y\r\n\r\n" } },
      { "raw", "a length that is not reached", kind = "aborted",
        args = { answer = OK .. "Content-Length: 10\r\n\r\nhello" } },
      { "raw", "a negative length", kind = "protocol",
        args = { answer = OK .. "Content-Length: -5\r\n\r\nhello" } },
      { "raw", "a length beyond 2^64", kind = "protocol", args = { answer =
        OK .. "Content-Length: 99999999999999999999999\r\n\r\nhello" } },
      { "raw", "two lengths", kind = "protocol", args = { answer =
        OK .. "Content-Length: 3\r\nContent-Length: 5\r\n\r\nhello" } },
      { "raw", "the same length twice", body = "hello", args = { answer =
        OK .. "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello" } },
      { "raw", "a HEAD of a gigabyte", method = "HEAD", body = "",
        args = { answer = OK .. "Content-Length: 1073741824\r\n\r\n" } },
      { "raw", "a length of a petabyte", kind = "too_large", args = { answer =
        OK .. "Content-Length: 1125899906842624\r\n\r\nhello" } },
    }

    for _, opts in ipairs { {}, any } do
      it("lets others run while it is decoded" .. (opts.max_body == nil and "" or ", unlimited"),
        function()
          local args = { what = "gzip bomb", coding = "gzip" }
          local at <close> = server:open("encoded", { args = args })
          local client <close> = http.client { timeout = 60 }
          client:get(at.url, { decode = false }) -- the bomb is made
          local longest, last, turns = 0, task.now(), 0
          local ticker = task.spawn(function()
            while true do
              task.sleep(0.001)
              longest, last, turns = math.max(longest, task.now() - last), task.now(), turns + 1
            end
          end)
          local t = task.spawn(pcall, client.get, client, at.url, opts)
          local _, ok, res = t:result()
          ticker:cancel()
          assert.are.equal(opts == any, ok, tostring(res))
          if ok then assert.are.equal(96 << 20, #res.body) end
          assert.is_true(turns > 3)
          assert.is_true(opts ~= any or turns > 30, turns .. " turns")
        end)
    end
  end)

  describe("the header", function()
    rows {
      { "endless_header", "line by line", kind = "too_large",
        args = { line = "X-Many: " .. ("x"):rep(100) .. "\r\n" },
        text = "262144 bytes, see max_header" },
      { "endless_header", "in one line", args = { line = "aaaaaaaaaaaa" }, kind = "too_large" },
      { "endless_header", "folded", args = { line = " more\r\n", status = OK .. "X: y\r\n" },
        kind = "too_large" },
      { "endless_continue", "interim responses", kind = "too_large" },
      { "endless_trailer", "behind the body", kind = "too_large" },
      { "endless_trailer", "behind the body, in one line", args = { line = "aaaa" },
        kind = "too_large" },
      { "long_line", "of 90 KB", args = { size = 90000 }, body = "hello" },
      { "long_line", "beyond max_header", args = { size = 90000 }, opts = { max_header = "64K" },
        kind = "too_large", text = "65536" },
      { "long_line", "of 150 KB", args = { size = 150000 }, kind = "too_large" },
      { "long_line", "of 1 MB", args = { size = 1000000 }, kind = "too_large" },
      { "long_status", "of 150 KB", args = { size = 150000 }, kind = "too_large" },
      { "drip", "bit by bit", args = { head = OK, unit = "X: y\r\n" },
        opts = { timeout = 0.3 }, kind = "timeout", text = "waiting for the answer" },
      { "raw", "of HTTP/0.9", args = { answer = "<html>hello</html>" }, kind = "protocol",
        text = "HTTP/0%.9.*does not speak HTTP/1" },
      { "raw", "of another protocol", args = { answer = "SSH-2.0-OpenSSH_9.2\r\n" },
        kind = "protocol" },
      { "raw", "of HTTP/3", args = { answer = "HTTP/3 200 OK\r\n\r\n" }, kind = "protocol" },
      { "raw", "that is no header", args = { answer = OK .. "no colon\r\n\r\nx" },
        kind = "protocol" },
      { "raw", "that ends early", args = { answer = OK .. "X: y\r\n" }, kind = "aborted",
        text = "within the header" },
      { "raw", "that ends within a line", args = { answer = OK .. "X: y" },
        kind = "aborted" },
      { "raw", "that ends behind an interim response", kind = "aborted",
        args = { answer = "HTTP/1.1 103 Early Hints\r\n\r\n" } },
    }
  end)

  it("warns of a coding that is unknown", function()
    local said
    local warn = log.warn
    finally(function() log.warn = warn end)
    log.warn = function(...) said = string.format(...) end
    local at <close> = server:open("encoded", { args = { what = "plain", coding = "utf-8" } })
    local client <close> = http.client()
    assert.are.equal("plain text", client:get(at.url).body)
    assert.is_truthy(said:find("unknown Content-Encoding 'utf-8'", 1, true))
    said = nil
    assert.are.equal("plain text", client:get(at.url, { decode = false }).body)
    assert.is_nil(said)
  end)

  it("does not put a huge URL into messages", function()
    local client <close> = http.client()
    local ok, e = pcall(client.get, client, "http://127.0.0.1:1/" .. ("x"):rep(1000000))
    assert.is_false(ok)
    assert.is_true(errors.is(e, "connect"), tostring(e):sub(1, 500))
    assert.is_true(#tostring(e) < 500)
    assert.are.equal(1000019, #e.url)
  end)

  it("tells that the proxy wants a password", function()
    local at <close> = server:open "connect_407"
    local client <close> = http.client { proxy = at.url }
    assert.are.equal(407, client:get("http://example.invalid/").status)
    local ok, e = pcall(client.get, client, "https://example.invalid/")
    assert.is_false(ok)
    assert.is_true(errors.is(e, "connect"), tostring(e))
    assert.is_truthy(tostring(e):find("407.*password.*proxy's URL"))
  end)
end)
