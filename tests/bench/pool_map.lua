-- pool:map of a function that doubles a number: ... is the number of tasks in each map, of workers
-- and of maps.
local pool = require "luapool.pool"
local function number(i, otherwise, ...)
  return math.tointeger(tonumber((select(i, ...)))) or otherwise
end
local tasks, workers, maps = number(1, 100000, ...), number(2, 2, ...), number(3, 1, ...)
local p <close> = pool.new { processes = workers }
for _ = 1, maps do
  local i, sum = 0, 0
  local function items()
    i = i + 1
    if i <= tasks then return i end
  end
  for _, double in p:map(function(x) return x * 2 end, items) do
    sum = sum + double
  end
  assert(sum == tasks * (tasks + 1), sum)
end
