-- internal.job.worker: the half of a job that runs in the workers. M.carry(plan), which main calls,
-- makes the function that pool:map sends. `plan` holds the user's fetch, process and init, so they
-- travel in one snapshot and share their upvalues. What is done with them stands here and travels
-- by name. The reply to an entry is a table with `attempts` and one of these:
--
--     value=, added=                           the result, and the items that ctx:add was given
--     failed=true, error=                      the item has failed for good
--     again=, elapsed=, waited=                another attempt is due in `again` seconds
--     fatal=true, error=, traceback=           init has failed; there are no attempts then

local errors = require "luapool.error"
local encode = require("luapool.json.core").encode
local row = require "luapool.internal.job.row"
local explain = require("luapool.error.core").explain
local options = require "luapool.internal.options"
local retry = require "luapool.retry"
local task = require "luapool.task"
local usage = require "luapool.internal.usage"

-- A wait between two attempts of more than so many seconds is left to main, so that another item
-- can use the slot meanwhile.
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

-- Makes the table that init gets and the metatable of the items' contexts. What init or an item
-- stores in its context is seen by all items of this worker.
local function ctx_class(plan)
  local shared = { config = plan.config, args = plan.args, add = Ctx.add }
  return shared, { __name = Ctx.__name, __index = shared, __newindex = shared }
end

---@class luapool.job.worker: the state of a job in one worker
---@field plan table what main has sent, see M.carry
---@field shared table the context that init gets
---@field class table the metatable of the items' contexts
---@field starting luapool.Task|nil the task that runs init
---@field started boolean|nil whether init has succeeded
local Worker = {}
Worker.__index = Worker

-- Calls init, or waits for its end when another task has called it. Returns a fatal reply when init
-- has failed.
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
  return { fatal = true, error = explain(e), traceback = errors.traceback(e) }
end

local function new_ctx(self, entry)
  return setmetatable({ added = {}, kinds = self.plan.kinds, kind = entry.kind }, self.class)
end

-- Calls the kind's `fetch` until it succeeds, fails for good, or must be called again after a long
-- wait. Returns true and its value, or false and its error, or nil and the seconds to wait; then
-- the number of attempts, and the seconds since the first one began.
local function fetch(kind, entry, ctx)
  local policy, n = kind.retry, entry.attempts or 0
  local began = task.now() - (entry.elapsed or 0)
  while true do
    n = n + 1
    local outcome, again, cause = retry.attempt(policy, kind.fetch, n, entry.item, ctx)
    local elapsed = task.now() - began
    if outcome[1] and not again then return true, outcome[2], n, elapsed end
    local seconds, why
    if again then seconds, why = policy:pause(n, cause, elapsed) end
    if not seconds then
      local figures = { attempts = n, waited = entry.waited or 0, elapsed = elapsed, gave_up = why }
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

-- What a result is made into for the output.
local encoders = {
  line = function(value) return encode(value, nil, true) end, -- its keys in order
  row = row.of,
}

-- The reply for a result. It carries a line of JSON or a row, or the value itself when main wants
-- that.
local function reply_of(self, value, ctx, attempts)
  local encoder = value ~= nil and encoders[self.plan.encode]
  if encoder then
    local ok, made = pcall(encoder, value)
    if not ok then return { failed = true, error = made, attempts = attempts } end
    value = made
  end
  return { value = value, added = ctx.added[1] and ctx.added or nil, attempts = attempts }
end

--- Works on an entry and returns the reply to it.
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
    if not ok then return { failed = true, error = explain(value), attempts = attempts } end
  end
  if kind.process then
    local ok
    ok, value = pcall(kind.process, value, entry.item, ctx)
    if not ok then
      usage.place(value, kind.process)
      if errors.is(value, "cancelled") then error(value, 0) end
      return { failed = true, error = explain(value), attempts = attempts }
    end
  end
  return reply_of(self, value, ctx, attempts)
end

--- Makes the state of a job in this worker, once for each snapshot of the plan.
function M.open(plan)
  local shared, class = ctx_class(plan)
  return setmetatable({ plan = plan, shared = shared, class = class }, Worker)
end

--- Makes the function that travels. It takes an entry and returns the reply to it.
---@param plan { kinds: table, init: function?, config: table, args: string[],
---  encode: "line"|"row"|false }
---@return fun(entry: luapool.job.entry): table
function M.carry(plan)
  local worker
  return function(entry)
    worker = worker or M.open(plan)
    return worker:perform(entry)
  end
end

return M
