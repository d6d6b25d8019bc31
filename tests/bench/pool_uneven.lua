-- Items of which one in fifty takes 100 times as long, over four workers: the wall time over
-- that of the best schedule, a fourth of the time of all tasks as the workers measure it. The
-- tasks sleep, so that it does not matter how many processors there are.
local pool, task = require "luapool.pool", require "luapool.task"
local WORKERS, ITEMS, SHORT = 4, 3200, 0.002
local p <close> = pool.new { processes = WORKERS, concurrency = 1 }

local function work(seconds)
  local now, sleep = require("luapool.task").now, require("luapool.task").sleep
  local start = now()
  sleep(seconds)
  return now() - start
end

local items, sum = {}, 0
math.randomseed(1)
for i = 1, ITEMS do items[i] = SHORT end
for i = 1, ITEMS, 50 do items[i + math.random(0, 49)] = SHORT * 100 end
p:apply(work, 0)
local start = task.now()
for _, took in p:map(work, items, { ordered = false }) do sum = sum + took end
print(("%.3f"):format((task.now() - start) / (sum / WORKERS)))
