-- internal.sync.semaphore: n slots. A slot belongs to the process that acquired it: another task
-- of that process may release it, and a worker that dies gives back all of its own.
--@whole

local class = require "luapool.internal.sync.class"
local core = require "luapool.sync.core"
local errors = require "luapool.error.core"
local usage = require "luapool.internal.usage"
local raise, here = errors.raise, class.here
local getmetatable = getmetatable

local M = {}

local function take(self, process)
  self.held[process] = (self.held[process] or 0) + 1
  class.hold(process, self)
end

local function acquire(self, process, timeout)
  class.check_timeout(timeout, "semaphore:acquire")
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

--- Lets a number of tasks pass. A slot belongs to the process that took it, so another task of
--- that process may give it back. See `sync.semaphore`.
---@within sync
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

--- Waits for a free slot and takes it.
---
--- ```lua
--- local slots = sync.semaphore(1)
--- slots:acquire()
--- local ok, e = pcall(slots.acquire, slots, 0.01)
--- print(ok, e.kind) --> false timeout
--- slots:release()
--- ```
---@async
---@param timeout? number seconds
---@raises timeout
function Semaphore:acquire(timeout)
  if getmetatable(self) ~= Semaphore then class.check_self(self, Semaphore, "semaphore:acquire") end
  acquire(self, here, timeout)
end

--- Takes a slot if one is free.
---
--- ```lua
--- local slots = sync.semaphore(1)
--- print(slots:try_acquire(), slots:try_acquire()) --> true false
--- ```
---@return boolean taken
function Semaphore:try_acquire()
  class.check_self(self, Semaphore, "semaphore:try_acquire")
  return try_acquire(self, here)
end

--- Gives a slot back; the first task that waits for one gets it.
---
--- ```lua
--- local slots = sync.semaphore(1)
--- print(select(2, pcall(slots.release, slots)).kind) --> not_held
--- ```
---@raises not_held this process holds no slot
function Semaphore:release()
  if getmetatable(self) ~= Semaphore then class.check_self(self, Semaphore, "semaphore:release") end
  release(self, here)
end

--- Acquires a slot until the scope of a `<close>` variable is left.
---
--- ```lua
--- local slots = sync.semaphore(1)
--- do
---   local held <close> = slots:hold()
---   assert(not slots:try_acquire())
--- end
--- assert(slots:try_acquire())
--- ```
---@async
---@param timeout? number seconds
---@return luapool.sync.Held
---@raises timeout
Semaphore.hold = class.held

--- Makes a semaphore of n slots.
---
--- ```lua
--- local slots, now, most = sync.semaphore(2), 0, 0
--- local function work()
---   local held <close> = slots:hold()
---   now, most = now + 1, math.max(most, now + 1)
---   task.sleep(0.01)
---   now = now - 1
--- end
--- task.all(work, work, work, work)
--- print(most) --> 2
--- ```
---@function sync.semaphore
---@param n integer 0 or more
---@return luapool.sync.Semaphore
function M.new(n)
  n = math.tointeger(usage.argument("sync.semaphore", 1, n, "count0"))
  return setmetatable({ free = n, held = {}, waiters = core.waiters "semaphore" }, Semaphore)
end

return M
