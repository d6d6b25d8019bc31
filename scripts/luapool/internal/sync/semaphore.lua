-- internal.sync.semaphore: n slots. A slot belongs to the process that acquired it: another task
-- of that process may release it, and a worker that dies gives back all of its own.
--@whole

local class = require "luapool.internal.sync.class"
local core = require "luapool.sync.core"
local raise, here = core.raise, class.here
local getmetatable = getmetatable

local M = {}

local function take(self, process)
  self.held[process] = (self.held[process] or 0) + 1
  class.hold(process, self)
end

local function acquire(self, process, timeout)
  class.check_timeout(timeout, "acquire")
  if self.free == 0 then return self.waiters:wait(timeout, process) end
  self.free = self.free - 1
  take(self, process)
end

local function try_acquire(self, process)
  if self.free == 0 then return false end
  acquire(self, process)
  return true
end

-- A slot is free: it goes to the first in line.
local function pass_on(self)
  local waited, process = self.waiters:wake()
  if waited then
    take(self, process)
  else
    self.free = self.free + 1
  end
end

local function release(self, process)
  local n = self.held[process]
  if not n then raise("not_held", "no slot of the semaphore is held here") end
  self.held[process] = n > 1 and n - 1 or nil
  class.drop(process, self)
  pass_on(self)
end

local function orphan(self, process)
  local n = self.held[process] or 0
  self.held[process] = nil
  for _ = 1, n do
    pass_on(self)
  end
end

---@class luapool.sync.Semaphore
local Semaphore = class.new("semaphore", {
  remote = {
    acquire = function(self, who, timeout) return acquire(self, who.process, timeout) end,
    try_acquire = function(self, who) return try_acquire(self, who.process) end,
    release = function(self, who) return release(self, who.process) end,
  },
  waits = { acquire = function(self) return self.free == 0 end },
  proxy = { hold = class.held },
  orphan = orphan,
})

--- Waits for a free slot and takes it. Raises kind `timeout`.
---@param timeout? number seconds
function Semaphore:acquire(timeout)
  if getmetatable(self) ~= Semaphore then class.check_self(self, Semaphore, "acquire") end
  acquire(self, here, timeout)
end

--- Takes a slot if one is free.
---@return boolean taken
function Semaphore:try_acquire()
  class.check_self(self, Semaphore, "try_acquire")
  return try_acquire(self, here)
end

--- Gives a slot back. Raises kind `not_held` when this process holds none.
function Semaphore:release()
  if getmetatable(self) ~= Semaphore then class.check_self(self, Semaphore, "release") end
  release(self, here)
end

Semaphore.hold = class.held

--- Makes a semaphore of n slots.
---@param n integer
---@return luapool.sync.Semaphore
function M.new(n)
  n = class.check_count(n, 0, "semaphore")
  return setmetatable({ free = n, held = {}, waiters = core.waiters "semaphore" }, Semaphore)
end

return M
