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

--- Waits until the calls have been stopped, by another task or by `fn` itself. Raises the error of
--- `fn` that has ended them, and kind `timeout` when that takes longer.
---
--- ```lua
--- local calls, periodic = 0, nil
--- periodic = task.every(0.01, function()
---   calls = calls + 1
---   if calls == 3 then periodic:stop() end
--- end)
--- periodic:wait()
--- print(calls) --> 3
--- ```
---@async
---@param timeout? number seconds
function Periodic:wait(timeout)
  usage.self(self, Periodic, "Periodic:wait")
  usage.optional("Periodic:wait", 1, timeout, "seconds")
  local calls = self.task
  core.wait({ calls }, "all_completed", timeout)
  local status = calls:status()
  if status == "failed" then calls:await() end
  if status == "pending" or status == "running" then calls:await(0) end -- raises the timeout
end

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
  local info = type(fn) == "function" and debug.getinfo(fn, "S")
  local place = info and info.what ~= "C" and (" (%s:%d)"):format(info.short_src, info.linedefined)
  self.task:name(("every %g s%s"):format(period, place or ""))
  return self
end
