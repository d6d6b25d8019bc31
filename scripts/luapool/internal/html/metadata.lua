-- internal.html.metadata: what a page says about itself in its head.

local core = require "luapool.html.core"
local json = require "luapool.json"

local M = {}

-- Several values of one name become a list.
local function add(t, name, value)
  local before = t[name]
  if before == nil then
    t[name] = value
  elseif type(before) == "table" then
    before[#before + 1] = value
  else
    t[name] = { before, value }
  end
end

-- The text of a script as JSON; nil where it is none. Some pages put it into a comment.
local function decode(text)
  text = core.trim(text):gsub("^<!%-%-", ""):gsub("%-%->$", "")
  text = text:gsub("^%s*/?/?%*?<!%[CDATA%[%*?/?", ""):gsub("/?/?%*?%]%]>%*?/?%s*$", "")
  local ok, value = pcall(json.decode, text)
  return ok and value or nil
end

local function content_of(node) return core.trim(node:attr "content" or "") end

--- What the page of this node says about itself.
---@param node luapool.html.Node
---@return luapool.html.Metadata
function M.read(node)
  local page = node:document()
  local found = { og = {}, twitter = {}, json_ld = {} }
  local title = page:first "title:not(svg *)"
  found.title = title and title:text():gsub("%s+", " "):match "^ ?(.-) ?$"
  found.lang = page:first "html::attr(lang)"
  local canonical = page:first "link[rel~=canonical i][href]"
  found.canonical = canonical and page:resolve(canonical:attr "href")
  for _, meta in ipairs(page:css "meta[content]") do
    local name = (meta:attr "property" or meta:attr "name" or ""):lower()
    local group, key = name:match "^(%a+):(.+)$"
    if group == "og" or group == "twitter" then
      add(found[group], key, content_of(meta))
    elseif name == "description" and not found.description then
      found.description = content_of(meta)
    end
  end
  for _, script in ipairs(page:css "script[type^='application/ld+json' i]") do
    local value = decode(script:text())
    if value ~= nil then table.insert(found.json_ld, value) end
  end
  return found
end

return M
