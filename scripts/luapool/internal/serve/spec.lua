-- internal.serve.spec: what the table of a file for `luapool serve` may have, and what of it
-- main is told. Runs in the workers: main never runs code of the file.

local errors = require "luapool.error.core"
local lines = require "luapool.internal.serve.cron_line"
local options = require "luapool.internal.options"
local Policy = require "luapool.internal.retry.policy"
local zones = require "luapool.internal.serve.zone"

local M = {}

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
  [1] = "string",
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
  check_fields(entry, cron_fields, where)
  if not entry[1] then
    problem("%sa line such as \"30 2 * * *\" expected as its first item", where)
  end
  local line, wrong = lines.parse(entry[1])
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
  return { line = entry[1], kind = entry.kind, args = args, tz = entry.tz,
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
    told.services[name] = { processes = service.processes or 1, reloads = service.reload ~= nil }
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
