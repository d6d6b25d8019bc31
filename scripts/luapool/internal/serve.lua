-- internal.serve: a run of `luapool serve FILE`: workers that have loaded the file, the consumer
-- that brings them jobs, cron, services; how it reloads and stops. Main never runs code of the
-- file: a process that ends at once tells what is in it. cli.serve calls it. Process: main.

local controls = require "luapool.internal.serve.control"
local consumers = require "luapool.internal.serve.consumer"
local core = require "luapool.core"
local crews = require "luapool.internal.serve.crew"
local channels = require "luapool.internal.serve.channel"
local crons = require "luapool.internal.serve.cron"
local errors = require "luapool.error.core"
local listeners = require "luapool.internal.serve.listener"
local fs = require "luapool.fs"
local log = require "luapool.log"
local metrics = require "luapool.internal.serve.metrics"
local notifies = require "luapool.internal.serve.notify"
local queue = require "luapool.queue"
local seats = require "luapool.internal.serve.seat"
local services = require "luapool.internal.serve.service"
local settings = require "luapool.internal.settings"
local task = require "luapool.task"

local M = {}

-- Unless said otherwise so many jobs run at once in each worker.
local CONCURRENCY = 100

-- Seconds between two looks at what waits in the queue.
local LOOK = 30

---@class luapool.serve: one run
---@field options table path, args, read, grace, control, listen, metrics, pid_file
---@field told table the description of the file
---@field queue luapool.queue.Queue|nil
---@field crew luapool.serve.Crew|nil nil when the file has no kinds
---@field old table<luapool.serve.Crew, true> those that finish what they run
---@field consumer luapool.serve.Consumer|nil
---@field cron luapool.serve.Cron|nil
---@field services luapool.serve.Services
---@field control luapool.serve.Control
---@field notify luapool.serve.Notify
---@field began number of task.now
---@field stopping boolean
---@field ended luapool.Task resolves with the exit status
local Serve = {}
Serve.__index = Serve

--- Makes a run. `options.read()` returns the text of the file, or raises.
---@param options table
---@return luapool.serve
function M.new(options)
  local self = setmetatable({ options = options, old = {}, names = {}, unknown = {},
    stopping = false, ended = task.promise(), notify = notifies.new(), began = task.now() }, Serve)
  self.services = services.new(function(why) self:fail(why) end)
  return self
end

-- ---- the file ----

local function read_plan(self)
  local o = self.options
  local plan = { path = o.path, text = o.read(), args = o.args }
  if #self.names > 0 then
    plan.control, plan.listeners = self.control.path, self.names
  end
  return plan
end

-- What the file has, told by a process that loads it and leaves.
local function describe(plan)
  local scout = seats.new(0, "scout", { concurrency = 1 })
  local told = scout:open(plan, false)
  scout:leave()
  return told
end

local function new_crew(self, plan, told)
  plan.owner_file = self.queue.store:owner_file()
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

local function open_sockets(self)
  if self.options.metrics then
    self.measuring = metrics.serve(self.options.metrics, function()
      return metrics.text(self.consumer, self.crew)
    end)
  end
  local list = listeners.open(self.options.listen)
  local function open()
    local path = self.options.control or controls.default_path()
    return controls.open(path, function(request) return self:answer(request) end)
  end
  local ok, control = pcall(open)
  if not ok and (self.options.control or #list > 0) then error(control, 0) end
  if not ok then
    log.warn("luapool ctl will not find this run, see --control: %s", errors.text(control))
    return
  end
  self.control = control
  for i, one in ipairs(list) do
    control.listeners[i], self.names[i] = one.server, one.name or false
  end
end

local function begin(self)
  open_sockets(self)
  local plan = read_plan(self)
  local told = describe(plan)
  self.told = told
  if told.queue then self.queue = queue.open(told.queue) end
  local prepared = self.services:prepare(plan, told.services)
  self.services:commit(prepared, 0)
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

local function start_cron(self)
  self.cron = crons.new(self.queue.store)
  self.cron:use(self.told.cron)
  self.ticking = task.spawn(self.cron.run, self.cron)
  self.ticking:name "cron"
end

-- Tells once of each kind that waits in the queue, and that nobody runs here.
local function tell_unknown(self)
  for kind, row in pairs(self.queue.store:stats()) do
    if row.waiting > 0 and not self.told.kinds[kind] and not self.unknown[kind] then
      self.unknown[kind] = true
      log.warn("%d jobs of kind '%s' wait, which is none of %s: they stay for who knows it",
        row.waiting, kind, self.options.path)
    end
  end
end

local function look(self)
  while true do
    pcall(tell_unknown, self)
    task.sleep(LOOK)
  end
end

local function start_work(self)
  if self.consumer then
    self.consuming = task.spawn(consume, self)
    self.consuming:name "consumer"
    self.looking = task.spawn(look, self)
    self.looking:name "unknown kinds"
  end
  if next(self.told.cron) then start_cron(self) end
  if self.options.pid_file then
    fs.write(self.options.pid_file, core.pid() .. "\n", { atomic = true })
  end
  self.ready = true
  self.notify:send "READY=1"
  self.watching = task.spawn(self.notify.keep, self.notify,
    function() return not self.consumer or self.consumer:is_well() end,
    function() return self:line() end)
  log.info("serving %s: %d kinds, %d workers, %d services", self.options.path,
    count(self.told.kinds), self.crew and self.crew.n or 0, count(self.services.list))
end

--- Runs until it is stopped. Returns the exit status. Raises what keeps it from starting.
---@return integer
function Serve:run()
  self.starting = task.spawn(begin, self)
  local ok, e = self.starting:result()
  if not ok then
    self:kill()
    self:close()
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
  if self.opening then fn(self.opening) end
  for crew in pairs(self.old) do fn(crew) end
end

--- Ends all workers at once.
function Serve:kill()
  each_crew(self, function(crew) crew:kill() end)
  self.services:kill()
end

local function stop(self, status)
  local grace = self.options.grace
  if self.ticking then self.ticking:cancel "stopped" end
  task.gather {
    function() if self.consumer then self.consumer:stop(grace) end end,
    function() self.services:stop(grace) end,
  }
  each_crew(self, function(crew) crew:leave() end)
  each_crew(self, function(crew) crew:join(core.grace.stop) end)
  self.ended:resolve(status)
end

--- Stops: what runs may end within the grace period. The second call does not wait for that.
---@param status integer of the exit
---@param what string "terminated"
function Serve:stop(status, what)
  if self.stopping then
    self.services:kill()
    if self.consumer then self.consumer:hurry_up() end
    return
  end
  self.stopping, self.status = true, status
  self.notify:send "STOPPING=1"
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
  for _, name in ipairs { "watching", "looking", "measuring" } do
    if self[name] then self[name]:cancel() end
  end
  if self.consumer then self.consumer:close() end
  if self.consuming then self.consuming:result() end
  if self.queue then self.queue:close() end
  if self.control then self.control:close() end
  if self.ready and self.options.pid_file then os.remove(self.options.pid_file) end
  if self.ready then log.info("stopped") end
end

-- ---- reload ----

local function check_reload(self, told)
  if told.queue ~= self.told.queue then
    errors.raise("usage", "its queue is another one: that needs a restart")
  end
  if (next(told.kinds) ~= nil) ~= (self.crew ~= nil) then
    errors.raise("usage", "kinds in a file that had none, or none any more, need a restart")
  end
end

-- Jobs go to the new workers; the old ones finish what they run.
local function change_crew(self, crew)
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

-- All that can fail comes first.
local function reload(self)
  local plan = read_plan(self)
  local told = describe(plan)
  check_reload(self, told)
  local crew = self.crew and new_crew(self, plan, told)
  self.opening = crew
  local ok, prepared = pcall(function()
    if crew then crew:open(false) end
    return self.services:prepare(plan, told.services)
  end)
  self.opening = nil
  if crew and (not ok or self.stopping) then crew:kill() end
  if not ok then error(prepared, 0) end
  if self.stopping then return end
  self.told = told
  if crew then change_crew(self, crew) end
  if self.cron then
    self.cron:use(told.cron)
  elseif next(told.cron) then
    start_cron(self)
  end
  self.services:commit(prepared, self.options.grace)
end

local function reload_once(self)
  self.notify:reloading()
  local ok, e = pcall(reload, self)
  local text = not ok and errors.text(e) or nil
  if ok then
    log.info("reloaded %s", self.options.path)
  elseif not self.stopping then
    log.error("%s is not taken over, the old workers go on: %s", self.options.path, text)
  end
  self.notify:send "READY=1"
  return { ok = ok, text = text }
end

--- Loads the file again, in new workers, one after the other; when they are there, the old ones
--- finish what they run and leave. When one cannot be started the old ones stay. What is asked for
--- while it reloads is one more reload. Returns whether it was taken over, else why not.
---@return boolean ok
---@return string? why
function Serve:reload()
  if not self.ready or self.stopping then return false, "it starts or stops just now" end
  local mine = self.wanted or task.promise()
  self.wanted = mine
  if not self.reloading then
    self.reloading = true
    task.spawn(function()
      while self.wanted and not self.stopping do
        local asked = self.wanted
        self.wanted = nil
        asked:resolve(reload_once(self))
      end
      if self.wanted then self.wanted:resolve { ok = false, text = "it stops" } end
      self.reloading = false
    end):name "reload"
  end
  local _, outcome = mine:result()
  return outcome.ok, outcome.text
end

-- ---- what it tells ----

local function state_of(self)
  if self.stopping then return "stopping" end
  return not self.ready and "starting" or self.reloading and "reloading" or "running"
end

--- One line for a service manager.
---@return string
function Serve:line()
  local c = self.consumer
  if not c then return ("%d services"):format(count(self.services.list)) end
  return ("%d jobs run, %d done, %d failed"):format(c.count, c.totals.done, c.totals.failed)
end

local function list_workers(self)
  local list = {}
  for id = 1, self.crew and self.crew.n or 0 do
    local seat = self.crew.places[id]
    if seat then
      list[#list + 1] = { name = seat.name, pid = seat:pid(), busy = seat.busy, ended = seat.ended }
    end
  end
  return list
end

local function status(self)
  local running = {}
  for key, instance in pairs(self.services.list) do
    running[#running + 1] = { name = key, pid = instance.seat:pid() }
  end
  table.sort(running, function(a, b) return a.name < b.name end)
  local c = self.consumer
  return { pid = core.pid(), file = self.options.path, state = state_of(self),
    up = math.floor(task.now() - self.began), queue = self.told and self.told.queue,
    running = c and c.count or 0, totals = c and c.totals or {}, workers = list_workers(self),
    services = running }
end

--- What `luapool ctl` asks for.
---@param request table
---@return table answer
function Serve:answer(request)
  if request.cmd == "status" then return status(self) end
  if not self.ready or self.stopping then return { error = "it starts or stops just now" } end
  if request.cmd == "reload" then
    local ok, why = self:reload()
    return ok and { ok = true } or { error = "not taken over, the old workers go on: " .. why }
  elseif request.cmd == "scale" then
    if not self.crew then return { error = "its file has no kinds: there are no workers" } end
    self.scaled = request.n
    self.crew:scale(request.n)
    return { ok = true }
  elseif request.cmd == "stop" then
    self:stop(0, "luapool ctl stop")
    return { ok = true }
  end
  return { error = "unknown request" }
end

return M
