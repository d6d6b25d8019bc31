-- eventually(fn): waits until fn() returns something, and returns that. For what no event tells of;
-- the limit of the test is the deadline.

local task = require "luapool.task"

return function(fn)
  while true do
    local value = fn()
    if value then return value end
    task.sleep(0.005)
  end
end
