-- internal.html.node: the methods of nodes: queries, links. Those that are written in C are in
-- bindings/html/node.c.

local core = require "luapool.html.core"
local Form = require "luapool.internal.html.form"
local metadata = require "luapool.internal.html.metadata"
local tables = require "luapool.internal.html.table"
local options = require "luapool.internal.options"
local url = require "luapool.internal.url"
local usage = require "luapool.internal.usage"

--- An element of a document, or the document itself. It keeps its document alive. Two nodes are
--- equal when they are the same place; `tostring` gives the markup, cut behind 200 bytes.
---
--- ```lua
--- local page = html.parse "<p>Hello</p><p>there"
--- print(page:first "p", page:first "p" == page:first "p") --> <p>Hello</p> true
--- local p = page:first "p"
--- print(p.next:text(), p.parent:name(), p.prev, page.parent) --> there body nil nil
--- ```
---@within html
---@class luapool.html.Node
---@field parent? luapool.html.Node what it stands in: an element or the document
---@field next? luapool.html.Node the next element with the same parent
---@field prev? luapool.html.Node the element in front of it
local Node = core.Node

core.hints(options.hint)

-- Seconds that a query may compute, unless it says otherwise.
local LIMIT <const> = 10

local check_query = options.define("Node:css", { timeout = "seconds" })

--- ```lua
--- print(#html.parse("<p>"):css("p", { timeout = 0.5 })) --> 1
--- ```
---@within html
---@class luapool.html.QueryOptions
---@field timeout? number the most seconds that the query may compute; 10 unless said

local function seconds_of(opts, where)
  return opts and check_query(opts, where).timeout or LIMIT
end

--- Returns what a CSS selector finds inside this node, in the order of the document: nodes; with
--- `::text` or `::attr(name)` at its end the texts in them or the values of that attribute. What
--- stands around the node counts: `ul li` finds an `li` whose `ul` is outside. A selector may begin
--- with a combinator: `> p` finds children.
---
--- Selectors are those of CSS 4 that pages at rest can have: combinators; `[a=b i]` with `=`, `~=`,
--- `|=`, `^=`, `$=`, `*=`, `!=`; `:is`, `:where`, `:not` and `:has` with any selectors;
--- `:nth-child(2n+1 of s)` and its like; `:first-child`, `:only-of-type` and so on; `:root`,
--- `:scope`, `:empty`, `:checked`, `:enabled`, `:disabled`, `:link`, `:lang(en)`;
--- `:contains("text")`; `ns|name` with the prefix that the document writes. The time of a query
--- grows with the number of nodes times the length of the selector.
---
--- ```lua
--- local page = html.parse "<div><b>1</b><i>2</i><b id=x>3</b></div>"
--- print(#page:css "div > b, i", page:css("b::text")[2], page:css("b::attr(id)")[1]) --> 3 3 x
--- print(select(2, pcall(page.css, page, "a[")).kind) --> query
--- ```
---@param selector string
---@param opts? luapool.html.QueryOptions
---@return (luapool.html.Node|string)[]
---@raises query it is no selector
---@raises timeout it has computed too long
function Node:css(selector, opts)
  core.check(self, "Node:css")
  usage.argument("Node:css", 1, selector, "string")
  return core.css(self, selector, seconds_of(opts, "Node:css"))
end

local check_text = options.define("Node:text", { trim = "boolean", separator = "string" })

---@within html
---@class luapool.html.TextOptions
---@field trim? boolean no white space (nor no-break spaces) around the text
---@field separator? string stands between the texts of different elements; with `trim` each of them
--- is trimmed, and empty ones are left out

--- Returns all text inside the node, as it stands. That of scripts and styles is text, too.
---
--- ```lua
--- local p = html.parse("<p> one <b>two</b>, <i> three</i></p>"):first "p"
--- print(p:text { trim = true }) --> one two,  three
--- print(p:text { trim = true, separator = "|" }) --> one|two|,|three
--- ```
---@param opts? luapool.html.TextOptions
---@return string
function Node:text(opts)
  if opts == nil then return core.text(self) end
  core.check(self, "Node:text")
  opts = check_text(opts)
  if opts.separator then return core.pieces(self, opts.separator, opts.trim) end
  return opts.trim and core.trim(core.text(self)) or core.text(self)
end

--- Evaluates an XPath query (version 1.0) from this node: `//p` searches the whole document, `.//p`
--- this node. Returns a list of nodes and strings (of attributes, text and comments), or a string,
--- number or boolean where the query gives one. `re:test(text, pattern, flags)` and
--- `re:match(text, pattern, flags)` are EXSLT's, with Perl's patterns and the flags `i`, `m`, `s`,
--- `x`, `g`; `re:match` gives strings: the first match and its groups, or with `g` all matches.
---
--- Some forms take a time that grows with the square of the nodes: `preceding::`, `following::`,
--- `count(preceding-sibling::p)`, a path from the root inside a predicate (`//p[//b]`), a union of
--- many nodes. A selector for `node:css` has no such form.
---
--- ```lua
--- local page = html.parse "<img src=a><img src=b7.png>"
--- print(page:xpath("//img/@src")[2], page:xpath "count(//img)", #page:xpath "//p") --> b7.png 2 0
--- print(#page:xpath "//img[re:test(@src, '[0-9]+\\.PNG', 'i')]") --> 1
--- print(page:xpath("re:match(//img[2]/@src, '([0-9]+)\\.(.*)')")[2]) --> 7
--- print(select(2, pcall(page.xpath, page, "//[")).kind) --> query
--- ```
---@param query string
---@param opts? luapool.html.QueryOptions
---@return (luapool.html.Node|string)[]|string|number|boolean
---@raises query it is no XPath
---@raises timeout it has computed too long
function Node:xpath(query, opts)
  core.check(self, "Node:xpath")
  usage.argument("Node:xpath", 1, query, "string")
  return core.xpath(self, query, seconds_of(opts, "Node:xpath"))
end

--- Returns the first match of a CSS selector, or of an XPath query (one that begins with `/`, `./`,
--- `..` or `(`); nil when there is none.
---
--- ```lua
--- local page = html.parse "<a href='/x'>here</a>"
--- print(page:first("a"):text(), page:first "//a/@href", page:first "b") --> here /x nil
--- ```
---@param query string
---@param opts? luapool.html.QueryOptions
---@return luapool.html.Node|string|number|boolean|nil
function Node:first(query, opts)
  core.check(self, "Node:first")
  usage.argument("Node:first", 1, query, "string")
  local seconds = seconds_of(opts, "Node:first")
  local is_xpath = query:find("^%s*[/(]") or query:find("^%s*%.[/.]")
  if not is_xpath then return core.css(self, query, seconds, true) end
  local found = core.xpath(self, query, seconds)
  if type(found) == "table" then return found[1] end
  return found
end

--- Does a CSS selector find this node?
---
--- ```lua
--- local page = html.parse "<p class=new><b>1</b>"
--- print(page:first("b"):matches ".new > b", page:first("b"):matches "p") --> true false
--- ```
---@param selector string without `::text` and `::attr`
---@return boolean
---@raises query it is no selector
function Node:matches(selector)
  core.check(self, "Node:matches")
  usage.argument("Node:matches", 1, selector, "string")
  return core.closest(self, selector, LIMIT, 1) ~= nil
end

--- Returns the nearest node that a CSS selector finds: this one or one that it stands in; nil when
--- there is none.
---
--- ```lua
--- local page = html.parse "<div id=a><div><b>1</b></div></div>"
--- print(page:first("b"):closest("div[id]"):attr "id", page:first("b"):closest "p") --> a nil
--- ```
---@param selector string without `::text` and `::attr`
---@return luapool.html.Node?
---@raises query it is no selector
function Node:closest(selector)
  core.check(self, "Node:closest")
  usage.argument("Node:closest", 1, selector, "string")
  return core.closest(self, selector, LIMIT, 0)
end

--- The address that relative ones in this document start from: `<base href>`, taken relative to
--- base_url.
local function base_of(node)
  local own, href = core.base_url(node), node:xpath("string((//base/@href)[1])")
  if href == "" then return own end
  return own and url.resolve(href, own) or href
end

--- Returns the absolute form of an address that was found in this document; the address as it
--- is when no base is known.
---
--- ```lua
--- print(html.parse("", { base_url = "http://h/a/b" }):resolve "../c") --> http://h/c
--- ```
---@param address string
---@return string
function Node:resolve(address)
  core.check(self, "Node:resolve")
  usage.argument("Node:resolve", 1, address, "string")
  local base = base_of(self)
  return base and url.resolve(address, base) or address
end

local check_links = options.define("Node:links", { schemes = "table", srcset = "boolean" })

---@within html
---@class luapool.html.LinksOptions
---@field schemes? string[] only links of these schemes, such as { "http", "https" }
---@field srcset? boolean the pictures that `srcset` names are links, too

local LINKS <const> = "descendant-or-self::*[(self::a or self::area) and @href]"
local LINKS_AND_PICTURES <const> = "descendant-or-self::*[((self::a or self::area) and @href) or "
  .. "((self::img or self::source) and @srcset)]"

-- The addresses of a srcset: each with a description behind white space, commas between them.
local function candidates(text)
  local list, at = {}, 1
  while true do
    local first, last, address = text:find("^[%s,]*([^%s,]%S*)", at)
    if not first then return list end
    at = last + 1
    local bare = address:match "^(.-),+$"
    list[#list + 1] = bare or address
    if not bare then at = (text:find(",", at, true) or #text) + 1 end
  end
end

local function set_of(schemes)
  if not schemes then return nil end
  local set = {}
  for _, scheme in ipairs(schemes) do set[tostring(scheme):lower()] = true end
  return set
end

-- Appends an address, absolute, when its scheme is wanted. One whose scheme is not known is.
local function add_link(list, base, schemes, address)
  address = base and url.resolve(address, base) or address
  local scheme = address:match "^%s*(%a[%w+.-]*):"
  scheme = scheme and scheme:lower()
  if scheme == "javascript" and not (schemes and schemes.javascript) then return end
  if not schemes or not scheme or schemes[scheme] then list[#list + 1] = address end
end

--- Lists where the links (`a` and `area`) inside this node lead, absolute, in their order. Those of
--- `javascript:` are left out.
---
--- ```lua
--- local page = html.parse([[<a href=one>1</a><a href=//h2/two>2</a><a href=mailto:x@y>3</a>
---   <img srcset='a 1x, b 2x'>]], { base_url = "http://h/" })
--- print(table.concat(page:links(), " ")) --> http://h/one http://h2/two mailto:x@y
--- print(#page:links { schemes = { "http" } }, page:links({ srcset = true })[5]) --> 2 http://h/b
--- ```
---@param opts? luapool.html.LinksOptions
---@return string[]
function Node:links(opts)
  core.check(self, "Node:links")
  opts = check_links(opts)
  local base, list, schemes = base_of(self), {}, set_of(opts.schemes)
  for _, node in ipairs(self:xpath(opts.srcset and LINKS_AND_PICTURES or LINKS)) do
    local href, srcset = node:attr "href", opts.srcset and node:attr "srcset"
    if href and node:name() ~= "source" then add_link(list, base, schemes, href) end
    for _, address in ipairs(srcset and candidates(srcset) or {}) do
      add_link(list, base, schemes, address)
    end
  end
  return list
end

--- Returns a form: this node when it is one, else the first one inside it, or with a selector the
--- first that it finds; nil when there is none. A selector may also find something in the form.
---
--- ```lua
--- local page = html.parse [[<form id=a><input name=x></form>
---   <form id=b><input name=y value=1></form>]]
--- print(page:form("#b").fields.y, page:form("[name=x]").node:attr "id") --> 1 a
--- ```
---@param selector? string
---@return luapool.html.Form?
---@raises query it is no selector
function Node:form(selector)
  core.check(self, "Node:form")
  usage.optional("Node:form", 1, selector, "string")
  local node = self
  if selector then node = core.css(self, selector, LIMIT, true) end
  if not node then return nil end
  if type(node) ~= "userdata" then
    usage.raise("Node:form", "the selector finds texts, and no elements")
  end
  node = selector and node:closest "form" or node:matches "form" and node or node:first "form"
  return node and Form._new(node)
end

local check_table = options.define("Node:table", { header = "boolean" })

---@within html
---@class luapool.html.TableOptions
---@field header? boolean rows are tables by the names of the columns, without the rows of those

--- Returns the rows of a table as lists of texts: this node when it is one, else the first one
--- inside it; nil when there is none. A cell that spans columns or rows stands in each place
--- that it covers, all rows have the same length, runs of white space are one space. The names
--- of the columns come second: the rows of `thead`, else a first row of `th` alone; with
--- `header` else the first row.
---
--- ```lua
--- local page = html.parse [[<table><tr><th>name<th>price<tr><td>apple<td rowspan=2>1 €
---   <tr><td>pear</table>]]
--- local rows, names = page:table()
--- print(#rows, rows[3][1], rows[3][2], names[2]) --> 3 pear 1 € price
--- print(page:table({ header = true })[2].price) --> 1 €
--- ```
---@param opts? luapool.html.TableOptions
---@return table[]? rows
---@return string[]? names
---@raises too_large its cells span more than a million places
function Node:table(opts)
  core.check(self, "Node:table")
  opts = check_table(opts)
  local node = self:matches "table" and self or self:first "table"
  if not node then return nil end
  return tables.read(node, opts.header or false)
end

--- What a page says about itself. A name that it gives several times has a list.
---@within html
---@class luapool.html.Metadata
---@field title? string
---@field description? string
---@field canonical? string the address that it wants to be known by, absolute
---@field lang? string
---@field og table<string, string|string[]> Open Graph: `og:title` is `og.title`
---@field twitter table<string, string|string[]>
---@field json_ld table[] each script of JSON-LD, decoded; those that are no JSON are left out

--- Returns what the page of this node says about itself.
---
--- ```lua
--- local about = html.parse([[<html lang=en><title>News</title><meta property=og:title content=N>
---   <script type=application/ld+json>{"@type": "Article"}</script>]]):metadata()
--- print(about.title, about.lang, about.og.title, about.json_ld[1]["@type"]) --> News en N Article
--- ```
---@return luapool.html.Metadata
function Node:metadata()
  core.check(self, "Node:metadata")
  return metadata.read(self)
end

return Node
