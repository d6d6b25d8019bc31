-- One pool:apply at a time: prints the median of its wall time in microseconds.
local pool, task = require "luapool.pool", require "luapool.task"
local p <close> = pool.new { processes = 2 }
local function same(x) return x end
p:apply(same, 0)
local times = {}
for i = 1, 3000 do
  local start = task.now()
  p:apply(same, i)
  times[i] = (task.now() - start) * 1e6
end
table.sort(times)
print(("%.1f"):format(times[#times // 2]))
