-- internal.sync.lock: one task at a time. Its owner is the task that acquired it.
--@whole

local class = require "luapool.internal.sync.class"
local core = require "luapool.sync.core"
local errors = require "luapool.error.core"
local mine, raise = core.holder, errors.raise
local hold, drop, check_timeout = class.hold, class.drop, class.check_timeout
local getmetatable = getmetatable

local M = {}

local LEFT = "the task that held the lock has ended without releasing it"

-- One notice for who comes next; the lock is free then.
local function notice(self)
  if not self.left then return end
  self.left = false
  raise("owner_gone", LEFT)
end

--- Acquires the lock for the holder `who`.
---@param self luapool.sync.Lock
---@param who table
---@param timeout? number
function M.acquire(self, who, timeout)
  check_timeout(timeout, "lock:acquire")
  notice(self)
  if not self.owner then
    self.owner = who
    hold(who, self)
  elseif self.waiters:wait(timeout, who) then
    raise("owner_gone", LEFT)
  end
end

-- The lock is free: it goes to the first in line.
local function pass_on(self)
  local waited, who = self.waiters:wake()
  self.owner = waited and who or nil
  if waited then hold(who, self) end
end

--- Releases it for the holder `who`.
---@param self luapool.sync.Lock
---@param who table
function M.release(self, who)
  if self.owner ~= who then raise("not_held", "the lock is not held by this task") end
  drop(who, self)
  pass_on(self)
end

local function try_acquire(self, who)
  notice(self)
  if self.owner then return false end
  M.acquire(self, who)
  return true
end

-- A worker that died gives it back; a task that forgot it has left what it guards in an unknown
-- state.
local function orphan(self, who, how)
  if self.owner ~= who then return end
  if how == "died" then return pass_on(self) end
  self.owner = nil
  self.left = self.waiters:wake_all(true) == 0
end

--- Lets one task at a time pass. The task that acquired it owns it. See `sync.lock`.
---@within sync
---@class luapool.sync.Lock
local Lock = class.new("lock", {
  remote = { acquire = M.acquire, try_acquire = try_acquire, release = M.release },
  waits = { acquire = function(self) return self.owner ~= nil end },
  proxy = { hold = class.held },
  orphan = orphan,
})
M.class = Lock

--- Waits until the lock is free and takes it.
---
--- ```lua
--- local lock = sync.lock()
--- lock:acquire()
--- local waiting = task.spawn(lock.acquire, lock, 0.01)
--- local ok, e = waiting:result()
--- print(ok, e.kind) --> false timeout
--- lock:release()
--- task.spawn(lock.acquire, lock):await() -- it ends without releasing
--- print(select(2, pcall(lock.acquire, lock)).kind) --> owner_gone
--- ```
---@async
---@param timeout? number seconds
---@raises timeout
---@raises owner_gone once, when the task that held it has ended without releasing it
function Lock:acquire(timeout)
  if getmetatable(self) ~= Lock then class.check_self(self, Lock, "lock:acquire") end
  M.acquire(self, mine(), timeout)
end

--- Takes the lock if it is free.
---
--- ```lua
--- local lock = sync.lock()
--- print(lock:try_acquire(), lock:try_acquire()) --> true false
--- lock:release()
--- ```
---@return boolean taken
function Lock:try_acquire()
  class.check_self(self, Lock, "lock:try_acquire")
  return try_acquire(self, mine())
end

--- Gives the lock back; the first task that waits for it gets it.
---
--- ```lua
--- local ok, e = pcall(function() sync.lock():release() end)
--- print(ok, e.kind) --> false not_held
--- ```
---@raises not_held another task, or none, holds it
function Lock:release()
  if getmetatable(self) ~= Lock then class.check_self(self, Lock, "lock:release") end
  M.release(self, mine())
end

--- Acquires the lock until the scope of a `<close>` variable is left.
---
--- ```lua
--- local lock = sync.lock()
--- do
---   local held <close> = lock:hold()
---   assert(not lock:try_acquire())
--- end
--- assert(lock:try_acquire())
--- lock:release()
--- ```
---@async
---@param timeout? number seconds
---@return luapool.sync.Held
---@raises timeout
---@raises owner_gone as of `acquire`
Lock.hold = class.held

--- Makes a lock: one task at a time.
---
--- ```lua
--- local lock, entered = sync.lock(), 0
--- local function work()
---   local held <close> = lock:hold()
---   entered = entered + 1
--- end
--- task.all(work, work)
--- print(entered) --> 2
--- ```
---@function sync.lock
---@return luapool.sync.Lock
function M.new() return setmetatable({ left = false, waiters = core.waiters "lock" }, Lock) end

return M
