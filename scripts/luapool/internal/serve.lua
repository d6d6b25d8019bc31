-- internal.serve: a run of `luapool serve FILE`: workers that have loaded the file, and the
-- consumer that brings them jobs; how it reloads and stops. Main never runs code of the file: a
-- process that ends at once tells what is in it. cli.serve calls it. Process: main.

local consumers = require "luapool.internal.serve.consumer"
local core = require "luapool.core"
local crews = require "luapool.internal.serve.crew"
local channels = require "luapool.internal.serve.channel"
local errors = require "luapool.error.core"
local log = require "luapool.log"
local queue = require "luapool.queue"
local seats = require "luapool.internal.serve.seat"
local settings = require "luapool.internal.settings"
local task = require "luapool.task"

local M = {}

-- Unless said otherwise so many jobs run at once in each worker.
local CONCURRENCY = 100

---@class luapool.serve: one run
---@field options { path: string, args: string[], read: fun(): string, grace: number }
---@field told table the description of the file
---@field queue luapool.queue.Queue|nil
---@field crew luapool.serve.Crew|nil nil when the file has no kinds
---@field old table<luapool.serve.Crew, true> those that finish what they run
---@field consumer luapool.serve.Consumer|nil
---@field stopping boolean
---@field ended luapool.Task resolves with the exit status
local Serve = {}
Serve.__index = Serve

--- Makes a run. `options.read()` returns the text of the file, or raises.
---@param options table
---@return luapool.serve
function M.new(options)
  return setmetatable({ options = options, old = {}, stopping = false, ended = task.promise() },
    Serve)
end

-- ---- the file ----

local function read_plan(self)
  local o = self.options
  return { path = o.path, text = o.read(), args = o.args }
end

-- What the file has, told by a process that loads it and leaves.
local function describe(plan)
  local scout = seats.new(0, "scout", { concurrency = 1 })
  local told = scout:open(plan, false)
  scout:leave()
  return told
end

local function new_crew(self, plan, told)
  local n = self.scaled or settings.processes or told.processes or core.cpus()
  local crew = crews.new(plan, n, {
    concurrency = settings.concurrency or told.concurrency or CONCURRENCY,
    memory_limit = settings.memory_limit or told.memory_limit,
    max_tasks = settings.max_tasks or told.max_tasks,
  }, self.channel)
  crew.on_room = function() if self.consumer then self.consumer:ring() end end
  crew.on_end = function(why) self:fail(why) end
  return crew
end

-- ---- start ----

local function start_kinds(self, plan, told)
  if not next(told.kinds) then return end
  self.channel = channels.new(function(...) self.consumer:note_progress(...) end)
  self.crew = new_crew(self, plan, told)
  self.crew:open(true)
  self.consumer = consumers.new(self.queue.store, self.crew)
  self.consumer.kill = function() self:kill() end
end

local function begin(self)
  local plan = read_plan(self)
  local told = describe(plan)
  self.told = told
  if told.queue then self.queue = queue.open(told.queue) end
  start_kinds(self, plan, told)
end

local function consume(self)
  local ok, e = pcall(self.consumer.run, self.consumer)
  if not ok then self:fail(errors.text(e)) end
end

local function count(t)
  local n = 0
  for _ in pairs(t) do n = n + 1 end
  return n
end

local function start_work(self)
  if self.consumer then
    self.consuming = task.spawn(consume, self)
    self.consuming:name "consumer"
  end
  log.info("serving %s: %d kinds, %d workers", self.options.path, count(self.told.kinds),
    self.crew and self.crew.n or 0)
end

--- Runs until it is stopped. Returns the exit status. Raises what keeps it from starting.
---@return integer
function Serve:run()
  self.starting = task.spawn(begin, self)
  local ok, e = self.starting:result()
  if not ok then
    self:kill()
    if self.queue then self.queue:close() end
    if self.stopping then return self.status end
    error(e, 0)
  end
  if not self.stopping then
    start_work(self)
    local _, status = self.ended:result()
    self.status = status
  end
  self:close()
  return self.status
end

-- ---- end ----

-- All crews whose workers may live.
local function each_crew(self, fn)
  if self.crew then fn(self.crew) end
  for crew in pairs(self.old) do fn(crew) end
end

--- Ends all workers of kinds at once.
function Serve:kill() each_crew(self, function(crew) crew:kill() end) end

local function stop(self, status)
  if self.consumer then self.consumer:stop(self.options.grace) end
  each_crew(self, function(crew) crew:leave() end)
  each_crew(self, function(crew) crew:join(core.grace.stop) end)
  self.ended:resolve(status)
end

--- Stops: what runs may end within the grace period. The second call does not wait for that.
---@param status integer of the exit
---@param what string "terminated"
function Serve:stop(status, what)
  if self.stopping then
    if self.consumer then self.consumer:hurry_up() end
    return
  end
  self.stopping, self.status = true, status
  log.info("%s: what runs has %g s to finish", what, self.options.grace)
  if self.starting:status() == "pending" or self.starting:status() == "running" then
    return self.starting:cancel(what)
  end
  stop(self, status)
end

--- It cannot go on.
---@param why string
function Serve:fail(why)
  log.error("%s", why)
  task.spawn(self.stop, self, 1, "it cannot go on"):name "stop"
end

--- Gives back what is left, and closes the store.
function Serve:close()
  if self.consumer then
    self.consumer:close()
    self.consuming:result()
  end
  if self.queue then self.queue:close() end
  log.info("stopped")
end

-- ---- reload ----

local function reload(self)
  local plan = read_plan(self)
  local told = describe(plan)
  if told.queue ~= self.told.queue then
    errors.raise("usage", "its queue is another one: that needs a restart")
  end
  if (next(told.kinds) ~= nil) ~= (self.crew ~= nil) then
    errors.raise("usage", "kinds in a file that had none, or none any more, need a restart")
  end
  if self.crew then
    local crew = new_crew(self, plan, told)
    crew:open(false)
    if self.stopping then return crew:kill() end
    local old = self.crew
    self.crew = crew
    self.consumer:use(crew)
    self.old[old] = true
    old:leave()
    task.spawn(function()
      old:join()
      self.old[old] = nil
    end):name "old workers"
  end
  self.told = told
end

--- Loads the file again, in new workers, one after the other; when they are there, the old ones
--- finish what they run and leave. When one cannot be started the old ones stay.
function Serve:reload()
  if self.reloading then
    self.reload_again = true
    return
  end
  if not self.consuming and self.starting:status() ~= "done" then return end
  self.reloading = true
  repeat
    self.reload_again = false
    local ok, e = pcall(reload, self)
    if ok then
      log.info("reloaded %s", self.options.path)
    elseif not self.stopping then
      log.error("%s is not taken over, the old workers go on: %s", self.options.path,
        errors.text(e))
    end
  until not self.reload_again or self.stopping
  self.reloading = false
end

return M
