-- internal.serve.spec: what the table of a file for `luapool serve` may have, and what of it
-- main is told. Runs in the workers: main never runs code of the file.

local errors = require "luapool.error.core"
local lines = require "luapool.internal.serve.cron_line"
local options = require "luapool.internal.options"
local Policy = require "luapool.internal.retry.policy"
local zones = require "luapool.internal.serve.zone"

local M = {}

--- `luapool serve FILE` runs the jobs of a queue (see `luapool.queue`) until it is stopped, puts
--- jobs by cron, and runs services. FILE returns a table; workers load it, each in a fresh state,
--- and run its functions: main runs none of them.
---
--- A job runs again when its function fails, as `retry` says, and when its worker or its process
--- dies. A process claims only the kinds that its file has, and no more jobs than it has room for.
---
--- SIGHUP, or `luapool ctl reload`, loads the file again in new workers, one after the other; when
--- all are there the old ones finish what they run and leave. When one cannot be started the old
--- ones stay, and the log says why. SIGTERM: no more jobs are claimed, those that run have
--- `--grace` seconds; then they are cancelled and given back uncharged. A worker that ends is
--- started again after 0.1 s, later up to 30 s; ten that end within a minute before they have done
--- anything end the whole.
---
--- systemd is told when it is ready, reloads and stops, and that the queue answers (`WatchdogSec`);
--- `examples/systemd` has a unit.
---
--- ```lua
--- return {
---   queue = "sqlite:work.db", -- or "redis://host/0?ns=shop"
---   init = function(ctx) ctx.factor = 10 end, -- once in each worker
---   kinds = {
---     scale = { process = function(n, _, ctx) print(n * ctx.factor) end,
---       retry = { attempts = 5 }, timeout = 60, concurrency = 8, rate = { 100, per = 60 } },
---   },
---   cron = { nightly = { "30 2 * * *", tz = "Europe/Berlin", kind = "scale", args = 1 } },
---   services = { beat = { run = function() task.sleep(3600) end } },
--- }
--- -- q:put("scale", 7)
--- --> 70
--- ```
---@page serve

--- The table that a file for `luapool serve` returns. `queue` is needed for kinds and cron.
---@within serve
---@class luapool.ServeFile
---@field queue? string the URL of `queue.open`
---@field kinds? table<string, luapool.serve.Kind> what it runs
---@field cron? table<string, luapool.serve.CronEntry> what it puts, and when
---@field services? table<string, luapool.serve.Service> what runs for ever beside
---@field init? fun(ctx: luapool.serve.Context) runs once in each worker of kinds
---@field worker_exit? fun(ctx: luapool.serve.Context) runs in a worker that leaves in order
---@field processes? integer as `-p`, which overrides it; default: the usable cores
---@field concurrency? integer as `-c`, which overrides it: jobs at once in each; default 100
---@field memory_limit? number|string a worker above it is followed by a new one
---@field max_tasks? integer the same after about so many jobs

--- One of the `kinds`. The functions are those of job files.
---@within serve
---@class luapool.serve.Kind
---@field fetch? fun(args: any, ctx: luapool.serve.Context): any
---@field process? fun(fetched: any, args: any, ctx: luapool.serve.Context): any what it returns is
--- the job's result; without `fetch` it gets the arguments twice
---@field retry? luapool.retry.Options|boolean default: that of `luapool.retry`; false: one attempt.
--- Between two attempts the job is in the queue
---@field timeout? number seconds of an attempt. When it is in a C function then, where nothing
--- reaches it, its worker is killed some seconds later; other jobs of that go back uncharged
---@field concurrency? integer so many at once, in all processes
---@field per_key? integer so many at once of those with the same `key`
---@field strict? boolean with `per_key`: those of a key keep their order over retries
---@field rate? table `{ N, per = SECONDS }`: so many starts in so many seconds, in all processes
---@field result_ttl? number seconds for which results are kept; default 0
---@field lost? "retry"|"fail" what becomes of a job whose worker or process has died
---@field crash_retries? integer how often it runs again when a worker has died of it; default 1
---@field host_retries? integer the same for whole processes; default 3

--- One of the entries of `cron`. Its first item is the line: minute, hour, day, month, weekday.
---@within serve
---@class luapool.serve.CronEntry
---@field kind string of the job that is put
---@field args? any
---@field priority? integer
---@field tz? string "Europe/Berlin"; default UTC. What falls into a gap or an overlap of local time
--- fires once
---@field missed? "one"|"all"|"none" of the ticks of a time when nothing ran; default "one", the
--- latest
---@field overlap? boolean false: none is put while the one before lives

--- One of the `services`. It runs in processes of its own.
---@within serve
---@class luapool.serve.Service
---@field run? fun(ctx: luapool.serve.Context) when it returns it is started again
---@field init? fun(ctx: luapool.serve.Context) before that
---@field reload? fun(ctx: luapool.serve.Context) at SIGHUP; without it a new process takes over
---@field terminate? fun(ctx: luapool.serve.Context) at the end: `run` has `--grace` seconds
--- from then on; without it `run` is cancelled at once
---@field processes? integer default 1

local kind_fields = {
  fetch = "callable",
  process = "callable",
  retry = "table|boolean",
  timeout = "positive",
  concurrency = "count",
  per_key = "count",
  strict = "boolean",
  rate = "table",
  result_ttl = "amount",
  lost = { "retry", "fail" },
  crash_retries = "count0",
  host_retries = "count0",
}

local cron_fields = {
  kind = "string",
  args = "any",
  tz = "string",
  missed = { "one", "all", "none" },
  overlap = "boolean",
  priority = "priority",
}

local service_fields = {
  processes = "processes",
  init = "callable",
  run = "callable",
  reload = "callable",
  terminate = "callable",
}

local fields = {
  queue = "string",
  kinds = "table",
  cron = "table",
  services = "table",
  init = "callable",
  worker_exit = "callable",
  processes = "processes",
  concurrency = "concurrency",
  memory_limit = "size",
  max_tasks = "count0",
}

--- What each field may be. Tests walk over them.
M.fields, M.kind_fields, M.cron_fields, M.service_fields = fields, kind_fields, cron_fields,
  service_fields

local function problem(text, ...) errors.raise("usage", text:format(...)) end

local function check_fields(t, known, where)
  if type(t) ~= "table" then problem("%sa table expected, got %s", where, errors.describe(t)) end
  local wrong = options.problem(t, known, "field")
  if wrong then problem("%s%s", where, wrong) end
end

-- Calls fn(name, t) for each of a table of named ones, in the order of their names.
local function each(list, field, fn)
  local names = {}
  for name in pairs(list or {}) do
    if type(name) ~= "string" or not name:find "^[%w_][%w_.:-]*$" or #name > 100 then
      problem("field '%s' must have names as keys, of letters, digits, '_', '.', ':' and '-', "
        .. "got %s", field, errors.describe(name))
    end
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do fn(name, list[name]) end
end

local function check_rate(rate, where)
  local n, per = rate[1], rate.per or 1
  local fits = math.type(n) and math.tointeger(n) and n >= 1 and type(per) == "number"
    and per >= 0.001 and per <= 1e9
  for key in pairs(rate) do fits = fits and (key == 1 or key == "per") end
  if not fits then
    problem("%sfield 'rate' must be { N, per = SECONDS }: so many starts in so many seconds", where)
  end
  return { math.tointeger(n), per = per }
end

local function policy_of(retry, where)
  if retry == false then retry = { attempts = 1 } end
  if retry == true then retry = nil end
  local ok, policy = pcall(Policy.new, retry)
  if not ok then problem("%sfield 'retry': %s", where, tostring(policy)) end
  return policy
end

-- What main has to know of a kind: what a store reads of it, and its limits.
local function describe_kind(kind, policy, where)
  return {
    concurrency = kind.concurrency,
    per_key = kind.per_key,
    strict = kind.strict,
    rate = kind.rate and check_rate(kind.rate, where),
    result_ttl = kind.result_ttl,
    lost = kind.lost or "retry",
    crash_retries = kind.crash_retries or 1,
    host_retries = kind.host_retries or 3,
    timeout = kind.timeout,
    attempts = policy.attempts,
  }
end

local function check_cron(name, entry, kinds)
  local where = ("cron.%s: "):format(name)
  local text, own = nil, entry
  if type(entry) == "table" then
    own, text = {}, entry[1]
    for key, value in pairs(entry) do
      if key ~= 1 then own[key] = value end
    end
  end
  check_fields(own, cron_fields, where)
  if type(text) ~= "string" then
    problem("%sa line such as \"30 2 * * *\" expected as its first item", where)
  end
  local line, wrong = lines.parse(text)
  if not line then problem("%s%s", where, wrong) end
  if not entry.kind then problem("%sfield 'kind' expected, what is to be put", where) end
  local zone, no_zone = zones.open(entry.tz)
  if not zone then problem("%s%s", where, no_zone) end
  if next(kinds) and not kinds[entry.kind] then
    local hint = options.hint(entry.kind, kinds)
    if hint ~= "" then problem("%sunknown kind '%s'%s", where, entry.kind, hint) end
  end
  local encode = require("luapool.internal.queue.envelope").encode
  local ok, args = pcall(encode, "cron." .. name, "field 'args'", entry.args)
  if not ok then problem("%s", tostring(args)) end
  return { line = text, kind = entry.kind, args = args, tz = entry.tz,
    priority = entry.priority, missed = entry.missed or "one", overlap = entry.overlap ~= false }
end

--- Checks what a file has returned. Raises one line that tells what is wrong with it.
---@param job any
---@return table spec with the functions, for this worker
---@return table description plain values, for main
function M.check(job)
  if type(job) ~= "table" then
    problem("a file for luapool serve returns a table, this one %s", errors.describe(job))
  end
  check_fields(job, fields, "")
  local spec = { kinds = {}, services = {}, init = job.init, worker_exit = job.worker_exit }
  local told = { queue = job.queue, kinds = {}, cron = {}, services = {},
    processes = job.processes, concurrency = job.concurrency, max_tasks = job.max_tasks,
    memory_limit = options.size(job.memory_limit) }
  each(job.kinds, "kinds", function(name, kind)
    local where = ("kinds.%s: "):format(name)
    check_fields(kind, kind_fields, where)
    if not kind.fetch and not kind.process then
      problem("%sfield 'process' expected, a function", where)
    end
    local policy = policy_of(kind.retry, where)
    spec.kinds[name] = { fetch = kind.fetch, process = kind.process, retry = policy,
      timeout = kind.timeout }
    told.kinds[name] = describe_kind(kind, policy, where)
  end)
  each(job.cron, "cron", function(name, entry)
    told.cron[name] = check_cron(name, entry, told.kinds)
  end)
  each(job.services, "services", function(name, service)
    local where = ("services.%s: "):format(name)
    check_fields(service, service_fields, where)
    if not service.run and not service.init then
      problem("%sfield 'run' expected, a function", where)
    end
    spec.services[name] = service
    told.services[name] = { processes = service.processes or 1, reloads = service.reload ~= nil,
      terminates = service.terminate ~= nil }
  end)
  if not next(told.kinds) and not next(told.cron) and not next(told.services) then
    problem "one of the fields 'kinds', 'cron' and 'services' expected"
  end
  if not told.queue and (next(told.kinds) or next(told.cron)) then
    problem "field 'queue' expected, such as \"sqlite:work.db\""
  end
  return spec, told
end

return M
