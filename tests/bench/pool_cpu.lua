-- Eight tasks that only compute: how many times faster are two workers than one, and are two bare
-- lua5.4 than one? The second tells what the machine has to give while others use it. Prints
-- both of the round, of three, that went best.
local pool, process = require "luapool.pool", require "luapool.process"
local task = require "luapool.task"
local ROUNDS = 20000000

local function burn(n)
  local x = 0
  for i = 1, n do x = x ~ i end
  return x
end

local function wall(fn, ...)
  local start = task.now()
  fn(...)
  return task.now() - start
end

local function pooled(processes)
  local p <close> = pool.new { processes = processes, concurrency = 1 }
  local list = {}
  for i = 1, 8 do list[i] = p:submit(burn, ROUNDS) end
  task.gather(list)
end

local function bare(processes)
  local code = ("for _ = 1, %d do local x = 0 for i = 1, %d do x = x ~ i end end")
    :format(8 // processes, ROUNDS)
  local list = {}
  for i = 1, processes do list[i] = task.spawn(process.exec, { "lua5.4", "-e", code }) end
  task.gather(list)
end

local best, floor = 0, 0
for _ = 1, 3 do
  local ours, theirs = wall(pooled, 1) / wall(pooled, 2), wall(bare, 1) / wall(bare, 2)
  if ours > best then best, floor = ours, theirs end
end
print(("%.2f %.2f"):format(best, floor))
