-- pool:map of a function that doubles a number: ... is the number of tasks and of workers.
local pool = require "luapool.pool"
local tasks, workers = math.tointeger(tonumber((...)) or 100000), math.tointeger(select(2, ...) or 2)
local p <close> = pool.new { processes = workers }
local i, sum = 0, 0
local function items()
  i = i + 1
  if i <= tasks then return i end
end
for _, double in p:map(function(x) return x * 2 end, items) do
  sum = sum + double
end
assert(sum == tasks * (tasks + 1), sum)
