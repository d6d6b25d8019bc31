-- internal.serve.service: the services of a file: functions that run for ever, each in processes of
-- their own. One that ends is started again, after a while; one that ends ten times within a
-- minute ends the whole.

local errors = require "luapool.error.core"
local log = require "luapool.log"
local restart = require "luapool.internal.serve.restart"
local seats = require "luapool.internal.serve.seat"
local task = require "luapool.task"
local worker = require "luapool.internal.serve.worker"

local M = {}

-- Seconds: one that has run for so long counts as useful; how long a cancelled one may unwind.
local USEFUL, UNWIND = 60, 5

---@class luapool.serve.Services
---@field plan table what a process loads
---@field told table<string, table>
---@field list table<string, table> name and id -> the instance that runs
---@field stopping boolean
---@field on_end fun(why: string) is called when one cannot be kept
local Services = {}
Services.__index = Services

---@param on_end fun(why: string)
---@return luapool.serve.Services
function M.new(on_end)
  return setmetatable({ told = {}, list = {}, stopping = false, on_end = on_end }, Services)
end

-- An instance: one process of a service.
---@class luapool.serve.Instance
---@field name string "poll"
---@field id integer
---@field seat luapool.serve.Seat
---@field run luapool.Task|nil
---@field leaving boolean
local Instance = {}
Instance.__index = Instance

-- Starts the process, and calls `init`. Raises what is wrong.
local function prepare(plan, name, id, told)
  local seat = seats.new(id, ("%s-%d"):format(name, id), { concurrency = 1 })
  local self = setmetatable({ name = name, id = id, seat = seat, told = told, leaving = false },
    Instance)
  local ok, e = pcall(function()
    seat:open(plan, false)
    seat:call(worker.service_init, name, plan.control, plan.listeners)
  end)
  if ok then return self end
  seat:kill()
  error(e, 0)
end

local function key_of(self) return self.name .. "-" .. self.id end

local ended -- below

local function begin(self, instance, restarts)
  instance.restarts, instance.began = restarts or restart.new(), task.now()
  self.list[key_of(instance)] = instance
  instance.run = instance.seat.pool.handle:submit(worker.service_run)
  instance.run:on_done(function()
    local ok, e = instance.run:result()
    if not instance.leaving then
      task.spawn(ended, self, instance, ok and "its 'run' has returned" or errors.text(e))
        :name "restart"
    end
  end)
end

-- Starts another in the place of one that has ended.
function ended(self, instance, why)
  local key, told = key_of(instance), instance.told
  instance.leaving = true
  instance.seat:kill()
  local restarts, useful = instance.restarts, task.now() - instance.began >= USEFUL
  while not self.stopping and self.list[key] == instance do
    local seconds = restarts:next(useful)
    if not seconds then
      return self.on_end(("service %s: ten have ended within a minute; the latest: %s")
        :format(key, why))
    end
    log.warn("service %s has ended, and is started again in %.1f s: %s", key, seconds, why)
    task.sleep(seconds)
    if self.stopping or self.list[key] ~= instance then return end
    local ok, one = pcall(prepare, self.plan, instance.name, instance.id, told)
    if ok and (self.stopping or self.list[key] ~= instance) then return one.seat:kill() end
    if ok then return begin(self, one, restarts) end
    why, useful = errors.text(one), false
  end
end

-- Ends one: `terminate` asks it to end within `grace` seconds, then it is cancelled, then killed.
local function stop(instance, grace)
  instance.leaving = true
  local seat, run = instance.seat, instance.run
  if run and not seat.gone then
    local late = task.now() + grace
    if instance.told.terminates then
      local ok, e = pcall(task.timeout, grace, seat.call, seat, worker.service_call, "terminate")
      if not ok and not errors.is(e, "timeout") then
        log.error("service %s: 'terminate': %s", key_of(instance), errors.text(e))
      end
      pcall(task.timeout, math.max(0, late - task.now()), run.result, run)
    end
    run:cancel "the service ends"
    pcall(task.timeout, UNWIND, run.result, run)
  end
  seat:leave()
  seat:join(UNWIND)
end

local function wanted(told)
  local list = {}
  for name, service in pairs(told) do
    for id = 1, service.processes do list[#list + 1] = { name = name, id = id, told = service } end
  end
  return list
end

--- Starts what a file has that does not run yet, and what cannot reload itself: their `init`.
--- Raises what is wrong; nothing has changed then. Returns what `commit` takes.
---@param plan table
---@param told table<string, table>
function Services:prepare(plan, told)
  local new, ok, e = {}, true, nil
  for _, want in ipairs(wanted(told)) do
    local before = self.list[want.name .. "-" .. want.id]
    if ok and not (before and before.told.reloads and want.told.reloads) then
      ok, e = pcall(function()
        new[#new + 1] = prepare(plan, want.name, want.id, want.told)
      end)
    end
  end
  if not ok then
    for _, instance in ipairs(new) do instance.seat:kill() end
    error(e, 0)
  end
  return { plan = plan, told = told, new = new }
end

local function reload_in_place(instance)
  local ok, e = pcall(instance.seat.call, instance.seat, worker.service_call, "reload")
  if not ok then
    log.error("service %s: 'reload': %s", key_of(instance), errors.text(e))
  end
end

--- Takes over what was prepared: those that can reload do, the others end, then the new ones run.
---@param prepared table
---@param grace number
function Services:commit(prepared, grace)
  self.plan, self.told = prepared.plan, prepared.told
  local new, keep, steps = {}, {}, {}
  for _, instance in ipairs(prepared.new) do new[key_of(instance)] = instance end
  for _, want in ipairs(wanted(prepared.told)) do keep[want.name .. "-" .. want.id] = true end
  for key, old in pairs(self.list) do
    local follower = new[key]
    new[key] = nil
    if keep[key] and not follower then
      steps[#steps + 1] = function() reload_in_place(old) end
    else
      self.list[key] = follower -- what ends meanwhile is not started again
      steps[#steps + 1] = function()
        stop(old, grace)
        if follower and not self.stopping then begin(self, follower) end
      end
    end
  end
  for _, instance in pairs(new) do begin(self, instance) end
  if #steps > 0 then task.gather(steps) end
end

--- Ends all of them.
---@param grace number
function Services:stop(grace)
  self.stopping = true
  local steps = {}
  for _, instance in pairs(self.list) do
    steps[#steps + 1] = function() stop(instance, grace) end
  end
  if #steps > 0 then task.gather(steps) end
end

--- Ends all of them at once.
function Services:kill()
  self.stopping = true
  for _, instance in pairs(self.list) do
    instance.leaving = true
    instance.seat:kill()
  end
end

return M
