-- luapool.pool: work over processes: options, map and its iterators. Dispatch, workers and the
-- encoding of functions are C (runtime/pool, bindings/pool/pool.c).
--@whole

local core = require "luapool.pool.core"
local lists = require "luapool.internal.items"
local luapool = require "luapool.core"
local maps = require "luapool.internal.map"
local options = require "luapool.internal.options"
local sandbox = require "luapool.sandbox.core"
local settings = require "luapool.internal.settings"
local task = require "luapool.task"
local sync = require "luapool.sync.core"
local usage = require "luapool.internal.usage"

--- Work over processes. A pool starts workers, processes with a Lua state of their own, and hands
--- functions and items to them; in each worker many tasks run at once.
---
--- A function travels with its upvalues: tables with their metatables, cycles and shared
--- references, functions, modules and standard streams by name, objects of `luapool.sync` as
--- themselves. What cannot travel (an open file, a client) is an error that names it. A map
--- takes one snapshot of its function when it is called, `apply` and `submit` one at each call;
--- later changes in main have no effect in the workers. Globals do not travel.
---
--- A worker that dies loses no work: the task that was on the CPU then runs again, at most
--- `crash_retries` times, and the tasks that only waited run again uncharged. So a function may run
--- more than once. Pools are made in main, not in workers.
---
--- ```lua
--- local p <close> = pool.new { processes = 2 }
--- for i, square in p:map(function(n) return n * n end, { 1, 2, 3 }) do print(i, square) end
--- --> 1 1
--- --> 2 4
--- --> 3 9
--- ```
---@kind worker_died the worker died while the task was on its CPU, once more than
--- `crash_retries` allows; fields `signal` or `exitcode`, `pid`, `worker` (its id), `attempts` (how
--- often the task was run), `on_cpu` (it was on the CPU of one that died), `place` (of the item
--- of a map), `peak_memory` (bytes), `report` (its last lines on stderr)
---@kind rejected `max_pending` tasks wait already for a worker
---@kind timeout the task took longer than `task_timeout`, or `join` than its timeout
---@kind memory the task wanted more memory than twice the `memory_limit`
---@kind cannot_send a function, an argument or a result cannot travel; the message names the path
---@kind module a module that the function uses cannot be found in the worker
---@kind not_closed `join` was called before `close` and `terminate`
---@kind cancelled the pool was terminated, or the task was cancelled; field `reason`
---@kind closed the pool takes no more work
---@class luapool.pool
local M = {}

local CONCURRENCY = 100

local check_new = options.define("pool.new", {
  processes = "processes",
  concurrency = "concurrency",
  init = "callable",
  init_args = "table",
  crash_retries = "count0",
  max_tasks = "count0",
  max_pending = "count0",
  task_timeout = "seconds",
  memory_limit = "size",
  scheduler = "string|callable",
  on_error = "callable",
})

-- A worker may post before anything of luapool.sync has been loaded here: what hears it is loaded
-- then.
if not package.loaded["luapool.internal.sync.remote"] then
  sync.serve(function(remote) require("luapool.internal.sync.remote").serve(remote) end)
end

local SCHEDULERS = { least_loaded = true, round_robin = true }

local MAP = { ordered = "boolean", return_errors = "boolean" }
local check_map = options.define("pool:map", MAP)
local check_starmap = options.define("pool:starmap", MAP)

--- Worker processes that take work: see `pool.new`. Leaving the scope of `<close>` closes the pool
--- and waits for its work; leaving it by an error terminates the pool.
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

---@class luapool.pool.Options
---@field processes? integer how many workers; default `-p`, else the usable cores
---@field concurrency? integer how many tasks run at once in each; default `-c`, else 100
---@field init? function runs once in each worker before its first task; it may set globals there
---@field init_args? table a list of its arguments
---@field crash_retries? integer how often a task runs again that was on the CPU when its worker
--- died; default 1
---@field max_tasks? integer replace a worker after so many tasks; default 0: never
---@field max_pending? integer how many tasks may wait for a worker; then `submit` raises kind
--- `rejected`, while a map just pulls no further
---@field task_timeout? number seconds that a task may take; then it fails with kind `timeout`, also
--- in an endless loop
---@field memory_limit? number|string bytes, or as "256M": a worker above it is replaced between
--- tasks; an allocation beyond twice the limit fails with kind `memory`
---@field scheduler? "least_loaded"|"round_robin"|fun(fn: function, loads: integer[]): integer how a
--- worker is chosen; a function gets the number of tasks of each worker and returns a worker's id
---@field on_error? fun(err: any, item: any) is called in main for each error, besides raising it

--- Makes a pool and starts its workers at once.
---
--- ```lua
--- local p <close> = pool.new {
---   processes = 2, concurrency = 10, crash_retries = 0, max_tasks = 1000, max_pending = 500,
---   task_timeout = 30, memory_limit = "256M", scheduler = "round_robin", on_error = print,
---   init = function(word) greeting = word end, init_args = { "hello" },
--- }
--- print(p:apply(function() return greeting end)) --> hello
--- ```
---@param opts? luapool.pool.Options
---@param ... any not for scripts: `luapool.process` gives the name of its worker
---@return luapool.Pool
function M.new(opts, ...)
  opts = check_new(opts)
  local name = ... -- luapool.process alone gives one: of the only worker
  if luapool.worker then
    usage.raise("pool.new", "a pool cannot be made inside a worker: make it in main, and let the "
      .. "workers return what is to be done next")
  end
  local scheduler = opts.scheduler or "least_loaded"
  if type(scheduler) == "string" and not SCHEDULERS[scheduler] then
    local hint = options.hint(scheduler, SCHEDULERS)
    usage.raise("pool.new", "unknown scheduler '%s'%s", scheduler, hint)
  end
  local memory = options.size(opts.memory_limit or settings.memory_limit)
  local args = opts.init_args or {}
  local setup = {
    path = sandbox.package().path,
    cpath = sandbox.package().cpath,
    settings = settings.for_worker(),
    name = name,
    task_timeout = opts.task_timeout,
    memory_limit = not name and memory or nil, -- where there is a name, nobody replaces it here
    heap_limit = memory and 2 * memory,
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
  }, setup, opts.init and usage.to_function(opts.init), table.unpack(args, 1, args.n or #args))
  return setmetatable({
    handle = handle,
    places = processes * concurrency,
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

--- Runs fn(...) in a worker, waits for it and returns its results, or raises its error.
---
--- ```lua
--- local p <close> = pool.new { processes = 1, crash_retries = 0 }
--- print(p:apply(string.rep, "ab", 2)) --> abab
--- local ok, e = pcall(p.apply, p, function() os.execute("kill -9 " .. luapool.worker.pid) end)
--- print(e.kind, e.signal) --> worker_died 9
--- local hasty <close> = pool.new { processes = 1, task_timeout = 0.1 }
--- print(select(2, pcall(hasty.apply, hasty, function() while true do end end)).kind) --> timeout
--- ```
---
--- What does not fit into memory, and what cannot travel:
---
--- ```lua
--- local p <close> = pool.new { processes = 1, memory_limit = "16M" }
--- print(select(2, pcall(p.apply, p, string.rep, "x", 100 * 2 ^ 20)).kind) --> memory
--- local file <close> = io.tmpfile()
--- print(select(2, pcall(p.apply, p, print, file)).kind) --> cannot_send
--- package.loaded.only_here = { "a module that no worker finds" }
--- local only_here = require "only_here"
--- print(select(2, pcall(p.apply, p, function() return only_here end)).kind) --> module
--- package.loaded.only_here = nil
--- ```
---@async
---@param fn function
---@param ... any its arguments
---@return any ... what fn returns
---@raises worker_died
---@raises timeout after `task_timeout`
---@raises memory beyond twice the `memory_limit`
---@raises cannot_send
---@raises module
---@raises closed the pool was closed
function Pool:apply(fn, ...)
  usage.self(self, Pool, "pool:apply")
  fn = usage.to_function(fn, "pool:apply", 1)
  schedule(self, fn)
  if not self.on_error then return self.handle:apply(fn, ...) end
  local results = table.pack(pcall(self.handle.apply, self.handle, fn, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  watch(self, results[2], (...))
  error(results[2], 0)
end

--- Hands fn(...) to a worker and returns at once. The result is a Task; its field `args` is the
--- list of arguments.
---
--- ```lua
--- local p <close> = pool.new { processes = 1, concurrency = 1, max_pending = 1 }
--- local futures, e = {}, nil
--- repeat
---   local ok, future = pcall(p.submit, p, function(n) task.sleep(0.05) return n end, #futures)
---   if ok then table.insert(futures, future) else e = future end
--- until e
--- print(e.kind, futures[1]:await(), futures[1].args[1]) --> rejected 0 0
--- ```
---@param fn function
---@param ... any its arguments
---@return luapool.Task future
---@raises rejected `max_pending` tasks wait already
---@raises closed the pool was closed
function Pool:submit(fn, ...)
  usage.self(self, Pool, "pool:submit")
  fn = usage.to_function(fn, "pool:submit", 1)
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

--- Takes no new work. Maps begun before go on while somebody iterates over them.
---
--- ```lua
--- local p <close> = pool.new { processes = 1 }
--- p:close()
--- print(select(2, pcall(p.apply, p, print)).kind) --> closed
--- ```
function Pool:close()
  usage.self(self, Pool, "pool:close")
  self.handle:close()
end

--- Cancels all work and stops the workers; those that have not ended soon are killed.
---
--- ```lua
--- local p = pool.new { processes = 1 }
--- local future = p:submit(task.sleep, 60)
--- p:terminate()
--- print(select(2, future:result()).kind) --> cancelled
--- p:join()
--- ```
function Pool:terminate()
  usage.self(self, Pool, "pool:terminate")
  self.handle:terminate()
end

--- Waits until the workers of a closed or terminated pool have left.
---
--- ```lua
--- local p <close> = pool.new { processes = 1 }
--- print(select(2, pcall(p.join, p)).kind) --> not_closed
--- p:submit(task.sleep, 60)
--- p:close()
--- print(select(2, pcall(p.join, p, 0.01)).kind) --> timeout
--- p:terminate()
--- ```
---@async
---@param timeout? number seconds
---@raises timeout
---@raises not_closed the pool is neither closed nor terminated
function Pool:join(timeout)
  usage.self(self, Pool, "pool:join")
  usage.optional("pool:join", 1, timeout, "seconds")
  self.handle:join(timeout)
end

-- Resident bytes of a process, or nil when it is gone.
local function rss(pid)
  local file <close> = io.open(("/proc/%d/status"):format(pid))
  local text = file and file:read "a" -- nil when it has gone meanwhile
  local kilobytes = text and text:match "VmRSS:%s*(%d+)"
  return kilobytes and math.tointeger(kilobytes) * 1024
end

---@class luapool.pool.Stats
---@field processes integer how many workers it was made with
---@field submitted integer tasks that it was given so far; each is one of those counted below
---@field pending integer tasks that wait for a worker
---@field running integer
---@field done integer
---@field failed integer
---@field cancelled integer
---@field lost integer
---@field restarts integer how many workers were started in place of others
---@field workers luapool.pool.WorkerStats[]

---@class luapool.pool.WorkerStats
---@field id integer from 1 on; a replacement keeps it
---@field pid integer? nil until the worker runs
---@field busy integer tasks that it has now
---@field done integer
---@field rss integer? resident memory in bytes

--- Counts tasks and lists the workers.
---
--- ```lua
--- local p <close> = pool.new { processes = 2 }
--- p:apply(math.abs, 1)
--- local stats = p:stats()
--- print(stats.done, stats.failed, #stats.workers) --> 1 0 2
--- ```
---@return luapool.pool.Stats
function Pool:stats()
  usage.self(self, Pool, "pool:stats")
  local stats = self.handle:stats()
  for _, worker in ipairs(stats.workers) do
    worker.rss = worker.pid and rss(worker.pid) or nil
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

local function new_map(pool, name, fn, items, check, opts, put)
  if lists.swapped(fn, items) then
    usage.raise(name, "the function comes first and then the items: %s(fn, items)", name)
  end
  fn = usage.to_function(fn, name, 1)
  lists.check(name, 2, items)
  opts = check(opts)
  local handle = core.map(pool.handle, fn, opts.ordered ~= false)
  return maps.start(handle, items, {
    return_errors = opts.return_errors,
    on_error = pool.on_error,
    put = putter(pool, fn, put or handle.put),
  })
end

---@class luapool.pool.MapOptions
---@field ordered? boolean results in the order of the items; default true
---@field return_errors? boolean the loop gets errors: `for i, result, err, item in …`

--- Runs fn over items in the workers. In `for i, result in pool:map(fn, items) do`, `i` is the
--- place of the item in the input and `result` the first value of fn, which may be nil. Items
--- are pulled only as fast as workers take them. The first error cancels the rest and is
--- raised, unless `return_errors` is set; leaving the loop early cancels the rest too.
---
--- ```lua
--- local p <close> = pool.new { processes = 2 }
--- local function half(n)
---   if n % 2 == 1 then error(n .. " is odd", 0) end
---   return n // 2
--- end
--- for i, result, err, item in p:map(half, { 10, 7 }, { return_errors = true, ordered = true }) do
---   print(i, result, err, item)
--- end
--- --> 1 5 nil 10
--- --> 2 nil 7 is odd 7
--- ```
---@param fn function gets the item
---@param items table|function a list, or a function that returns the next item and nil at the
--- end; it may wait
---@param opts? luapool.pool.MapOptions
---@return luapool.Map
function Pool:map(fn, items, opts)
  usage.self(self, Pool, "pool:map")
  return new_map(self, "pool:map", fn, items, check_map, opts)
end

--- As an unordered map with return_errors, for jobs: put(handle, item) sends the arguments.
---@private
function Pool:map_items(fn, items, put)
  return new_map(self, "pool:map", fn, items, check_map, { ordered = false, return_errors = true },
    put)
end

--- Runs fn over lists of arguments; otherwise as `map`.
---
--- ```lua
--- local p <close> = pool.new { processes = 2 }
--- for _, text in p:starmap(string.rep, { { "a", 3 }, { "b", 2 } }) do print(text) end
--- --> aaa
--- --> bb
--- ```
---@param fn function
---@param items table|function as `items` of `map`; each item is a list of arguments
---@param opts? luapool.pool.MapOptions
---@return luapool.Map
function Pool:starmap(fn, items, opts)
  usage.self(self, Pool, "pool:starmap")
  return new_map(self, "pool:starmap", fn, items, check_starmap, opts, function(handle, list)
    if list == nil then return false end
    if type(list) ~= "table" then
      usage.raise("pool:starmap", "each item is a list of arguments, got %s", usage.describe(list))
    end
    return handle:send(table.unpack(list, 1, list.n or #list))
  end)
end

return M
