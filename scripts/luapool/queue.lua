-- luapool.queue: jobs that outlive the process that puts them. The stores are in
-- luapool/internal/queue: sqlite.lua, and one for each other scheme of address.lua.

local address = require "luapool.internal.queue.address"
local class = require "luapool.internal.sync.class"
local envelope = require "luapool.internal.queue.envelope"
local errors = require "luapool.error.core"
local flow = require "luapool.internal.queue.flow"
local options = require "luapool.internal.options"
local remote = require "luapool.internal.queue.remote"
local task = require "luapool.task"
local usage = require "luapool.internal.usage"

require "luapool.internal.sync.remote" -- queues may be sent to workers

--- Jobs that outlive the process that puts them, and the machine's next crash: put here, worked
--- off by whichever process knows their kind. Kinds are names, and arguments travel as JSON. The
--- queue stands in a file that all processes of this machine share, or on a Redis that many
--- machines share.
---
--- A `put` that has returned is on the disk; on Redis it is as safe as its append-only file makes
--- it, and a failover may lose what no replica had. Each job ends once, as done, failed,
--- cancelled or expired, and is run at least once: where a process dies in the middle of a job,
--- it is run again.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local q <close> = queue.open("sqlite:" .. dir.path .. "/work.db")
--- local id = q:put("resize", { id = 7 })
--- q:put_all("mail", { { to = "a" }, { to = "b" } })
--- print(q:status(id).state, q:stats().mail.waiting) --> waiting 2
--- ```
---@kind queue what a queue cannot do; field `code`: "unknown_scheme", "address", "not_a_store",
--- "corrupt", "read_only", "cannot_open", "network_file_system", "version", "eviction" of an
--- `open`; "no_json", "too_large" of arguments; "replica" of a put that none has confirmed;
--- "failed", "cancelled", "expired", "unknown" of a result, with fields `id` and `error`
---@kind timeout no result within `timeout`
---@kind closed the queue is closed
---@class luapool.queue
local M = {}

local about = { title = "luapool.queue.Queue" }

--- A queue that is open: see `queue.open`. It may be sent to workers, where its methods ask the
--- main process.
---@class luapool.queue.Queue
---@within queue
local Queue = class.new("durable", about)

local function store_of(self, method)
  class.check_self(self, Queue, method)
  if not self.store then errors.raise("closed", method .. ": the queue is closed") end
  return self.store
end

local check_open = options.define("queue.open", { max_args = "size", durable = { "replica" },
  outbox = "string" })

---@class luapool.queue.OpenOptions
---@field max_args? number|string how large the arguments of a job may be as JSON, 64K unless said
---@field durable? "replica" of Redis: a put returns when a replica has it, too
---@field outbox? string of Redis: a file for the puts that are made while the server is away; they
--- are put when it is back

--- Opens a queue: "sqlite:PATH" is a file, which is made when it is not there. It stands on a
--- disk of this machine: a network file system is refused.
---
--- "redis://host/0?ns=NAME", or another URL of `redis.connect`, is a Redis from version 7 on, or a
--- Valkey; `ns` keeps queues apart. A server that may throw keys away when its memory is full is
--- refused. A process holds what it runs by a lease, which it renews; when it is gone, others run
--- its jobs after 30 s, or what `lease=SECONDS` in the URL says. A process that was stopped for
--- longer finds that it has lost its jobs. "rediss://" is over TLS, and trusts the authorities of
--- the system, or those in the file that the environment variable SSL_CERT_FILE names.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local q <close> = queue.open("sqlite:" .. dir.path .. "/work.db", { max_args = "1K" })
--- print(select(2, pcall(q.put, q, "mail", ("x"):rep(2000))).code) --> too_large
--- print(select(2, pcall(queue.open, "sqlit:work.db")).code) --> unknown_scheme
--- local opts = { outbox = dir.path .. "/outbox.db" }
--- local shop <close> = queue.open(redis_url .. "/0?ns=shop&lease=10", opts)
--- print(shop:status(shop:put("resize", { id = 7 })).state) --> waiting
--- local careful <close> = queue.open(redis_url, { durable = "replica" })
--- print(select(2, pcall(careful.put, careful, "resize")).code) --> replica
--- ```
---@async
---@param url string
---@param opts? luapool.queue.OpenOptions
---@return luapool.queue.Queue
---@raises queue field `code`
---@raises connect of Redis
function M.open(url, opts)
  opts = check_open(opts)
  usage.argument("queue.open", 1, url, "string")
  local place = address.parse(url)
  for _, name in ipairs { "durable", "outbox" } do
    if opts[name] and not place.redis then
      usage.raise("queue.open", "option '%s' is for a queue on Redis", name)
    end
  end
  local store = require(address.stores[place.scheme]).open(place, opts)
  return setmetatable({ store = store, largest = options.size(opts.max_args) }, Queue)
end

-- ---- putting ----

---@class luapool.queue.PutOptions
---@field delay? number seconds until it may start
---@field priority? integer from -100 to 100, 0 unless said: the largest starts first
---@field key? string of a tenant, say: see `per_key` of a kind
---@field unique? string no second job of the kind with this value as long as one lives
---@field unique_for? number so many seconds longer, after its end
---@field expires? number seconds after which it is not started any more
---@field result_ttl? number seconds for which its result is kept; that of its kind unless said
---@field id? string a UUID of version 7 in small letters, of your own: a second put of it is no
--- new job

--- Puts a job, and returns its id once it is on the disk. With `unique`, where such a job lives
--- already, no job is put and the id of that one is returned.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local q <close> = queue.open("sqlite:" .. dir.path .. "/work.db")
--- local id = q:put("resize", { id = 7 }, { delay = 60, unique = "img7", unique_for = 3600 })
--- print(q:put("resize", { id = 7 }, { unique = "img7" }) == id) --> true
--- print(select(2, pcall(q.put, q, "resize", { print })).code) --> no_json
--- ```
---@async
---@param kind string
---@param args? any what JSON can carry
---@param opts? luapool.queue.PutOptions
---@return string id
---@raises queue field `code`
function Queue:put(kind, args, opts)
  local store = store_of(self, "Queue:put")
  local jobs = envelope.jobs("Queue:put", kind, { args }, 1, opts, self.largest)
  local outcome = store:put(jobs)[1]
  return outcome == true and jobs[1].id or outcome.duplicate
end

--- Puts a job for each of a list of arguments, all of them or, when that fails, none.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local q <close> = queue.open("sqlite:" .. dir.path .. "/work.db")
--- local opts = { priority = -1, key = "tenant9", expires = 3600, result_ttl = 60 }
--- print(#q:put_all("resize", { { id = 1 }, { id = 2 } }, opts)) --> 2
--- ```
---@async
---@param kind string
---@param list any[]
---@param opts? luapool.queue.PutOptions
---@return string[] ids in the order of the list
---@raises queue field `code`
function Queue:put_all(kind, list, opts)
  local store = store_of(self, "Queue:put_all")
  usage.argument("Queue:put_all", 2, list, "table")
  local jobs, ids = envelope.jobs("Queue:put_all", kind, list, #list, opts, self.largest), {}
  store:put(jobs)
  for i = 1, #jobs do ids[i] = jobs[i].id end
  return ids
end

--- Puts jobs that depend on one another; each is `{ kind, args, options }`. Those of a list run
--- side by side; with `on_done` another job starts when all of them are done, and has what they
--- returned in `ctx.job.children`. With `chain = true` each starts when the one before it is
--- done. In the place of a job of the list may stand another such flow.
---
--- When one of them does not end well the job that waits for them fails; with
--- `on_failure = "continue"` it starts once all have ended, and sees how.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local q <close> = queue.open("sqlite:" .. dir.path .. "/work.db")
--- local ids, last = q:flow { { "fetch", "a" }, { "fetch", "b" }, on_done = { "merge" } }
--- print(#ids, q:status(last).state) --> 2 blocked
--- ids = q:flow { chain = true, { "fetch", "a" }, { "parse" }, { "store" } }
--- print(q:status(ids[1]).state, q:status(ids[3]).state) --> waiting blocked
--- ```
---@async
---@param spec table
---@return string[] ids of the jobs of the list
---@return string? last id of the job that ends the flow
---@raises queue field `code`
function Queue:flow(spec)
  local store = store_of(self, "Queue:flow")
  local jobs, ids, last = flow.jobs(spec, self.largest)
  store:put(jobs)
  return ids, last
end

-- ---- looking ----

---@class luapool.queue.Job
---@within queue
---@field id string
---@field kind string
---@field state "scheduled"|"waiting"|"blocked"|"running"|"done"|"failed"|"cancelled"|"expired"
---@field args any
---@field priority integer
---@field attempts integer how often it was started
---@field crashes integer how often a worker died of it
---@field losses integer how often a whole process did
---@field seq integer its place among all jobs
---@field key? string
---@field unique? string
---@field parent? string id of the job that waits for it
---@field put_at number seconds since 1970, as all times
---@field due_at? number when it may start
---@field expires_at? number when it expires
---@field started_at? number
---@field ended_at? number
---@field result? any what it returned
---@field error? table of the latest run that has failed: fields `kind` and `message`
---@field progress? { share: number, text: string? }
---@field cancel? boolean it runs, and was asked to stop

--- Returns a job, or nil when there is none, or none any more.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local q <close> = queue.open("sqlite:" .. dir.path .. "/work.db")
--- print(q:status(q:put("resize", { id = 7 })).args.id, q:status "no such job") --> 7 nil
--- ```
---@async
---@param id string
---@return luapool.queue.Job? job
function Queue:status(id)
  local store = store_of(self, "Queue:status")
  usage.argument("Queue:status", 1, id, "string")
  return store:get(id)
end

local function raise_unless_done(job, id)
  if job.state == "done" then return job.result end
  local text = ("job %s (%s) has %s"):format(id, job.kind,
    job.state == "cancelled" and "been cancelled" or job.state)
  if job.error and job.error.message then text = text .. ": " .. job.error.message end
  errors.raise("queue", text, { code = job.state, id = id, error = job.error })
end

local check_result = options.define("Queue:result", { timeout = "seconds" })

---@class luapool.queue.ResultOptions
---@field timeout? number seconds

--- Waits until a job has ended, and returns what it returned. That is kept for the seconds of
--- `result_ttl`, of the job or its kind; without one the job is gone when it is done.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local q <close> = queue.open("sqlite:" .. dir.path .. "/work.db")
--- local id = q:put "resize"
--- print(select(2, pcall(q.result, q, id, { timeout = 0 })).kind) --> timeout
--- q:cancel(id)
--- print(select(2, pcall(q.result, q, id)).code) --> cancelled
--- ```
---@async
---@param id string
---@param opts? luapool.queue.ResultOptions
---@return any value
---@raises queue field `code`: "failed", "cancelled", "expired", or "unknown", when there is no such
--- job any more; fields `id` and `error`
---@raises timeout
function Queue:result(id, opts)
  local store = store_of(self, "Queue:result")
  usage.argument("Queue:result", 1, id, "string")
  local timeout = check_result(opts).timeout or math.huge
  local late = task.now() + timeout
  while true do
    local since = store:changes()
    local job = store:get(id)
    if not job then
      local text = "Queue:result: no job %s: it is done and was not to be kept (result_ttl), or "
        .. "never was"
      errors.raise("queue", text:format(id), { code = "unknown", id = id })
    end
    if job.ended_at then return raise_unless_done(job, id) end
    local left = late - task.now()
    if left <= 0 then
      local text = "Queue:result: job %s has not ended within %g s"
      errors.raise("timeout", text:format(id, timeout))
    end
    store:wait(math.min(left, 60), since)
    store_of(self, "Queue:result")
  end
end

local STATES = { "scheduled", "waiting", "blocked", "running", "done", "failed", "cancelled",
  "expired" }
local check_list = options.define("Queue:list", { state = STATES, kind = "string", limit = "count",
  after = "string" })

---@class luapool.queue.ListOptions
---@field state? "scheduled"|"waiting"|"blocked"|"running"|"done"|"failed"|"cancelled"|"expired"
---@field kind? string
---@field limit? integer 100 unless said
---@field after? string id of the last job of the list before

--- Returns jobs in the order in which they were put.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local q <close> = queue.open("sqlite:" .. dir.path .. "/work.db")
--- local ids = q:put_all("resize", { "a", "b", "c" })
--- local page = q:list { state = "waiting", kind = "resize", limit = 2, after = ids[1] }
--- print(page[1].args, page[2].args) --> b c
--- ```
---@async
---@param opts? luapool.queue.ListOptions
---@return luapool.queue.Job[]
function Queue:list(opts)
  local store = store_of(self, "Queue:list")
  return store:list(check_list(opts))
end

---@class luapool.queue.KindStats
---@within queue
---@field waiting integer those that may start, or wait for others of their key
---@field scheduled integer those that may start later
---@field blocked integer those that wait for other jobs
---@field running integer
---@field dead integer failed ones that are kept
---@field done integer all that ever ended so; likewise:
---@field failed integer
---@field cancelled integer
---@field expired integer
---@field paused boolean
---@field oldest? number how many seconds ago the first of those that may start was put

--- Returns the figures of each kind.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local q <close> = queue.open("sqlite:" .. dir.path .. "/work.db")
--- q:put("resize", {}, { delay = 60 })
--- print(q:stats().resize.scheduled, q:stats().resize.done) --> 1 0
--- ```
---@async
---@return table<string, luapool.queue.KindStats>
function Queue:stats()
  return store_of(self, "Queue:stats"):stats()
end

-- ---- steering ----

--- Cancels a job, and those that a flow which ends with it still has to do. A job that runs is
--- asked to stop, also in another process.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local q <close> = queue.open("sqlite:" .. dir.path .. "/work.db")
--- local id = q:put "resize"
--- print(q:cancel(id), q:cancel(id)) --> cancelled nil
--- ```
---@async
---@param id string
---@return "cancelled"|"asked"|nil what "asked": it runs; nil: it has ended, or there is none
function Queue:cancel(id)
  local store = store_of(self, "Queue:cancel")
  usage.argument("Queue:cancel", 1, id, "string")
  return store:cancel(id)
end

--- Lets no job of a kind start any more, until it is resumed. Those that run go on.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local q <close> = queue.open("sqlite:" .. dir.path .. "/work.db")
--- q:pause "mail"
--- print(q:stats().mail.paused) --> true
--- ```
---@async
---@param kind string
function Queue:pause(kind)
  local store = store_of(self, "Queue:pause")
  envelope.check_kind("Queue:pause", 1, kind)
  store:pause(kind)
end

--- Lets jobs of a kind start again.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local q <close> = queue.open("sqlite:" .. dir.path .. "/work.db")
--- q:pause "mail"
--- q:resume "mail"
--- print(q:stats().mail.paused) --> false
--- ```
---@async
---@param kind string
function Queue:resume(kind)
  local store = store_of(self, "Queue:resume")
  envelope.check_kind("Queue:resume", 1, kind)
  store:resume(kind)
end

local check_retry = options.define("Queue:retry", { kind = "string" })

--- Puts a job that did not end well back, or with `{ kind = }` all failed ones of a kind; their
--- attempts begin anew.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local q <close> = queue.open("sqlite:" .. dir.path .. "/work.db")
--- local id = q:put "resize"
--- q:cancel(id)
--- print(q:retry(id), q:retry { kind = "resize" }, q:status(id).state) --> 1 0 waiting
--- ```
---@async
---@param what string|{ kind: string }
---@return integer n how many
function Queue:retry(what)
  local store = store_of(self, "Queue:retry")
  if type(what) ~= "string" and not (type(what) == "table" and check_retry(what).kind) then
    usage.expected("Queue:retry", 1, "an id or { kind = NAME }", what)
  end
  return store:retry(what)
end

local check_purge = options.define("Queue:purge", { state = STATES, kind = "string",
  older = "amount" })

---@class luapool.queue.PurgeOptions
---@field state? "scheduled"|"waiting"|"blocked"|"running"|"done"|"failed"|"cancelled"|"expired"
--- all that have ended unless said
---@field kind? string
---@field older? number seconds since the end; of those that have not begun since the put

--- Removes jobs that have ended; with a `state` such as "waiting" it cancels those that have not
--- begun. Jobs that run stay.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local q <close> = queue.open("sqlite:" .. dir.path .. "/work.db")
--- q:put_all("resize", { 1, 2, 3 })
--- print(q:purge { state = "waiting", kind = "resize", older = 0 }) --> 3
--- print(q:stats().resize.cancelled) --> 3
--- ```
---@async
---@param opts? luapool.queue.PurgeOptions
---@return integer n how many
function Queue:purge(opts)
  local store = store_of(self, "Queue:purge")
  opts = check_purge(opts)
  if opts.state == "running" then
    usage.raise("Queue:purge", "jobs that run can be cancelled only")
  end
  return store:purge(opts)
end

--- Closes the queue. Leaving the scope of a `<close>` variable does it too. In a worker it does
--- nothing: the queue is the main process's.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local q <close> = queue.open("sqlite:" .. dir.path .. "/work.db")
--- local other = queue.open("sqlite:" .. dir.path .. "/work.db")
--- other:close()
--- print(select(2, pcall(other.put, other, "resize")).kind) --> closed
--- ```
---@async
function Queue:close()
  class.check_self(self, Queue, "Queue:close")
  local store = self.store
  self.store = nil
  if store then store:close() end
end

Queue.__close = Queue.close

remote.open(Queue, about)

return M
