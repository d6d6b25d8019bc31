-- html.parse with parser = "html5": the tree of a browser, on which all methods work, and what
-- hostile pages cost.

local errors = require "luapool.error"
local html = require "luapool.html"

local function parse(text, options)
  options = options or {}
  options.parser = "html5"
  return html.parse(text, options)
end

describe("parser = 'html5'", function()
  it("makes a tree with head, body and tbody, on which all methods work", function()
    local page = parse("<!doctype html><title>t</title><table><td><a href=x>k</a></table>",
      { base_url = "http://h/d/" })
    assert.are.equal("t", page:first("html > head > title"):text())
    assert.are.equal("k", page:first("body > table > tbody > tr > td > a"):text())
    assert.are.same({ "http://h/d/x" }, page:links())
    assert.are.equal("x", page:first("//a/@href"))
    assert.are.equal(page, page:first("a"):document())
    assert.matches("^<!DOCTYPE html><html><head><title>t</title></head>", tostring(page))
    assert.are.equal("<td><a href=\"x\">k</a></td>", tostring(page:first "td"))
  end)

  it("reads any charset and any text", function()
    assert.are.equal("При", parse("<p>\xCF\xF0\xE8", { charset = "windows-1251" }):text())
    assert.are.equal("a\u{FFFD}b", parse("<p title='a\0b'>"):first("p"):attr "title")
    assert.are.equal("ab", parse("<p>a\0b"):text())
    for _, text in ipairs { "", " ", "\0", "<", "</", "<!", "<!--", "<a b='", "<svg><", "&" } do
      assert.are.equal(1, #parse(text):css "body", text)
    end
    local alphabet = { "<", ">", "/", "p", "table", "svg", "=", "'", "\"", " ", "!--", "--", "&",
      "amp", ";", "#", "x", "\0", "é", "\xFF", "<b>", "</b>", "<td>", "<select>", "<template>",
      "<math>", "</p>", "<form>", "<frameset>", "<script>", "</script>", "<![CDATA[", "]]>" }
    math.randomseed(11)
    for _ = 1, 500 do
      local parts = {}
      for i = 1, 60 do parts[i] = alphabet[math.random(#alphabet)] end
      local page = parse(table.concat(parts))
      assert.are.equal(1, page:xpath "count(/html)")
      assert.are.equal("string", type(tostring(page)))
    end
  end)

  it("gives elements of svg and math the names that they have, without namespaces", function()
    local page = parse "<svg viewBox=a><ForeignObject/><use xlink:href=b xml:lang=c></svg><math/>"
    assert.are.equal("foreignObject", page:first("//svg/*"):name())
    assert.are.equal("a", page:first("svg"):attr "viewBox")
    assert.are.equal("b", page:first("//use/@*[name() = 'xlink:href']"))
    assert.are.equal(1, page:xpath "count(//math)")
  end)

  it("keeps what is in a template inside it", function()
    assert.are.equal("a", parse("<template><tr><td>a</template>"):first("template td"):text())
  end)

  it("joins the attributes of a second html and body", function()
    local page = parse "<html a=1><body b=2><html a=3 c=4><body b=5 d=6>"
    assert.are.same({ "1", "4" }, page:xpath "/html/@*")
    assert.are.same({ "2", "6" }, page:xpath "/html/body/@*")
  end)
end)

describe("a hostile page for parser = 'html5'", function()
  it("nests 512 deep; what would stand deeper stands beside", function()
    local page = parse(("<div>"):rep(50000) .. "<p>x</p>y")
    assert.are.equal(50000, page:xpath "count(//div)")
    assert.are.equal(512, page:xpath "count(//p/ancestor-or-self::*)")
    assert.are.equal("xy", page:text())
    page = parse(("<b>"):rep(2000) .. "x" .. ("</b>"):rep(2000) .. "y")
    assert.are.equal("xy", page:text())
  end)

  it("keeps 256 attributes of a tag", function()
    local attributes = {}
    for i = 1, 50000 do attributes[i] = ("a%d=%d"):format(i, i) end
    local many = parse("<p " .. table.concat(attributes, " ") .. ">")
    assert.are.equal(256, many:xpath "count(//p/@*)")
    many = parse("<html " .. table.concat(attributes, "><html ") .. ">")
    assert.are.equal(256, many:xpath "count(/html/@*)")
  end)

  it("is given up when its length does not explain what it takes", function()
    local fonts = {}
    for i = 1, 3000 do fonts[i] = ("<font size=%d>"):format(i) end
    local reopened = "<p>" .. table.concat(fonts) .. ("</p><p>x"):rep(20000)
    for name, page in pairs {
      ["each paragraph opens all fonts again"] = reopened,
      ["attributes that the limit does not see"] =
        "<svg><style><!--</style><p " .. table.concat(fonts, " "):gsub("[<>]", ""):rep(20) .. ">",
    } do
      local before = os.clock()
      local ok, e = pcall(parse, page)
      assert.is_true(ok or errors.is(e, "too_large"), name .. ": " .. tostring(e))
      assert.is_true(os.clock() - before < 30, name)
    end
    local ok, e = pcall(parse, reopened)
    assert.is_false(ok)
    assert.matches("html.parse: made to keep the parser busy", tostring(e), 1, true)
    assert.are.equal("x", parse("<p>x"):text())
  end)
end)
