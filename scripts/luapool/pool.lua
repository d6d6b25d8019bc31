-- luapool.pool: work over processes: options, map and its iterators. Dispatch, workers and the
-- encoding of functions are C (runtime/pool, bindings/pool/pool.c).
--@whole

local core = require "luapool.pool.core"
local errors = require "luapool.error"
local luapool = require "luapool.core"
local maps = require "luapool.internal.map"
local options = require "luapool.internal.options"
local settings = require "luapool.internal.settings"
local task = require "luapool.task"

local M = {}

local CONCURRENCY = 100

local NEW = {
  processes = "count",
  concurrency = "count",
  init = "function",
  init_args = "table",
  crash_retries = "count0",
  max_tasks = "count0",
  max_pending = "count0",
  task_timeout = "seconds",
  memory_limit = "size",
  scheduler = "string|callable",
  on_error = "callable",
}

local SCHEDULERS = { least_loaded = true, round_robin = true }

local MAP = { ordered = "boolean", return_errors = "boolean" }

---@class luapool.Pool
local Pool = { __name = "luapool.Pool" }
Pool.__index = Pool

-- Each process needs some descriptors for itself, main three for each worker, and a task mostly
-- one: for its connection.
local RESERVED, FOR_WORKER = 32, 3

-- So many processes and tasks at once in each as there are descriptors for.
local function fit(processes, concurrency)
  local spare = math.max(luapool.descriptors() - RESERVED, FOR_WORKER)
  local workers, tasks = math.min(processes, spare // FOR_WORKER), math.min(concurrency, spare)
  if workers < processes or tasks < concurrency then
    require("luapool.log").warn("%d workers with %d tasks at once each, not %d with %d: no more "
      .. "files may be open (ulimit -n)", workers, tasks, processes, concurrency)
  end
  return workers, tasks
end

--- Makes a pool and starts its workers at once.
---@param opts? table processes, concurrency, init, init_args, crash_retries
---@return luapool.Pool
function M.new(opts)
  opts = opts or {}
  options.check("pool.new", opts, NEW)
  if luapool.worker then
    errors.wrong("a pool cannot be made inside a worker: make it in main, and let the workers "
      .. "return what is to be done next")
  end
  local scheduler = opts.scheduler or "least_loaded"
  if type(scheduler) == "string" and not SCHEDULERS[scheduler] then
    local hint = options.hint(scheduler, SCHEDULERS)
    errors.wrong("pool.new: unknown scheduler '%s'%s", scheduler, hint)
  end
  local args = opts.init_args or {}
  local setup = {
    path = package.path,
    cpath = package.cpath,
    slice = luapool.slice(),
    task_timeout = opts.task_timeout,
    memory_limit = options.size(opts.memory_limit or settings.memory_limit),
    log_level = settings.log_level,
    log_format = settings.log_format,
  }
  local processes, concurrency = fit(opts.processes or settings.processes or luapool.cpus(),
    opts.concurrency or settings.concurrency or CONCURRENCY)
  local handle = core.new({
    processes = processes,
    concurrency = concurrency,
    crash_retries = opts.crash_retries or 1,
    max_tasks = opts.max_tasks or settings.max_tasks,
    max_pending = opts.max_pending,
    task_timeout = opts.task_timeout,
    round_robin = scheduler == "round_robin",
  }, setup, opts.init, table.unpack(args, 1, args.n or #args))
  return setmetatable({
    handle = handle,
    on_error = opts.on_error,
    scheduler = type(scheduler) ~= "string" and scheduler or nil,
  }, Pool)
end

-- Lets the pool's own scheduler choose the worker of the next call.
local function schedule(pool, fn)
  if not pool.scheduler then return end
  local stats, loads = pool.handle:stats(), {}
  for id = 1, stats.processes do loads[id] = 0 end -- also while a dead one is being replaced
  for _, worker in ipairs(stats.workers) do
    loads[worker.id] = worker.busy
  end
  pool.handle:want((pool.scheduler(fn, loads)))
end

-- Tells on_error, which must not wait for the result it is told of.
local function watch(pool, err, item)
  if pool.on_error then pool.on_error(err, item) end
end

--- Runs fn(...) in a worker and returns its results. Waits; raises its error.
function Pool:apply(fn, ...)
  errors.check_self(self, Pool, "apply")
  schedule(self, fn)
  if not self.on_error then return self.handle:apply(fn, ...) end
  local results = table.pack(pcall(self.handle.apply, self.handle, fn, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  watch(self, results[2], (...))
  error(results[2], 0)
end

--- Runs fn(...) in a worker; a Future is a Task, its `args` are the arguments.
---@return table future
function Pool:submit(fn, ...)
  errors.check_self(self, Pool, "submit")
  schedule(self, fn)
  local future = self.handle:submit(fn, ...)
  if self.on_error then
    future:on_done(function()
      local ok, err = future:result()
      if not ok then watch(self, err, future.args[1]) end
    end)
  end
  return future
end

--- Takes no new work; maps begun before go on while somebody iterates them.
function Pool:close()
  errors.check_self(self, Pool, "close")
  self.handle:close()
end

--- Cancels everything.
function Pool:terminate()
  errors.check_self(self, Pool, "terminate")
  self.handle:terminate()
end

--- Waits until the workers of a closed pool have left.
---@param timeout? number seconds
function Pool:join(timeout)
  errors.check_self(self, Pool, "join")
  self.handle:join(timeout)
end

-- Resident bytes of a process, or nil when it is gone.
local function rss(pid)
  local file <close> = io.open(("/proc/%d/status"):format(pid))
  local text = file and file:read "a" -- nil when it has gone meanwhile
  local kilobytes = text and text:match "VmRSS:%s*(%d+)"
  return kilobytes and math.tointeger(kilobytes) * 1024
end

--- Counts of tasks, and a list of workers.
---@return table
function Pool:stats()
  errors.check_self(self, Pool, "stats")
  local stats = self.handle:stats()
  for _, worker in ipairs(stats.workers) do
    worker.rss = worker.pid > 0 and rss(worker.pid) or nil
  end
  return stats
end

-- Left by an error, the pool is terminated; so it is when its task is cancelled while it waits.
function Pool.__close(self, cause)
  local ok, err
  if cause == nil then
    self:close()
    ok, err = pcall(self.join, self)
    if ok then return end
  end
  self:terminate()
  task.shield(self.join, self)
  if err then error(err, 0) end
end

-- The function that puts an item into the handle of a map.
local function putter(pool, fn, put)
  if not pool.scheduler then return put end
  return function(handle, ...)
    if (...) ~= nil then schedule(pool, fn) end
    return put(handle, ...)
  end
end

local function new_map(pool, name, fn, items, opts, put)
  opts = maps.check(name, fn, items, opts, MAP)
  local handle = core.map(pool.handle, fn, opts.ordered ~= false)
  return maps.start(handle, items, {
    return_errors = opts.return_errors,
    on_error = pool.on_error,
    put = putter(pool, fn, put or handle.put),
  })
end

--- Runs fn over items: `for i, result in pool:map(fn, items) do`. With `return_errors`:
--- `for i, result, err, item in …`.
---@param fn function
---@param items table|function a list, or a function that returns the next item, nil at the end
---@param opts? { ordered: boolean?, return_errors: boolean? }
---@return luapool.Map
function Pool:map(fn, items, opts)
  errors.check_self(self, Pool, "map")
  return new_map(self, "pool:map", fn, items, opts)
end

--- As map; each item is the list of arguments.
function Pool:starmap(fn, lists, opts)
  errors.check_self(self, Pool, "starmap")
  return new_map(self, "pool:starmap", fn, lists, opts, function(handle, list)
    if list == nil then return false end
    if type(list) ~= "table" then
      error(("pool:starmap: each item is a list of arguments, got %s"):format(type(list)), 0)
    end
    return handle:send(table.unpack(list, 1, list.n or #list))
  end)
end

return M
