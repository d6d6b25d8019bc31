-- luapool.sync: objects between tasks and, when they are sent to workers, between processes.
-- Each class is a file of luapool/sync.
--@whole

--- Objects that tasks share: locks, queues, events, counters. Each works between the tasks of one
--- process and, when it is passed to a worker (as an argument, an upvalue or inside a table),
--- between processes. It stays with the main process then; workers reach it by messages, so
--- that there every call waits, `try_…` and `#queue` too. An object that was made in a worker
--- stays there: sending it is an error.
---
--- A worker that dies gives back the locks and slots that it held.
---
--- ```lua
--- local queue = sync.queue()
--- local p <close> = pool.new { processes = 1 }
--- p:apply(function() queue:put "from the worker" end)
--- print(queue:get()) --> from the worker
--- ```
---@kind timeout a wait took longer than its `timeout`
---@kind closed the queue is closed; `get`: and empty
---@kind not_held what is to be released or finished does not belong to the caller
---@kind owner_gone the task that held the lock has ended without releasing it; or the main
--- process has no such object any more
---@class luapool.sync
local M = {
  lock = require("luapool.internal.sync.lock").new,
  semaphore = require("luapool.internal.sync.semaphore").new,
  event = require("luapool.internal.sync.event").new,
  condition = require("luapool.internal.sync.condition").new,
  barrier = require("luapool.internal.sync.barrier").new,
  counter = require("luapool.internal.sync.counter").new,
  map = require("luapool.internal.sync.map").new,
  queue = require("luapool.internal.sync.queue").new,
  limiter = require("luapool.internal.sync.limiter").new,
}

require "luapool.internal.sync.remote" -- they may be sent

return M
