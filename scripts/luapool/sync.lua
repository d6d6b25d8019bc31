-- luapool.sync: objects between tasks and, when they are sent to workers, between processes.
-- Each class is a file of luapool/sync.

local M = {
  lock = require("luapool.sync.lock").new,
  semaphore = require("luapool.sync.semaphore").new,
  event = require("luapool.sync.event").new,
  condition = require("luapool.sync.condition").new,
  barrier = require("luapool.sync.barrier").new,
  counter = require("luapool.sync.counter").new,
  map = require("luapool.sync.map").new,
  queue = require("luapool.sync.queue").new,
  limiter = require("luapool.sync.limiter").new,
}

require "luapool.sync.remote" -- they may be sent

return M
