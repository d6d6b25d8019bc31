-- internal.job.sitemap: sitemaps: XML or plain text, compressed or not, and indexes of them. They
-- are items of luapool's own: a worker fetches one and adds what it lists. The text is scanned and
-- not made a tree, which would take ten times the memory of the largest that are allowed. Runs in
-- workers.

local follow = require "luapool.internal.job.follow"

local M = {}

-- The protocol of sitemaps allows so many bytes, uncompressed, and so many addresses in each.
local MOST_BYTES, MOST_URLS = 50 << 20, 50000

local entities = { amp = "&", lt = "<", gt = ">", quot = '"', apos = "'" }

local function decode(text)
  text = text:gsub("<!%[CDATA%[(.-)%]%]>", function(inner)
    return (inner:gsub("&", "&amp;"))
  end)
  text = text:gsub("&(#?[xX]?%w+);", function(name)
    local number = name:match "^#(%d+)$" or name:match "^#[xX](%x+)$" and "0x" .. name:sub(3)
    local code = number and tonumber(number)
    if code then return code < 0x110000 and utf8.char(code) or "" end
    return entities[name]
  end)
  return text:match "^%s*(.-)%s*$"
end

local function from_text(text)
  local list = {}
  for line in text:gmatch "[^\r\n]+" do
    line = line:match "^%s*(.-)%s*$"
    if line:find "^https?://" and #list < MOST_URLS then list[#list + 1] = { url = line } end
  end
  return list
end

-- The text inside the first element `name` of a record, whatever its prefix.
local function inside(record, name)
  local text = record:match("<[%w]*:?" .. name .. "[^>]*>(.-)</[%w]*:?" .. name .. "%s*>")
  return text and decode(text)
end

--- What a sitemap lists.
---@param text string
---@return { url: string, lastmod: string? }[] list
---@return boolean is_index the list is one of sitemaps
function M.parse(text)
  text = text:gsub("^\xEF\xBB\xBF", "")
  if not text:find "^%s*<" then return from_text(text), false end
  text = text:gsub("<!%-%-.-%-%->", "")
  local is_index = text:find "<[%w]*:?sitemapindex[%s>]" ~= nil
  local list, element = {}, is_index and "sitemap" or "url"
  local pattern = ("<[%%w]*:?%s%%f[%%s>][^>]*>(.-)</[%%w]*:?%s%%s*>"):format(element, element)
  for record in text:gmatch(pattern) do
    local address = inside(record, "loc")
    if address and address ~= "" and #list < MOST_URLS then
      list[#list + 1] = { url = address, lastmod = inside(record, "lastmod") }
    end
  end
  return list, is_index
end

-- The text of a sitemap that is a gzip file.
local function decompressed(body)
  if body:sub(1, 2) ~= "\x1F\x8B" then return body end
  return require("luapool.gzip.core").gunzip(body, MOST_BYTES)
end

local function fetch(url, ctx)
  local http, agent = require "luapool.http", ctx.page.plan.rules.agent
  local headers = agent and { ["User-Agent"] = agent }
  local res = http.get(url, { headers = headers, max_body = MOST_BYTES })
  if res.status == 404 and not ctx.meta then return false end -- nobody has said that it is there
  return res:raise_for_status().body
end

local function skip(page, rule)
  page.skipped = page.skipped or {}
  page.skipped[rule] = (page.skipped[rule] or 0) + 1
end

-- Adds what the rules allow to the items of the page.
local function process(body, _, ctx)
  if not body then return end
  local page, added = ctx.page, {}
  local list, is_index = M.parse(decompressed(body))
  for _, listed in ipairs(list) do
    local url, rule = listed.url, nil
    if not is_index then url, rule = follow.check(page.plan.rules, page, url) end
    if url then
      local how = listed.lastmod and { meta = { lastmod = listed.lastmod } } or true
      local n = #added
      added[n + 1], added[n + 2], added[n + 3] = url, not is_index and page.plan.start, how
    else
      skip(page, rule)
    end
  end
  page.added = added
end

--- The kind of the items that fetch a sitemap.
M.kind = { fetch = fetch, process = process }

return M
