-- internal.retry.policy: the decision whether to try again and when, as pure logic: no clock, no
-- sleeping. luapool.retry and the jobs act on it. The module is the class itself, so policies
-- travel.

local errors = require "luapool.error"
local http_date = require "luapool.internal.http.date"
local options = require "luapool.internal.options"
local usage = require "luapool.internal.usage"
local Wait = require "luapool.internal.retry.wait"

---@class luapool.retry.Policy
---@field attempts number
---@field max_elapsed? number
---@field max_wait number
---@field wait luapool.retry.Wait
---@field on? table<string, true>|fun(err: any): boolean
---@field on_result? fun(...): boolean
---@field before? fun(attempt: integer)
---@field after? fun(attempt: integer, err: any)           err is nil when it succeeded
---@field before_sleep? fun(attempt: integer, err: any, seconds: number)
---@field on_giveup? fun(err: any, statistics: table): ...  its values replace the error
local Policy = { __name = "luapool.retry.Policy" }
Policy.__index = Policy

local check = options.define("retry", {
  attempts = "attempts", max_elapsed = "seconds", max_wait = "seconds", wait = "any",
  on = "string|table|callable", on_result = "callable", before = "callable", after = "callable",
  before_sleep = "callable", on_giveup = "callable",
})

local MAX_WAIT = 300 -- seconds that a server may ask for, unless the policy says otherwise

-- A wait of more than this is as good as none.
local LONGEST = 1e9

local NEVER = { cancelled = true, too_large = true, redirects = true, refused = true,
  usage = true }
local PASSING = { [408] = true, [425] = true, [429] = true }

local function kind_of(err)
  return errors.is(err) and err.kind or nil
end

-- How the errors of Lua itself begin: something is nil that is indexed, called or computed with, or
-- a function of the standard library got a wrong argument.
local MISTAKES = { "attempt to index a ", "attempt to call a ", "attempt to perform ",
  "attempt to concatenate a ", "attempt to compare ", "attempt to get length of a ",
  "bad argument #%d+ to '" }

-- A mistake in the program, which no further attempt mends.
local function is_mistake(err)
  local text = type(err) == "string" and err:match "^[^\n]-:%d+: ([^\n]*)"
  if not text then return false end
  for _, beginning in ipairs(MISTAKES) do
    if text:find("^" .. beginning) then return true end
  end
  return false
end

local function by_default(err)
  local kind = kind_of(err)
  if is_mistake(err) then return false end
  if NEVER[kind] then return false end
  if kind ~= "status" or type(err.status) ~= "number" then return true end
  return err.status < 400 or err.status >= 500 or PASSING[err.status] == true
end

local function kinds(on, where)
  if type(on) == "string" then return { [on] = true } end
  if usage.callable(on) or on == nil then return on end
  local set = {}
  for i, kind in ipairs(on) do
    if type(kind) ~= "string" then
      usage.raise(where, "option 'on' lists kinds of errors, item %d is %s", i,
        usage.describe(kind))
    end
    set[kind] = true
  end
  return set
end

--- A policy of these options; what is a policy already is returned as it is.
---@param opts? table
---@param where? string what is given it, for messages
---@return luapool.retry.Policy
function Policy.new(opts, where)
  if getmetatable(opts) == Policy then return opts end
  where = where or "retry.policy"
  opts = check(opts, where)
  local policy = {}
  for name, value in pairs(opts) do policy[name] = value end
  policy.attempts = opts.attempts or 3
  policy.max_wait = opts.max_wait or MAX_WAIT
  policy.on = kinds(opts.on, where)
  policy.wait = opts.wait == nil and Wait.makers.random_exponential { multiplier = 0.5, max = 30 }
    or Wait.from(opts.wait, where, "option 'wait'")
  return setmetatable(policy, Policy)
end

--- Is this an error to try again after? Never a cancelled task.
---@param err any
---@return boolean
function Policy:retries(err)
  local kind, on = kind_of(err), self.on
  if kind == "cancelled" then return false end
  if on and usage.callable(on) then return on(err) and true or false end
  if on then return on[kind] == true end
  return by_default(err)
end

--- What the server asked for with `err`, which is an error or a response: seconds, or nil.
---@param err any
---@return number|nil
local function retry_after(err)
  if type(err) ~= "table" then return nil end
  if type(err.retry_after) == "number" then return err.retry_after end
  local headers = (type(err.response) == "table" and err.response or err).headers
  local text = type(headers) == "table" and (headers["retry-after"] or headers["Retry-After"])
  if type(text) ~= "string" then return nil end
  local date = http_date.parse(text)
  return tonumber(text:match("^%s*(%d+%.?%d*)%s*$")) or date and date - os.time()
end

Policy.retry_after = retry_after

--- The seconds to wait before the next attempt, or nil to give up: after attempt number
--- `attempt` (from 1) has failed with `err`, `elapsed` seconds after the first began.
---@param attempt integer
---@param err any
---@param elapsed? number
---@return number|nil
function Policy:delay(attempt, err, elapsed)
  if attempt >= self.attempts or not self:retries(err) then return nil end
  return self:pause(attempt, err, elapsed)
end

--- As delay, where it has been decided already that this was a failure: by on_result. The second
--- result says why it gives up, when that is not plain from the policy.
---@param attempt integer
---@param cause any the error or the result
---@param elapsed? number
---@return number|nil, string?
function Policy:pause(attempt, cause, elapsed)
  if attempt >= self.attempts then return nil end
  local asked = retry_after(cause) or 0
  if asked > self.max_wait then
    return nil, ("the server asks to wait %.0f s, longer than max_wait (%g s)"):format(asked,
      self.max_wait)
  end
  local seconds = math.max(self.wait:after(attempt, cause), asked)
  if self.max_elapsed and (elapsed or 0) + seconds > self.max_elapsed then return nil end
  return math.min(seconds, LONGEST)
end

return Policy
