-- internal.sync.barrier: n tasks wait for one another; then it is as new. One that is cancelled
-- or too late has not arrived.
--@whole

local class = require "luapool.internal.sync.class"
local core = require "luapool.sync.core"
local usage = require "luapool.internal.usage"

local M = {}

local function incomplete(self) return #self.waiters + 1 < self.n end

--- A number of tasks wait here for one another. See `sync.barrier`.
---@within sync
---@class luapool.sync.Barrier
local Barrier = class.new("barrier", { waits = { wait = incomplete } })

--- Waits until as many tasks wait here as the barrier is for. One that is cancelled or too late has
--- not arrived.
---
--- ```lua
--- local barrier = sync.barrier(2)
--- local ok, e = pcall(barrier.wait, barrier, 0.01)
--- print(ok, e.kind) --> false timeout
--- ```
---@async
---@param timeout? number seconds
---@raises timeout
function Barrier:wait(timeout)
  class.check_self(self, Barrier, "barrier:wait")
  class.check_timeout(timeout, "barrier:wait")
  if incomplete(self) then
    self.waiters:wait(timeout)
  else
    self.waiters:wake_all()
  end
end

class.open(Barrier, "wait")

--- Makes a barrier for n tasks. When the last of them arrives all go on, and the barrier is as new.
---
--- ```lua
--- local barrier, order = sync.barrier(2), {}
--- local function work(seconds)
---   task.sleep(seconds)
---   table.insert(order, "arrived")
---   barrier:wait()
---   table.insert(order, "on")
--- end
--- task.all(function() work(0) end, function() work(0.01) end)
--- print(table.concat(order, " ")) --> arrived arrived on on
--- ```
---@function sync.barrier
---@param n integer 1 or more
---@return luapool.sync.Barrier
function M.new(n)
  n = math.tointeger(usage.argument("sync.barrier", 1, n, "count"))
  return setmetatable({ n = n, waiters = core.waiters "barrier" }, Barrier)
end

return M
