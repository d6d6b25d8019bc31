-- Shows a semaphore that several processes share: however many workers there are, never more than
-- three of their tasks are inside at once. A worker that dies gives its places back.
--
--     luapool run semaphore.lua -p 4

local pool = require "luapool.pool"
local sync = require "luapool.sync"

local places = sync.semaphore(3)
local inside, most = sync.counter(), sync.counter()

local function visit()
  local _ <close> = places:hold() -- waits for a place, and gives it back with the scope
  local now = inside:add(1)
  if now > most:get() then most:set(now) end
  require("luapool.task").sleep(0.01)
  inside:add(-1)
end

local workers <close> = pool.new { processes = 4, concurrency = 10 }
local visits = {}
for i = 1, 40 do visits[i] = i end
workers:map(visit, visits):drain()
print(("%d visits, at most %d at once, %d inside"):format(#visits, most:get(), inside:get()))
