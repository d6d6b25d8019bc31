-- One host for 20 s at 100 requests a second, by six workers. Prints how many it answered.
local http, base = require "luapool.http", arg[1]

return {
  items = function()
    local i = 0
    return function()
      i = i + 1
      return base .. "/echo?" .. i
    end
  end,
  crawl = { rate = { per_host = 100 }, max_time = 20 },
  fetch = function(url) return http.get(url):raise_for_status() end,
  done = function(summary) print(summary.success) end,
}
