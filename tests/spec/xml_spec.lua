-- luapool.xml: feeds and sitemaps, namespaces, what is wrong with documents and what they may
-- not do.

local internal = require "tests.support.internal"
local errors = require "luapool.error"
local html = require "luapool.html"
local xml = require "luapool.xml"

local function texts(list)
  local found = {}
  for i, node in ipairs(list) do found[i] = type(node) == "string" and node or node:text() end
  return table.concat(found, "|")
end

local RSS = [=[
<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/" xmlns:dc="http://purl.org/dc/1.1/">
<channel><title>News &amp; more</title><link>http://h/</link>
<item><title><![CDATA[One <b>& two</b>]]></title><link>http://h/1?a=1&amp;b=2</link>
<pubDate>Mon</pubDate><media:content url="http://h/1.jpg"/><dc:creator>A</dc:creator></item>
<item><title>Two</title><link>/2</link></item></channel></rss>]=]

local ATOM = [[
<feed xmlns="http://www.w3.org/2005/Atom"><entry><title>a</title><link href="/1"/>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>b</p></div></content></entry>
</feed>]]

describe("xml.parse", function()
  it("reads feeds: links have text, names keep their case, CDATA is text", function()
    local feed, problem = xml.parse(RSS, { base_url = "http://h/feed" })
    assert.is_nil(problem)
    assert.are.equal("http://h/|http://h/1?a=1&b=2|/2", texts(feed:css "link"))
    assert.are.equal("One <b>& two</b>|Two", texts(feed:css "item > title"))
    assert.are.equal("Mon", feed:first("pubDate"):text())
    assert.is_nil(feed:first "pubdate")
    assert.are.equal("News & more", feed:first("//channel/title"):text())
    assert.are.equal("http://h/2", feed:resolve "/2")
    assert.are.equal("#document", feed:name())
    assert.are.equal("link", feed:first("link"):name())
    assert.are.equal(feed, feed:first("link"):document())
  end)

  it("finds elements by the names that the document writes", function()
    local feed = xml.parse(RSS)
    assert.are.same({ "http://h/1.jpg" }, feed:xpath "//media:content/@url")
    assert.are.equal("A", feed:first("dc|creator"):text())
    local atom = xml.parse(ATOM)
    assert.are.equal("a", atom:xpath "string(/feed/entry/title)")
    assert.are.equal("b", atom:first("//div/p"):text())
    assert.are.equal("b", atom:first("div > p"):text())
    assert.are.equal("/1", atom:first("link"):attr "href")
  end)

  it("takes names as XPath says with namespaces", function()
    local spaces = { a = "http://www.w3.org/2005/Atom", x = "http://www.w3.org/1999/xhtml" }
    local atom = xml.parse(ATOM, { namespaces = spaces })
    assert.are.equal("a", atom:first("//a:title"):text())
    assert.are.equal("b", atom:first("x|p"):text())
    assert.are.equal("b", atom:first("a|content x|div > x|p"):text())
    assert.are.same({}, atom:xpath "//title")
    assert.are.same({}, atom:css "a|p")
    local feed = xml.parse(RSS, { namespaces = { m = "http://search.yahoo.com/mrss/" } })
    assert.are.equal(1, #feed:xpath "//m:content")
    assert.are.equal(1, #feed:xpath "//dc:creator")
    assert.are.equal(1, #feed:css "m|content")
    assert.are.equal(2, #feed:xpath "//item")
    -- The same prefix means something else in the document: the caller's counts.
    local other = xml.parse("<p:a xmlns:p='1'><p:b xmlns:p='2'/></p:a>",
      { namespaces = { p = "2" } })
    assert.are.equal("b", other:first("//p:*"):name())
  end)

  it("writes a document as it was", function()
    local text = "<a xmlns=\"u\" xmlns:p=\"v\" p:b=\"c\"><p:d/>e &lt; f</a>"
    assert.are.equal(text, xml.parse(text):first("a"):html())
    assert.are.equal(text, xml.parse(text, { namespaces = { q = "v" } }):first("a"):html())
    assert.are.equal("<br/>", xml.parse("<p><br></br></p>"):first("br"):html())
  end)

  it("finds the charset", function()
    assert.are.equal("При", xml.parse(
      "<?xml version='1.0' encoding='windows-1251'?><a>\xCF\xF0\xE8</a>"):text())
    assert.are.equal("При", xml.parse("<?xml version='1.0' encoding='utf-8'?><a>\xCF\xF0\xE8</a>",
      { charset = "windows-1251" }):text())
    assert.are.equal("é", xml.parse("\xFF\xFE<\0a\0>\0\xE9\0<\0/\0a\0>\0"):text())
    assert.are.equal("é", xml.parse(
      "\u{FEFF}<?xml version='1.0' encoding='utf-16'?><a>é</a>"):text())
  end)

  it("decompresses gzip, up to a limit", function()
    local deflater = internal "luapool.gzip.core"
    local small = deflater.deflater():write("<a>b</a>", "finish")
    assert.are.equal("b", xml.parse(small):text())
    local bomb = deflater.deflater():write("<a>" .. (" "):rep(65 * 1024 * 1024), "finish")
    local ok, e = pcall(xml.parse, bomb)
    assert.is_false(ok)
    assert.is_true(errors.is(e, "too_large"), tostring(e))
    ok, e = pcall(xml.parse, "\x1F\x8B damaged")
    assert.is_false(ok)
    assert.is_true(errors.is(e, "corrupt"), tostring(e))
  end)
end)

describe("a document with faults", function()
  for text, expected in pairs {
    ["<a>b & c &nbsp;&eacute;&bogus; &amp; &#65;</a>"] = "b & c \u{A0}é&bogus; & A",
    ["<a t='x & y &hellip;'>b</a>"] = "b", ["<a>b</a>trailing"] = "b",
    ["\n <?xml version='1.0'?><a>b</a>"] = "b",
    ["<a><b>c</a>"] = "c", ["<a>b"] = "b", ["<a><!-- b -- c ---->d</a>"] = "d",
    ["<a>b\1c</a>"] = "bc", ["<a>b\0c</a>"] = "b\u{FFFD}c", ["<a>b &#1; c</a>"] = "b \u{FFFD} c",
    ["<a>b<c>&lt;</d>&gt; &amp; e</c></a>"] = "b<> & e",
  } do
    it(("is read as far as it goes: %q"):format(text), function()
      assert.matches(expected, xml.parse(text):text(), 1, true)
    end)
  end

  it("keeps references in attributes, too", function()
    local doc, problem = xml.parse "<a t='x & y &hellip;&lt;&quot;&bogus;&#39;' u=\"&amp;amp;\"/>"
    assert.is_nil(problem)
    assert.are.equal("x & y …<\"&bogus;'", doc:first("a"):attr "t")
    assert.are.equal("&amp;", doc:first("a"):attr "u")
  end)

  it("comes with the first of them", function()
    local doc, problem = xml.parse "<a>\n<b>\n</c>\n<d>x</d></b></a>"
    assert.are.equal("x", doc:first("d"):text())
    assert.matches("^line 3: Opening and ending tag mismatch: b line 2 and c", problem)
    assert.is_nil(select(2, xml.parse "<a>\n<!-- & --></a>"))
    problem = select(2, xml.parse "<!DOCTYPE a [\n<!ENTITY b 'c'>\n]>\n<a><b></a>")
    assert.matches("^line 4: ", problem)
  end)

  it("is refused with strict, and always when it has no element", function()
    for _, text in ipairs { "<a><b></a>", "<a>&nbsp;</a>", "<a> & </a>", "<a b=c/>", "<a/><b/>",
      "<a><!-- -- --></a>",
      "<p:a/>", "<a>\0</a>", " <?xml version='1.0'?><a/>" } do
      local ok, e = pcall(xml.parse, text, { strict = true })
      assert.is_false(ok, text)
      assert.is_true(errors.is(e, "xml"), tostring(e))
      assert.are.equal(1, e.line)
      assert.are.equal("string", type(e.problem))
    end
    assert.are.equal("b", xml.parse("<!DOCTYPE a><a>b</a>", { strict = true }):text())
    for _, text in ipairs { "", " ", "text", "{}", "\0", "<", "<!-- a -->", "<?xml version='1.0'?>",
      "<!DOCTYPE a [", "<!DOCTYPE a>" } do
      local ok, e = pcall(xml.parse, text)
      assert.is_false(ok, text)
      assert.is_true(errors.is(e, "xml"), tostring(e))
    end
  end)

  it("and options that are wrong are told apart", function()
    local ok, e = pcall(xml.parse, "")
    assert.is_false(ok)
    assert.matches("^xml.parse: line 1: ", tostring(e))
    ok, e = pcall(xml.parse, "<a/>", { namespaces = { a = 1 } })
    assert.is_false(ok)
    assert.matches("'namespaces' must map prefixes to namespaces, got \"a\" = 1", tostring(e),
      1, true)
    ok, e = pcall(xml.parse, "<a/>", { namespace = {} })
    assert.is_false(ok)
    assert.matches("did you mean 'namespaces'?", tostring(e), 1, true)
  end)
end)

describe("a hostile document", function()
  it("defines no entities and no attributes, and reads no files", function()
    local laughs = "<!DOCTYPE a [<!ENTITY a 'ha'>"
    for i = 1, 30 do
      local name, before = "a" .. i, i == 1 and "a" or "a" .. (i - 1)
      laughs = laughs .. ("<!ENTITY %s '&%s;&%s;&%s;'>"):format(name, before, before, before)
    end
    local before = os.clock()
    assert.are.equal("&a30;", xml.parse(laughs .. "]><a>&a30;</a>"):text())
    for _, declared in ipairs { "<!ENTITY b SYSTEM 'file:///etc/passwd'>",
      "<!ENTITY % p SYSTEM 'file:///etc/passwd'> %p;", "<!ENTITY b 'c'>", "<!-- ]> ' -->",
      "<?p ]> ' ?>", "<!ENTITY b ']>'>" } do
      local doc = xml.parse("<!DOCTYPE a [" .. declared .. "]><a>&b;x</a>")
      assert.are.equal("&b;x", doc:text(), declared)
    end
    for _, text in ipairs { "<!DOCTYPE a [<!ENTITY b 'c'><!ATTLIST a d CDATA 'e'>] '><a>&b;</a>",
      "<?xml version='1.0' x><!DOCTYPE a [<!ENTITY b 'c'><!ATTLIST a d CDATA 'e'>]>"
        .. "<a>&b;</a><?x ?>" } do
      local ok, doc = pcall(xml.parse, text)
      if ok then assert.is_nil(doc:text():find("c", 1, true), text) end
      if ok then assert.are.same({}, doc:xpath "//a/@*", text) end
    end
    local doc = xml.parse "<!DOCTYPE a [<!ATTLIST a b CDATA 'c'>]><a d='e'/>"
    assert.are.same({ "e" }, doc:xpath "//a/@*")
    doc = xml.parse "<!DOCTYPE a SYSTEM 'http://127.0.0.1:1/x.dtd'><a>b</a>"
    assert.are.equal("b", doc:text())
    assert.is_true(os.clock() - before < 2)
  end)

  it("costs no more than its length", function()
    local attributes = {}
    for i = 1, 50000 do attributes[i] = ("a%d='%d'"):format(i, i) end
    attributes = table.concat(attributes, " ")
    for _, text in ipairs { ("<a>"):rep(100000), ("<a>x</b>"):rep(50000), ("<!-- "):rep(100000),
      ("<![CDATA["):rep(100000), ("<a b='"):rep(100000), ("<!DOCTYPE "):rep(50000),
      ("&a"):rep(300000),
      "<a>" .. ("<b/>"):rep(200000), ("<?x "):rep(100000), "<!DOCTYPE a [" .. ("<!-- "):rep(100000),
      "<a " .. attributes .. "/>", "<?x > <!-- ?><a " .. attributes .. "/>",
      "<a b=\"<c " .. attributes .. "/>", "<é " .. attributes .. "/>",
      "<a " .. attributes:gsub("a(%d+)", "xmlns:p%1") .. "/>" } do
      local before = os.clock()
      pcall(function() return xml.parse(text):text() end)
      assert.is_true(os.clock() - before < 5, text:sub(1, 40))
    end
    assert.are.equal(256, xml.parse("<a " .. attributes .. "/>"):xpath "count(//a/@*)")
  end)

  it("nests 512 deep", function()
    local doc, problem = xml.parse(("<a>"):rep(600) .. "x" .. ("</a>"):rep(600))
    assert.are.equal(512, doc:xpath "count(//a)")
    assert.are.equal("line 1: nested deeper than 512 elements", problem)
    assert.is_nil(select(2, xml.parse(("<a>"):rep(512) .. "x" .. ("</a>"):rep(512))))
    assert.is_false((pcall(xml.parse, ("<a>"):rep(600) .. ("</a>"):rep(600), { strict = true })))
  end)

  it("holds texts of any length", function()
    assert.are.equal(12000000, #xml.parse("<a>" .. ("x"):rep(12000000) .. "</a>"):text())
  end)
end)

it("html.parse knows none of that", function()
  assert.are.equal("", html.parse(RSS):first("item > link"):text())
end)
