-- internal.retry.wait: how long to wait between attempts. A wait is a plain table with the name of
-- its rule; this module is the class itself, so waits travel to workers.

local options = require "luapool.internal.options"
local usage = require "luapool.internal.usage"

--- How long to wait between two attempts. Waits are added with `+`; seconds may stand for one.
---@within retry
---@class luapool.retry.Wait
---@operator add(luapool.retry.Wait|number): luapool.retry.Wait
local Wait = { __name = "luapool.retry.Wait" }
Wait.__index = Wait

local function exponential(self, attempt)
  return math.min(self.multiplier * self.base ^ (attempt - 1), self.max or math.huge)
end

-- Each gives the seconds to wait after attempt number `attempt`, from 1.
local rules = {
  fixed = function(self) return self.seconds end,
  exponential = exponential,
  random = function(self) return self.least + math.random() * (self.most - self.least) end,
  random_exponential = function(self, attempt)
    local most = exponential(self, attempt)
    return most < math.huge and math.random() * most or most
  end,
  incrementing = function(self, attempt)
    return math.min(self.start + self.step * (attempt - 1), self.max or math.huge)
  end,
  chain = function(self, attempt, err)
    return self[math.min(attempt, #self)]:after(attempt, err)
  end,
  sum = function(self, attempt, err)
    return self[1]:after(attempt, err) + self[2]:after(attempt, err)
  end,
  custom = function(self, attempt, err) return self.fn(attempt, err) end,
}

--- Returns the seconds to wait after an attempt.
---
--- ```lua
--- local wait = retry.exponential { multiplier = 1, base = 3 } + 0.5
--- print(wait:after(1), wait:after(3)) --> 1.5 9.5
--- ```
---@param attempt integer its number, from 1 on
---@param err? any what it failed with
---@return number
function Wait:after(attempt, err)
  usage.self(self, Wait, "Wait:after")
  usage.argument("Wait:after", 1, attempt, "number")
  return math.max(0, rules[self.rule](self, attempt, err))
end

--- A wait of a rule with its figures.
---@private
---@param rule string
---@param fields table
---@return luapool.retry.Wait
function Wait.make(rule, fields)
  fields.rule = rule
  return setmetatable(fields, Wait)
end

--- What may be given as a wait: one made here, seconds, or a function(attempt, err) -> seconds.
--- Anything else is an error.
---@private
---@param value any
---@param where string the function
---@param what string which of its arguments or options
---@return luapool.retry.Wait
function Wait.from(value, where, what)
  if getmetatable(value) == Wait then return value end
  if type(value) == "number" and value >= 0 then return Wait.make("fixed", { seconds = value }) end
  if usage.callable(value) then return Wait.make("custom", { fn = value }) end
  usage.raise(where, "%s must be a wait (retry.fixed(1), ...), seconds or a function, got %s", what,
    usage.describe(value))
end

function Wait.__add(a, b)
  local what = "what is added to a wait"
  return Wait.make("sum", { Wait.from(a, "retry", what), Wait.from(b, "retry", what) })
end

local GROWING = { multiplier = "seconds", base = "seconds", max = "seconds" }

local function growing(rule)
  local check = options.define("retry." .. rule, GROWING)
  return function(opts)
    opts = check(opts)
    return Wait.make(rule,
      { multiplier = opts.multiplier or 1, base = opts.base or 2, max = opts.max })
  end
end

local check_incrementing = options.define("retry.incrementing", {
  start = "seconds", step = "number", max = "seconds",
})

--- What luapool.retry offers: the makers of waits.
---@private
Wait.makers = {
  exponential = growing "exponential",
  random_exponential = growing "random_exponential",
  fixed = function(seconds)
    usage.argument("retry.fixed", 1, seconds, "seconds")
    return Wait.make("fixed", { seconds = seconds })
  end,
  random = function(a, b)
    usage.argument("retry.random", 1, a, "seconds")
    usage.argument("retry.random", 2, b, "seconds")
    return Wait.make("random", { least = math.min(a, b), most = math.max(a, b) })
  end,
  incrementing = function(opts)
    opts = check_incrementing(opts)
    return Wait.make("incrementing",
      { start = opts.start or 0, step = opts.step or 1, max = opts.max })
  end,
  chain = function(list)
    if type(list) ~= "table" or #list == 0 then
      usage.expected("retry.chain", 1, "a list of waits", list)
    end
    local waits = {}
    for i, value in ipairs(list) do
      waits[i] = Wait.from(value, "retry.chain", ("item %d"):format(i))
    end
    return Wait.make("chain", waits)
  end,
}

return Wait
