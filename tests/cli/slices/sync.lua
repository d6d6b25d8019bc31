-- Objects of luapool.sync between tasks that are preempted all the time: each method is one step.
local sync, task = require "luapool.sync", require "luapool.task"
local TASKS, TIMES = 4, 40000
local counter, map, queue = sync.counter(), sync.map(), sync.queue { order = arg[1] }
local semaphore, sum = sync.semaphore(1), sync.counter()

local function all(fn)
  local tasks = {}
  for i = 1, TASKS do
    tasks[i] = task.spawn(fn, i)
  end
  task.gather(tasks)
end

all(function()
  for _ = 1, TIMES do
    counter:add()
    map:add "n"
  end
end)
assert(counter:get() == TASKS * TIMES, counter:get())
assert(map:get "n" == TASKS * TIMES, map:get "n")

local getters = task.spawn(all, function()
  for n in queue:iter() do
    sum:add(n)
    if semaphore:try_acquire() then semaphore:release() end
  end
end)
all(function()
  for i = 1, TIMES do
    queue:put(i, { priority = i })
  end
end)
queue:close()
getters:await()
assert(sum:get() == TASKS * TIMES * (TIMES + 1) // 2, sum:get())
assert(semaphore:try_acquire() and not semaphore:try_acquire())
