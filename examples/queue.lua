-- Shows objects that processes share: a queue, a limiter and a counter made in main are the same
-- objects in every worker. Here workers crawl a tree of numbers, each putting in what it finds.
--
--     luapool run queue.lua -p 4

local pool = require "luapool.pool"
local sync = require "luapool.sync"

local DEPTH = 8

local found = sync.queue {}
local pace = sync.limiter { rate = 2000, per = 1, burst = 100 } -- over all processes together
local leaves = sync.counter()

local function visit(node)
  if node.depth == DEPTH then
    leaves:add(1)
    return
  end
  for side = 0, 1 do
    found:put { number = 2 * node.number + side, depth = node.depth + 1 }
  end
end

-- Runs in the workers until the queue is closed. What this function refers to travels with it; the
-- shared objects travel as themselves.
local function work()
  local visited = 0
  for node in found:iter() do
    pace:acquire()
    visit(node)
    visited = visited + 1
    found:task_done() -- after its children are in, or join could return too early
  end
  return visited
end

local workers <close> = pool.new { concurrency = 10 }
found:put { number = 1, depth = 0 }
local running = {}
for i = 1, 20 do
  running[i] = workers:submit(work)
end
found:join()
found:close()
local visited = 0
for _, future in ipairs(running) do
  visited = visited + future:await()
end
print(("%d nodes visited, %d leaves"):format(visited, leaves:get()))
