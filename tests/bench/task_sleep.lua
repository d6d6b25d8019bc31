-- Tasks that sleep for one second each, all together: arguments are how many, and what becomes of
-- the Task objects: kept in a "list" and awaited, given to "gather", or kept by "nobody".
local task = require "luapool.task"
local n, way = math.tointeger((...)), select(2, ...)
local ended = 0

local function sleep()
  task.sleep(1)
  ended = ended + 1
end

local ways = {}

function ways.list()
  local list = {}
  for i = 1, n do
    list[i] = task.spawn(sleep)
  end
  for i = 1, n do
    list[i]:await()
  end
end

function ways.gather()
  local list = {}
  for i = 1, n do
    list[i] = sleep
  end
  task.gather(list)
end

function ways.nobody()
  for _ = 1, n do
    task.spawn(sleep)
  end
  while ended < n do
    task.sleep(0.01)
  end
end

ways[way]()
assert(ended == n, ended)
