-- Shows task.every: a function called at regular times beside the work, without drift and never
-- twice at once, until it is stopped.
--
--     luapool run every.lua

local task = require "luapool.task"

local done = 0
local reports = 0
local report = task.every(0.05, function()
  reports = reports + 1
end, { immediate = true })

for _ = 1, 20 do
  task.sleep(0.01) -- the work
  done = done + 1
end
report:stop()
print(done .. " pieces of work, reported " .. (reports > 1 and "several times" or "hardly"))
