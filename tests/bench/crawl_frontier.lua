-- A crawl of which N URLs wait at once: 2,000 pages, each with N / 2,000 links.
local N = tonumber(arg[1]) // 2000
local pages = {}
for i = 1, 2000 do pages[i] = ("http://www.example.com/section-%d/"):format(i) end

return {
  items = pages,
  crawl = { max_depth = 1, same_host = true, max_items = 2001 },
  process = function(_, _, ctx)
    if ctx.depth > 0 then return end
    for i = 1, N do ctx:follow(("page-%d.html?sort=date"):format(i)) end
  end,
  done = function(summary) assert(summary.total == 2001) end,
}
