-- Shows a sitemap turned into a table: the pages that it lists (also by way of other sitemaps, and
-- compressed) with their titles and descriptions, as CSV.
--
--     luapool run sitemap.lua -p 2 -- https://example.com/sitemap.xml

local http = require "luapool.http"
local xml = require "luapool.xml"

local function get(url) return http.get(url):raise_for_status() end

return {
  items = function(ctx) return ctx.args end,
  start = "sitemap",
  crawl = { same_host = true, rate = { per_host = 20, burst = 5 } },
  kinds = {
    sitemap = {
      fetch = get,
      process = function(res, _, ctx)
        local map = xml.parse(res.body)
        for _, loc in ipairs(map:css "sitemap > loc") do ctx:follow(loc:text { trim = true }) end
        for _, entry in ipairs(map:css "url") do
          local lastmod = entry:first "lastmod"
          ctx:follow(entry:first("loc"):text { trim = true }, "page", {
            meta = { lastmod = lastmod and lastmod:text { trim = true } },
          })
        end
      end,
    },
    page = {
      counted = true,
      fetch = get,
      process = function(res, url, ctx)
        local about = res:html():metadata()
        return { url = url, title = about.title, description = about.description,
          lastmod = ctx.meta.lastmod, bytes = #res.body }
      end,
    },
  },
  output = "pages.csv",
  columns = { "url", "title", "description", "lastmod", "bytes" },
}
