-- Shows a crawl of several hosts, each at its own pace: the rate holds for one host and all workers
-- together, and one that answers 429 is left alone for as long as it says, while the others go on.
--
--     luapool run two_hosts.lua -p 4 -- https://example.com/ https://example.org/

local http = require "luapool.http"

return {
  items = function(ctx) return ctx.args end,
  crawl = {
    rate = { per_host = 10 },
    same_host = true, -- each link stays on the host of its page
  },
  fetch = function(url) return http.get(url):raise_for_status() end,
  process = function(res, url, ctx)
    local page = res:html()
    for _, link in ipairs(page:css "a[href]") do ctx:follow(link) end
    return { url = url, title = page:first("title"):text() }
  end,
  retry = { attempts = 5 },
  done = function(summary)
    for name, host in pairs(summary.hosts) do
      print(("%s: %d requests, %d refused with 429"):format(name, host.requests,
        host.statuses[429] or 0))
    end
  end,
  output = "pages.jsonl",
}
