-- internal.sync.barrier: n tasks wait for one another; then it is as new. One that is cancelled
-- or too late has not arrived.
--@whole

local class = require "luapool.internal.sync.class"
local core = require "luapool.sync.core"

local M = {}

local function incomplete(self) return #self.waiters + 1 < self.n end

---@class luapool.sync.Barrier
local Barrier = class.new("barrier", { waits = { wait = incomplete } })

--- Waits until n tasks wait here. Raises kind `timeout`.
---@param timeout? number seconds
function Barrier:wait(timeout)
  class.check_self(self, Barrier, "wait")
  class.check_timeout(timeout, "wait")
  if incomplete(self) then
    self.waiters:wait(timeout)
  else
    self.waiters:wake_all()
  end
end

class.open(Barrier, "wait")

--- Makes a barrier for n tasks.
---@param n integer
---@return luapool.sync.Barrier
function M.new(n)
  n = class.check_count(n, 1, "barrier")
  return setmetatable({ n = n, waiters = core.waiters "barrier" }, Barrier)
end

return M
