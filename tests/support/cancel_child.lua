-- A program that comes into a state of cancel_states.lua in its main task, says so, and is
-- interrupted: luapool run tests/support/cancel_child.lua -- STATE.

local states = require "tests.support.cancel_states"
local task = require "luapool.task"

local s, probe = states.open((...)), {}
task.spawn(task.sleep, 1000) -- else nothing could wake some of them
task.spawn(function()
  states.enter(s)
  io.write "ready\n"
  io.flush()
end)
local ok, e = pcall(states.victim(s, probe))
task.shield(s.late)
task.shield(s.check)
task.shield(s.close)
print(ok and "returned" or e.kind, probe.woken, probe.closed, probe.unwound)
if ok then task.sleep(1000) end
error(e, 0)
