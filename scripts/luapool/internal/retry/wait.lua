-- internal.retry.wait: how long to wait between attempts. A wait is a plain table with the name of
-- its rule; this module is the class itself, so waits travel to workers.

local options = require "luapool.internal.options"

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
---@param where string
---@return luapool.retry.Wait
function Wait.from(value, where)
  if getmetatable(value) == Wait then return value end
  if type(value) == "number" and value >= 0 then return Wait.make("fixed", { seconds = value }) end
  if type(value) == "function" then return Wait.make("custom", { fn = value }) end
  error(("%s must be a wait (retry.fixed(1), ...), seconds or a function, got %s"):format(where,
    type(value) == "number" and tostring(value) or "a " .. type(value)), 0)
end

function Wait.__add(a, b)
  return Wait.make("sum", { Wait.from(a, "what is added"), Wait.from(b, "what is added") })
end

local GROWING = { multiplier = "seconds", base = "seconds", max = "seconds" }

local function growing(rule)
  return function(opts)
    opts = options.check("retry." .. rule, opts, GROWING)
    return Wait.make(rule,
      { multiplier = opts.multiplier or 1, base = opts.base or 2, max = opts.max })
  end
end

local function seconds(value, where)
  if type(value) == "number" and value >= 0 then return value end
  error(("%s: seconds expected, got %s"):format(where,
    type(value) == "number" and tostring(value) or type(value)), 3)
end

--- What luapool.retry offers: the makers of waits.
---@private
Wait.makers = {
  exponential = growing "exponential",
  random_exponential = growing "random_exponential",
  fixed = function(s) return Wait.make("fixed", { seconds = seconds(s, "retry.fixed") }) end,
  random = function(a, b)
    a, b = seconds(a, "retry.random"), seconds(b, "retry.random")
    return Wait.make("random", { least = math.min(a, b), most = math.max(a, b) })
  end,
  incrementing = function(opts)
    local known = { start = "seconds", step = "number", max = "seconds" }
    opts = options.check("retry.incrementing", opts, known)
    return Wait.make("incrementing",
      { start = opts.start or 0, step = opts.step or 1, max = opts.max })
  end,
  chain = function(list)
    if type(list) ~= "table" or #list == 0 then
      error("retry.chain: a list of waits expected", 2)
    end
    local waits = {}
    for i, value in ipairs(list) do
      waits[i] = Wait.from(value, ("retry.chain: item %d"):format(i))
    end
    return Wait.make("chain", waits)
  end,
}

return Wait
