-- internal.periodic: task.every: a function called at regular times, one call at a time.

local core = require "luapool.task.core"
local usage = require "luapool.internal.usage"

--- Calls that come at regular times: see `task.every`. Leaving the scope of `<close>` stops them.
---@within task
---@class luapool.Periodic
local Periodic = { __name = "luapool.Periodic" }
Periodic.__index = Periodic

--- Begins no further call; one that runs now comes to its end.
---
--- ```lua
--- local calls = 0
--- local periodic = task.every(60, function() calls = calls + 1 end)
--- periodic:stop()
--- print(calls) --> 0
--- ```
function Periodic:stop()
  usage.self(self, Periodic, "Periodic:stop")
  self.stopped = true
  if self.sleeping then self.task:cancel "stopped" end
end

--- Does what `stop` does.
---
--- ```lua
--- task.every(60, print):close()
--- ```
function Periodic:close()
  usage.self(self, Periodic, "Periodic:close")
  self:stop()
end

Periodic.__close = Periodic.close

-- The next multiple of the period after `due` that is not past: calls that are late do not pile up.
local function next_due(due, period)
  local late = core.now() - due
  return due + period * (late < period and 1 or late // period + 1)
end

local function call(self)
  if not self.on_error then return self.fn() end
  local ok, e = pcall(self.fn)
  if not ok then self.on_error(e) end
end

local function run(self, due)
  while not self.stopped do
    self.sleeping = true
    core.sleep(math.max(0, due - core.now()))
    self.sleeping = false
    if self.stopped then break end
    call(self)
    due = next_due(due, self.period)
  end
end

-- task.every, documented in luapool.task.
return function(period, fn, opts)
  local self = setmetatable({ fn = fn, period = period, on_error = opts.on_error }, Periodic)
  self.task = core.spawn(run, self, core.now() + (opts.immediate and 0 or period))
  self.task:name "every"
  return self
end
