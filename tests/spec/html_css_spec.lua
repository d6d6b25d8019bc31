-- CSS selectors on the nodes of luapool.html: what they find, compared with cssselect and lxml
-- where these know a selector and with values of our own where they do not; what is said of wrong
-- ones; and how much work they make.

local internal = require "tests.support.internal"
local html = require "luapool.html"
local core = internal "luapool.html.core"
local errors = require "luapool.error"
local json = require "luapool.json"
local process = require "luapool.process"

-- ---- documents whose elements carry a number ----

local function numbered(text)
  local n = 0
  return (text:gsub("<(%a[%w:]*)", function(name)
    n = n + 1
    return ("<%s n='%d'"):format(name, n)
  end))
end

local PAGE = numbered [[
<html lang=en><head><title>Page</title><meta name=a content="x y"></head>
<body class="main  page" id=top><div id=menu class="nav a"><ul><li class="a b"><a
href="/one">One</a></li>
<li class=b><a href="/two.html" rel="nofollow next" title="A 'quoted' one">Two</a></li>
<li><a name=x>Three</a></li><li class="a c d" data-Key="é"><b>Four</b><i></i></li></ul></div>
<div lang=de-AT><p>eins <b>zwei</b></p><p lang="">drei</p><p lang=EN-us
class=a><span>four</span></p></div>
<h1>T</h1><p class=a>p1</p><p>p2 <em>e <b>b</b></em></p><h2>U</h2><p class="a b">p3</p><div></div>
<form><fieldset disabled><legend><input type=text></legend><input type=checkbox checked><input
type=radio></fieldset><select><option selected>1</option><option>2</option></select>
<input type=RADIO><input type=text value=""><textarea>t</textarea><button>go</button></form>
<table><tr><td>1</td><td class=x>2</td><td>3</td></tr><tr><td
colspan=2>4</td><td>5</td></tr></table>
<span><!-- nothing --></span><span> </span><dl><dt>k</dt><dd>v</dd><dd>w</dd><dt>l</dt></dl>
<img src="a.png" alt><area href=x></body></html>]]

-- A tree of so many elements, the same at each run.
local function grown(seed, count)
  local state, parts, open = seed, {}, {}
  local function random(n)
    state = (state * 1103515245 + 12345) % 2147483648
    return state // 65536 % n + 1
  end
  local names = { "div", "section", "span", "b", "i", "em" }
  local classes = { "", " class=a", " class=b", " class='a b'", " class='c'", " id=x title='a-b'" }
  for _ = 1, count do
    while #open > 0 and random(5) <= 2 do parts[#parts + 1] = "</" .. table.remove(open) .. ">" end
    local name = names[random(#names)]
    open[#open + 1] = name
    parts[#parts + 1] = "<" .. name .. classes[random(#classes)] .. ">" .. ("t"):rep(random(3) - 1)
  end
  while #open > 0 do parts[#parts + 1] = "</" .. table.remove(open) .. ">" end
  return numbered("<html><body>" .. table.concat(parts) .. "</body></html>")
end

local DOCUMENTS = { PAGE, grown(1, 300), grown(2, 60), grown(77, 600) }

-- ---- selectors ----

local SELECTORS = {}

local function selectors(text)
  for line in text:gmatch "[^\n]+" do
    for selector in (line .. "   "):gmatch "%s*(.-)%s%s%s+" do
      if selector ~= "" then SELECTORS[#SELECTORS + 1] = selector end
    end
  end
end

selectors [[
*   p   LI   div   nothing   html   body   b, i   b , i,em   li   td
.a   .b   .a.b   .b.a   .A   li.a   *.a   p.a.b   .main   .page   .none
#top   #x   div#menu   #menu.nav   #TOP   li#x   #menu#menu
[href]   [HREF]   a[href]   [class]   [title]   [alt]   [alt='']   [data-key]   [n='3']   [n=3]
[href="/one"]   [href='/one']   [rel~=next]   [rel~=nofollow]   [rel~='']   [rel~='nofollow next']
[lang|=en]   [lang|=de]   [lang|=EN]   [class|=a]   [title|=a]   [href^='/']   [href^='/t']
[href^='']
[href$=html]   [href$='.html']   [href$='']   [href*=o]   [href*='wo.']   [href*='']
[class*='a b']
[title="A 'quoted' one"]   [title='A \'quoted\' one']   [class!=a]   p[class!=a]   [lang!=en]
[nix!=x]
[type=RADIO]   [data-key="é"]   [data-key='\e9']   [content='x\20 y']   [class='main  page']
body > div   body > p   ul > li   ul > li > a   div > *   * > *   html > body > form
body>div>ul>li
body div   div p   ul a   div div   div div div   div section span   body * b   section .a b
* * *
div b i em   .a .b .c   .a > .b   .a > .b .c   .a .b > .c   div > div div   section div > b i
h1 + p   p + p   li + li   li+li+li   * + *   dt + dd   dd + dd   .a + .b   div + section
b + i + em
h1 ~ p   p ~ p   li ~ li   h2 ~ p   * ~ *   dt ~ dt   .a ~ .b   .a ~ .b ~ .c   div ~ span b
b ~ i + em
li ~ li > a   div > p ~ p   div .a + .b > .c   .a ~ div .b   section > div ~ b, .a .b + i
:root   html:root   :root > body   :root p   *:first-child   :first-child   p:first-child
li:first-child
:last-child   li:last-child   td:last-child   body :only-child   b:only-child   span:only-child
div > :only-child
li:first-of-type   p:first-of-type   td:first-of-type   b:last-of-type   p:last-of-type
div:only-of-type
h1:only-of-type   b:only-of-type   i:first-of-type   section:last-of-type   em:only-of-type
li:nth-child(1)   li:nth-child(2)   li:nth-child(odd)   li:nth-child(even)   li:nth-child(2n)
li:nth-child(2n+1)   li:nth-child( 2n + 1 )   li:nth-child(-n+2)   li:nth-child(n+3)
li:nth-child(n)
li:nth-child(0)   li:nth-child(-1)   li:nth-child(7)   :nth-child(3n-1)   :nth-child(-2n+5)
:nth-child(+3)
:nth-child(3n)   :nth-child(4n+2)   div:nth-child(2)   span:nth-child(odd)   *:nth-child(5n+5)
:nth-last-child(1)   :nth-last-child(2)   li:nth-last-child(odd)   :nth-last-child(-n+2)
td:nth-last-child(2n)
li:nth-of-type(2)   p:nth-of-type(odd)   td:nth-of-type(3n)   b:nth-of-type(2)
div:nth-of-type(2n+1)
p:nth-last-of-type(1)   p:nth-last-of-type(2)   dd:nth-last-of-type(odd)
span:nth-last-of-type(-n+2)
:empty   div:empty   span:empty   i:empty   p:empty   :contains(one)   p:contains("p2")
b:contains('zwei')
div:contains('eins zwei')   :contains(tt)   li:contains(Four)   em:contains("e b")
:contains('nowhere')
:checked   input:checked   option:checked   :link   a:link   li :link   :visited   a:hover
:active
p:lang(en)   p:lang(de)   :lang(de)   span:lang(en)   b:lang(EN)   :lang(en-us)   :lang(e)
li:not(.a)   :not(div)   p:not(.a):not(.b)   li:not([class])   :not(:first-child)
li:not(:nth-child(2))
p:not(:contains(p2))   :not(*)   div:not(#menu)   b:not(:only-child)   :not([n])
:is(p, li)   :is(.a, .b):not(i)   ul :is(a, b)   :where(.a, .c)   li:is(.a, .c)
:is(div, section) > b
div:has(> p)   li:has(> a)   :has(> b)   p:has(+ p)   h1:has(+ p)   li:has(a)   div:has(ul)
section:has(b)
ul > li.a > a[href]   body.main > div#menu.nav li.b + li a[name]   table tr > td.x + td
form input[type=text]
]]

-- Many more, put together by chance.
local function by_chance(count)
  local simple = { "div", "section", "b", "*", ".a", ".b", ".a.b", "#x", "[title]",
    "span:first-child",
    "i:last-child", "em:nth-child(2n+1)", "b:nth-of-type(2)", ":not(.a)", "div:not(:last-child)",
    ":is(b, .a)", "section:has(> b)", "span:only-of-type" }
  local combinators = { " ", " ", " > ", " + ", " ~ " }
  local state = 5
  local function random(n)
    state = (state * 1103515245 + 12345) % 2147483648
    return state // 65536 % n + 1
  end
  for _ = 1, count do
    local text = simple[random(#simple)]
    for _ = 1, random(4) do
      text = text .. combinators[random(#combinators)] .. simple[random(#simple)]
    end
    SELECTORS[#SELECTORS + 1] = text
  end
end

by_chance(400)

local function numbers(nodes)
  local list = {}
  for i, node in ipairs(nodes) do list[i] = node:attr "n" end
  return table.concat(list, " ")
end

describe("a selector finds what cssselect and lxml find:", function()
  local answers, pages = nil, {}

  setup(function()
    local asked = json.encode { documents = DOCUMENTS, selectors = SELECTORS }
    local python = { "/usr/bin/python3", "tests/support/css_answers.py", stdin = asked }
    local answered = process.exec(python)
    assert(answered.code == 0, answered.stderr)
    answers = json.decode(answered.stdout)
    for i, text in ipairs(DOCUMENTS) do pages[i] = html.parse(text) end
  end)

  it("hundreds of selectors on " .. #DOCUMENTS .. " documents", function()
    local compared, found = 0, 0
    for d, page in ipairs(pages) do
      for s, selector in ipairs(SELECTORS) do
        local expected = answers[d][s]
        if expected ~= json.null then
          local wanted = table.concat(expected, " ")
          assert.are.equal(wanted, numbers(page:css(selector)), selector .. " on document " .. d)
          compared, found = compared + 1, found + #expected
        end
      end
    end
    assert.is_true(compared > 2000 and found > 20000, compared .. " " .. found)
  end)

  it("and so does what asks one node", function()
    local page = pages[2]
    for s, selector in ipairs(SELECTORS) do
      if s % 4 == 0 and answers[2][s] ~= json.null then
        local is = {}
        for _, n in ipairs(answers[2][s]) do is[n] = true end
        for i, node in ipairs(page:css "*") do
          if i % 7 == 0 then
            assert.are.equal(is[node:attr "n"] or false, node:matches(selector), selector)
          end
        end
        assert.are.equal(answers[2][s][1] or "", numbers { page:first(selector) }, selector)
      end
    end
  end)
end)

-- ---- what cssselect has not ----

local SECOND = [[
<html><body><section id=s1><h2 id=h1>One</h2><p id=p1 class=a>x <b id=b1>B</b> y</p><p id=p2>z</p>
<h2 id=h2>Two</h2><p id=p3 class=a>q<i id=i1><b id=b2>C</b></i></p><div id=d1>
<p id=p4 class=a>r</p></div></section><section id=s2 title=Abc><ul id=u1><li id=l1 class=k>1<li
id=l2>2<li id=l3 class=k>3<li id=l4 class=k>4</ul><svg id=g1><use id=g2
xlink:href="#a"></use></svg></section>
<form id=f1><fieldset id=f2 disabled><legend id=f3><input id=c1></legend><legend id=f4><input
id=c2></legend><button id=c3></button></fieldset><input id=c4 disabled><select id=c5><optgroup id=c6
disabled><option id=c7></option></optgroup><option id=c8></option></select></form></body></html>]]

local second = html.parse(SECOND)

local function ids(list)
  local found = {}
  for i, node in ipairs(list) do found[i] = type(node) == "string" and node or node:attr "id" end
  return table.concat(found, " ")
end

describe("a selector of CSS 4", function()
  for selector, expected in pairs {
    ["p:not(.a, div p)"] = "p2", ["p:not(section > p)"] = "p4",
    ["p:is(div p, h2 + p)"] = "p1 p3 p4",
    ["b:where(p > b, i b)"] = "b1 b2", [":is(section, div) > :is(p, h2).a"] = "p1 p3 p4",
    ["p:has(i b)"] = "p3", ["section:has(div p.a)"] = "s1", ["p:has(> i > b)"] = "p3",
    ["h2:has(+ p.a)"] = "h1 h2", ["h2:has(~ h2)"] = "h1", ["p:has(~ div > p)"] = "p1 p2 p3",
    ["p:has(b):has(i)"] = "p3", ["p:not(:has(b))"] = "p2 p4",
    ["section:not(:has(ul)) h2"] = "h1 h2",
    ["p:has(b, i)"] = "p1 p3", [":has(> .k) > :not(.k)"] = "l2",
    ["li:nth-child(2 of .k)"] = "l3", ["li:nth-child(odd of .k)"] = "l1 l4",
    ["li:nth-last-child(1 of li:not(:last-child))"] = "l3",
    ["p:nth-child(2 of section > p.a)"] = "p3",
    ["li:nth-child(n+2 of :is(.k))"] = "l3 l4", [":nth-of-type(4)"] = "l4",
    ["ul > :first-of-type"] = "l1", ["section :only-of-type"] = "b1 i1 b2 d1 p4 u1 g1 g2",
    ["[title=abc i]"] = "s2", ["[title='aBC'I]"] = "s2", ["[title=abc s]"] = "",
    ["[title=Abc s]"] = "s2",
    ["[title^=aB i]"] = "s2", ["[title$=BC i]"] = "s2", ["[title*=B i]"] = "s2",
    ["[title|=abc i]"] = "s2",
    ["*|use"] = "g2", ["|h2"] = "h1 h2", ["x|p"] = "", ["*|*:root > body > form"] = "f1",
    ["[xlink|href]"] = "g2", ["[xlink\\:href='#a']"] = "g2", ["[*|href]"] = "",
    ["[|title]"] = "s2",
    [":disabled"] = "f2 c2 c3 c4 c6 c7", ["input:enabled"] = "c1",
    ["select:enabled, option:enabled"] = "c5 c8",
    ["section/* a */>/* b > c */h2"] = "h1 h2", ["#\\68 1"] = "h1", ["#\\000068\\31"] = "h1",
    ["p\n>\tb"] = "b1", ["section:NOT(:HAS(ul)) > H2:First-Child"] = "h1",
    ["b::text"] = "B C", ["#p1::text"] = "x   y", ["#p1 ::text"] = "x  B  y",
    ["#p1 *::text"] = "B",
    ["#p3 b::text, #p2::text"] = "z C", ["li::attr(id)"] = "l1 l2 l3 l4",
    ["li::attr(class)"] = "k k k",
    ["h2, li.k::attr(class)"] = "h1 h2 k k k", ["#s2 > *::attr(id)"] = "u1 g1",
    ["#u1 ::attr(class)"] = "k k k",
    ["li::attr(id), li::attr(ID)"] = "l1 l2 l3 l4", ["use::attr(xlink|href)"] = "#a",
    ["h2::text, h2"] = "h1 One h2 Two",
  } do
    it("finds " .. selector, function() assert.are.equal(expected, ids(second:css(selector))) end)
  end

  it("looks around the node that is asked", function()
    local section, p = second:first "section", second:first "#p3"
    assert.are.equal("h1 p1 p2 h2 p3 d1", ids(section:css "> *"))
    assert.are.equal("p1 p2 p3", ids(section:css ":scope > p"))
    assert.are.equal("b2", ids(p:css "section h2 + p b"))
    assert.are.equal("d1", ids(p:css "+ div"))
    assert.are.equal("d1 p4", ids(p:css "~ *, + div p"))
    assert.are.equal("i1 d1", ids(p:css "> i, ~ div"))
    assert.are.equal("", ids(p:css ":scope"))
    assert.are.equal("q C", ids(p:css "::text"))
    assert.are.equal("q", ids(p:css ":scope::text"))
    assert.are.equal("p3 i1 b2", ids(p:css "::attr(id)"))
    assert.are.equal("a", p:first "::attr(class)")
    assert.are.equal("s1 s2 f1", ids(second:first("body"):css "> *"))
    assert.are.equal("html", second:first("> *"):name())
    assert.are.equal("x ", second:first "p::text")
    assert.is_nil(second:first "p::attr(nothing)")
    assert.are.equal("", ids(second:first("html"):css "html > html"))
  end)

  it("is asked of one node by matches and closest", function()
    local b = second:first "#b2"
    assert.is_true(b:matches "p.a b")
    assert.is_false(b:matches "p > b")
    assert.is_true(b:matches "b:scope")
    assert.are.equal("p3", b:closest("p, section"):attr "id")
    assert.are.equal("b2", b:closest("b"):attr "id")
    assert.are.equal("s1", b:closest("section:has(#p4)"):attr "id")
    assert.is_nil(b:closest "ul")
    assert.is_false(second:matches "*")
    assert.is_nil(second:closest "*")
    local ok, e = pcall(b.matches, b, "b::text")
    assert.is_false(ok)
    assert.matches("no pseudo-element may stand here", tostring(e), 1, true)
  end)
end)

-- ---- what is wrong ----

local function refused(selector, what)
  local ok, e = pcall(second.css, second, selector)
  assert.is_false(ok, selector)
  assert.is_true(errors.is(e, "query"), tostring(e))
  assert.matches(what, tostring(e), 1, true)
  assert.are.equal("integer", math.type(e.column))
end

describe("a wrong selector", function()
  it("is told with the place and what was expected there", function()
    refused("a:frist-child", "unknown pseudo-class ':frist-child' (did you mean 'first-child'?)")
    refused("a:nth-chidl(2)", "unknown pseudo-class ':nth-chidl' (did you mean 'nth-child'?)")
    refused("a::txt", "unknown pseudo-element '::txt' (did you mean 'text'?)")
    refused("a::text b", "unexpected 'b' at column 9")
    refused("a:not(b::text)", "no pseudo-element may stand here at column 8")
    refused("a::attr()", "expected the name of an attribute at column 9")
    refused("a[", "expected the name of an attribute at column 3")
    refused("a[x=", "expected a value at column 5")
    refused("a[x='y]", "expected the closing quote at column 8")
    refused("a[x=y z]", "expected ] at column 7")
    refused("a >", "expected a selector at column 4")
    refused("a > > b", "expected a selector at column 5")
    refused("a,", "expected a selector at column 3")
    refused("", "expected a selector at column 1")
    refused("a)", "unexpected ')' at column 2")
    refused("a b!", "unexpected '!' at column 4")
    refused("a:nth-child(x)", "expected an+b")
    refused("a:nth-child(2 of)", "expected a selector at column 17")
    refused("a:nth-of-type(2 of b)",
      "expected an+b, odd, even or a number before this at column 17")
    refused("a:not(", "expected a selector at column 7")
    refused("a:not(b", "expected ) at column 8")
    refused("a:is(> b)", "expected a selector at column 6")
    refused("a\xFF!", "unexpected '!' at column 3")
    refused("a!\xFF", "unexpected '!' at column 2")
    refused("a \xFF\xC3(", "unexpected '(' at column 5")
    refused("*|", "expected a name at column 3")
    refused(".", "expected a class at column 2")
    refused("a\0", "at column 2")
    refused((":not("):rep(40), "nests too deep")
    refused(("a "):rep(600), "too long")
    refused(("a" .. (".b"):rep(5000)), "too long")
  end)

  it("is found out in any text", function()
    local alphabet = { "a", ".", "#", "[", "]", "(", ")", ":", "not", "'", '"', "\\", " ", ">", "+",
    "~", "*", ",", "=", "1", "n", "é", "\xFF", "nth-child", ":has(", ":is(", "::text", "|", "\0",
      "/*", "*/", ":contains(x)" }
    for _ = 1, 5000 do
      local parts = {}
      for i = 1, math.random(8) do parts[i] = alphabet[math.random(#alphabet)] end
      local ok, e = pcall(second.css, second, table.concat(parts))
      if not ok then
        assert.is_true(errors.is(e, "query"), table.concat(parts) .. ": " .. tostring(e))
      end
    end
  end)
end)

-- ---- how much work ----

-- Steps a node: what the matcher counts, on so many elements.
local function cost(make, count, selector)
  local page = html.parse(make(count))
  local found = #page:css(selector)
  return core.steps() / count, found
end

local function paragraphs(count) return "<div>" .. ("<p>x<b>y</b></p>"):rep(count) .. "</div>" end

local function nested(count) return ("<div><b></b>"):rep(count) end

local function of_many_types(count)
  local parts = {}
  for i = 1, count do parts[i] = ("<x%d>t</x%d>"):format(i, i) end
  return "<div>" .. table.concat(parts) .. "</div>"
end

describe("the work of a query", function()
  -- Steps a node, for the selectors below. Answers are kept at each sixteenth node, by chance; a
  -- tree is at most 512 deep, and the nodes at its end may all be far from a kept one.
  local LIMIT = 250
  local wide = { "p:first-child", "p:last-child", "p:only-child", "p:first-of-type",
    "p:last-of-type",
    "p:only-of-type", "p:nth-child(2n+1)", "p:nth-last-child(3)", "p:nth-of-type(even)",
    "p:nth-last-of-type(2)", "p:nth-child(2 of p:not(.a))", "p ~ p", "p + p", "i ~ p",
    "p ~ i ~ p",
    "p:has(~ i)", "p:has(+ p)", "p:has(i)", "div:has(i) p", "div p b", "p:not(i ~ p)",
    "p:not(div > p)",
    "p:nth-child(3):has(b) ~ p > b", ":contains(nowhere)", "div > p:contains(y)", "p ::text" }
  local deep = { "div div div div b", "i div", "i div div div div div b",
    "i div:not(i div div) div b",
    "div i b", "div > div > div b", "i > div div",
    "div:has(i)", "div:has(b i)", "div:has(> b + div i)", "div:not(i div)", "div:is(i *, b *) b",
    "div:has(i):has(b i) b", ":contains(nowhere)", "div:contains(nowhere) b", "div:lang(en)",
    "b ~ div b ~ div b", "div ::text", "div:nth-child(2) div:nth-child(2) b" }

  local types = { ":first-of-type", "div > :nth-of-type(2)", ":only-of-type" }

  for name, case in pairs { wide = { paragraphs, wide }, deep = { nested, deep },
    ["of many types"] = { of_many_types, types } } do
    local make, list = table.unpack(case)
    for _, selector in ipairs(list) do
      it(("is linear in the nodes of a tree that is %s: %s"):format(name, selector), function()
        local few, some = cost(make, 1000, selector)
        local many, more = cost(make, 8000, selector)
        assert.is_true(few < LIMIT and many < LIMIT, few .. " " .. many)
        assert.is_true(more >= some)
      end)
    end
  end

  it("does not need the C stack for a deep tree", function()
    local page = html.parse(nested(50000))
    assert.are.equal(50000, #page:css "div")
    assert.is_true(#page:css "div > div" > 100)
    assert.are.equal(0, #page:css "div:has(i) b, i div b")
    assert.are.equal(50000, #page:css "b:first-child" + #page:css "div + b, b + b")
    local last = page:css("b")[50000]
    assert.are.equal("html", last:closest("html"):name())
    assert.is_true(last:matches "div div div b")
  end)

  it("has a limit of time", function()
    local page = html.parse(nested(20000))
    local ok, e = pcall(page.css, page, "div div b, div b", { timeout = 0 })
    assert.is_false(ok)
    assert.is_true(errors.is(e, "timeout"), tostring(e))
    assert.matches("stopped after 0", tostring(e), 1, true)
    assert.are.equal(20000, #page:css "div b")
    ok, e = pcall(page.css, page, "b", { timeuot = 1 })
    assert.is_false(ok)
    assert.matches("unknown option 'timeuot' (did you mean 'timeout'?)", tostring(e), 1, true)
  end)

  it("is done once for a selector that is asked again", function()
    for i = 1, 1000 do second:css("x" .. i) end
    assert.are.equal("h1 h2", ids(second:css "h2"))
  end)
end)
