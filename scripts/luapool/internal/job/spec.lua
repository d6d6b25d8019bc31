-- internal.job.spec: checks the table of a job file and brings it into one form, which always has
-- `kinds` and `start`. A problem is one line that names the field, what was expected and the
-- nearest known name. Runs in main only.

local crawls = require "luapool.internal.job.crawl"
local lists = require "luapool.internal.items"
local options = require "luapool.internal.options"
local Policy = require "luapool.internal.retry.policy"

local M = {}

--- A file that returns a table is a job: `luapool run FILE` drives it over worker processes.
--- Its items are fetched and processed in the workers, what fails is tried again under a retry
--- policy, results become JSON lines, and the last line on stderr sums up:
--- `Done, success: 98/100, failure: 2/100 (1.24 s, 80.6/s)`. Items that failed for good are
--- listed in `OUTPUT.failed.jsonl` with their errors and attempts. A file that returns nothing
--- is a script: it has simply run.
---
--- The functions of a job run in two places: `fetch`, `process` and `init` in the workers, the
--- others in main. Ctrl-C or SIGTERM once: no more items are pulled, running ones may finish
--- for 5 s; twice: stop now.
---
--- ```lua
--- return {
---   items = { "/bytes/3", "/bytes/5" },
---   fetch = function(path) return http.get(url .. path):raise_for_status() end,
---   process = function(res, path) return { path = path, size = #res.body } end,
---   retry = { attempts = 5, wait = retry.exponential { multiplier = 0.5, max = 30 } },
---   concurrency = 1, processes = 1,
--- }
--- --> {"path":"/bytes/3","size":3}
--- --> {"path":"/bytes/5","size":5}
--- ```
---@page job

--- The table that a job file returns. `items` and one of `fetch`, `process` and `kinds` are needed.
---
--- ```lua
--- return {
---   items = { 1, 2, 3, 3 },
---   init = function(ctx) ctx.factor = 10 end, -- once in each worker
---   process = function(n, _, ctx) return n * ctx.factor end,
---   on_result = function(value, item) print(item, value) end, -- in place of output
---   on_error = function(err, item) print(item, err) end,
---   done = function(summary, ctx) print(summary.success, summary.failure, #ctx.args) end,
---   crawl = true, key = function(item) return item end, -- the second 3 is dropped
---   concurrency = 1, processes = 1, max_tasks = 100, task_timeout = 60, memory_limit = "256M",
---   crash_retries = 0,
--- }
--- --> 1 10
--- --> 2 20
--- --> 3 30
--- --> 3 0 0
--- ```
---
--- Settings, from a file of YAML:
---
--- ```lua
--- return {
---   config = "/dev/null", -- an empty one; "settings.yaml" is sought beside the job file
---   items = function(ctx) return { ctx.config.greeting or "hello" } end,
---   process = function(word) return word end,
--- }
--- --> "hello"
--- ```
---
--- A table as the output:
---
--- ```lua
--- return {
---   items = { 2, 1 },
---   process = function(n) return { n = n, square = n * n, more = { "left out" } } end,
---   output = "squares.csv", columns = { "n", "square" }, concurrency = 1, processes = 1,
---   done = function() print(io.open("squares.csv.part") == nil, io.lines "squares.csv"()) end,
--- }
--- --> true n,square
--- ```
---
--- Several kinds of items, of which one is counted in the summary:
---
--- ```lua
--- return {
---   start = "page", -- `items` are of this kind
---   items = function(ctx) return { 2 } end,
---   kinds = {
---     page = { process = function(n, _, ctx)
---       for i = 1, n do ctx:add("image " .. i, "image") end
---     end },
---     image = { fetch = function(name) return name end, counted = true, retry = false },
---   },
---   output = "-", concurrency = 1, processes = 1,
--- }
--- --> "image 1"
--- --> "image 2"
--- ```
---@within job
---@class luapool.Job
---@field items table|fun(ctx: luapool.job.Context): table|function what there is to do: a list, or
--- a function that returns a list or an iterator; it runs in main and is read only a little ahead
---@field fetch? fun(item: any, ctx: luapool.job.Context): any runs in a worker, many at a time,
--- again when the retry policy says so
---@field process? fun(fetched: any, item: any, ctx: luapool.job.Context): any runs in the same
--- worker; what it returns is a result, nil is none; without `fetch` it gets the item twice
---@field kinds? table<string, luapool.job.Kind> several kinds of items, in place of fetch and
--- process
---@field start? string the kind of `items`; needed when there are several kinds
---@field retry? luapool.retry.Options|boolean the policy of `fetch`; default: that of
--- `luapool.retry`; false: one attempt
---@field init? fun(ctx: luapool.job.Context) runs once in each worker before its first item
---@field done? fun(summary: luapool.job.Summary, ctx: luapool.job.Context) runs in main, at the end
---@field output? string the file for the results; it takes the place of the old one at the end of
--- the run, unless `--append` is given; "-" and default: stdout. Its ending tells what it holds:
--- ".csv" a table, ".json" one list, ".sqlite#name" (or "sqlite:file#name") a table of a database,
--- any other one JSON line for each result; ".gz" behind one of them compresses it
---@field columns? string[] the columns of an output that is CSV or a table of a database, in this
--- order; unless said the names in the first result, sorted
---@field on_error? fun(err: any, item: any) is called in main for each item that failed for good
---@field on_result? fun(value: any, item: any) is called in main for each result, in place of
--- an output
---@field crawl? boolean|luapool.job.Crawl drop an item that was seen before; a table has the rules
--- that `ctx:follow` obeys. URLs are the same that differ in nothing but their fragment, the
--- case of scheme and host, the scheme's own port, needless escapes, or dot segments
---@field key? fun(item: any): any what counts as the same item, exactly; with it, items seen before
--- are dropped
---@field concurrency? integer as `-c`, which overrides it
---@field processes? integer as `-p`, which overrides it
---@field config? string the settings file (YAML) beside the job file, unless `--config` names
--- another
---@field crash_retries? integer as of `pool.new`; default 1, without any retry 0
---@field task_timeout? number as of `pool.new`
---@field memory_limit? number|string as of `pool.new`
---@field max_tasks? integer as of `pool.new`

--- One of the `kinds` of a job.
---
--- ```lua
--- return {
---   items = { "a" },
---   kinds = { letter = {
---     fetch = function(item) return item:upper() end,
---     process = function(fetched, item) return item .. fetched end,
---     retry = { attempts = 2 }, counted = true,
---   } },
--- }
--- --> "aA"
--- ```
---@within job
---@class luapool.job.Kind
---@field fetch? fun(item: any, ctx: luapool.job.Context): any
---@field process? fun(fetched: any, item: any, ctx: luapool.job.Context): any
---@field retry? luapool.retry.Options|boolean in place of that of the job
---@field counted? boolean where a kind is counted, only the counted ones stand in the summary

local kind_fields = {
  fetch = "callable",
  process = "callable",
  retry = "table|boolean",
  counted = "boolean",
}

local fields = {
  items = "table|callable",
  fetch = "callable",
  process = "callable",
  kinds = "table",
  start = "string",
  retry = "table|boolean",
  init = "callable",
  done = "callable",
  output = "string",
  columns = "table",
  on_error = "callable",
  on_result = "callable",
  crawl = "boolean|table",
  key = "callable",
  concurrency = "concurrency",
  processes = "processes",
  config = "string",
  task_timeout = "seconds",
  memory_limit = "size",
  max_tasks = "count0",
  crash_retries = "count0",
}

--- What each field may be. Tests walk over them.
M.fields = fields

-- The class of what `problem` raises, so that M.check can tell it from other errors.
local Problem = { __name = "luapool.job.problem" }

local function problem(message, ...)
  error(setmetatable({ message = message:format(...) }, Problem), 0)
end

-- What other systems call the same.
local SLIPS = {
  callback = "'process'",
  parse = "'process'",
  retries = "retry = { attempts = N }",
  start_urls = "'items'",
  threads = "'concurrency'",
  urls = "'items'",
  workers = "'processes'",
}

local function check_fields(t, known, where)
  local wrong = options.problem(t, known, "field", SLIPS)
  if wrong then problem("%s%s", where, wrong) end
end

-- The policy of a kind: its own one, else the job's, else the default. `false` is one attempt.
local function check_retry(policy, where)
  if policy == false then policy = { attempts = 1 } end
  if policy == true then policy = nil end
  local ok, result = pcall(Policy.new, policy, where .. "field 'retry'")
  if ok then return result end
  return problem("%s", tostring(result))
end

local function either(value, otherwise)
  if value == nil then return otherwise end
  return value
end

local function check_kind(t, default_retry, where)
  if not t.fetch and not t.process then
    problem("%sfield 'fetch' or 'process' expected, a function", where)
  end
  return {
    fetch = t.fetch,
    process = t.process,
    retry = check_retry(either(t.retry, default_retry), where),
    counted = t.counted or false,
  }
end

local function check_kinds(job)
  if job.fetch or job.process then
    problem("field '%s' stands beside 'kinds': it belongs into one of them",
      job.fetch and "fetch" or "process")
  end
  local kinds = {}
  for name, t in pairs(job.kinds) do
    if type(name) ~= "string" then
      problem("field 'kinds' must have names as keys, got %s", tostring(name))
    end
    local where = ("kinds.%s: "):format(name)
    if type(t) ~= "table" then problem("%sa table expected, got a %s", where, type(t)) end
    check_fields(t, kind_fields, where)
    kinds[name] = check_kind(t, job.retry, where)
  end
  if not next(kinds) then problem "field 'kinds' is empty: at least one kind expected" end
  return kinds
end

local function names_of(kinds)
  local names = {}
  for name in pairs(kinds) do table.insert(names, name) end
  table.sort(names)
  return names
end

local function check_start(start, kinds)
  local names = names_of(kinds)
  if not start and #names > 1 then
    problem("field 'start' expected, the kind of the first items: %s", table.concat(names, ", "))
  end
  if start and not kinds[start] then
    problem("field 'start': unknown kind '%s'%s", start, options.hint(start, kinds))
  end
  return start or names[1]
end

-- When no kind is `counted`, all of them are.
local function count_kinds(kinds)
  for _, kind in pairs(kinds) do
    if kind.counted then return end
  end
  for _, kind in pairs(kinds) do kind.counted = true end
end

-- How often an item runs again whose worker has died, when the job does not say it: 0 where every
-- kind has `retry = false`, else the pool's default.
local function default_crash_retries(job)
  for _, kind in pairs(job.kinds or { job }) do
    if either(kind.retry, job.retry) ~= false then return nil end
  end
  return 0
end

local function check_columns(columns)
  local seen = {}
  for i, name in ipairs(columns) do
    if type(name) ~= "string" or name == "" or seen[name] then
      problem("field 'columns' must be a list of different names, got %s", tostring(columns[i]))
    end
    seen[name] = true
  end
  if not columns[1] or next(columns, #columns) then
    problem "field 'columns' must be a list of names"
  end
end

local function check(job)
  if type(job) ~= "table" then
    problem("a job file returns a table (a script nothing), got a %s", type(job))
  end
  check_fields(job, fields, "")
  if job.items == nil then problem "field 'items' expected, a list or a function" end
  local wrong = lists.problem(job.items)
  if wrong then problem("field 'items': %s", wrong) end
  if job.output and job.on_result then
    problem "field 'on_result' stands in place of 'output': only one of them expected"
  end
  if job.start and not job.kinds then
    problem "field 'start' names one of 'kinds': expected it, too"
  end
  if job.columns then check_columns(job.columns) end
  local kinds = job.kinds and check_kinds(job) or { item = check_kind(job, job.retry, "") }
  local rules, crawl_problem = crawls.check(job.crawl)
  if crawl_problem then problem("field 'crawl': %s", crawl_problem) end
  local spec = setmetatable({
    kinds = kinds,
    names = names_of(kinds),
    rules = rules,
    named = job.kinds ~= nil,
    start = check_start(job.kinds and job.start, kinds),
    once = rules ~= nil or job.crawl == nil and job.key ~= nil,
    memory_limit = options.size(job.memory_limit),
    crash_retries = job.crash_retries or default_crash_retries(job),
  }, { __index = job })
  count_kinds(kinds)
  return spec
end

--- Checks a job table. The result has its fields, and always `kinds` and `start`. Its field `named`
--- tells whether the job has named its kinds, `names` lists them, `rules` are those of a crawl,
--- `once` tells whether an item seen before is dropped.
---@param job any what the job file returned
---@return table|nil spec
---@return string? problem
function M.check(job)
  local ok, result = pcall(check, job)
  if ok then return result end
  if getmetatable(result) == Problem then return nil, result.message end
  error(result, 0)
end

return M
