-- Items for tests/bench/resume.sh:
--   luapool run tests/bench/resume_items.lua -p 1 -- noop|adds|urls|fetch N
local http = require "luapool.http"

local what, n = arg[1], math.tointeger(tonumber(arg[2]))
local url = os.getenv "NGINX_URL"
local BASE = "http://example.com/page/"

local function each()
  local i = 0
  return function()
    i = i + 1
    if i <= n then return i end
  end
end

-- What `i` leads to, in a tree of n items.
local function below(i, add)
  for k = 2 * i, math.min(2 * i + 1, n) do add(k) end
  return i
end

local jobs = {
  noop = { items = each, process = function(item) return item end },
  adds = { items = { 1 }, process = function(item, _, ctx)
    return below(item, function(k) ctx:add(k) end)
  end },
  urls = { items = { BASE .. 1 }, crawl = true, process = function(item, _, ctx)
    return below(math.tointeger(tonumber(item:match "%d+$")), function(k) ctx:add(BASE .. k) end)
  end },
  fetch = { items = each, concurrency = 50,
    fetch = function() return http.get(url .. "/echo"):raise_for_status() end,
    process = function(_, item) return item end },
}

return jobs[what]
