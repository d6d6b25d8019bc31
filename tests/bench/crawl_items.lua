-- 200,000 items that add items: numbers, URLs, or URLs by ctx:follow under rules.
--   luapool run tests/bench/crawl_items.lua -p 1 -- numbers|urls|rules
local N, BASE, what = 200000, "http://example.com/page/", arg[1]

local function add(n, ctx)
  for k = 2 * n, math.min(2 * n + 1, N) do
    if what == "numbers" then ctx:add(k)
    elseif what == "urls" then ctx:add(BASE .. k)
    else ctx:follow(BASE .. k) end
  end
end

return {
  items = { what == "numbers" and 1 or BASE .. 1 },
  crawl = what ~= "rules" or { max_depth = 30, same_host = true, exclude = "%.zip$" },
  process = function(item, _, ctx) add(math.tointeger(tostring(item):match "%d+$"), ctx) end,
  done = function(summary) assert(summary.success == N) end,
}
