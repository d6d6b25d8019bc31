-- Shows two kinds of item: pages of a gallery lead to images, which are downloaded and counted.
--
--     luapool run job.lua -p 6 [--config settings.yaml] [-m sync]
--
-- The first page says how many there are; it adds the others, and every page adds its images. An
-- image that stands on several pages is downloaded once. What could not be had is listed in
-- job.failed.jsonl.

local fs = require "luapool.fs"
local http = require "luapool.http"

local defaults = {
  IMAGES = "//img/@src", -- where a page names its images
}

local function setting(ctx, name, expected)
  local value = ctx.config[name]
  if value == nil then value = defaults[name] end
  if type(value) ~= expected then
    error(("settings: %s must be a %s, got %s"):format(name, expected, tostring(value)), 0)
  end
  return value
end

local function page_url(ctx, page)
  local item = setting(ctx, "ITEM", "string"):gsub("[^%w%-._~/]", function(c)
    return ("%%%02X"):format(c:byte())
  end)
  local url, n = setting(ctx, "URL", "string"):gsub("{(%w+)}", { item = item, page = page })
  if n > 0 then return url end
  return ("%s/%s?page=%s"):format(url:gsub("/$", ""), item, page)
end

-- The largest number that a link to another page of this gallery bears, at least 1.
local function page_count(ctx, html)
  local pattern = page_url(ctx, "\0"):gsub("%p", "%%%0"):gsub("\0", "(%%d+)")
  local most = 1
  for _, link in ipairs(html:links()) do
    most = math.max(most, tonumber(link:match("^" .. pattern .. "$")) or 1)
  end
  return most
end

-- A name that only this address has, the same in every run: cat-0123456789abcdef.png
local function file_name(url)
  local hash = 0xcbf29ce484222325 -- FNV-1a, 64 bits
  for i = 1, #url do hash = (hash ~ url:byte(i)) * 0x100000001b3 end
  local name = url:gsub("[?#].*", ""):match("([^/]*)$"):gsub("[^%w%-._]", "_")
  local stem, extension = name:match("^(.+)(%.%w+)$")
  return ("%s-%016x%s"):format((stem or name):sub(1, 100), hash, (extension or ""):sub(1, 10))
end

local page = {
  fetch = function(number, ctx)
    return http.get(page_url(ctx, number)):raise_for_status():html()
  end,

  process = function(html, number, ctx)
    if number == 1 then
      local count, most = page_count(ctx, html), setting(ctx, "AMOUNT_PAGES", "number")
      for other = 2, math.min(count, most) do ctx:add(other, "page") end
    end
    for _, src in ipairs(html:xpath(setting(ctx, "IMAGES", "string"))) do
      if not src:match("^data:") then ctx:add(html:resolve(src), "image") end
    end
  end,
}

local image = {
  counted = true,
  fetch = function(url, ctx)
    local path = ctx.config.OUT_DIR .. "/" .. file_name(url)
    http.get(url, { save_to = path }):raise_for_status()
  end,
}

return {
  config = "settings.yaml",
  kinds = { page = page, image = image },
  start = "page",
  crawl = true,
  retry = { attempts = 5 },

  items = function(ctx)
    local folder = setting(ctx, "OUT_DIR", "string")
    setting(ctx, "AMOUNT_PAGES", "number")
    page_url(ctx, 1)
    fs.mkdir(folder, { parents = true })
    return { 1 }
  end,
}
