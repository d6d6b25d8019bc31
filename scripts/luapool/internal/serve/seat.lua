-- internal.serve.seat: one worker of `luapool serve` as main sees it: a pool of one process
-- that the pool does not replace, which has loaded the file. While it lives a call waits in it,
-- whose end is the worker's. Who owns a seat replaces it: luapool.internal.serve.crew, and
-- services.

local errors = require "luapool.error.core"
local pool = require "luapool.pool"
local task = require "luapool.task.core"
local worker = require "luapool.internal.serve.worker"

local M = {}

-- Calls beside the jobs: `open`, `attend`, a hook.
local BESIDE = 4

---@class luapool.serve.Seat
---@field id integer stays with the place in its crew
---@field pool luapool.Pool
---@field concurrency integer
---@field busy integer jobs that it runs
---@field ended integer jobs that have ended in it
---@field at_death integer|nil how many jobs it ran when it died
---@field leaving boolean it gets no more jobs
---@field gone boolean
---@field stuck boolean main has killed it, as it was in a C function that nothing else can end
---@field on_end fun(seat: luapool.serve.Seat, e: any)|nil is called when it has ended by itself
local Seat = {}
Seat.__index = Seat

--- Starts the process.
---@param id integer
---@param name string what `ps` and its log lines call it
---@param opts { concurrency: integer, memory_limit: integer? }
---@return luapool.serve.Seat
function M.new(id, name, opts)
  local one = pool.new({
    processes = 1,
    concurrency = opts.concurrency + BESIDE,
    crash_retries = 0,
    memory_limit = opts.memory_limit,
  }, name)
  one.handle:single()
  return setmetatable({
    id = id,
    name = name,
    pool = one,
    concurrency = opts.concurrency,
    busy = 0,
    ended = 0,
    leaving = false,
    gone = false,
    stuck = false,
    began = task.now(),
  }, Seat)
end

--- Calls a function of luapool.internal.serve.worker, and waits for it.
function Seat:call(fn, ...) return self.pool.handle:apply(fn, ...) end

--- Gives the process up, whatever it does.
function Seat:kill()
  self.leaving, self.gone = true, true
  self.pool:terminate()
end

--- Loads the file in it. Raises what is wrong; the process is gone then.
---@param plan table
---@param for_jobs boolean
---@param channel table|nil
---@return table description
function Seat:open(plan, for_jobs, channel)
  local ok, told = pcall(self.call, self, worker.open, plan, self.id, for_jobs, channel)
  if not ok then
    self:kill()
    error(told, 0)
  end
  self.life = self.pool.handle:submit(worker.attend, for_jobs)
  self.life:name(self.name)
  self.life:on_done(function()
    local _, e = self.life:result()
    self.gone = true
    if not self.leaving and self.on_end then self:on_end(e) end
    self.leaving = true
    if self.pool then self.pool:terminate() end
  end)
  return told
end

---@return integer|nil
function Seat:pid() return self.pool.handle:pid() end

--- Whether it answers within so many seconds. When it does not, and has had the same call on the
--- CPU all the time, it is in a C function, where nothing can reach it: then it is killed.
---@param seconds number
---@return boolean
function Seat:answers(seconds)
  if self.gone then return true end
  local handle = self.pool.handle
  handle:kill_stuck(math.huge)
  local future = handle:submit(worker.answer)
  future:on_done(function() future:result() end)
  task.wait({ future }, "all_completed", seconds)
  if future:status() ~= "running" then return true end
  self.stuck = handle:kill_stuck(seconds / 2)
  return false
end

--- How many jobs more it takes.
function Seat:room() return self.leaving and 0 or self.concurrency - self.busy end

-- It has nothing to do any more.
local function let_go(self)
  if self.gone or self.busy > 0 or not self.leaving then return end
  self.life:cancel "the worker leaves"
  self.pool:close()
end

--- Runs a job in it. `ended(alone, ok, ...)` is called with what came of it, and whether no other
--- ran beside it at its end.
---@return luapool.Task future
function Seat:start(ended, ...)
  local future = self.pool.handle:submit(worker.run, ...)
  self.busy = self.busy + 1
  future:on_done(function()
    local ok, e = future:result()
    if not ok and errors.is(e, "worker_died") then self.at_death = self.at_death or self.busy end
    self.busy, self.ended = self.busy - 1, self.ended + 1
    ended(self.at_death == 1, future:result())
    let_go(self)
  end)
  return future
end

--- It finishes what it runs, and leaves.
function Seat:leave()
  if self.leaving then return end
  self.leaving = true
  let_go(self)
end

--- Waits until the process is gone; after so many seconds it is killed.
---@param seconds number|nil
function Seat:join(seconds)
  if seconds then
    local ok, e = pcall(self.pool.join, self.pool, seconds)
    if ok then return end
    if errors.is(e, "cancelled") then error(e, 0) end
    self:kill()
  end
  self.pool:join()
end

return M
