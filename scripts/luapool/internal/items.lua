-- internal.items: what maps and jobs run over: a list, or one callable that gives the next item,
-- nil at the end. Here stands how it is read, what is wrong with one that would silently give
-- nothing or end early, and which of two arguments is the items and which the function.

local core = require "luapool.task.core"
local usage = require "luapool.internal.usage"
local getinfo = debug.getinfo

local M = {}

-- Callables that certainly give items: what task.iter has made.
local iterators = setmetatable({}, { __mode = "k" })

--- Notes that a callable gives items, so that it is never taken for the function of a map.
---@generic T
---@param iterator T
---@return T
function M.mark(iterator)
  iterators[iterator] = true
  return iterator
end

local function is_list(value) return type(value) == "table" and not usage.callable(value) end

--- A function that gives the next item, and nil at the end.
---@param items table|function
---@return function
function M.iterate(items)
  if not is_list(items) then return items end
  local i = 0
  return function()
    i = i + 1
    return items[i]
  end
end

local function name_of(key)
  return type(key) == "string" and ("a field '%s'"):format(key)
    or ("an item [%s]"):format(usage.describe(key))
end

--- What is wrong with a value that should give items, or nil. The items of a list stand at 1, 2,
--- 3 …: a table of names and a list with a gap would end before their time.
---@param items any
---@return string|nil problem
function M.problem(items)
  if not is_list(items) then
    if usage.callable(items) then return nil end
    return "a list or a function expected, got " .. usage.describe(items)
  end
  local meta = getmetatable(items)
  if type(meta) == "table" and (meta.__index or meta.__len) then return nil end
  local gap, beyond = core.gap(items)
  if not gap then return nil end
  if gap == 1 and type(beyond) == "string" then
    return ("a list expected, but it has no item 1 and a field '%s': "
      .. "the pairs of a table are task.iter(pairs(t))"):format(beyond)
  end
  return ("a list expected, but it has no item %d and %s behind it"):format(gap, name_of(beyond))
end

-- The first of the three values of `pairs` and of `ipairs`: alone it gives nothing.
local steps = { [next] = "pairs", [(ipairs {})] = "ipairs" }

--- Raises unless the n-th argument gives items.
---@param where string
---@param n integer
---@param items any
function M.check(where, n, items)
  local step = items ~= nil and steps[items]
  if step then
    usage.raise(where, "bad argument #%d (the items): '%s' gives more than one function: "
      .. "write task.iter(%s(t))", n, step, step)
  end
  local problem = M.problem(items)
  if problem then usage.raise(where, "bad argument #%d (the items): %s", n, problem) end
end

-- "items", "function", or nil where one cannot tell: a list and a marked iterator give items, and
-- so may a function without parameters; one that has some works on an item. Of a C function
-- nothing is known. The second result: are they certainly items?
local function role(value)
  if type(value) == "table" and (is_list(value) or iterators[getmetatable(value)]) then
    return "items", true
  end
  if iterators[value] then return "items", true end
  if type(value) ~= "function" then return nil, false end
  local info = getinfo(value, "Su")
  if info.what == "C" then return nil, false end
  return (info.nparams > 0 or info.isvararg) and "function" or "items", false
end

--- Has the function been given where the items belong? Only what is almost certain counts: there
--- is one order.
---@param fn any
---@param items any
---@return boolean
function M.swapped(fn, items)
  if not usage.callable(items) or role(fn) ~= "items" then return false end
  if not usage.callable(fn) then return true end
  return role(items) == "function" and getinfo(items, "u").nparams > 0
end

local function pick(in_order, a, b)
  if in_order then return a, b, 2 end
  return b, a, 1
end

--- The function and the items out of two arguments that may stand in either order. Raises when
--- both could be either.
---@param where string
---@param a any
---@param b any
---@return any fn, any items, integer place of the items
function M.arrange(where, a, b)
  if not usage.callable(b) then
    if is_list(a) and not is_list(b) then return b, a, 1 end -- which of them, the check tells
    return a, b, 2
  end
  if not usage.callable(a) then return b, a, 1 end
  local one, one_certain = role(a)
  local two, two_certain = role(b)
  if one_certain ~= two_certain then return pick(two_certain, a, b) end
  if (one == "function") ~= (two == "function") then return pick(one == "function", a, b) end
  return usage.raise(where, "two functions, and nothing tells which gives the items: "
    .. "mark that one, as in %s(fn, task.iter(items))", where)
end

return M
