-- Trees of broken markup beside those of other parsers: html5lib for parser = "html5", lxml for the
-- fast one. Both are asked when the test runs (tests/support/markup.py).

local html = require "luapool.html"
local json = require "luapool.json"

local corpus = require "tests.support.markup"

-- The elements of a tree with attributes (so links) and texts, in order, as markup.py has them:
-- "depth name attributes|text".
local function rows(page)
  local list = {}
  for i, node in ipairs(page:xpath "//*") do
    local attributes = {}
    for k = 1, node:xpath "count(@*)" do
      attributes[k] = ("%s=%s"):format(node:xpath(("name(@*[%d])"):format(k)),
        node:xpath(("string(@*[%d])"):format(k)))
    end
    table.sort(attributes)
    list[i] = ("%d %s %s|%s"):format(node:xpath "count(ancestor::*)", node:name(),
      table.concat(attributes, " "), node:text())
  end
  return table.concat(list, "\n")
end

local function ask(texts)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(json.encode(texts)):close()
  local pipe <close> = assert(io.popen("/usr/bin/python3 tests/support/markup.py " .. path))
  local answer = json.decode(pipe:read "a")
  os.remove(path)
  return answer
end

-- What is to differ, and the text that the page has then. The fast parser does better than lxml:
local BETTER = {
  ["wbr"] = { "wbr is always empty", "abc" },
  ["media"] = { "source and track are always empty", "de" },
  ["embed"] = { "embed is always empty", "bc" },
  ["without semicolon"] = { "these names need none", "<p> & ©2004 ¬it; ∉ éx" },
  ["numbers"] = { "a number can mean a byte of windows-1252", "ABC D –€Ÿ" },
  ["wrong numbers"] = { "U+FFFD stands for what is none",
    "a\u{FFFD}b\u{FFFD}c\u{FFFD}d&#;e&#x;f\u{FFFD}g" },
  ["long names"] = { "all names of HTML5 are known", "∳≂̸&bogus;…" },
  ["in attributes"] = { "these names need no semicolon", "x" },
  ["ampersands"] = { "what is no number stays", "a & b && c &; &# &#x d&e" },
  ["odd names"] = { "a name that libxml2 cannot read ends no tag", "x" },
  ["slashes"] = { "a slash in a tag separates attributes", "x" },
  ["tabs and returns"] = { "a form feed is a blank", "x" },
  ["zero bytes"] = { "a zero byte ends no page", "a\u{FFFD}be" },
}

-- Where Gumbo and html5lib differ; the standard is with the one that is named.
local DIFFERENT = {
  ["template"] = { "the standard: html5lib has no templates", "abc" },
  ["math"] = { "the standard: html5lib closes mi, which is no element of HTML", "abcd" },
  ["controls"] = { "html5lib: Gumbo replaces control characters",
    ("a_b_c_d_e"):gsub("_", "\u{FFFD}") },
  ["unknown elements"] = { "html5lib: to Gumbo all unknown elements have one name when they end",
    "abc" },
  ["marquee and applet"] = { "html5lib: Gumbo looks for the start of marquee too far up",
    "abc" },
}

local texts = {}
for i, case in ipairs(corpus) do texts[i] = case[2] end
local expected = ask(texts)

local function compare(peer, parser, listed)
  local known = 0
  for i, case in ipairs(corpus) do
    local differs = listed[case[1]]
    local name = case[1] .. (differs and ", where it differs: " .. differs[1] or "")
    known = known + (differs and 1 or 0)
    it(name, function()
      local page = html.parse(case[2], { parser = parser })
      local theirs, ours = table.concat(expected[i][peer], "\n"), rows(page)
      if not differs then return assert.are.equal(theirs, ours) end
      assert.are_not.equal(theirs, ours)
      assert.are.equal(differs[2], page:text())
    end)
  end
  it("and nothing else is listed", function()
    local count = 0
    for _ in pairs(listed) do count = count + 1 end
    assert.are.equal(count, known)
    assert.is_true(#corpus >= 120)
  end)
end

describe("the fast parser makes lxml's tree:", function() compare("lxml", "html", BETTER) end)
describe("parser = 'html5' makes html5lib's tree:", function()
  compare("html5", "html5", DIFFERENT)
end)
