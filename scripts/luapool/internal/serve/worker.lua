-- internal.serve.worker: the half of `luapool serve` that runs in its workers. Main calls these
-- functions, which travel by name: first `open`, which loads the file in this fresh state, then
-- `run` for each job, or what services need. What they return and raise is plain.

local context = require "luapool.internal.serve.context"
local core = require "luapool.error.core"
local envelope = require "luapool.internal.queue.envelope"
local json = require "luapool.json.core"
local retry = require "luapool.retry"
local owner_file = require "luapool.internal.queue.sqlite.owner_file"
local specs = require "luapool.internal.serve.spec"
local task = require "luapool.task"
local usage = require "luapool.internal.usage"

local M = {}

--- By which others see that jobs of main's may still run here.
---@type userdata|nil
M.lock = nil

-- The file of this worker: its functions, the table that `init` got, the class of contexts, the way
-- to main.
local spec, shared, class, channel

-- ---- errors ----

--- An error as its kind and its text, for a store.
---@param e any
---@return string json
function M.encode_error(e)
  local kind = core.is(e) and type(e.kind) == "string" and e.kind or "error"
  local text = core.is(e) and e.message or core.text(e)
  local ok, made = pcall(json.encode, { kind = kind, message = text:sub(1, 8192) })
  return ok and made
    or json.encode { kind = kind, message = text:sub(1, 2048):gsub("[\x80-\xFF]", "?") }
end

-- A job that has seen `cancelled` of something else has failed as by any other error.
local function is_cancelled(e)
  return core.is(e, "cancelled") and not pcall(task.yield)
end

-- ---- the file ----

local function load_file(plan)
  local folder = plan.path:match "^(.*)/[^/]*$" or "."
  package.path = ("%s/?.lua;%s/?/init.lua;"):format(folder, folder) .. package.path
  local chunk, message = load(plan.text, "@" .. plan.path, "t")
  if not chunk then core.raise("usage", message) end
  rawset(_G, "arg", table.move(plan.args, 1, #plan.args, 1, { [0] = plan.path }))
  return chunk(table.unpack(plan.args))
end

--- Loads the file. For a worker of kinds it calls `init`, too.
---@param plan { path: string, text: string, args: string[], owner_file: string? }
---@param id integer
---@param for_jobs boolean
---@param way table|nil luapool.serve.Channel
---@return table description
function M.open(plan, id, for_jobs, way)
  local told
  if for_jobs and plan.owner_file then M.lock = owner_file.hold(plan.owner_file) end
  spec, told = specs.check(load_file(plan))
  shared, class = context.class(plan.args, id)
  channel = way
  if for_jobs and spec.init then spec.init(shared) end
  return told
end

--- Waits until the worker is to leave, in order or with main.
---@param for_jobs boolean
function M.attend(for_jobs)
  local _ <close> = setmetatable({}, { __close = function()
    if for_jobs and spec and spec.worker_exit then spec.worker_exit(shared) end
  end })
  while true do task.sleep(1e6) end
end

-- ---- jobs ----

local function work(kind, args, ctx)
  local value = args
  if kind.fetch then value = kind.fetch(args, ctx) end
  if kind.process then value = kind.process(value, args, ctx) end
  return value
end

local function attempt(kind, args, ctx)
  if kind.timeout then return task.timeout(kind.timeout, work, kind, args, ctx) end
  return work(kind, args, ctx)
end

-- What becomes of a job whose attempt has failed.
local function failed(kind, outcome, again, cause, n)
  local policy, seconds, why = kind.retry, nil, nil
  if again then seconds, why = policy:pause(n, cause, 0) end
  if seconds then
    if policy.before_sleep then policy.before_sleep(n, not outcome[1] and cause or nil, seconds) end
    return "again", M.encode_error(outcome[1] and "the result is to be tried for again" or cause),
      seconds
  end
  local figures = { attempts = n, waited = 0, elapsed = 0, gave_up = why }
  local ok, value = pcall(retry.give_up, policy, outcome, figures)
  if ok then return "done", value end
  usage.place(value, kind.process or kind.fetch)
  return "failed", M.encode_error(value)
end

local function perform(kind, args, ctx, n)
  local ok, outcome, again, cause = pcall(retry.attempt, kind.retry, attempt, n, kind, args, ctx)
  if not ok then
    if is_cancelled(outcome) then error(outcome, 0) end
    return "failed", M.encode_error(outcome)
  end
  if outcome[1] and not again then return "done", outcome[2] end
  return failed(kind, outcome, again, cause, n)
end

--- Runs a job. Returns the outcome for the store, then of "done" the value as JSON, of others the
--- error as JSON; the delay of "again"; the jobs that it adds.
---@param id string
---@param name string
---@param args string JSON
---@param attempts integer
---@param more table the rarer fields of `ctx.job`
---@return "done"|"failed"|"again" outcome
---@return string|nil json
---@return number|nil delay
---@return table[]|nil added
function M.run(id, name, args, attempts, more)
  local kind, job = spec.kinds[name], more
  job.id, job.kind, job.attempts = id, name, attempts
  local run = { id = id, channel = channel, added = nil }
  local ctx = setmetatable({ job = job, run = run }, class)
  local outcome, value, delay = perform(kind, json.decode(args), ctx, attempts)
  if outcome ~= "done" then return outcome, value, delay end
  if value ~= nil then
    local ok, text = pcall(envelope.encode, name, "the result", value)
    if not ok then return "failed", M.encode_error(text) end
    value = text
  end
  return "done", value, nil, run.added
end

--- Tells main that it turns.
function M.answer() return true end

-- ---- services ----

local service, own

--- Calls the `init` of a service.
---@param name string
---@param control string|nil the socket over which it gets the listening sockets of `names`
---@param names table|nil
function M.service_init(name, control, names)
  service, own = spec.services[name], setmetatable({}, class)
  own.listeners = control
    and require("luapool.internal.serve.listener").fetch(control, names) or {}
  if service.init then service.init(own) end
end

--- Calls the `run` of a service, until it ends or is cancelled. One that has none waits.
function M.service_run()
  if service.run then return service.run(own) end
  while true do task.sleep(1e6) end
end

--- Calls the hook `reload` or `terminate` of a service.
---@param hook string
function M.service_call(hook)
  if service and service[hook] then service[hook](own) end
end


return M
