-- A process that waits for jobs and gets none, for so many seconds: its share of a core in percent.

local queue = require "luapool.queue"
local task = require "luapool.task"

local seconds, folder = ...
local q <close> = queue.open(folder:find "://" and folder or "sqlite:" .. folder .. "/idle.db")
local kinds = { noop = {} }
q.store:settle({}, 1, kinds)
local late, before = task.now() + seconds, os.clock()
while task.now() < late do
  local since = q.store:changes()
  q.store:settle({}, 1, kinds)
  q.store:wait(late - task.now(), since)
end
print(("%.3f"):format((os.clock() - before) / seconds * 100))
