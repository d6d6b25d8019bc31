-- Items for tests/bench/resume.sh:
--   luapool run tests/bench/resume_items.lua -p 1 -- noop|adds|fetch N
local http = require "luapool.http"

local what, n = arg[1], math.tointeger(tonumber(arg[2]))
local url = os.getenv "NGINX_URL"

local function each()
  local i = 0
  return function()
    i = i + 1
    if i <= n then return i end
  end
end

local jobs = {
  noop = { items = each, process = function(item) return item end },
  adds = { items = { 1 }, process = function(item, _, ctx)
    for k = 2 * item, math.min(2 * item + 1, n) do ctx:add(k) end
    return item
  end },
  fetch = { items = each, concurrency = 50,
    fetch = function() return http.get(url .. "/echo"):raise_for_status() end,
    process = function(_, item) return item end },
}

return jobs[what]
