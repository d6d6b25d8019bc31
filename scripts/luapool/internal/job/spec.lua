-- internal.job.spec: checks the table of a job file and brings it into one form: always kinds, a
-- start, a key. What is wrong is one line that names the field, what was expected and the nearest
-- known name. Main only.

local options = require "luapool.internal.options"
local retry = require "luapool.retry"

local M = {}

local kind_fields = {
  fetch = "function",
  process = "function",
  retry = "table|boolean",
  counted = "boolean",
}

local fields = {
  items = "table|callable",
  fetch = "function",
  process = "function",
  kinds = "table",
  start = "string",
  retry = "table|boolean",
  init = "function",
  done = "function",
  output = "string",
  on_error = "function",
  on_result = "function",
  crawl = "boolean",
  key = "function",
  concurrency = "count",
  processes = "count",
  config = "string",
  task_timeout = "seconds",
  memory_limit = "size",
  max_tasks = "count0",
}

-- Raises a problem of the job: M.check returns it.
local Problem = { __name = "luapool.job.problem" }

local function problem(message, ...)
  error(setmetatable({ message = message:format(...) }, Problem), 0)
end

local function check_fields(t, known, where)
  local wrong = options.problem(t, known, "field")
  if wrong then problem("%s%s", where, wrong) end
end

-- The policy of a kind: its own, the job's, the default; `false` is one attempt.
local function check_retry(policy, where)
  if policy == false then policy = { attempts = 1 } end
  if policy == true then policy = nil end
  local ok, result = pcall(retry.policy, policy)
  if ok then return result end
  return problem("%sfield 'retry': %s", where, (tostring(result):gsub("^retry: ", "")))
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

-- Without `counted` every kind counts.
local function count_kinds(kinds)
  for _, kind in pairs(kinds) do
    if kind.counted then return end
  end
  for _, kind in pairs(kinds) do kind.counted = true end
end

local function check(job)
  if type(job) ~= "table" then
    problem("a job file returns a table (a script nothing), got a %s", type(job))
  end
  check_fields(job, fields, "")
  if job.items == nil then problem "field 'items' expected, a list or a function" end
  if job.output and job.on_result then
    problem "field 'on_result' stands in place of 'output': only one of them expected"
  end
  if job.start and not job.kinds then
    problem "field 'start' names one of 'kinds': expected it, too"
  end
  local kinds = job.kinds and check_kinds(job) or { item = check_kind(job, job.retry, "") }
  local spec = setmetatable({
    kinds = kinds,
    named = job.kinds ~= nil,
    start = check_start(job.kinds and job.start, kinds),
    once = job.crawl or job.crawl == nil and job.key ~= nil,
    memory_limit = options.size(job.memory_limit),
  }, { __index = job })
  count_kinds(kinds)
  return spec
end

--- Checks a job table. The result has its fields, but always `kinds` and `start`; `named` tells
--- whether the job named its kinds, `once` whether an item seen before is dropped.
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
