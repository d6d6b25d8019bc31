-- internal.queue.redis: the store of a queue on Redis. What changes there is done by functions
-- that run in the server (redis/functions/), each as one step; a call that has lost its answer
-- is made again under its number, and is then done once. Main holds a lease for all that it
-- runs and renews it; the server's clock counts. Sleepers are woken by a channel, and look by
-- themselves every five seconds.

local digest = require "luapool.digest"
local errors = require "luapool.error.core"
local json = require "luapool.json.core"
local calls = require "luapool.internal.queue.redis.call"
local clients = require "luapool.internal.redis.client"
local outboxes = require "luapool.internal.queue.redis.outbox"
local read = require "luapool.internal.queue.redis.read"
local server = require "luapool.internal.queue.redis.server"
local sync = require "luapool.sync.core"
local task = require "luapool.task.core"

local M = {}

local LEASE = 30

---@class luapool.queue.RedisStore
---@field client luapool.redis.Client
---@field prefix string of all keys
---@field id string of this store: its calls are numbered, its jobs are leased to it
---@field lease number seconds
---@field running table<string, table> id -> a job that it has claimed
---@field known table<string, table> the kinds of the latest settles, with their limits
---@field changed integer counts what may interest those who wait
---@field settling integer how many settles wait for their answers
---@field closed boolean
local Store = { __name = "luapool.queue.RedisStore" }
Store.__index = Store

--- Opens the store on a server.
---@param address luapool.queue.Address
---@param opts table durable, outbox
---@return luapool.queue.RedisStore
function M.open(address, opts)
  local self = setmetatable({
    url = address.url,
    client = clients.new(address.redis, { lazy = true, name = "luapool" }),
    prefix = "lp:{" .. address.ns .. "}:",
    id = digest.uuid(7),
    lease = address.lease or LEASE,
    running = {},
    known = {},
    kind_args = setmetatable({}, { __mode = "k" }),
    changed = 0,
    settling = 0,
    sleepers = sync.waiters "change of a queue",
    closed = false,
    replica = opts.durable == "replica",
  }, Store)
  calls.prepare(self)
  local ok, e = pcall(server.check, self)
  if ok or opts.outbox and calls.is_away(e) then
    self.checked = ok
    ok, e = true, nil
    if opts.outbox then ok, e = pcall(outboxes.open, self, opts.outbox) end
  end
  if ok then
    self.outbox = e
    return self
  end
  self.client:close()
  error(e, 0)
end

-- ---- jobs in ----

-- From 1e11 seconds on it is for ever.
local function micros(seconds) return math.floor(math.min(seconds, 1e11) * 1000000 + 0.5) end

M.micros = micros

-- Options under their short names, as JSON; "" where a job wants nothing special.
local function options_of(job)
  local o = {}
  if job.delay and job.delay > 0 then o.d = micros(job.delay) end
  if job.priority and job.priority ~= 0 then o.p = job.priority end
  if job.unique_for then o.v = micros(job.unique_for) end
  if job.expires then o.x = micros(job.expires) end
  if job.result_ttl then o.m = micros(job.result_ttl) end
  o.y, o.w, o.h = job.key, job.unique, job.parent
  if job.flow then o.pe, o.le = job.flow.pending, job.flow.lenient and "1" or "0" end
  return next(o) and json.encode(o) or ""
end

local function add_jobs(args, jobs)
  local at = #args
  for i = 1, #jobs do
    local job = jobs[i]
    args[at + 1], args[at + 2], args[at + 3] = job.id, job.kind, job.args
    args[at + 4] = options_of(job)
    at = at + 4
  end
  return args
end

-- So many jobs one call puts at most: the server does nothing else meanwhile.
local MOST = 100000

--- Puts jobs, all or none.
---@param jobs table[]
---@return table outcomes true, or { duplicate = id }
function Store:put(jobs)
  if #jobs == 0 then return {} end
  if #jobs > MOST then
    local text = "Queue:put_all: %d jobs, at most %d go at once: put them in parts"
    errors.raise("queue", text:format(#jobs, MOST), { code = "too_large" })
  end
  if self.outbox then return self.outbox:put(jobs) end
  return self:put_now(jobs)
end

--- The same, without the outbox.
---@param jobs table[]
---@param patience? number
---@return table outcomes
function Store:put_now(jobs, patience)
  local reply = calls.once(self, "lp1_put", add_jobs({ #jobs }, jobs), patience)
  local outcomes = {}
  for i = 1, #jobs do outcomes[i] = true end
  for i = 1, #reply, 2 do outcomes[reply[i]] = { duplicate = reply[i + 1] } end
  return outcomes
end

-- ---- jobs out, and their ends ----

local function or_empty(value) return value ~= nil and value or "" end

-- What a consumer says of its kinds is written down, for those who sweep and put.
local function note_kinds(self, kinds)
  local args = {}
  for name, kind in pairs(kinds) do
    self.known[name] = kind
    local row = { name, or_empty(kind.per_key), kind.strict and "1" or "0",
      kind.lost == "fail" and "1" or "0", kind.host_retries or 3, or_empty(kind.concurrency),
      kind.result_ttl and micros(kind.result_ttl) or "" }
    table.move(row, 1, #row, #args + 1, args)
  end
  if #args > 0 then calls.call(self, "lp1_kinds", args) end
end

-- The arguments of a settle for these kinds, which are told of when they are new.
local function kinds_of(self, kinds)
  local args = self.kind_args[kinds]
  if args then return args end
  note_kinds(self, kinds)
  args = { 0 }
  for name, kind in pairs(kinds) do
    local rate = kind.rate
    args[1] = args[1] + 1
    local row = { name, or_empty(kind.concurrency), rate and rate[1] or "",
      rate and micros(rate.per) or "" }
    table.move(row, 1, #row, #args + 1, args)
  end
  self.kind_args[kinds] = args
  return args
end

local function add_results(args, results)
  local at = #args
  for i = 1, #results do
    local result = results[i]
    local added, options = result.added, ""
    if result.delay or result.charge ~= nil or added and #added > 0 then
      options = json.encode {
        delay = result.delay and micros(result.delay), charge = result.charge,
        added = added and #added > 0 and #added or nil,
      }
    end
    args[at + 1], args[at + 2], args[at + 3] = result.id, result.token, result.outcome
    args[at + 4] = (result.outcome == "done" and result.value or result.error) or ""
    args[at + 5] = options
    at = at + 5
    if added and #added > 0 then
      add_jobs(args, added)
      at = #args
    end
  end
end

-- The jobs that the reply of a settle tells of from place `at` on.
local function claimed_of(self, reply, at)
  local list, tointeger = {}, math.tointeger
  for i = at, #reply, 8 do
    local put, more = tointeger(reply[i + 6]), reply[i + 7]
    local job = { id = reply[i], token = tointeger(reply[i + 1]), kind = reply[i + 2],
      args = reply[i + 3], attempts = tointeger(reply[i + 4]), seq = tointeger(reply[i + 5]),
      put = put, put_at = put / 1000000, crashes = 0, priority = 0 }
    if more ~= "" then read.complete(self, job, json.decode(more)) end
    self.running[job.id] = job
    list[#list + 1] = job
  end
  return list
end

local function settle(self, results, want, kinds)
  local kind_args = kinds_of(self, kinds)
  local args = { self.lease_micros, want }
  table.move(kind_args, 1, #kind_args, 3, args)
  args[#args + 1] = #results
  add_results(args, results)
  local reply = calls.once(self, "lp1_settle", args, math.huge)
  local settled = {}
  for i, result in ipairs(results) do
    local job = self.running[result.id]
    if job and job.token == result.token then self.running[result.id] = nil end
    settled[i] = reply[1]:byte(i) == 49 -- "1"
  end
  local due = tonumber(reply[2])
  return settled, claimed_of(self, reply, 3), due >= 0 and due or nil
end

--- Ends jobs that run, and claims others. It waits as long as the server is away.
---@param results table[]
---@param want integer
---@param kinds table<string, table>
---@return boolean[] settled
---@return table[] claimed
---@return number|nil next_due seconds
function Store:settle(results, want, kinds)
  local began = task.now()
  self.settling = self.settling + 1
  local ok, settled, claimed, due = pcall(settle, self, results, want, kinds)
  self.settling = self.settling - 1
  if not ok then
    self.doubt = true -- the server may have given jobs that nobody here knows of
    error(settled, 0)
  end
  if #claimed > 0 then
    self:keep(began)
    claimed = self:startable(claimed, began)
  end
  return settled, claimed, due
end

--- Leases, not a file, say that this process is alive.
---@return nil
function Store.owner_file() return nil end

--- Promotes, expires, drops and recovers what is due: a hundred at most.
function Store:sweep() calls.call(self, "lp1_sweep", {}) end

--- Gives back what it has claimed, and closes.
function Store:close()
  if self.closed then return end
  self.closed = true
  self.sleepers:wake_all()
  for _, name in ipairs { "keeper", "listener" } do
    local running = self[name]
    if running then
      running:cancel()
      running:result()
    end
  end
  if self.subscription then self.subscription:close() end
  if self.outbox then self.outbox:close() end
  if self.registered then
    pcall(function() repeat until calls.call(self, "lp1_leave", { self.id }, 2) == 0 end)
  end
  self.client:close()
end

M.add_jobs = add_jobs

for _, name in ipairs { "run", "steer", "wait" } do
  for method, fn in pairs(require("luapool.internal.queue.redis." .. name)) do
    Store[method] = fn
  end
end

return M
