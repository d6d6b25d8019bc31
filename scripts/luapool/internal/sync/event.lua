-- internal.sync.event: a flag that tasks wait for.
--@whole

local class = require "luapool.internal.sync.class"
local core = require "luapool.sync.core"
local getmetatable = getmetatable

local M = {}

--- A flag that tasks wait for. See `sync.event`.
---@within sync
---@class luapool.sync.Event
local Event = class.new("event", { waits = { wait = function(self) return not self.flag end } })

--- Sets the flag. All tasks that wait for it go on.
---
--- ```lua
--- local event = sync.event()
--- event:set()
--- event:wait() -- returns at once
--- ```
function Event:set()
  class.check_self(self, Event, "event:set")
  self.flag = true
  self.waiters:wake_all()
end

--- Clears the flag.
---
--- ```lua
--- local event = sync.event()
--- event:set()
--- event:clear()
--- print(event:is_set()) --> false
--- ```
function Event:clear()
  class.check_self(self, Event, "event:clear")
  self.flag = false
end

--- Tells whether the flag is set.
---
--- ```lua
--- print(sync.event():is_set()) --> false
--- ```
---@return boolean
function Event:is_set()
  if getmetatable(self) ~= Event then class.check_self(self, Event, "event:is_set") end
  return self.flag
end

--- Waits until the flag is set.
---
--- ```lua
--- local ok, e = pcall(function() sync.event():wait(0.01) end)
--- print(ok, e.kind) --> false timeout
--- ```
---@async
---@param timeout? number seconds
---@raises timeout
function Event:wait(timeout)
  class.check_self(self, Event, "event:wait")
  class.check_timeout(timeout, "event:wait")
  if not self.flag then self.waiters:wait(timeout) end
end

class.open(Event, "set", "clear", "is_set", "wait")

--- Makes an event, whose flag is not set.
---
--- ```lua
--- local ready = sync.event()
--- local waiting = task.spawn(function() ready:wait() return "go" end)
--- ready:set()
--- print(waiting:await()) --> go
--- ```
---@function sync.event
---@return luapool.sync.Event
function M.new() return setmetatable({ flag = false, waiters = core.waiters "event" }, Event) end

return M
