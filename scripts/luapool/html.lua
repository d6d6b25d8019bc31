-- luapool.html: documents and nodes. The tree and XPath are in bindings/html*.c; here: CSS
-- selectors, links.

local charset = require "luapool.charset.core"
local core = require "luapool.html.core"
local css = require "luapool.internal.html_css"
local options = require "luapool.internal.options"
local url = require "luapool.internal.url"
local usage = require "luapool.internal.usage"

--- Pages of the web, on libxml2. Broken markup never raises. Nodes are searched by XPath and by CSS
--- selectors. Void elements and character references are those of HTML5. Elements nest at most 512
--- deep, as in browsers: what would stand deeper stands beside. A tag keeps its first 256
--- attributes.
---
--- ```lua
--- local page = html.parse "<ul><li class=new>one<li>two</ul>"
--- print(page:first("li.new"):text(), #page:css "li", page:xpath("//li/@class")[1]) --> one 2 new
--- ```
---@kind query a selector or a query is wrong; field `column`, of a selector
---@class luapool.html
local M = {}

--- A place in a document. Two nodes are equal when they are the same place; `tostring` gives the
--- markup.
---
--- ```lua
--- local page = html.parse "<p>Hello</p>"
--- print(page:first "p", page:first "p" == page:first "p") --> <p>Hello</p> true
--- ```
---@class luapool.html.Node
local Node = core.Node

local check_parse = options.define("html.parse",
  { base_url = "string", charset = "string", parser = { "html", "html5" } })

---@class luapool.html.ParseOptions
---@field base_url? string where the page came from: relative links start there
---@field charset? string of the text, as a Content-Type names it
---@field parser? "html"|"html5" "html5": the tree that browsers make, at three times the cost

--- Parses a page. Its charset is that of the byte order mark, else `charset`, else what the
--- page says in a meta element, else UTF-8 where it fits, else windows-1252.
---
--- ```lua
--- local opts = { charset = "latin1", base_url = "http://h/a/" }
--- local page = html.parse("<p>caf\xE9<a href='x'>", opts)
--- print(page:first("p"):text(), page:links()[1]) --> café http://h/a/x
--- local cells = "<table><td>cell</table>"
--- print(html.parse(cells, { parser = "html5" }):first("table > tbody > tr > td"):text()) --> cell
--- ```
---@param text string
---@param opts? luapool.html.ParseOptions
---@return luapool.html.Node
---@raises too_large html5: the page was made to take more time or memory than its length explains
function M.parse(text, opts)
  opts = check_parse(opts)
  usage.argument("html.parse", 1, text, "string")
  text = charset.to_utf8(text, opts.charset, "html")
  if opts.parser ~= "html5" and text:find("\0", 1, true) then
    text = text:gsub("\0", "\u{FFFD}") -- libxml2 would end there
  end
  return core.parse(text, opts.base_url, opts.parser)
end

--- Returns the nodes inside this one that a CSS selector matches, in the order of the document.
---
--- ```lua
--- local page = html.parse "<div><b>1</b><i>2</i><b>3</b></div>"
--- print(#page:css "div > b, i") --> 3
--- print(select(2, pcall(page.css, page, "a[")).kind) --> query
--- ```
---@param selector string
---@return luapool.html.Node[]
---@raises query it is no selector
function Node:css(selector)
  core.check(self, "Node:css")
  usage.argument("Node:css", 1, selector, "string")
  return self:xpath(css.to_xpath(selector))
end

--- Returns the first match of a CSS selector, or of an XPath query (one that begins with `/`, `./`,
--- `..` or `(`); nil when there is none.
---
--- ```lua
--- local page = html.parse "<a href='/x'>here</a>"
--- print(page:first("a"):text(), page:first "//a/@href", page:first "b") --> here /x nil
--- ```
---@param query string
---@return luapool.html.Node|string|number|boolean|nil
function Node:first(query)
  core.check(self, "Node:first")
  usage.argument("Node:first", 1, query, "string")
  local is_xpath = query:find("^%s*[/(]") or query:find("^%s*%.[/.]")
  local found = self:xpath(is_xpath and query or "(" .. css.to_xpath(query) .. ")[1]")
  if type(found) == "table" then return found[1] end
  return found
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

--- Lists where the links (`a` and `area`) inside this node lead, absolute, in their order. Those of
--- `javascript:` are left out.
---
--- ```lua
--- local page = html.parse("<a href=one>1</a><a href=//h2/two>2</a>", { base_url = "http://h/" })
--- print(table.concat(page:links(), " ")) --> http://h/one http://h2/two
--- ```
---@return string[]
function Node:links()
  core.check(self, "Node:links")
  local base, list = base_of(self), {}
  for _, href in ipairs(self:xpath("descendant-or-self::*[self::a or self::area]/@href")) do
    if not href:lower():find("^%s*javascript:") then
      list[#list + 1] = base and url.resolve(href, base) or href
    end
  end
  return list
end

return M
