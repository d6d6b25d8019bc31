-- Nodes of luapool.html: what stands around them, their texts and markup, and what becomes of
-- those that are taken out of their document.

local html = require "luapool.html"
local errors = require "luapool.error"

local PAGE = [[
<!doctype html><html><head><title>T</title><style>a > b { x: "y" }</style></head><body class="a b">
text <ul><!-- note --> <li id=1 data-x='"a" & <b>'>one</li> and <li id=2>two <b>bold</b></li></ul>
<p>  first &nbsp;<i> in  </i>&lt;last&gt;&nbsp; </p><script>if (a < b && c) "é"</script><br>
<img src="a b.png?x=é&y" alt><template></template></body></html>]]

local page = html.parse(PAGE)

local function ids(list)
  local found = {}
  for i, node in ipairs(list) do found[i] = node:attr "id" or node:name() end
  return table.concat(found, " ")
end

describe("a node", function()
  local list = page:first "ul"

  it("has neighbours", function()
    local one, two = list:children()[1], list:children()[2]
    assert.are.equal("1 2", ids(list:children()))
    assert.are.equal(two, one.next)
    assert.are.equal(one, two.prev)
    assert.is_nil(one.prev)
    assert.is_nil(two.next)
    assert.are.equal(list, one.parent)
    assert.are.equal("body", list.parent:name())
    assert.are.equal("#document", list.parent.parent.parent:name())
    assert.are.equal(page, page:first("html").parent)
    assert.is_nil(page.parent)
    assert.is_nil(page.next)
    assert.is_nil(page.prev)
    assert.are.equal("html", ids(page:children()))
    assert.are.equal("", ids(page:first("b"):children()))
    assert.are.equal(list, one:parent())
    assert.are.equal(two, one:next())
    assert.is_nil(one.no_such_thing)
    assert.is_nil(one[1])
  end)

  it("has attributes", function()
    assert.are.same({ id = "1", ["data-x"] = '"a" & <b>' }, list:children()[1]:attrs())
    assert.are.same({}, list:attrs())
    assert.are.same({}, page:attrs())
    assert.are.equal("", page:first("img"):attrs().alt)
    assert.are.equal("a b.png?x=é&y", page:first("img"):attr "src")
  end)

  it("is equal to the same place alone", function()
    assert.are.equal(page:first "li", page:first "ul > li")
    assert.are_not.equal(page:first "li", html.parse(PAGE):first "li")
    assert.are_not.equal(page, html.parse(PAGE))
    assert.is_false(page:first "li" == "li")
  end)

  it("refuses what is none", function()
    for _, name in ipairs { "attr", "attrs", "children", "html", "inner", "remove", "text", "css",
      "xpath", "first", "matches", "closest", "links", "name", "document", "resolve" } do
      local ok, e = pcall(page[name], {}, "a")
      assert.is_false(ok, name)
      assert.is_true(errors.is(e, "usage"), name .. tostring(e))
      assert.matches("'Node:" .. name .. "' was not called on a", tostring(e), 1, true)
    end
  end)
end)

describe("the text of a node", function()
  local p, list = page:first "p", page:first "ul"

  it("stands as it is", function()
    assert.are.equal("  first \u{A0} in  <last>\u{A0} ", p:text())
    assert.are.equal(" one and two bold", list:text {})
    assert.are.equal('if (a < b && c) "é"', page:first("script"):text())
  end)

  it("is trimmed, of no-break spaces too", function()
    assert.are.equal("first \u{A0} in  <last>", p:text { trim = true })
    assert.are.equal("one and two bold", list:text { trim = true })
    assert.are.equal("", html.parse("<p> &nbsp; <b> </b>"):first("p"):text { trim = true })
    assert.are.equal("", page:first("br"):text { trim = true })
    assert.are.equal("\u{C2}à", html.parse("<p> \u{C2}à "):first("p"):text { trim = true })
  end)

  it("has a separator between those of its parts", function()
    assert.are.equal("one|and|two|bold", list:text { trim = true, separator = "|" })
    assert.are.equal("  first \u{A0}, in  ,<last>\u{A0} ", p:text { separator = "," })
    assert.are.equal("first\nin\n<last>", p:text { trim = true, separator = "\n" })
    assert.are.equal("onebold", html.parse("<p> one <b> bold"):first("p")
      :text { trim = true, separator = "" })
    assert.are.equal("", html.parse(""):text { separator = "|" })
  end)
end)

describe("the markup of a node", function()
  it("is that of a browser", function()
    assert.are.equal([[<li id="1" data-x="&quot;a&quot; & <b>">one</li>]],
      (page:first("li"):html():gsub("&amp;", "&")))
    assert.are.equal([[<li id="1" data-x="&quot;a&quot; &amp; <b>">one</li>]],
      page:first("li"):html())
    assert.are.equal("two <b>bold</b>", page:first("#\\32"):inner())
    assert.are.equal("<p>  first &nbsp;<i> in  </i>&lt;last&gt;&nbsp; </p>", page:first("p"):html())
    assert.are.equal('<script>if (a < b && c) "é"</script>', page:first("script"):html())
    assert.are.equal('<img src="a b.png?x=é&amp;y" alt="">', page:first("img"):html())
    assert.are.equal("", page:first("img"):inner())
    assert.are.equal("<br>", page:first("br"):html())
    assert.are.equal('<style>a > b { x: "y" }</style>', page:first("style"):html())
    assert.matches("^<ul><!%-%- note %-%-> <li", page:first("ul"):html())
  end)

  it("of a document is the page", function()
    local text = page:html()
    assert.matches("^<!DOCTYPE html>\n?<html><head><title>T</title>", text)
    assert.matches("</body></html>%s*$", text)
    assert.are.equal(text, html.parse(text):html())
    assert.are.equal(text, page:inner())
    assert.are.equal("", html.parse(""):html())
  end)

  it("is that of the html5 parser, too", function()
    local doc = html.parse("<svg viewBox='0 0 1 1'><use xlink:href='#a'/></svg><p>x",
      { parser = "html5" })
    assert.are.equal('<svg viewBox="0 0 1 1"><use xlink:href="#a"></use></svg><p>x</p>',
      doc:first("body"):inner())
    assert.are.equal("#a", doc:first("use"):attr "xlink:href")
    assert.are.equal("0 0 1 1", doc:first("svg"):attrs().viewBox)
    assert.are.equal("#a", doc:first "use::attr(xlink|href)")
    assert.are.equal(1, #doc:css "svg[viewBox]")
  end)

  it("is cut by tostring", function()
    assert.are.equal("<b>bold</b>", tostring(page:first "b"))
    local long = html.parse("<p>" .. ("é"):rep(1000)):first "p"
    assert.are.equal(2010 - 3, #long:html())
    local short = tostring(long)
    assert.is_true(#short <= 210 and utf8.len(short) ~= nil, short)
    assert.matches("^<p>éé.*é…$", short)
    assert.matches("^<!DOCTYPE html>", tostring(page))
    assert.are.equal("", tostring(html.parse ""))
  end)

  it("is not limited by depth or size", function()
    local deep = html.parse(("<div>"):rep(400) .. "x")
    assert.are.equal(("<div>"):rep(400) .. "x" .. ("</div>"):rep(400), deep:first("body"):inner())
    local big = html.parse("<p>" .. ("a&lt;"):rep(300000)):first "p"
    assert.are.equal(7 + 5 * 300000, #big:html())
  end)
end)

describe("a removed node", function()
  local function fresh() return html.parse(PAGE) end

  it("is gone from its document and stays as it was", function()
    local doc = fresh()
    local list, bold = doc:first "ul", doc:first "b"
    assert.are.equal(list, list:remove())
    assert.is_nil(doc:first "ul")
    assert.is_nil(doc:first "//li")
    assert.is_nil(doc:html():find "bold")
    assert.are.equal("bold", bold:text())
    assert.are.equal("1 2", ids(list:css "li"))
    assert.are.equal("1 2", ids(list:xpath "li"))
    assert.is_nil(list.parent)
    assert.is_nil(list.next)
    assert.is_nil(list.prev)
    assert.are.equal(list, bold.parent.parent)
    assert.are.equal(list, bold:closest "ul")
    assert.is_nil(bold:closest "body")
    assert.is_true(list:matches "ul:root:first-child:last-child:nth-child(1):nth-last-of-type(1)")
    assert.are.equal(doc, bold:document())
    assert.are.equal("#document", bold:first("/"):name())
    assert.matches("^<ul>.*</ul>$", list:html())
  end)

  it("can lose parts of its own, and be removed again", function()
    local doc = fresh()
    local bold, item = doc:first "b", doc:first "#\\32"
    bold:remove()
    item:remove()
    assert.are.equal(item, item:remove())
    doc:first("ul"):remove():remove()
    assert.are.equal("two ", item:text())
    assert.are.equal("bold", bold:text())
    doc:first("html"):remove()
    assert.are.equal(0, #doc:children())
    assert.is_nil(doc:first "*")
    assert.are.equal("", doc:text())
  end)

  it("outlives what refers to its document", function()
    local kept = {}
    for i = 1, 50 do
      local doc = fresh()
      for _, node in ipairs(doc:css "li, p, script, b") do kept[#kept + 1] = node:remove() end
      if i % 2 == 0 then kept = {} end
      collectgarbage()
    end
    kept = { fresh():first("p"):remove() }
    collectgarbage()
    collectgarbage()
    assert.are.equal("in", kept[1]:first("i"):text { trim = true })
    assert.are.equal("#document", kept[1]:document():name())
  end)

  it("is removed while a list of its kind is walked", function()
    local doc = html.parse(("<div><p>x</p></div>"):rep(2000))
    for _, node in ipairs(doc:css "div, p") do node:remove() end
    assert.are.equal(0, #doc:css "div, p")
    assert.are.equal("", doc:text())
  end)

  it("is no document", function()
    local ok, e = pcall(page.remove, page)
    assert.is_false(ok)
    assert.is_true(errors.is(e, "usage"))
    assert.matches("Node:remove: a document cannot be taken out of itself", tostring(e), 1, true)
  end)
end)
