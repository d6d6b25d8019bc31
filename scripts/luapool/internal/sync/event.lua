-- internal.sync.event: a flag that tasks wait for.
--@whole

local class = require "luapool.internal.sync.class"
local core = require "luapool.sync.core"
local getmetatable = getmetatable

local M = {}

---@class luapool.sync.Event
local Event = class.new("event", { waits = { wait = function(self) return not self.flag end } })

--- Raises the flag; all who wait go on.
function Event:set()
  class.check_self(self, Event, "set")
  self.flag = true
  self.waiters:wake_all()
end

--- Lowers it.
function Event:clear()
  class.check_self(self, Event, "clear")
  self.flag = false
end

--- Is it up?
---@return boolean
function Event:is_set()
  if getmetatable(self) ~= Event then class.check_self(self, Event, "is_set") end
  return self.flag
end

--- Waits until it is up. Raises kind `timeout`.
---@param timeout? number seconds
function Event:wait(timeout)
  class.check_self(self, Event, "wait")
  class.check_timeout(timeout, "wait")
  if not self.flag then self.waiters:wait(timeout) end
end

class.open(Event, "set", "clear", "is_set", "wait")

--- Makes an event; its flag is down.
---@return luapool.sync.Event
function M.new() return setmetatable({ flag = false, waiters = core.waiters "event" }, Event) end

return M
