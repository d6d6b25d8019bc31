-- luapool.retry: calls that are tried again. What is tried again and when is decided by
-- luapool.retry.policy and luapool.retry.wait; here it is done. Whatever happens, the last error is
-- raised as it was.

local errors = require "luapool.error"
local keep_trace = require("luapool.task.core").error_handler
local log = require "luapool.log"
local task = require "luapool.task"
local usage = require "luapool.internal.usage"
local Policy = require "luapool.internal.retry.policy"
local Wait = require "luapool.internal.retry.wait"

--- Calls that are tried again when they fail.
---
--- By default everything is retried except the kinds `cancelled`, `too_large`, `redirects`,
--- `refused` and `usage`, a `status` from 400 to 499 other than 408, 425 and 429, and what is
--- a mistake in the program, by the words of Lua: something is nil that is called, indexed or
--- computed with, or a function of the standard library got a wrong argument.
--- A `Retry-After` header is honoured, up to `max_wait`: what asks for more is given up at
--- once, and a warning in the log says so. What is cancelled is never retried. When the policy
--- gives up, the last error is raised unchanged.
---
--- ```lua
--- local get = retry.wrap(function(path) return http.get(url .. path):raise_for_status() end,
---   { attempts = 5, wait = retry.fixed(0.01) })
--- print(get("/flaky/retry-example?fail=2").status) --> 200
--- print(retry.statistics(get).attempts) --> 3
--- ```
---@class luapool.retry
local M = {
  policy = function(opts) return Policy.new(opts, "retry.policy") end,
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

---@class luapool.retry.Options
---@field attempts? integer how often the function is called at most; default 3
---@field max_elapsed? number seconds since the first attempt after which no further one begins
---@field max_wait? number seconds that a `Retry-After` header may ask for: what asks for more is
--- given up; default 300
---@field wait? luapool.retry.Wait|number|fun(attempt: integer, err: any): number the wait
--- between two attempts; default `retry.random_exponential { multiplier = 0.5, max = 30 }`
---@field on? string|string[]|fun(err: any): boolean the kinds of errors to try again after, or a
--- function that decides
---@field on_result? fun(...): boolean true for results to try again after
---@field before? fun(attempt: integer) is called before each attempt
---@field after? fun(attempt: integer, err: any) is called after each attempt; err is nil when it
--- succeeded
---@field before_sleep? fun(attempt: integer, err: any, seconds: number) is called before each wait
---@field on_giveup? fun(err: any, statistics: luapool.retry.Statistics): ... is called at the
--- end; the values that it returns, if any, replace the error

---@class luapool.retry.Statistics
---@field attempts integer
---@field waited number seconds between the attempts
---@field elapsed number seconds since the first began
---@field gave_up? string why no further attempt was made, where a `Retry-After` header was why

--- Makes a policy out of its options.
---@private
---@function retry.policy

--- Waits the same time each time.
---
--- ```lua
--- retry.call({ wait = retry.fixed(1) }, print, "no need to wait") --> no need to wait
--- ```
---@function retry.fixed
---@param seconds number
---@return luapool.retry.Wait

--- Waits a random time between two bounds.
---
--- ```lua
--- local wait = retry.fixed(1) + retry.random(0, 0.5) -- 1 to 1.5 s
--- ```
---@function retry.random
---@param least number seconds
---@param most number seconds
---@return luapool.retry.Wait

---@class luapool.retry.GrowingOptions
---@field multiplier? number seconds of the first wait; default 1
---@field base? number what each wait is multiplied by for the next; default 2
---@field max? number seconds; default: no bound

--- Waits `multiplier`, then `multiplier * base`, `multiplier * base^2` and so on, at most `max`.
---
--- ```lua
--- local wait = retry.exponential { multiplier = 0.5, base = 2, max = 30 } -- 0.5, 1, 2, 4 …
--- ```
---@function retry.exponential
---@param opts? luapool.retry.GrowingOptions
---@return luapool.retry.Wait

--- Waits a random time between 0 and what `retry.exponential` would wait, so that many that failed
--- together do not come back together.
---
--- ```lua
--- local wait = retry.random_exponential { multiplier = 0.5, max = 30 }
--- ```
---@function retry.random_exponential
---@param opts? luapool.retry.GrowingOptions
---@return luapool.retry.Wait

---@class luapool.retry.IncrementingOptions
---@field start? number seconds of the first wait; default 0
---@field step? number seconds that each wait is longer than the one before; default 1
---@field max? number seconds; default: no bound

--- Waits longer by the same step each time.
---
--- ```lua
--- local wait = retry.incrementing { start = 1, step = 2, max = 9 } -- 1, 3, 5, 7, 9, 9 …
--- ```
---@function retry.incrementing
---@param opts? luapool.retry.IncrementingOptions
---@return luapool.retry.Wait

--- Takes the first wait after the first attempt, the second after the second and so on; the
--- last one stays.
---
--- ```lua
--- local wait = retry.chain { retry.fixed(0.1), retry.fixed(1), retry.exponential { max = 60 } }
--- ```
---@function retry.chain
---@param list (luapool.retry.Wait|number)[]
---@return luapool.retry.Wait

--- Returns the figures of the last call of a wrapped function, or of the calls that ended with this
--- error; nil when there were none.
---
--- ```lua
--- local function fail() error("no luck", 0) end
--- local ok, e = pcall(retry.call, { attempts = 2, wait = 0 }, fail)
--- print(e, retry.statistics(e).attempts) --> no luck 2
--- ```
---@param of function|any
---@return luapool.retry.Statistics?
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
---@private
function M.attempt(policy, fn, n, ...)
  if policy.before then policy.before(n) end
  local outcome = table.pack(xpcall(fn, keep_trace, ...))
  local ok, value = outcome[1], outcome[2]
  if not ok then usage.place(value, fn) end
  if not ok and errors.is(value, "cancelled") then error(value, 0) end
  if policy.after then policy.after(n, error_of(outcome)) end
  if not ok then return outcome, policy:retries(value), value end
  local again = policy.on_result and policy.on_result(table.unpack(outcome, 2, outcome.n))
  return outcome, again, value
end

--- What stands when no further attempt is made: the results, those of on_giveup, or the error.
---@param policy luapool.retry.Policy
---@param outcome table what attempt gave
---@param statistics luapool.retry.Statistics
---@return any ...
---@private
function M.give_up(policy, outcome, statistics)
  local err = outcome[2]
  if statistics.gave_up then log.warn("%s: no further attempt: %s", err, statistics.gave_up) end
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
  statistics.gave_up = nil
  while true do
    local n = statistics.attempts + 1
    statistics.attempts = n
    local outcome, again, cause = M.attempt(policy, fn, n, ...)
    statistics.elapsed = task.now() - began
    if outcome[1] and not again then return table.unpack(outcome, 2, outcome.n) end
    local seconds
    if again then seconds, statistics.gave_up = policy:pause(n, cause, statistics.elapsed) end
    if not seconds then return M.give_up(policy, outcome, statistics) end
    if policy.before_sleep then policy.before_sleep(n, error_of(outcome), seconds) end
    task.sleep(seconds)
    statistics.waited = statistics.waited + seconds
  end
end

-- A policy is no function, so that the two are told apart in either order.
local function arrange(first, second)
  local fn, policy = first, second
  if not usage.callable(first) then fn, policy = second, first end
  if not usage.callable(fn) then
    local n = (first == nil or type(first) == "table") and 2 or 1
    usage.expected("retry.call", n, "a function", n == 1 and first or second)
  end
  if usage.callable(policy) then
    usage.raise("retry.call", "two functions: the policy (a table or nil) stands behind the "
      .. "function, its arguments behind that")
  end
  return fn, Policy.new(policy, "retry.call")
end

--- Calls fn(...) until it succeeds or the policy gives up, and returns its results.
--- The policy may stand before the function, too.
---
--- ```lua
--- local function flip(n) if n < 0 then error("negative", 0) end return -n end
--- local policy = {
---   attempts = 2, max_elapsed = 10, max_wait = 60, wait = retry.fixed(0.01),
---   before_sleep = function(n, err) print("attempt " .. n, err) end,
---   on_giveup = function(err, statistics) return statistics.attempts end,
--- }
--- print(retry.call(flip, policy, -1))
--- --> attempt 1 negative
--- --> 2
--- ```
---@async
---@param fn function
---@param policy? luapool.retry.Options
---@param ... any the arguments of fn
---@return any ... what fn returns
function M.call(fn, policy, ...)
  fn, policy = arrange(fn, policy)
  return run(policy, {}, fn, ...)
end

--- As call, for a function made by wrap: `wrapped` is what its statistics are asked by.
---@private
function M.call_wrapped(wrapped, policy, fn, ...)
  local statistics = {}
  figures[wrapped] = statistics
  return run(policy, statistics, fn, ...)
end

--- Returns a function that calls fn under the policy. It may be sent to workers.
---
--- ```lua
--- local results = { "", "", "ready" }
--- local poll = retry.wrap(function() return table.remove(results, 1) end, {
---   wait = 0.01, on = { "connect", "timeout" }, on_result = function(s) return s == "" end,
---   before = function(n) print("attempt", n) end, after = function(n, err) assert(not err) end,
--- })
--- print(poll())
--- --> attempt 1
--- --> attempt 2
--- --> attempt 3
--- --> ready
--- ```
---@param fn function
---@param policy? luapool.retry.Options
---@return function
function M.wrap(fn, policy)
  usage.argument("retry.wrap", 1, fn, "callable")
  policy = Policy.new(policy, "retry.wrap")
  local function wrapped(...)
    return M.call_wrapped(wrapped, policy, fn, ...)
  end
  return wrapped
end

return M
