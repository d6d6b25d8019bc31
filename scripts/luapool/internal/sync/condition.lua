-- internal.sync.condition: tasks wait until another one says that something has changed. With a
-- lock, `wait` gives it up meanwhile.
--@whole

local class = require "luapool.internal.sync.class"
local core = require "luapool.sync.core"
local lock = require "luapool.internal.sync.lock"
local usage = require "luapool.internal.usage"
local shield = require("luapool.task.core").shield
local mine = core.holder

local M = {}

-- Whatever has ended the wait, the lock is taken again.
local Given = { __name = "luapool.sync.given" }

function Given.__close(given) shield(lock.acquire, given[1], given[2]) end

local function wait(self, who, timeout)
  class.check_timeout(timeout, "condition:wait")
  if self.lock then lock.release(self.lock, who) end
  local _ <close> = self.lock and setmetatable({ self.lock, who }, Given) or nil
  self.waiters:wait(timeout)
end

--- Tasks wait here until another one says that something has changed. See `sync.condition`.
---@within sync
---@class luapool.sync.Condition
local Condition = class.new("condition", {
  remote = { wait = wait },
  waits = { wait = function() return true end },
})

--- Waits to be notified. With a lock, the caller must hold it: it is released meanwhile and
--- taken again before `wait` returns or raises.
---
--- ```lua
--- local ok, e = pcall(function() sync.condition():wait(0.01) end)
--- print(ok, e.kind) --> false timeout
--- ```
---@async
---@param timeout? number seconds
---@raises timeout
---@raises not_held the caller does not hold the lock
function Condition:wait(timeout)
  class.check_self(self, Condition, "condition:wait")
  wait(self, self.lock and mine(), timeout)
end

--- Wakes the first tasks that wait.
---
--- ```lua
--- local changed, woken = sync.condition(), 0
--- local function wait() changed:wait() woken = woken + 1 end
--- local tasks = { task.spawn(wait), task.spawn(wait) }
--- task.sleep(0) -- both wait now
--- changed:notify()
--- task.wait(tasks, { return_when = "first_completed" })
--- print(woken) --> 1
--- changed:notify(1)
--- task.wait(tasks)
--- ```
---@param n? integer how many; default 1
function Condition:notify(n)
  class.check_self(self, Condition, "condition:notify")
  for _ = 1, n == nil and 1 or usage.argument("condition:notify", 1, n, "count") do
    if not self.waiters:wake() then return end
  end
end

--- Wakes all tasks that wait.
---
--- ```lua
--- local changed = sync.condition()
--- local waiting = task.spawn(changed.wait, changed)
--- task.sleep(0)
--- changed:notify_all()
--- waiting:await()
--- ```
function Condition:notify_all()
  class.check_self(self, Condition, "condition:notify_all")
  self.waiters:wake_all()
end

class.open(Condition, "notify", "notify_all")

--- Makes a condition, on its own or for a lock.
---
--- ```lua
--- local lock, stock = sync.lock(), 0
--- local changed = sync.condition(lock)
--- local buyer = task.spawn(function()
---   local held <close> = lock:hold()
---   while stock == 0 do changed:wait() end
---   return stock
--- end)
--- task.sleep(0)
--- stock = 5
--- changed:notify()
--- print(buyer:await()) --> 5
--- ```
---@function sync.condition
---@param of? luapool.sync.Lock a lock made in this process
---@return luapool.sync.Condition
function M.new(of)
  if of ~= nil and getmetatable(of) ~= lock.class then
    usage.expected("sync.condition", 1, "a lock made in this process", of)
  end
  return setmetatable({ lock = of, waiters = core.waiters "condition" }, Condition)
end

return M
