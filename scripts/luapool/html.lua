-- luapool.html: documents. Trees and queries are in bindings/html; the methods of nodes that are
-- written in Lua in luapool.internal.html.

local charset = require "luapool.charset.core"
local core = require "luapool.html.core"
local options = require "luapool.internal.options"
local usage = require "luapool.internal.usage"
require "luapool.internal.html.node"

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

return M
