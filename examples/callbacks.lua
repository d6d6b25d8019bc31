-- Shows callbacks: on_done of a task or of a pool's future is called when it has ended, however it
-- ended; on_error of a pool hears of every item that failed. Both run in main.
--
--     luapool run callbacks.lua -p 2

local pool = require "luapool.pool"
local task = require "luapool.task"

local function half(n)
  if n % 2 == 1 then error(n .. " is odd", 0) end
  return n // 2
end

local failures = {}
local workers <close> = pool.new {
  on_error = function(err, item) failures[#failures + 1] = ("item %d: %s"):format(item, err) end,
}

local futures, statuses = {}, {}
for n = 1, 4 do
  futures[n] = workers:submit(half, n)
  futures[n]:on_done(function(future) statuses[n] = future:status() end)
end
task.wait(futures)
table.sort(failures)
print(table.concat(statuses, " "))
print(table.concat(failures, ", "))
