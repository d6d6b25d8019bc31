-- N single puts from so many tasks: how many a commit takes. Arguments: N, tasks, folder.

local queue = require "luapool.queue"
local task = require "luapool.task"

local n, tasks, folder = ...
n, tasks = math.tointeger(n), math.tointeger(tasks)
local q <close> = queue.open("sqlite:" .. folder .. "/single.db")
local commits, run = 0, q.store.group.on_commit
q.store.group.on_commit = function(ops)
  commits = commits + 1
  return run(ops)
end
local i = 0
task.map(function()
  i = i + 1
  return i <= n and i or nil
end, function(id) q:put("noop", { id = id }) end, { concurrency = tasks }):drain()
print(("%.1f"):format(n / commits))
