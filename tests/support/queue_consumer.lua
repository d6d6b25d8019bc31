-- Main processes that storms kill. Each writes what it does into a file of its own, line by line,
-- so that it is known whenever it ends:
--     luapool run tests/support/queue_consumer.lua -- work URL FOLDER WORKERS PLACES
--     luapool run tests/support/queue_consumer.lua -- put URL FOLDER
-- "work" claims jobs, runs them in workers and settles them. FOLDER/PID.main has "claimed ID TOKEN
-- TIME", "settled ID TOKEN true|false" and "renewed TIME", when the latest renewal of its lease
-- began; each worker's FOLDER/PID.worker has "begin ID TOKEN TIME MAIN" and "end ID TOKEN TIME
-- MAIN". A job of kind "step" adds one of kind "added" when it settles. "put" puts jobs of kind
-- "late"; FOLDER/PID.putter has "put ID" of those whose put has returned.

local digest = require "luapool.digest"
local errors = require "luapool.error"
local json = require "luapool.json"
local pool = require "luapool.pool"
local queue = require "luapool.queue"
local socket = require "socket"
local sync = require "luapool.sync"
local task = require "luapool.task"

local PID = io.open("/proc/self/stat"):read "n"
local LIMITS = { result_ttl = 3600, crash_retries = 1000, host_retries = 1000 }
local kinds = { step = LIMITS, added = LIMITS, late = LIMITS }

local function log_of(folder, name)
  local file = assert(io.open(("%s/%d.%s"):format(folder, PID, name), "a"))
  file:setvbuf "line"
  return function(text, ...) assert(file:write(text:format(...), "\n")) end
end

local function open(url)
  while true do
    local ok, q = pcall(queue.open, url)
    if ok then return q end
    assert(q.kind ~= "queue", q)
    task.sleep(0.05)
  end
end

-- ---- in the workers ----

local function begin(folder, main)
  local pid = io.open("/proc/self/stat"):read "n"
  local file = assert(io.open(("%s/%d.worker"):format(folder, pid), "a"))
  file:setvbuf "line"
  note = function(text, ...) -- luacheck: ignore (a global of the worker)
    local now = require("socket").gettime()
    assert(file:write(text:format(...), (" %.6f %d\n"):format(now, main)))
  end
end

local function work(id, token, ms)
  note("begin %s %d", id, token) -- luacheck: ignore
  require("luapool.task").sleep(ms / 1000)
  note("end %s %d", id, token) -- luacheck: ignore
end

-- ---- the one that works ----

local Consumer = {}
Consumer.__index = Consumer

local function result_of(job, args)
  local result = { id = job.id, token = job.token, outcome = "done", value = tostring(args.n) }
  if job.kind == "step" then
    result.added = { { id = digest.uuid(7), kind = "added", args = job.args } }
  end
  return result
end

-- Also what was cancelled, as it was lost, is to be settled: the store has to refuse that.
local function run(self, job)
  local args = json.decode(job.args)
  local future = self.pool:submit(work, job.id, job.token, args.ms)
  self.running[job] = future
  local ok, e = future:result()
  self.running[job] = nil
  if not ok and errors.is(e, "worker_died") then
    self.store:crashed(job.id, job.token)
  else
    assert(ok or errors.is(e, "cancelled"), e)
    table.insert(self.results, result_of(job, args))
  end
  self.free = self.free + 1
  self.news:set()
end

-- Cancels what is lost, and notes renewals. A process may be stopped between two looks at its
-- clocks: the smallest difference between them that was ever seen counts.
local function look(self)
  local store, between = self.store, math.huge
  while true do
    between = math.min(between, socket.gettime() - task.now())
    store:wait(0.2, store:changes())
    local _, lost = store:renew()
    for _, id in ipairs(lost) do
      for job, future in pairs(self.running) do
        if job.id == id then future:cancel "lost" end
      end
    end
    if store.renewed then self.log("renewed %.6f", store.renewed + between) end
    self.news:set()
  end
end

local function consume(url, folder, workers, places)
  workers, places = math.tointeger(workers), math.tointeger(places)
  local self = setmetatable({
    log = log_of(folder, "main"), store = open(url).store, news = sync.event(), running = {},
    results = {}, free = workers * places,
    pool = pool.new { processes = workers, concurrency = places, crash_retries = 0, init = begin,
      init_args = { folder, PID } },
  }, Consumer)
  task.spawn(look, self)
  while true do
    local results = self.results
    self.results = {}
    self.news:clear()
    local settled, claimed = self.store:settle(results, self.free, kinds)
    local now = socket.gettime()
    for i, ok in ipairs(settled) do
      self.log("settled %s %d %s", results[i].id, results[i].token, ok)
    end
    self.free = self.free - #claimed
    for _, job in ipairs(claimed) do
      self.log("claimed %s %d %.6f", job.id, job.token, now)
      task.spawn(run, self, job)
    end
    if #self.results == 0 then self.news:wait() end
  end
end

-- ---- the one that puts ----

local function put(url, folder)
  local log, q = log_of(folder, "putter"), open(url)
  for n = 1, math.huge do
    local id = digest.uuid(7)
    if pcall(q.put, q, "late", { n = n, ms = 1 }, { id = id }) then log("put %s", id) end
    task.sleep(0.01)
  end
end

local what = ...
if what == "work" then consume(select(2, ...)) else put(select(2, ...)) end
