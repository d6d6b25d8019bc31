-- What a response of luapool.http tells: text and charset, links, events, trailers, timings.

local errors = require "luapool.error"
local hostile = require "tests.support.hostile"
local http = require "luapool.http"
local nginx = require "tests.support.nginx"
local pool = require "luapool.pool"

describe("a response of luapool.http", function()
  local server, url, broken, client

  setup(function()
    server = nginx.start()
    url = server.url
    broken = hostile.start()
  end)
  teardown(function()
    server:stop()
    broken:stop()
  end)
  before_each(function() client = http.client() end)
  after_each(function() client:close() end)

  -- A response with this body and Content-Type.
  local function answer(body, content_type)
    local headers = { ["Content-Type"] = content_type }
    return client:post(url .. "/body", { body = body, headers = headers })
  end

  -- A response with these bytes after the status line.
  local function raw(rest, opts)
    local at <close> = broken:open("raw", { args = { answer = "HTTP/1.1 200 OK\r\n" .. rest } })
    return client:get(at.url .. "/dir/page", opts)
  end

  describe("as text", function()
    it("is UTF-8, by mark, Content-Type, meta and guess", function()
      local rows = {
        { "caf\xE9", "text/plain; charset=iso-8859-1", "café", "windows-1252" },
        { "caf\xE9", "text/plain", "café", "windows-1252" },
        { "café", "text/plain", "café", "utf-8" },
        { "\xEF\xBB\xBFcafé", "text/plain; charset=latin1", "café", "utf-8" },
        { "\xFF\xFEa\0b\0", "application/json", "ab", "utf-16le" },
        { "\x93\xFA\x96{", "text/html; charset=\"x-sjis\"", "日本", "shift_jis" },
        { "<meta charset=koi8-r>\xC4\xC1", "text/html", "<meta charset=koi8-r>да", "koi8-r" },
        { "<meta charset=koi8-r>\xC4\xC1", "text/html;charset=windows-1251",
          "<meta charset=koi8-r>ДБ", "windows-1251" },
        { "<?xml version='1.0' encoding='koi8-r'?><a>\xC4</a>", "application/rss+xml",
          "<?xml version='1.0' encoding='koi8-r'?><a>д</a>", "koi8-r" },
        { "café", "text/plain; charset=no-such", "café", "utf-8" },
      }
      for i, row in ipairs(rows) do
        local res = answer(row[1], row[2])
        assert.are.equal(row[3], res:text(), "row " .. i)
        assert.are.equal(row[4], res.charset, "row " .. i)
        assert.are.equal(row[1], res.body)
      end
    end)

    it("is what html() parses", function()
      local res = answer("<p>\x93\xFA\x96{</p>", "text/html; charset=shift_jis")
      assert.are.equal("日本", res:html():first("p"):text())
    end)

    it("needs a body", function()
      local res <close> = client:get(url .. "/bytes/3", { stream = true })
      local ok, e = pcall(res.text, res)
      assert.is_false(ok)
      assert.is_true(errors.is(e, "usage"), tostring(e))
      assert.is_nil(res.charset)
    end)
  end)

  describe("with links", function()
    it("has them in order, absolute, and by relation", function()
      local links = client:get(url .. "/links"):links()
      assert.are.equal(3, #links)
      assert.are.same({ url = url .. "/links?page=2", rel = "next", title = "more" }, links[1])
      assert.are.equal(links[1], links.next)
      assert.are.equal(url .. "/links?page=9", links.last.url)
      assert.are.equal("http://elsewhere.example/a,b;c", links.alternate.url)
      assert.are.equal(links[3], links.nofollow)
      assert.are.equal("café", links[3].title)
      assert.are.same({}, client:get(url .. "/bytes/1"):links())
    end)

    it("reads what servers write", function()
      local function links(value)
        return raw("Content-Length: 0\r\nLink: " .. value .. "\r\n\r\n"):links()
      end
      local rows = {
        { "<a>", { {} } }, { "<>", { {} } }, { " , ,<a> ; , <b>", { {}, {} } },
        { "<a>;REL=Next;rel=prev", { { rel = "Next" } } },
        { "<a> ; title = \"x \\\"y\\\" , ; z\" ; rel = next , <b>",
          { { title = "x \"y\" , ; z", rel = "next" }, {} } },
        { "<a>; title=\"open, <b>", { { title = "open, <b>" } } },
        { "<a>; title=\"\\", { { title = "" } } }, { "<a>;", { {} } },
        { "<a>;rel=", { { rel = "" } } },
        { "<a>; flag; rel=next", { { flag = "", rel = "next" } } },
        { "<a", {} }, { "nothing", {} }, { "<a>; title*=latin1''x; title=y", { { title = "y" } } },
        { "<a>;;rel=next rubbish, <b>", { { rel = "next rubbish" }, {} } },
      }
      for i, row in ipairs(rows) do
        local found = links(row[1])
        assert.are.equal(#row[2], #found, "row " .. i)
        for k, link in ipairs(found) do
          assert.is_truthy(link.url:find "^http://127")
          link.url = nil
          assert.are.same(row[2][k], link, "row " .. i)
        end
      end
      assert.are.equal("Next", links("<a>;rel=Next").next.rel)
    end)
  end)

  describe("of events", function()
    local function events(body, opts)
      local res = opts and client:post(url .. "/body", { body = body, stream = true })
        or answer(body, "text/event-stream")
      local list = {}
      for event in res:events() do list[#list + 1] = event end
      return list
    end

    it("gives them as the standard says", function()
      for _, stream in ipairs { false, true } do
        local list = events("\xEF\xBB\xBFdata: one\n\n: note\nevent: two\ndata: a\ndata:b\ndata\n"
          .. "id: 7\nretry: 500\n\nevent: nothing\n\nid: 8\n\ndata:  three\r\n\r\n"
          .. "id\rdata: four\r\rretry: 5x\nid: a\0b\nunknown: x\ndata: five\n\ndata: cut", stream)
        assert.are.same({
          { event = "message", data = "one" },
          { event = "two", data = "a\nb\n", id = "7", retry = 500 },
          { event = "message", data = " three", id = "8" },
          { event = "message", data = "four", id = "" },
          { event = "message", data = "five", id = "" },
        }, list)
      end
    end)

    it("finds the ends of lines that are cut apart", function()
      local pieces = { "data: a\r", "\n", "\r", "\ndata", ": b\n\r", "\ndata: c\r\rda", "ta: d" }
      local at <close> = broken:open("pieces", { args = { pieces = pieces } })
      local list = {}
      for event in client:get(at.url, { stream = true }):events() do
        list[#list + 1] = event.data
      end
      assert.are.same({ "a", "b", "c" }, list)
    end)

    it("gives each as it comes", function()
      local at <close> = broken:open("drip", { args = { unit = "data: x\n\n", head =
        "HTTP/1.1 200 OK\r\n\r\n" } })
      local res <close> = client:get(at.url, { stream = true })
      local n = 0
      for event in res:events() do
        assert.are.equal("x", event.data)
        n = n + 1
        if n == 3 then break end
      end
      assert.are.equal(3, n)
    end)
  end)

  describe("of lines", function()
    it("joins pieces, and ends what has no end", function()
      local at <close> = broken:open("pieces",
        { args = { pieces = { "on", "e\ntw", "o\r", "\n\n", "last" } } })
      local list = {}
      for line in client:get(at.url, { stream = true }):lines() do list[#list + 1] = line end
      assert.are.same({ "one", "two", "", "last" }, list)
      local endless <close> = broken:open "endless"
      local ok, e = pcall(function()
        for _ in client:get(endless.url, { stream = true }):lines() do error "a line" end
      end)
      assert.is_false(ok)
      assert.is_true(errors.is(e, "too_large"), tostring(e))
    end)
  end)

  describe("with trailers", function()
    local body = "Transfer-Encoding: chunked\r\nX-Head: h\r\n\r\n5\r\nhello\r\n0\r\n"
      .. "X-Sum: 1\r\nX-Sum: 2\r\nContent-Length: 3\r\n\r\n"

    it("keeps them apart from the headers", function()
      local res = raw(body)
      assert.are.equal("hello", res.body)
      assert.are.equal(200, res.status)
      assert.are.equal("1, 2", res.trailers["x-sum"])
      assert.are.equal("h", res.headers["x-head"])
      assert.is_nil(res.headers["x-sum"])
      assert.is_nil(res.trailers["x-head"])
      assert.is_nil(res.headers["content-length"])
    end)

    it("gives those of a stream when it is read", function()
      for _, read in ipairs { "read", "lines", "chunks" } do
        local res = raw(body, { stream = true })
        if read == "read" then
          res:read()
        else
          for piece in res[read](res) do assert.are.equal("hello", piece) end
        end
        assert.are.equal("1, 2", res.trailers["x-sum"])
      end
    end)

    it("has none, most often", function()
      assert.is_nil(client:get(url .. "/bytes/1").trailers["x-sum"])
    end)
  end)

  describe("of a connection", function()
    it("tells its address, whether it was used before, and what took how long", function()
      local first = client:get(url .. "/delay/0.1")
      assert.are.equal("127.0.0.1", first.address)
      assert.is_false(first.reused)
      assert.is_true(first.timings.connect > 0)
      local again = client:get(url .. "/delay/0.1")
      assert.is_true(again.reused)
      assert.are.equal(0, again.timings.connect)
      for _, res in ipairs { first, again } do
        local t = res.timings
        assert.are.equal(0, t.tls)
        assert.is_true(t.dns >= 0 and t.dns <= t.total)
        assert.is_true(t.first_byte >= 0.1 and t.first_byte <= t.total, t.first_byte)
        assert.are.equal(res.elapsed, t.total)
      end
    end)

    it("tells how long TLS took", function()
      local res = client:get(server.https_url .. "/bytes/1", { ca = server.ca })
      assert.is_true(res.timings.tls > 0 and res.timings.tls < res.timings.total)
    end)
  end)

  it("travels with all of it", function()
    local workers <close> = pool.new { processes = 1 }
    local page = url .. "/links"
    local fetch = function()
      local own <close> = require("luapool.http").client()
      return own:get(page)
    end
    local function same(r) return r end
    for _, res in ipairs { workers:apply(fetch), workers:apply(same, fetch()) } do
      assert.are.equal("ok", res:text())
      assert.are.equal(page .. "?page=2", res:links().next.url)
      assert.is_true(res.timings.total > 0)
      assert.are.equal("127.0.0.1", res.address)
      assert.is_nil(res.trailers.x)
      assert.are.equal("utf-8", res.charset)
    end
  end)
end)
