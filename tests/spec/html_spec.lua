-- luapool.html: what pages in the wild hold, nodes and links. CSS is in
-- html_css_spec.lua, XPath in html_xpath_spec.lua.

local internal = require "tests.support.internal"
local html = require "luapool.html"
local url = internal "luapool.internal.url"

local PAGE = [[
<!doctype html><html><head><base href="/sub/"><title>The é title</title></head>
<body class="a b"><ul id=l><li class=x>1<li>2<li class="y x" data-k="v'w&quot;" id="last">3</ul>
<p>para <img src=a.png><img SRC="/b.png" alt><a href=" c d?x=é#f ">link</a>
<map><area href=../q></map>
<a href=javascript:void(0)>j</a><a name=anchor>n</a>
<div><p lang=en-US>inner <b>bold</b> text<!-- note --></div></body></html>]]

local page = html.parse(PAGE, { base_url = "http://example.org/p/q.html" })

describe("nodes", function()
  it("have text, attributes, a name and their markup", function()
    local li = page:first "#last"
    assert.are.equal("3", li:text())
    assert.are.equal("v'w\"", li:attr "data-k")
    assert.is_nil(li:attr "none")
    assert.are.equal("", page:first("img[alt]"):attr "alt")
    assert.are.equal("li", li:name())
    assert.are.equal('<b>bold</b>', tostring(page:first "b"))
    assert.are.equal("inner bold text", page:first("div p"):text())
    assert.is_nil(page:attr "class")
    assert.are.equal("luapool.html.Node", getmetatable(li).__name)
    assert.are.equal(li, page:first "//li[3]")
    assert.are_not.equal(li, page:first "li")
  end)

  it("give the first match of either language", function()
    assert.are.equal("a.png", page:first "//img/@src")
    assert.are.equal("a.png", page:first("img"):attr "src")
    assert.are.equal("2", page:first("ul"):first("./li[2]"):text())
    assert.are.equal(3, page:first "(count(//li))")
    assert.is_nil(page:first "video")
    assert.is_nil(page:first "//video")
  end)

  it("keep their document", function()
    local node = html.parse("<p>" .. ("x"):rep(100000) .. "<b>y</b>"):first "b"
    collectgarbage()
    collectgarbage()
    assert.are.equal("y", node:text())
    assert.are.equal(100001, #node:xpath("string(..)"))
  end)

  it("do not pile up when they are dropped, though the collector does not see them", function()
    local function resident()
      for line in io.lines "/proc/self/status" do
        local kilobytes = line:match "^VmRSS:%s+(%d+)"
        if kilobytes then return tonumber(kilobytes) / 1024 end
      end
    end
    local text = ("<p class=a>para <a href=x>y</a><img src=z>"):rep(2000)
    local least = math.huge -- ASan keeps freed memory for a while: the first rounds may grow
    for _ = 1, 4 do
      local before = resident()
      for _ = 1, 150 do html.parse(text) end
      least = math.min(least, resident() - before)
    end
    assert.is_true(least < 100, ("grows by %.0f MB in each round"):format(least))
  end)

  it("do not travel, and say so", function()
    local pool = require "luapool.pool"
    local p <close> = pool.new { processes = 1 }
    local ok, e = pcall(p.apply, p, function() end, page)
    assert.is_false(ok)
    assert.matches("luapool.html.Node", tostring(e), 1, true)
  end)

  it("refuse what is no node", function()
    assert.has_error(function() page.text({}) end)
    assert.has_error(function() page.xpath(io.stdout, "a") end)
    assert.has_error(function() page:attr(nil) end)
  end)
end)

describe("links", function()
  it("are absolute, by base_url and <base href>", function()
    assert.are.same({ "http://example.org/sub/c%20d?x=%C3%A9#f", "http://example.org/q" },
      page:links())
    assert.are.equal("http://example.org/sub/x.png", page:resolve "x.png")
    assert.are.same({ "http://example.org/sub/c%20d?x=%C3%A9#f" }, page:first("a"):links())
  end)

  it("stay as they are where no base is known", function()
    local doc = html.parse "<a href=x/y>1</a><a href='http://h/z'>2</a>"
    assert.are.same({ "x/y", "http://h/z" }, doc:links())
    assert.are.same({ "http://b/x/y", "http://h/z" },
      html.parse("<base href='http://b'><a href=x/y>1</a><a href='http://h/z'>2</a>"):links())
  end)

  -- RFC 3986, section 5.4, and what pages hold besides.
  local BASE = "http://a/b/c/d;p?q"
  for reference, expected in pairs {
    ["g:h"] = "g:h", ["g"] = "http://a/b/c/g", ["./g"] = "http://a/b/c/g",
    ["g/"] = "http://a/b/c/g/",
    ["/g"] = "http://a/g", ["//g"] = "http://g", ["?y"] = "http://a/b/c/d;p?y",
    ["g?y"] = "http://a/b/c/g?y",
    ["#s"] = "http://a/b/c/d;p?q#s", ["g#s"] = "http://a/b/c/g#s",
    ["g?y#s"] = "http://a/b/c/g?y#s",
    [";x"] = "http://a/b/c/;x", ["g;x?y#s"] = "http://a/b/c/g;x?y#s", [""] = "http://a/b/c/d;p?q",
    ["."] = "http://a/b/c/", ["./"] = "http://a/b/c/", [".."] = "http://a/b/",
    ["../g"] = "http://a/b/g",
    ["../.."] = "http://a/", ["../../g"] = "http://a/g", ["../../../g"] = "http://a/g",
    ["/./g"] = "http://a/g", ["/../g"] = "http://a/g", ["g."] = "http://a/b/c/g.",
    [".g"] = "http://a/b/c/.g",
    ["..g"] = "http://a/b/c/..g", ["./../g"] = "http://a/b/g", ["./g/."] = "http://a/b/c/g/",
    ["g/./h"] = "http://a/b/c/g/h", ["g/../h"] = "http://a/b/c/h",
    ["g;x=1/../y"] = "http://a/b/c/y",
    ["g?y/../x"] = "http://a/b/c/g?y/../x", ["g#s/../x"] = "http://a/b/c/g#s/../x",
    ["http:g"] = "http:g",
    ["a%2Fb%20c"] = "http://a/b/c/a%2Fb%20c", ["100%"] = "http://a/b/c/100%25",
    ["50%x"] = "http://a/b/c/50%25x",
    [" a b\n"] = "http://a/b/c/a%20b", ["é"] = "http://a/b/c/%C3%A9",
    ["x//y"] = "http://a/b/c/x//y",
    ["//h:8080/x/../y?z"] = "http://h:8080/y?z", ["http://h"] = "http://h",
    ["http://h/a/../b"] = "http://h/b",
  } do
    it(("resolve '%s'"):format(reference:gsub("\n", "\\n")), function()
      assert.are.equal(expected, url.resolve(reference, BASE))
    end)
  end
end)

describe("parse", function()
  it("finds the charset of a page", function()
    local function read(text, charset) return (html.parse(text, { charset = charset }):text()) end
    assert.are.equal("é", read "<p>é")
    assert.are.equal("é", read "\u{FEFF}<p>é")
    assert.are.equal("caf\u{E9} \u{201C}q\u{201D}", read "<p>caf\xE9 \x93q\x94")
    assert.are.equal("При", read "<meta charset=windows-1251><p>\xCF\xF0\xE8")
    assert.are.equal("При", read("<p>\xCF\xF0\xE8", "windows-1251"))
    assert.are.equal("テスト", read("<meta http-equiv=content-type "
      .. "content='text/html; charset=Shift_JIS'><p>\x83e\x83X\x83g"))
    assert.are.equal("\u{20AC}", read "<meta charset='ISO-8859-1'><p>\x80")
    assert.are.equal("é", read "<meta charset=utf-16><p>é")
    assert.are.equal("é", read "\xFF\xFE<\0p\0>\0\xE9\0")
    assert.are.equal("é", read "\xFE\xFF\0<\0p\0>\0\xE9")
    assert.are.equal("é", read("<meta charset=latin1><p>é", "utf-8"))
    assert.are.equal("é", read("<p>\xE9", "no such charset"))
    assert.are.equal("é", read("<p>\xE9", "../../etc"))
  end)

  it("replaces the bytes that are none of the charset's", function()
    assert.are.equal("ok é bad \u{FFFD} é",
      html.parse("<meta charset=utf-8><p>ok é bad \xFF é"):text())
    assert.are.equal("a\u{FFFD}b", html.parse("<p>a\0b"):text())
    assert.are.equal("x\u{FFFD}", html.parse("<p>x\xE3\x81",
      { charset = "utf-8" }):text())
    assert.are.equal("При\u{FFFD}", html.parse("<p>\xCF\xF0\xE8\x98",
      { charset = "windows-1251" }):text())
  end)

  it("never raises over markup", function()
    for _, text in ipairs { "", " ", "\0", "<", "</", "<!", "<!--", "<a href='", "<<<>>>",
      "</p></p>", "&", "&#", "&#x110000;",
      "<p a=b a=c>", "<table><tr><td><p></table>x", "<script>if (a < b) '</'", "<![CDATA[x",
      "<?php", "<a\xFF=\xFF>",
      "<html><html><body><body>", "<" .. ("a"):rep(100000) .. ">", "<p "
      .. ("x=y "):rep(10000) .. ">" } do
      local doc = html.parse(text)
      assert.are.equal("string", type(doc:text()))
      assert.are.equal("string", type(tostring(doc)))
      assert.are.same({}, doc:css "nothing")
    end
    math.randomseed(7)
    for _ = 1, 300 do
      local bytes = {}
      for i = 1, 200 do bytes[i] = string.char(math.random(0, 255)) end
      html.parse(table.concat(bytes)):links()
      local cut = PAGE:sub(1, math.random(#PAGE)) .. table.concat(bytes, "<", 1, 20)
      assert.are.equal("table", type(html.parse(cut):css "*"))
    end
  end)

  it("reads entities, and none that a document defines", function()
    assert.are.equal("<& é😀&bogus;",
      html.parse("<p>&lt;&amp;&nbsp;&eacute;&#x1F600;&bogus;"):text():gsub("\u{A0}", " "))
    local bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b SYSTEM "file:///etc/passwd">]>'
      .. "<p>&a;&b;</p>"
    assert.is_nil(html.parse(bomb):text():find "root:")
  end)

  it("takes deep and large pages whole", function()
    local doc = html.parse(("<div>"):rep(5000) .. "x")
    assert.are.equal(5000, #doc:css "div")
    assert.are.equal(4999, #doc:css "div div")
    assert.are.equal("x", doc:text())
    assert.are.equal(12000000, #html.parse("<p>" .. ("x"):rep(12000000)):text())
  end)

  it("names a wrong option and a wrong argument", function()
    local ok, e = pcall(html.parse, "", { base_uri = "x" })
    assert.is_false(ok)
    assert.matches("unknown option 'base_uri' (did you mean 'base_url'?)", tostring(e), 1, true)
    ok, e = pcall(html.parse, nil)
    assert.is_false(ok)
    assert.matches("bad argument #1 to 'html.parse' (a string expected, got nil)", e, 1, true)
  end)
end)
