-- Shows a job of ten lines: the title of each page, as JSON lines.
--
--     luapool run titles.lua -p 4 -- https://example.com/ https://example.org/
--     luapool run titles.lua -p 4 -o titles.jsonl -- $(cat urls.txt)

local http = require "luapool.http"

return {
  items = function(ctx) return ctx.args end,
  fetch = function(url) return http.get(url):raise_for_status() end,
  process = function(res, url) return { url = url, title = res:html():first("title"):text() } end,
  retry = { attempts = 5 },
}
