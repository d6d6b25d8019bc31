-- luapool.sync: objects between tasks and, when they are sent to workers, between processes.
-- Each class is a file of luapool/sync.
--@whole

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
