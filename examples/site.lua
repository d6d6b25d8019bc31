-- Shows a whole site crawled: every page up to a depth, once, as robots.txt allows, not faster than
-- the host bears. What was found stands in a table of a database; broken links stand in the list of
-- failed items.
--
--     luapool run site.lua -p 2 -- https://example.com/
--     sqlite3 site.sqlite "SELECT depth, count(*), sum(bytes) FROM pages GROUP BY depth"

local http = require "luapool.http"

return {
  items = function(ctx) return ctx.args end,
  crawl = {
    max_depth = 3, -- links away from the first page
    max_items = 10000,
    same_host = true,
    exclude = { "%.zip$", "%.pdf$", "[?&]print=" },
    robots = "example-crawler", -- the name that robots.txt is read for
    rate = { per_host = 20, burst = 5 }, -- pages a second, for all workers together
  },
  fetch = function(url) return http.get(url):raise_for_status() end,
  process = function(res, url, ctx)
    local is_page = (res.headers["content-type"] or ""):find "html"
    local page = is_page and res:html()
    for _, link in ipairs(page and page:css "a[href]" or {}) do ctx:follow(link) end
    local title = page and page:first "title"
    return {
      url = url, depth = ctx.depth, referrer = ctx.referrer, bytes = #res.body,
      title = title and title:text(),
    }
  end,
  retry = { attempts = 3 },
  output = "site.sqlite#pages",
  columns = { "url", "depth", "title", "bytes", "referrer" },
}
