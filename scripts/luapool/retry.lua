-- luapool.retry: calls that are tried again. What is tried again and when is decided by
-- luapool.retry.policy and luapool.retry.wait; here it is done. Whatever happens, the last error is
-- raised as it was.

local errors = require "luapool.error"
local task = require "luapool.task"
local Policy = require "luapool.internal.retry.policy"
local Wait = require "luapool.internal.retry.wait"

local M = {
  policy = Policy.new,
  fixed = Wait.makers.fixed,
  exponential = Wait.makers.exponential,
  random = Wait.makers.random,
  random_exponential = Wait.makers.random_exponential,
  incrementing = Wait.makers.incrementing,
  chain = Wait.makers.chain,
}

-- The figures of the last call of a wrapped function, and those of an error that was given up on.
-- An error that is no table cannot be a weak key: only the latest is remembered.
local figures = setmetatable({}, { __mode = "k" })
local latest_plain = {}

local function remember(key, statistics)
  if type(key) == "table" or type(key) == "function" then
    figures[key] = statistics
  elseif key ~= nil then
    latest_plain = { key = key, statistics = statistics }
  end
end

--- `attempts`, `waited` and `elapsed` of the last call of a wrapped function, or of the calls
--- that ended with this error; nil when there was none.
---@param of function|any
---@return { attempts: integer, waited: number, elapsed: number }|nil
function M.statistics(of)
  if type(of) == "table" or type(of) == "function" then return figures[of] end
  return of ~= nil and latest_plain.key == of and latest_plain.statistics or nil
end

local function error_of(outcome)
  if outcome[1] then return nil end
  return outcome[2]
end

--- One attempt, the n-th: what pcall gave, in a table; whether it is one to try again after; the
--- error or the result that says so. Raises only when it was cancelled. For call, and for jobs,
--- which leave long waits to main.
---@param policy luapool.retry.Policy
---@param fn function
---@param n integer
---@return table outcome, boolean again, any cause
function M.attempt(policy, fn, n, ...)
  if policy.before then policy.before(n) end
  local outcome = table.pack(pcall(fn, ...))
  local ok, value = outcome[1], outcome[2]
  if not ok and errors.is(value, "cancelled") then error(value, 0) end
  if policy.after then policy.after(n, error_of(outcome)) end
  if not ok then return outcome, policy:retries(value), value end
  local again = policy.on_result and policy.on_result(table.unpack(outcome, 2, outcome.n))
  return outcome, again, value
end

--- What stands when no further attempt is made: the results, those of on_giveup, or the error.
---@param policy luapool.retry.Policy
---@param outcome table what attempt gave
---@param statistics { attempts: integer, waited: number, elapsed: number }
---@return any ...
function M.give_up(policy, outcome, statistics)
  local err = outcome[2]
  if policy.on_giveup then
    local instead = table.pack(policy.on_giveup(error_of(outcome), statistics))
    if instead.n > 0 then return table.unpack(instead, 1, instead.n) end
  end
  if not outcome[1] then
    remember(err, statistics)
    error(err, 0)
  end
  return table.unpack(outcome, 2, outcome.n)
end

local function run(policy, statistics, fn, ...)
  local began = task.now()
  statistics.attempts, statistics.waited, statistics.elapsed = 0, 0, 0
  while true do
    local n = statistics.attempts + 1
    statistics.attempts = n
    local outcome, again, cause = M.attempt(policy, fn, n, ...)
    statistics.elapsed = task.now() - began
    if outcome[1] and not again then return table.unpack(outcome, 2, outcome.n) end
    local seconds = again and policy:pause(n, cause, statistics.elapsed)
    if not seconds then return M.give_up(policy, outcome, statistics) end
    if policy.before_sleep then policy.before_sleep(n, error_of(outcome), seconds) end
    task.sleep(seconds)
    statistics.waited = statistics.waited + seconds
  end
end

--- Calls fn(...) until it succeeds or the policy gives up.
---@param policy? table
---@param fn function
---@return any ...
function M.call(policy, fn, ...)
  return run(Policy.new(policy), {}, fn, ...)
end

--- As call, for a function made by wrap: `wrapped` is what its statistics are asked by.
function M.call_wrapped(wrapped, policy, fn, ...)
  local statistics = {}
  figures[wrapped] = statistics
  return run(policy, statistics, fn, ...)
end

--- A function that calls fn under the policy. It may be sent to workers.
---@param fn function
---@param policy? table
---@return function
function M.wrap(fn, policy)
  policy = Policy.new(policy)
  local function wrapped(...)
    return M.call_wrapped(wrapped, policy, fn, ...)
  end
  return wrapped
end

return M
