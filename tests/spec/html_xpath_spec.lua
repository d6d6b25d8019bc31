-- XPath on the nodes of luapool.html: what queries give, regular expressions, and limits.

local html = require "luapool.html"
local errors = require "luapool.error"

local PAGE = [[
<!doctype html><html><head><base href="/sub/"><title>The é title</title></head>
<body class="a b"><ul id=l><li class=x>1<li>2<li class="y x" data-k="v'w&quot;" id="last">3</ul>
<p>para <img src=a.png><img SRC="/b.png" alt><a href=" c d?x=é#f ">link</a>
<map><area href=../q></map>
<a href=javascript:void(0)>j</a><a name=anchor>n</a>
<div><p lang=en-US>inner <b>bold</b> text<!-- note --></div></body></html>]]

local page = html.parse(PAGE, { base_url = "http://example.org/p/q.html" })

local function texts(list)
  local found = {}
  for i, node in ipairs(list) do found[i] = type(node) == "string" and node or node:text() end
  return table.concat(found, "|")
end

local function names(list)
  local found = {}
  for i, node in ipairs(list) do found[i] = node:name() end
  return table.concat(found, " ")
end

local function refused(query, what)
  local ok, e = pcall(page.xpath, page, query)
  assert.is_false(ok)
  assert.is_true(errors.is(e, "query"), tostring(e))
  assert.matches(what, tostring(e), 1, true)
end

describe("xpath", function()
  it("gives nodes for elements and strings for attributes, text and comments", function()
    assert.are.equal("a.png|/b.png", texts(page:xpath "//img/@src"))
    assert.are.equal("img img", names(page:xpath "//img"))
    assert.are.same({ "inner ", " text" }, page:xpath "//div/p/text()")
    assert.are.same({ " note " }, page:xpath "//comment()")
    assert.are.same({}, page:xpath "//video")
    assert.are.same({ "" }, page:xpath "//img/@alt")
  end)

  it("gives numbers, booleans and strings for such", function()
    assert.are.equal(3, page:xpath "count(//li)")
    assert.are.equal("integer", math.type(page:xpath "count(//li)"))
    assert.are.equal(1.5, page:xpath "count(//li) div 2")
    assert.is_true(page:xpath "//li = '2'")
    assert.are.equal("The é title", page:xpath "string(//title)")
  end)

  it("starts from the node it is asked of", function()
    local div = page:first "div"
    assert.are.equal("p", names(div:xpath ".//p"))
    assert.are.equal("p p", names(div:xpath "//p"))
    assert.are.equal("body", names(div:xpath ".."))
    assert.are.equal("#document", div:document():name())
    assert.are.equal(page, div:document())
  end)

  it("keeps the order of the document", function()
    assert.are.equal("img img a a a", names(page:xpath "//a | //img"))
  end)

  it("says what is wrong with a query, and prints nothing", function()
    refused("//a[", "XPath '//a[': invalid expression at column 5")
    refused("", "invalid expression")
    refused("$v", "undefined variable")
    refused("//x:y", "undefined namespace prefix")
    refused("f()", "function f not found")
    refused("x:f()", "undefined prefix x")
    refused("//p | 3", "invalid type")
    refused("//p\0", "contains a NUL")
    refused(("("):rep(100000), "at column")
    refused("//\xFF", "")
  end)
end)

describe("regular expressions", function()
  local shop = html.parse "<p>Price: 12.50 EUR</p><p>price: 7 eur, was 9 eur</p><p>nothing é</p>"

  it("are tested by re:test", function()
    assert.are.equal(1, #shop:xpath "//p[re:test(., '^Price')]")
    assert.are.equal(2, #shop:xpath "//p[re:test(., '^PRICE', 'i')]")
    assert.is_true(shop:xpath "re:test('a\nb', '^b$', 'm')")
    assert.is_false(shop:xpath "re:test('ab', 'a b')")
    assert.is_true(shop:xpath "re:test('ab', 'a b', 'x')")
    assert.is_true(shop:xpath [=[re:test("é", "^\w$")]=])
    assert.is_true(shop:xpath "re:test('a', '')")
  end)

  it("are matched by re:match", function()
    assert.are.same({ "12.50 EUR", "12", "50" },
      shop:xpath [=[re:match(//p, '(\d+)\.(\d+) EUR')]=])
    assert.are.same({ "7 eur", "9 eur" }, shop:xpath [=[re:match(//p[2], '\d+ eur', 'g')]=])
    assert.are.same({ "b", "", "b" }, shop:xpath "re:match('b', '(a)?(b)')")
    assert.are.same({ "", "", "" }, shop:xpath "re:match('é!', 'x*', 'g')")
    assert.are.same({}, shop:xpath "re:match('abc', 'x')")
    assert.are.equal("12", shop:xpath [=[string(re:match(//p, '(\d+)')[2])]=])
    assert.are.equal(2, shop:xpath [=[count(re:match(//p[2], '\d', 'g'))]=])
    assert.are.equal("7", shop:first [=[(re:match(//p[2], '\d'))[1]]=])
  end)

  it("say what is wrong with a pattern", function()
    local function wrong(query, what)
      local ok, e = pcall(shop.xpath, shop, query)
      assert.is_false(ok)
      assert.is_true(errors.is(e, "query"), tostring(e))
      assert.matches(what, tostring(e), 1, true)
    end
    wrong("//p[re:test(., '(')]", "the pattern: missing closing parenthesis at column 2 of it")
    wrong("re:match('a', '[z-a]')", "the pattern: range out of order")
    wrong("re:test('a')", "wrong number of arguments")
    wrong("re:test('a', 'b', 'c', 'd')", "wrong number of arguments")
    wrong("re:replace('a', 'b', 'c')", "not found")
  end)

  it("give up where they would try without end", function()
    local text = html.parse("<p>" .. ("a"):rep(5000) .. "</p>")
    local ok, e = pcall(text.xpath, text, "//p[re:test(., '^(a|aa)+$(?<!a)')]")
    assert.is_false(ok)
    assert.is_true(errors.is(e, "timeout"), tostring(e))
    assert.matches("tries too many ways", tostring(e), 1, true)
    assert.are.equal(1, #text:xpath "//p[re:test(., 'a{5000}')]")
  end)
end)

describe("a query that lasts too long", function()
  local big = html.parse("<div>" .. ("<p>a<a href=x>b</a>"):rep(3000) .. "</div>")

  it("is stopped", function()
    for _, query in ipairs { "//p[//a[. = //p]]", "//a/preceding::p", "//p[contains(//div, 'zz')]",
      "count(//p[count(preceding-sibling::p[contains(., 'x')]) = 5])" } do
      local before = os.clock()
      local ok, e = pcall(big.xpath, big, query, { timeout = 0.02 })
      assert.is_false(ok, query)
      assert.is_true(errors.is(e, "timeout"), tostring(e))
      assert.matches("stopped after 0.02 s", tostring(e), 1, true)
      assert.is_true(os.clock() - before < 8)
      assert.are.equal(3000, big:xpath "count(//p)")
    end
  end)

  it("has the time that it is given", function()
    assert.are.equal(3000, #big:xpath("//p", { timeout = math.huge }))
    assert.are.equal(3000, #big:xpath("//p", { timeout = 100 }))
    assert.are.equal("a", big:first("//p", { timeout = 100 }):text():sub(1, 1))
    local ok, e = pcall(big.first, big, "//p[//a[. = //p]]", { timeout = 0.02 })
    assert.is_false(ok)
    assert.are.equal("timeout", e.kind)
    ok, e = pcall(big.xpath, big, "//p", { timeout = "1" })
    assert.is_false(ok)
    assert.matches("option 'timeout' must be a number of seconds", tostring(e), 1, true)
  end)

  it("is stopped in a worker, too", function()
    local pool = require "luapool.pool"
    local p <close> = pool.new { processes = 1 }
    local kind = p:apply(function(text)
      local parse = require("luapool.html").parse
      local doc = parse(text)
      return select(2, pcall(doc.xpath, doc, "//p[//a[. = //p]]", { timeout = 0.02 })).kind
    end, ("<p>a<a href=x>b</a>"):rep(2000))
    assert.are.equal("timeout", kind)
  end)
end)

it("a query is kept, and used on any document", function()
  for i = 1, 1000 do html.parse("<p>" .. i):xpath("//p[. = " .. i % 300 .. "]") end
  local one, two = html.parse "<p id=1>x", html.parse "<b/><p id=2>x"
  for _ = 1, 3 do
    assert.are.equal("1", one:first("//p[. = 'x']"):attr "id")
    assert.are.equal("2", two:first("//p[. = 'x']"):attr "id")
  end
end)
