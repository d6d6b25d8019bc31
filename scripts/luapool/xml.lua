-- luapool.xml: documents of XML, with the nodes of luapool.html. The parser is in
-- bindings/html/xml.c.

local charset = require "luapool.charset.core"
local core = require "luapool.html.core"
local errors = require "luapool.error"
local options = require "luapool.internal.options"
local usage = require "luapool.internal.usage"
require "luapool.internal.html.node"

--- Feeds, sitemaps and other XML, on libxml2. Nodes are those of `luapool.html`, with all their
--- methods; names are as the document writes them, so `pubDate` is not `pubdate`.
---
--- What servers send is seldom well-formed, so a document is read as far as it goes: references of
--- HTML (`&nbsp;`) are known, `&` alone means itself, and behind a fault the parser makes what
--- it can of the rest. `strict` refuses a document with a fault. Document types are left out:
--- no entity of a document is ever expanded, and nothing is fetched. Elements nest at most 512
--- deep, and a tag keeps its first 256 attributes.
---
--- ```lua
--- local feed = xml.parse "<rss><channel><item><link>http://h/1</link></item></channel></rss>"
--- print(feed:first("item > link"):text(), #feed:xpath "//item") --> http://h/1 1
--- ```
---@kind xml there is no document in a text, or `strict` found a fault; fields `line` and `problem`
---@class luapool.xml
local M = {}

-- What a gzip file may hold.
local MOST_BYTES <const> = 64 * 1024 * 1024

local check_parse = options.define("xml.parse", {
  base_url = "string", charset = "string", namespaces = "table", strict = "boolean",
})

---@class luapool.xml.ParseOptions
---@field base_url? string where the document came from: relative links start there
---@field charset? string of the text, as a Content-Type names it
---@field namespaces? table<string, string> prefixes for queries, and the namespaces they stand for
---@field strict? boolean a fault raises kind `xml`

-- The table as a list of pairs, in a stable order.
local function pairs_of(namespaces)
  local list, prefixes = {}, {}
  for prefix, uri in pairs(namespaces or {}) do
    if type(prefix) ~= "string" or type(uri) ~= "string" or prefix == "" then
      usage.raise("xml.parse", "option 'namespaces' must map prefixes to namespaces, got %s = %s",
        usage.describe(prefix), usage.describe(uri))
    end
    prefixes[#prefixes + 1] = prefix
  end
  table.sort(prefixes)
  for i, prefix in ipairs(prefixes) do list[2 * i - 1], list[2 * i] = prefix, namespaces[prefix] end
  return list
end

local function text_of(text, opts)
  if text:sub(1, 2) == "\x1F\x8B" then
    text = require("luapool.gzip.core").gunzip(text, MOST_BYTES)
  end
  text = charset.to_utf8(text, opts.charset, "xml")
  if opts.strict then return text end
  if text:find("\0", 1, true) then text = text:gsub("\0", "\u{FFFD}") end
  return text:match "^%s+(<.*)" or text
end

--- Parses a document; a gzip file is decompressed (up to 64 MiB). Returns the document's node, and
--- the first fault, if there is one: "line 3: …".
---
--- Without `namespaces` elements are found by the names that they carry: `//loc` finds `<loc>`
--- whatever its `xmlns`, and `//media:content` what the document writes so. With `namespaces`
--- names in queries mean what XPath says: prefixes of the option, or of the document, stand for
--- namespaces, and a name without one is in none. In selectors it is `media|content`.
---
--- ```lua
--- local map = "<urlset xmlns='http://s/0.9'><url><loc>http://h/a&b</loc></url></urlset>"
--- print(xml.parse(map):xpath "string(//loc)") --> http://h/a&b
--- local doc = xml.parse(map, { namespaces = { s = "http://s/0.9" } })
--- print(doc:first("s|loc"):text(), #doc:xpath "//s:loc", #doc:xpath "//loc") --> http://h/a&b 1 0
--- local opts = { charset = "latin1", base_url = "http://h/feed" }
--- print(xml.parse("<a>caf\xE9</a>", opts):text()) --> café
--- print(xml.parse("<a/>", opts):resolve "x") --> http://h/x
--- print(select(2, xml.parse "<a><b></a>"):match "^line 1: ") --> line 1:
--- print(select(2, pcall(xml.parse, "<a>", { strict = true })).kind) --> xml
--- ```
---@param text string
---@param opts? luapool.xml.ParseOptions
---@return luapool.html.Node
---@return string? problem
---@raises xml there is no element, or `strict` found a fault
---@raises corrupt a damaged gzip file
---@raises too_large a gzip file that holds more than 64 MiB
function M.parse(text, opts)
  opts = check_parse(opts)
  usage.argument("xml.parse", 1, text, "string")
  local doc, problem, line = core.parse_xml(text_of(text, opts), pairs_of(opts.namespaces),
    opts.strict, opts.base_url)
  local message = problem and ("line %d: %s"):format(line, problem)
  if doc and not (problem and opts.strict) then return doc, message end
  error(errors.new("xml", "xml.parse: " .. (message or "no element"),
    { line = line, problem = problem }), 0)
end

return M
