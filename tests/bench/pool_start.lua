-- The result of one task from each of six workers.
local pool, task = require "luapool.pool", require "luapool.task"
local p <close> = pool.new { processes = 6, concurrency = 1 }
local futures = {}
for i = 1, 6 do
  futures[i] = p:submit(function() return require("luapool").worker.id end)
end
local ids = task.gather(futures)
table.sort(ids)
assert(table.concat(ids, " ") == "1 2 3 4 5 6")
