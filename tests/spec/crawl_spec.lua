-- What a crawl is made of: URLs in one form, what was seen, queues that go to the disk, hosts and
-- their pace, robots.txt, sitemaps, rules. Crawls as a whole: tests/cli/crawl.sh.

local internal = require "tests.support.internal"
local core = internal "luapool.job.core"
local frontiers = internal "luapool.internal.job.frontier"
local hosts = internal "luapool.internal.job.host"
local robots = internal "luapool.internal.job.robots"
local sitemap = internal "luapool.internal.job.sitemap"
local spec = internal "luapool.internal.job.spec"
local spool = internal "luapool.internal.job.spool"
local url = internal "luapool.internal.url"

describe("fields of a list", function()
  it("stand one behind the other, false where there is none", function()
    local list = { { a = 1, b = "x", c = 3 }, { b = false }, {}, { a = { 7 } } }
    local flat = core.flat(list, { "b", "a" })
    assert.same({ "x", 1, false, false, false, false, false, { 7 } }, flat)
    assert.same({}, core.flat({}, { "a" }))
    assert.is_false(pcall(core.flat, { 1 }, { "a" }))
  end)
end)

describe("the normal form of a URL", function()
  for given, expected in pairs {
    ["http://h"] = "http://h/", ["http://h?"] = "http://h/", ["http://h/?#"] = "http://h/",
    ["HTTP://User@Example.COM:80/P"] = "http://User@example.com/P",
    ["https://h:443/"] = "https://h/", ["http://h:443/"] = "http://h:443/",
    ["https://h:/"] = "https://h/",
    ["http://[2001:DB8::1]:80/"] = "http://[2001:db8::1]/", ["http://h:8080"] = "http://h:8080/",
    ["http://h/a/./b/../c"] = "http://h/a/c", ["http://h/%2e%2E/a/.."] = "http://h/",
    ["http://h/%7euser/%41%2fb%c3%a9"] = "http://h/~user/A%2Fb%C3%A9",
    ["http://h/é b"] = "http://h/%C3%A9%20b", ["http://h/100%"] = "http://h/100%25",
    ["http://h/p?b=2&a=%7e#x"] = "http://h/p?b=2&a=~", [" http://h/a\n b "] = "http://h/a%20b",
    ["http://h//x//y"] = "http://h//x//y",
  } do
    it(("of '%s'"):format(given:gsub("\n", "\\n")), function()
      assert.are.equal(expected, (url.normal(given)))
      assert.are.equal(expected, (url.normal(expected)))
    end)
  end

  it("keeps the fragment when that is wanted, and tells the host", function()
    assert.are.same({ "http://u:p@h.example:81/p#f", "http", "h.example", "h.example:81" },
      { url.normal("http://u:p@H.example:81/p#f", true) })
    assert.are.equal("http://h/p", (url.normal("http://h/p#", true)))
  end)

  it("there is none of what has no host", function()
    for _, text in ipairs { "", "/p", "mailto:a@b", "http:/p", "http:///p", "http://:80/", "x" } do
      assert.is_nil((url.normal(text)), text)
    end
  end)

  it("of a reference in a page is that of what the reference means", function()
    local long = ("/x"):rep(3000)
    local references = { "", "p", "./p/../q#f", "//Other:80/é", "?q=%7e", "HTTPS://X:443/%2e%2e/a",
      "mailto:a@b", " /a\nb ", "http:", "/%41" .. long, "http://h/%2E%2e/.././b", "http://h",
      "http://H/a/.\n./../é/./?x=../y#", "http://", "http:///", "h\nttp://h/a/..", " http://h/.. " }
    for _, reference in ipairs(references) do
      for _, base in ipairs { "http://H/a/b?c#d", "http://u@h:81" .. long, "https://h", "x:y" } do
        local whole = url.resolve(reference, base)
        for _, fragment in ipairs { true, false } do
          local expected = { url.normal(whole, fragment) }
          assert.are.same(expected, { url.normal(reference, fragment, base) }, reference)
          assert.are.same({ expected[4] }, { url.authority(whole) })
        end
      end
    end
  end)

  it("may be long", function()
    local long = ("é"):rep(100000)
    assert.are.equal("http://h/" .. ("%C3%A9"):rep(100000), (url.normal("http://h/" .. long)))
    assert.are.equal("http://h/" .. ("%C3%A9"):rep(100000), url.resolve(long, "http://h/x"))
  end)
end)

describe("what was seen", function()
  it("is told by type, kind, and for URLs by their normal form", function()
    local seen = core.seen(false)
    local function new(...) return (seen:add(...)) end
    assert.is_true(new(1, "http://h/p"))
    for _, same in ipairs { "http://h/p#a", "HTTP://H:80/p", "http://h/x/../p?", "http://h/%70" } do
      assert.is_false(new(1, same), same)
    end
    assert.is_true(new(1, "http://h/p#a", true))
    assert.is_true(new(2, "http://h/p"))
    assert.is_true(new(1, 1))
    assert.is_false(new(1, 1.0))
    assert.is_true(new(1, "1"))
    assert.is_true(new(1, 1.5))
    assert.is_true(new(1, true))
    assert.is_true(new(1, false))
    assert.is_nil(new(1, 0 / 0))
    assert.is_nil(new(1, {}))
    assert.are.equal(8, #seen)
    seen = core.seen(true)
    assert.is_true(new(1, "http://h/p#a"))
    assert.is_true(new(1, "http://h/p#b"))
    assert.is_false(new(1, "HTTP://h/p#b"))
  end)

  it("costs at most 16 bytes a key", function()
    local seen = core.seen(false)
    for i = 1, 300000 do
      assert(seen:add(1, i))
      if i > 20000 and i % 1000 == 0 then assert.is_true(seen:bytes() <= 16 * i) end
    end
    for i = 1, 300000 do assert(not seen:add(1, i)) end
    assert.are.equal(300000, #seen)
  end)
end)

describe("a queue that goes to the disk", function()
  local function entry(i) return { item = "item " .. i, depth = i } end

  local function expect(queue, i) assert.are.same(entry(i), queue:pop()) end

  it("gives back what it got, in order", function()
    for _, lifo in ipairs { false, true } do
      local store = spool.new(200)
      local queue = store:queue(lifo)
      for i = 1, 2000 do queue:push(entry(i)) end
      assert.is_true(store.on_disk > 10)
      for k = 1, 1000 do expect(queue, lifo and 2001 - k or k) end
      queue:back(entry(7))
      expect(queue, 7)
      for i = 2001, 4000 do queue:push(entry(i)) end
      for k = 1, 3000 do
        local down = k <= 2000 and 4001 - k or 3001 - k
        expect(queue, lifo and down or 1000 + k)
      end
      assert.is_nil(queue:pop())
      assert.are.equal(0, store.on_disk)
      store:close()
    end
  end)

  it("keeps what cannot be written, and obeys priorities", function()
    local store = spool.new(100)
    local lane, co = store:lane(false), coroutine.create(print)
    for i = 1, 500 do lane:push { item = co, depth = i, priority = i % 2 == 0 and -1 or nil } end
    assert.are.equal(0, store.on_disk)
    for i = 2, 500, 2 do assert.are.equal(i, lane:pop().depth) end
    lane:back { depth = 0, priority = 1 }
    for i = 1, 500, 2 do
      local first = lane:pop()
      assert.are.equal(i, first.depth)
      assert.are.equal(co, first.item)
    end
    assert.are.equal(0, lane:pop().depth)
    assert.are.equal(0, lane.n)
    store:close()
  end)
end)

describe("the pace of a host", function()
  local function new(limits)
    limits = setmetatable(limits or {}, { __index = { interval = 0, burst = 1 } })
    return hosts.new("h", {}, limits)
  end

  -- How many items begin between two times, when the clock is looked at each `tick` seconds.
  local function begun(host, from, to, tick)
    local n = 0
    for now = from, to, tick do
      while host:when() and host:when() <= now do
        host:began(now, true)
        host:ended()
        n = n + 1
      end
    end
    return n
  end

  it("is its rate, also where the clock is late", function()
    local n = begun(new { interval = 0.01 }, 100, 120, 0.0037)
    assert.is_true(n >= 1995 and n <= 2006, n)
    n = begun(new { interval = 0.5 }, 100, 120, 0.003)
    assert.is_true(n >= 40 and n <= 42, n)
  end)

  it("lets a burst pass after a pause", function()
    local host = new { interval = 1, burst = 3 }
    local function at_once(now)
      local n = 0
      while host:when() <= now do
        host:began(now, false)
        n = n + 1
      end
      return n
    end
    assert.are.equal(3, at_once(100))
    assert.are.equal(1, at_once(101))
    assert.are.equal(3, at_once(110))
  end)

  it("starts again with one item after a refusal, and halves what was under way", function()
    local host = new()
    for _ = 1, 20 do host:began(100, false) end
    assert.is_true(host:refused(2, 100, 20, 20, 50))
    assert.is_false(host:refused(2, 100, 7, 20, 50)) -- it began before
    assert.are.equal(102, host.next_at)
    assert.is_nil(host:when())
    for _ = 1, 2 do host:ended(true) end
    for _ = 1, 18 do host:ended(true) end
    assert.are.equal(102, host:when())
    local most = 0
    for _ = 1, 200 do
      while host:when() do host:began(102, true) end
      most = math.max(most, host.in_flight)
      host:ended()
    end
    assert.is_true(most > 10 and most < 25, most)
    assert.is_true(host:refused(2, 110, 21, 30, 50))
  end)

  it("of autothrottle tends to the latency over the target", function()
    local host = new { target = 4 }
    host:began(100, false)
    assert.is_nil(host:when()) -- one at a time until the first answer
    host:ended()
    host:answered(2, true)
    assert.are.equal(0.5, host.interval)
    for _ = 1, 20 do host:answered(0.4, true) end
    assert.is_true(math.abs(host.interval - 0.1) < 0.001)
    host:answered(0.01, false)
    assert.is_true(host.interval > 0.09) -- an error is no reason to hurry
  end)
end)

describe("the frontier", function()
  local function new(options)
    options.limits = { interval = options.interval or 0, burst = 1 }
    options.watch_all = options.interval and true
    return frontiers.new(options)
  end

  local function item(address, depth) return { item = address, depth = depth or 0, turn = 0 } end

  it("goes on with the next depth when it is told to", function()
    local frontier = new { breadth = true }
    frontier:add(item("a", 1))
    frontier:add(item("b", 0))
    assert.are.equal("b", frontier:take(0).item)
    assert.is_nil(frontier:take(0))
    assert.is_true(frontier:is_empty())
    assert.is_true(frontier:advance())
    assert.are.equal("a", frontier:take(0).item)
    assert.is_false(frontier:advance())
  end)

  it("holds up no host for another one", function()
    local frontier = new { interval = 1 }
    for i = 1, 3000 do frontier:add(item("http://slow/" .. i)) end
    frontier:add(item "http://quick/")
    local got = {}
    for _ = 1, 10 do
      local entry = frontier:take(100)
      if entry then got[#got + 1] = entry.item end
    end
    assert.are.same({ "http://slow/1", "http://quick/" }, got)
    assert.are.equal(101, frontier:next_at(100))
    assert.are.equal("http://slow/2", frontier:take(101).item)
  end)

  it("watches a host from its first refusal on", function()
    local frontier = new {}
    frontier:add(item "http://h/1")
    frontier:add(item "http://h/2")
    frontier:add(item "http://other/1")
    local first = frontier:take(100)
    first.turn = 1
    assert.is_true(frontier:refused(first, "h", 5, 1, 1, 100))
    frontier:give_back(first, 100)
    assert.are.equal("http://other/1", frontier:take(100).item)
    assert.is_nil(frontier:take(104))
    assert.are.equal("http://h/1", frontier:take(105).item)
    assert.is_nil(frontier:take(105)) -- one at a time first
    frontier:ended(first, 105)
    assert.are.equal("http://h/2", frontier:take(105).item)
  end)
end)

describe("robots.txt", function()
  local function allows(text, path, agent)
    return robots.parse(text, agent or "luapool/1.0"):allows("http://h" .. path)
  end

  it("is read as RFC 9309 has it", function()
    local text = "\xEF\xBB\xBFUser-agent: *\nDisallow: /\n\nuser-AGENT : LuaPool # us\n"
      .. "User-agent: other/2.0\r\nDisallow: /private # comment\nAllow: /private/open\n"
      .. "Disallow: *.pdf$\nDisallow: /*/x*y\nDisallow:\nCrawl-delay: 1.5\n"
      .. "Sitemap: http://h/map.xml\n"
    assert.is_false(allows(text, "/anything", "stranger"))
    assert.is_true(allows(text, "/anything"))
    assert.is_true(allows(text, "/anything", "Other/3"))
    assert.is_false(allows(text, "/private"))
    assert.is_false(allows(text, "/private/x"))
    assert.is_true(allows(text, "/private/open?x"))
    assert.is_false(allows(text, "/a/b.pdf"))
    assert.is_true(allows(text, "/a/b.pdf?x"))
    assert.is_false(allows(text, "/a/x-and-y"))
    assert.is_true(allows(text, "/x-and-y"))
    assert.is_true(allows(text, "/robots.txt", "stranger"))
    local rules = robots.parse(text, "luapool")
    assert.are.equal(1.5, rules.delay)
    assert.are.same({ "http://h/map.xml" }, rules.sitemaps)
  end)

  it("takes the longest pattern, and of two equal ones the one that allows", function()
    assert.is_true(allows("User-agent: *\nDisallow: /page\nAllow: /page", "/page"))
    assert.is_false(allows("User-agent: *\nAllow: /p\nDisallow: /page", "/page"))
    assert.is_true(allows("User-agent: *\nDisallow: /\nAllow: /$", "/"))
    assert.is_false(allows("User-agent: *\nDisallow: /\nAllow: /$", "/x"))
  end)

  it("compares escapes in their normal form", function()
    assert.is_false(allows("User-agent: *\nDisallow: /%7Ejoe/ü", "/~joe/%c3%bc"))
    assert.is_false(allows("User-agent: *\nDisallow: /a%3cd", "/a%3Cd"))
    assert.is_true(allows("User-agent: *\nDisallow: /a%2Fb", "/a/b"))
  end)

  it("joins the groups of an agent, and takes rubbish", function()
    local text = "User-agent: luapool\nDisallow: /a\n\nUser-agent: luapool\nDisallow: /b\n"
    assert.is_false(allows(text, "/a"))
    assert.is_false(allows(text, "/b"))
    assert.is_true(allows("<html>404</html>\n\0\nDisallow: /x\n", "/x"))
    assert.is_true(allows("", "/"))
    local many = "User-agent: *\n" .. ("Disallow: /" .. ("*a"):rep(2000) .. "*b$\n"):rep(20)
    assert.is_true(allows(many, "/" .. ("a"):rep(4000)))
  end)
end)

describe("a sitemap", function()
  it("lists pages or other sitemaps", function()
    local list, is_index = sitemap.parse [==[<?xml version="1.0"?>
      <!-- <url><loc>http://h/comment</loc></url> -->
      <urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="http://i">
        <url><loc> http://h/?a=1&amp;b=&#50;&#x33; </loc><lastmod>2024-05-01</lastmod>
          <image:image><image:loc>http://h/i.png</image:loc></image:image></url>
        <url><loc><![CDATA[http://h/c?x&y]]></loc></url><url></url>
      </urlset>]==]
    assert.is_false(is_index)
    assert.are.same({ { url = "http://h/?a=1&b=23", lastmod = "2024-05-01" },
      { url = "http://h/c?x&y" } }, list)
    list, is_index = sitemap.parse("<s:sitemapindex xmlns:s='x'><s:sitemap><s:loc>http://h/1.xml"
      .. "</s:loc></s:sitemap></s:sitemapindex>")
    assert.is_true(is_index)
    assert.are.same({ { url = "http://h/1.xml" } }, list)
  end)

  it("may be plain text", function()
    assert.are.same({ { url = "http://h/1" }, { url = "https://h/2" } },
      (sitemap.parse "\xEF\xBB\xBFhttp://h/1\r\nnonsense\r\n https://h/2\n"))
  end)

  it("may be a gzip file", function()
    local file <close> = io.popen("printf '%s' 'http://h/packed' | gzip -c | od -An -tx1", "r")
    local bytes = file:read("a"):gsub("%s+", ""):gsub("..", function(digits)
      return string.char(tonumber(digits, 16))
    end)
    local gunzip = internal("luapool.gzip.core").gunzip
    assert.are.equal("http://h/packed", gunzip(bytes, 100))
    assert.are.equal("too_large", select(2, pcall(gunzip, bytes, 10)).kind)
    assert.are.equal("corrupt", select(2, pcall(gunzip, bytes:sub(1, -5), 100)).kind)
    assert.are.equal("corrupt", select(2, pcall(gunzip, bytes:sub(1, 12) .. "xx", 100)).kind)
  end)
end)

describe("the rules of a crawl", function()
  local function problem(crawl)
    local checked, text = spec.check { items = {}, process = print, crawl = crawl }
    assert.is_nil(checked)
    return text
  end

  it("are checked", function()
    assert.are.equal("field 'crawl': unknown field 'max_dept' (did you mean 'max_depth'?)",
      problem { max_dept = 1 })
    assert.matches("^field 'crawl': field 'include', item 1: no Lua pattern: ",
      problem { include = "%" })
    assert.are.equal("field 'crawl': field 'domains', item 1: strings expected",
      problem { domains = { 5 } })
    assert.are.equal("field 'crawl': field 'rate': 'per_host' expected", problem { rate = {} })
    assert.matches("^field 'crawl': field 'rate': field 'burst' must be ",
      problem { rate = { per_host = 1, burst = 0 } })
    assert.are.equal("field 'crawl': field 'domains' stands in place of 'same_host': only one of "
      .. "them expected", problem { same_host = true, domains = { "h" } })
    assert.matches("^field 'crawl': field 'order' must be \"breadth\" or \"depth\", got ",
      problem { order = "random" })
  end)

  it("say breadth first where there is a depth", function()
    local function order(crawl)
      return assert(spec.check { items = {}, process = print, crawl = crawl }).rules.order
    end
    assert.are.equal("breadth", order { max_depth = 3 })
    assert.are.equal("depth", order { max_depth = 3, order = "depth" })
    assert.is_nil(order(true))
  end)
end)
