-- html.parse, the fast parser: what it reads as HTML5 does where libxml2 alone would not, and what
-- hostile markup costs.

local html = require "luapool.html"

local function text(markup) return html.parse(markup):text() end

-- The names of the elements in body, each with its children in parentheses.
local function shape(markup)
  local function of(node)
    local parts = {}
    for i, child in ipairs(node:xpath "*") do parts[i] = of(child) end
    return node:name() .. (parts[1] and "(" .. table.concat(parts, " ") .. ")" or "")
  end
  local parts = {}
  for i, child in ipairs(html.parse(markup):xpath "/html/body/*") do parts[i] = of(child) end
  return table.concat(parts, " ")
end

describe("elements that are always empty", function()
  for markup, expected in pairs {
    ["<p>a<wbr>b<b>c</b><p>d"] = "p(wbr b) p", ["<p>a<WBR>b<b>c</b>"] = "p(wbr b)",
    ["<video><source src=a><source src='b'><track src=c></video><p>x"] =
      "video(source source track) p",
    ["<audio><source src=a/><b>x</b></audio>"] = "audio(source b)",
    ["<embed src=a><p>b"] = "embed p", ["<picture><source><img></picture><i>"] =
      "picture(source img) i",
    ["<p>a<wbr/>b<i>"] = "p(wbr i)", ["<p>a<wbr>b</wbr>c<i>"] = "p(wbr i)",
    ["<p><keygen name=a><bgsound src=b><i>"] = "p(keygen bgsound i)",
  } do
    it("do not swallow what follows: " .. markup, function()
      assert.are.equal(expected, shape(markup))
    end)
  end

  it("keep their attributes", function()
    assert.are.equal("a/", html.parse("<source src=a/>"):first("source"):attr "src")
    assert.are.equal("a b", html.parse("<source src='a b'>"):first("source"):attr "src")
  end)
end)

describe("references", function()
  for markup, expected in pairs {
    ["&#150;&#x93;&#128;"] = "–“€", ["&amp x"] = "& x", ["&amp"] = "&", ["&lt;b&gt;"] = "<b>",
    ["&copy2 &reg"] = "©2 ®", ["&notin; &notit; &not"] = "∉ ¬it; ¬", ["&ampamp;"] = "&amp;",
    ["&NotEqualTilde;|&bne;|&fjlig;"] = "≂̸|=⃥|fj", ["&hellip;&mdash;&rarr;"] = "…—→",
    ["&CounterClockwiseContourIntegral;"] = "∳",
    ["&bogus; &bogus &; & &"] = "&bogus; &bogus &; & &",
    ["&#65 &#x41g &#x1F600;"] = "A Ag 😀", ["&#0;&#xD800;&#x110000;&#99999999999;"] =
      ("\u{FFFD}"):rep(4),
    ["&#;&#x;&#xg;&#"] = "&#;&#x;&#xg;&#", ["&Eacute;&eacute;&EACUTE;"] = "Éé&EACUTE;",
    ["&nbsp;|&#160;|&nbsp"] = "\u{A0}|\u{A0}|\u{A0}", ["a&lt b &lt;script&gt; c"] =
      "a< b <script> c",
    ["&hearts &hearts;"] = "&hearts ♥", ["&amp;lt;"] = "&lt;", ["&#38;lt;"] = "&lt;",
    ["&a&b&amp&lt"] = "&a&b&<",
  } do
    it("in text: " .. markup, function() assert.are.equal(expected, text("<p>" .. markup)) end)
  end

  for markup, expected in pairs {
    ["'?a=1&copy=2&lang=en&amp;b&ampx'"] = "?a=1&copy=2&lang=en&b&ampx", ["'&copy;&copy'"] = "©©",
    ["\"&quot;&apos;&lt;&#62;\""] = "\"'<>", ["&#32;a&#61;&quot;&gt;b"] = " a=\">b",
    ["'&eacute &not-in &notin;'"] = "é ¬-in ∉", ["'a&#150;b &#0;'"] = "a–b \u{FFFD}",
    ["'&Tab;&NewLine;'"] = "\t\n",
  } do
    it("in an attribute: " .. markup, function()
      local page = html.parse("<p><a title=" .. markup .. ">x</a>y")
      assert.are.equal(expected, page:first("a"):attr "title")
      assert.are.equal("xy", page:text())
    end)
  end

  it("stay as they are in scripts, styles and comments", function()
    local page = html.parse "<script>a &amp; b &copy</script><style>&lt;</style><!--&amp;-->"
    assert.are.equal("a &amp; b &copy", page:first("script"):text())
    assert.are.equal("&lt;", page:first("style"):text())
    assert.are.same({ "&amp;" }, page:xpath "//comment()")
  end)

  it("are all 2,231 of HTML5", function()
    local pipe <close> = assert(io.popen [[/usr/bin/python3 -c '
from html.entities import html5
for name, text in html5.items(): print(name, text.encode().hex())']])
    local count, names, expected = 0, {}, {}
    for name, hex in pipe:read("a"):gmatch "(%S+) (%S+)" do
      count = count + 1
      names[count] = "<b>&" .. name .. "</b>"
      expected[count] = hex:gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end)
    end
    assert.are.equal(2231, count)
    for i, node in ipairs(html.parse(table.concat(names)):css "b") do
      assert.are.equal(expected[i], node:text(), names[i])
    end
  end)
end)

describe("tags", function()
  it("with names that libxml2 cannot read lose those attributes and nothing else", function()
    local page = html.parse "<a @click=\"x > y\" [b]=1 id=i (c)='d>' \"e href=f>g</a><p>h"
    assert.are.equal("i f", page:first("a"):attr "id" .. " " .. page:first("a"):attr "href")
    assert.are.equal("gh", page:text())
    assert.are.equal("b", html.parse("<p@x='1'class=b>"):first("p"):attr "class")
  end)

  it("that are odd end where they do for browsers", function()
    assert.are.equal("b", text "<!DOCTYPE html PUBLIC \"a><p>b")
    assert.are.equal("x", text "<p/a/b/>x")
    assert.are.equal("d", html.parse("<p/a='b>c'/d>d"):first("p"):text())
    assert.are.equal("x", text "<p\fa=1\f>x")
  end)

  it("keep 256 attributes", function()
    local attributes = {}
    for i = 1, 50000 do attributes[i] = ("a%d=%d"):format(i, i) end
    local before = os.clock()
    local page = html.parse("<p " .. table.concat(attributes, " ") .. ">x<b>y")
    assert.are.equal(256, page:xpath "count(//p/@*)")
    assert.are.equal("256", page:first("p"):attr "a256")
    local long = table.concat(attributes, "x"):gsub("=", "x") -- libxml2 would cut it into many
    assert.are.equal(0, html.parse("<p " .. long .. "=1>"):xpath "count(//p/@*)")
    assert.are.equal(0, html.parse("<p" .. long .. ">"):xpath "count(//@*)")
    assert.are.equal("xy", page:text())
    assert.is_true(os.clock() - before < 5)
  end)

  it("nest 512 deep; what would stand deeper stands beside", function()
    local page = html.parse(("<div>"):rep(50000) .. "<p>x</p>")
    assert.are.equal(50000, page:xpath "count(//div)")
    assert.are.equal(512, page:xpath "count(//p/ancestor-or-self::*)")
    assert.are.equal("x", page:text())
    assert.are.equal("xy", text(("<b>"):rep(2000) .. "x" .. ("</b>"):rep(2000) .. "y"))
    assert.is_true(#page:html() > 50000 * 11)
  end)
end)

describe("hostile markup", function()
  -- Each of these took a time that grew with the square of its length, or could have.
  for name, piece in pairs {
    ["elements that nothing closes, and ends of others"] = { ("<b>"):rep(50000),
      ("</i>"):rep(50000) },
    ["items that are closed without an end"] = { ("<b>"):rep(30000), ("<li>"):rep(30000),
      ("</li>"):rep(30000) },
    ["tables in tables"] = { ("<table><tr><td>"):rep(30000) },
    ["bodies"] = { ("<body>x"):rep(50000) },
    ["ampersands"] = { ("&"):rep(300000), ("&am"):rep(100000) },
    ["what never ends"] = { ("<a b='"):rep(100000), ("<!--"):rep(100000),
      ("<script>"):rep(100000) },
    ["false ends"] = { "<script>", ("</scriptx "):rep(100000) },
    ["doctypes"] = { ("<!doctype '\""):rep(100000) }, ["less-than signs"] = { ("<"):rep(500000) },
    ["fonts"] = { ("<font size=1>a"):rep(50000) },
  } do
    it("costs no more than its length: " .. name, function()
      local before = os.clock()
      html.parse(table.concat(piece)):text()
      assert.is_true(os.clock() - before < 10)
    end)
  end

  it("hides no tag with many attributes from the limit", function()
    local attributes = {}
    for i = 1, 20000 do attributes[i] = "a" .. i end
    local tag = "<p " .. table.concat(attributes, " ") .. ">"
    for _, before in ipairs {
      "<!DOCTYPE html PUBLIC \"> <!-- \">", "<!DOCTYPE html PUBLIC \"'\" '> <!-- '>", "<? <!-- >",
      "<script></scriptx </script><!-- </script>", "<script/><!-->", "</ <!-->", "<p a@b='><!-- '>",
      "<p a/b='> <!-- '>", "<p a\f='x'\f='> <!-- '>", "<!--->", "<!-- --!>", "<!><!-->",
      "<?x><!-->",
      "<style></style><!-->", "<title><!--></title>", "<p \"<!-->",
      "<script\f><!--</script>", "<script@><!--</script>",
      "<p@a='> <!-- '>", "<p\"a='><!--", "<svg><style><!--></style>",
    } do
      local start = os.clock()
      assert.is_true(html.parse(before .. tag):xpath "count(//p[last()]/@*)" <= 256, before)
      assert.is_true(os.clock() - start < 1, before)
    end
  end)
end)

describe("<base href>", function()
  it("counts wherever it stands, and the first one does", function()
    for _, before in ipairs { "Warning: x<br>\n<!DOCTYPE html><html><head>", "<html><head>&nbsp;",
      "<html><head>", "<base target=x>", "<p>" } do
      local page = html.parse(before .. "<base href='/b/'><base href=/c/></head><a href=x>k</a>",
        { base_url = "http://h/dir/p" })
      assert.are.equal("http://h/b/x", page:links()[1], before)
    end
  end)
end)
