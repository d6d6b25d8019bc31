-- luapool.html: documents and nodes. The tree and XPath are in bindings/html*.c; here: the
-- charset of a page, CSS selectors, links.

local core = require "luapool.html.core"
local css = require "luapool.internal.html_css"
local options = require "luapool.internal.options"
local url = require "luapool.internal.url"

local M = {}

---@class luapool.html.Node
---@field xpath fun(self, query: string): (luapool.html.Node|string)[]|string|number|boolean
---@field text fun(self): string                     all text inside, as it stands
---@field attr fun(self, name: string): string?      "" for one without a value
---@field name fun(self): string                     "img"; "#document" for what parse returned
---@field document fun(self): luapool.html.Node
local Node = core.Node

-- What pages mean by the names that they give (the encoding standard of browsers).
local MEANT = {
  ["iso-8859-1"] = "windows-1252", ["iso8859-1"] = "windows-1252", latin1 = "windows-1252",
  ascii = "windows-1252", ["us-ascii"] = "windows-1252", ["iso-8859-9"] = "windows-1254",
  gb2312 = "gb18030", gbk = "gb18030", shift_jis = "cp932", ["shift-jis"] = "cp932", sjis = "cp932",
  ["euc-kr"] = "cp949", ["ks_c_5601-1987"] = "cp949", big5 = "big5-hkscs", ["tis-620"] = "cp874",
  utf8 = "utf-8",
}

-- In order: longer marks first.
local BYTE_ORDER_MARKS = {
  { "\xEF\xBB\xBF", "utf-8" }, { "\xFF\xFE", "utf-16le" }, { "\xFE\xFF", "utf-16be" },
}

-- A page that can be read so far is not in UTF-16, whatever it says.
local function from_meta(text)
  local head = text:sub(1, 2048):lower()
  local name = head:match("<meta%s[^>]-charset%s*=%s*[\"']?%s*([%w_:.-]+)")
  if name and name:find("^utf%-?16") then return "utf-8" end
  return name
end

local function to_utf8(text, charset)
  for _, mark in ipairs(BYTE_ORDER_MARKS) do
    if text:sub(1, #mark[1]) == mark[1] then
      text, charset = text:sub(#mark[1] + 1), mark[2]
      break
    end
  end
  charset = (charset or from_meta(text) or "utf-8?"):lower()
  charset = MEANT[charset] or charset
  if charset:sub(1, 5) == "utf-8" and utf8.len(text) then return text end
  local known = charset:find("^[%w_:.-]+$") and core.to_utf8(text, charset)
  return known or core.to_utf8(text, "windows-1252")
end

local PARSE = { base_url = "string", charset = "string" }

--- Parses a page; broken markup never raises. The charset is that of the byte order mark, else
--- `charset` (from the Content-Type), else what the page says in a meta element, else UTF-8
--- where it fits, else windows-1252.
---@param text string
---@param opts? {base_url?: string, charset?: string}
---@return luapool.html.Node
function M.parse(text, opts)
  opts = options.check("html.parse", opts, PARSE)
  if type(text) ~= "string" then
    error("html.parse: the text must be a string, got " .. type(text), 2)
  end
  text = to_utf8(text, opts.charset):gsub("\0", "\u{FFFD}")
  return core.parse(text, opts.base_url)
end

--- The nodes inside this one that a CSS selector matches, in the order of the document.
---@param selector string
---@return luapool.html.Node[]
function Node:css(selector)
  return self:xpath(css.to_xpath(selector))
end

--- The first match of a CSS selector, or of an XPath query (one that begins with `/`, `./`, `..` or
--- `(`). nil when there is none.
---@param query string
---@return luapool.html.Node|string|number|boolean|nil
function Node:first(query)
  local is_xpath = query:find("^%s*[/(]") or query:find("^%s*%.[/.]")
  local found = self:xpath(is_xpath and query or "(" .. css.to_xpath(query) .. ")[1]")
  if type(found) == "table" then return found[1] end
  return found
end

--- The address that relative ones in this document start from: `<base href>`, taken relative to
--- base_url.
local function base_of(node)
  local own, href = core.base_url(node), node:xpath("string(/html/head/base/@href)")
  if href == "" then return own end
  return own and url.resolve(href, own) or href
end

--- The absolute form of an address found in this document; as it is where no base is known.
---@param address string
---@return string
function Node:resolve(address)
  local base = base_of(self)
  return base and url.resolve(address, base) or address
end

--- Where the links (`a` and `area`) inside this node lead, absolute, in order. Those of
--- `javascript:` are left out.
---@return string[]
function Node:links()
  local base, list = base_of(self), {}
  for _, href in ipairs(self:xpath("descendant-or-self::*[self::a or self::area]/@href")) do
    if not href:lower():find("^%s*javascript:") then
      list[#list + 1] = base and url.resolve(href, base) or href
    end
  end
  return list
end

return M
