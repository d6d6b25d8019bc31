-- internal.job.worker: the half of a job that runs in the workers. M.carry(plan) makes, in
-- main, the function that pool:map sends: `plan` holds the user's fetch, process and init, so
-- they travel in one snapshot and share their upvalues; what is done with them stands here and
-- travels by name. An entry's reply is a table with `attempts`, and { value=, added= } (what
-- ctx:add was given), or
-- { failed=true, error= }, or { again=seconds, elapsed=, waited= }, or, when init has failed,
-- { fatal=true, error=, traceback= }.

local errors = require "luapool.error"
local encode = require("luapool.json.core").encode
local options = require "luapool.internal.options"
local retry = require "luapool.retry"
local task = require "luapool.task"
local usage = require "luapool.internal.usage"

-- A longer wait between two attempts is left to main, which gives the slot to another item.
local SHORT = 1

local M = {}

--- What the functions of a job get. What `init` stores in it is seen by all items of that worker.
---@within job
---@class luapool.job.Context
---@field config table the settings of `--config` or of the job's `config`; empty without
---@field args string[] the arguments behind `--`
local Ctx = { __name = "luapool.job.ctx" }

--- Adds an item to the job. It counts once the item that is worked on has succeeded, so another
--- attempt adds nothing twice.
---
--- ```lua
--- return {
---   items = { 1 },
---   process = function(n, _, ctx)
---     if n < 3 then ctx:add(n + 1) end
---     return n
---   end,
--- }
--- --> 1
--- --> 2
--- --> 3
--- ```
---@param item any not nil
---@param kind? string one of the job's `kinds`; default: that of the item that is worked on
function Ctx:add(item, kind)
  if type(self) ~= "table" then usage.self(self, Ctx, "ctx:add") end
  if item == nil then usage.expected("ctx:add", 1, "an item", item) end
  if kind ~= nil and self.kinds and not self.kinds[kind] then
    usage.raise("ctx:add", "unknown kind '%s'%s", kind, options.hint(kind, self.kinds))
  end
  local added = self.added
  if not added then usage.raise("ctx:add", "only fetch and process add items") end
  added[#added + 1] = { item, kind or self.kind }
end

-- What init stores in ctx is seen by the items of this worker.
local function ctx_class(plan)
  local shared = { config = plan.config, args = plan.args, add = Ctx.add }
  return shared, { __name = Ctx.__name, __index = shared, __newindex = shared }
end

local Worker = {}
Worker.__index = Worker

-- Calls init once; tasks that come meanwhile wait for its end.
local function ready(self)
  local starting = self.starting
  if not starting then
    starting = task.spawn(self.plan.init, self.shared)
    starting:name "init"
    self.starting = starting
  end
  local ok, e = starting:result()
  self.started = ok
  if ok then return nil end
  return { fatal = true, error = e, traceback = errors.traceback(e) }
end

local function new_ctx(self, entry)
  return setmetatable({ added = {}, kinds = self.plan.kinds, kind = entry.kind }, self.class)
end

-- Attempts at fetching until it succeeds (true, value), fails (false, error) or must be tried again
-- after a long wait (nil, seconds). Then: how many attempts there have been, since how long.
local function fetch(kind, entry, ctx)
  local policy, n = kind.retry, entry.attempts or 0
  local began = task.now() - (entry.elapsed or 0)
  while true do
    n = n + 1
    local outcome, again, cause = retry.attempt(policy, kind.fetch, n, entry.item, ctx)
    local elapsed = task.now() - began
    if outcome[1] and not again then return true, outcome[2], n, elapsed end
    local seconds = again and policy:pause(n, cause, elapsed)
    if not seconds then
      local figures = { attempts = n, waited = entry.waited or 0, elapsed = elapsed }
      local ok, value = pcall(retry.give_up, policy, outcome, figures)
      return ok, value, n, elapsed
    end
    if policy.before_sleep then policy.before_sleep(n, not outcome[1] and cause or nil, seconds) end
    if seconds > SHORT then return nil, seconds, n, elapsed end
    rawset(ctx, "added", {}) -- this attempt adds nothing
    task.sleep(seconds)
    entry.waited = (entry.waited or 0) + seconds
  end
end

-- What main is to get of a result: a line of JSON, unless it wants the value itself.
local function reply_of(self, value, ctx, attempts)
  if value ~= nil and self.plan.encode then
    local ok, line = pcall(encode, value, nil, true) -- its keys in order
    if not ok then return { failed = true, error = line, attempts = attempts } end
    value = line
  end
  return { value = value, added = ctx.added[1] and ctx.added or nil, attempts = attempts }
end

--- Works on an entry: its reply.
---@param entry luapool.job.entry
---@return table reply
function Worker:perform(entry)
  local fatal = self.plan.init and not self.started and ready(self)
  if fatal then return fatal end
  local kind = self.plan.kinds[entry.kind]
  local ctx = new_ctx(self, entry)
  local value, attempts = entry.item, 1
  if kind.fetch then
    local ok, elapsed
    ok, value, attempts, elapsed = fetch(kind, entry, ctx)
    if ok == nil then
      return { again = value, attempts = attempts, elapsed = elapsed, waited = entry.waited }
    end
    if not ok then return { failed = true, error = value, attempts = attempts } end
  end
  if kind.process then
    local ok
    ok, value = pcall(kind.process, value, entry.item, ctx)
    if not ok then
      if errors.is(value, "cancelled") then error(value, 0) end
      return { failed = true, error = value, attempts = attempts }
    end
  end
  return reply_of(self, value, ctx, attempts)
end

--- This worker's state of a job: there is one for each snapshot of the plan.
function M.open(plan)
  local shared, class = ctx_class(plan)
  return setmetatable({ plan = plan, shared = shared, class = class }, Worker)
end

--- The function that travels: entry -> reply.
---@param plan { kinds: table, init: function?, config: table, args: string[], encode: boolean }
---@return fun(entry: luapool.job.entry): table
function M.carry(plan)
  local worker
  return function(entry)
    worker = worker or M.open(plan)
    return worker:perform(entry)
  end
end

return M
