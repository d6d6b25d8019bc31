-- internal.options: checks of tables that users write (options of a call, fields of a job): an
-- unknown name is told with the nearest known one, a wrong type with what was expected. Used by
-- every part that takes options.
--
--     local known = { processes = "count", init = "function", mode = { "async", "sync" } }
--     options.check("pool.new", opts, known)
--     --> pool.new: unknown option 'proceses' (did you mean 'processes'?)

local errors = require "luapool.error.core"

local M = {}

-- The least number of insertions, deletions, replacements and swaps that make b out of a.
local function distance(a, b)
  local before, last = {}, {}
  for j = 0, #b do last[j] = j end
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      row[j] = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + cost)
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        row[j] = math.min(row[j], before[j - 2] + 1)
      end
    end
    before, last = last, row
  end
  return last[#b]
end

--- The name among `known` that `name` was probably meant to be, or nil.
---@param name any
---@param known table names as keys, or a list of names
---@return string|nil
function M.nearest(name, known)
  name = tostring(name)
  local best, least = nil, math.max(1, #name // 3) + 1
  for key, value in pairs(known) do
    local candidate = type(key) == "number" and value or key
    local d = distance(name:lower(), candidate:lower())
    if d >= #candidate then d = math.huge end -- nothing in common
    if #name > 2 and candidate:sub(1, #name) == name then d = 1 end
    if d < least or (d == least and best and candidate < best) then best, least = candidate, d end
  end
  return best
end

--- " (did you mean 'processes'?)", or "" when no name is near.
---@param name any
---@param known table
---@return string
function M.hint(name, known)
  local near = M.nearest(name, known)
  return near and (" (did you mean '%s'?)"):format(near) or ""
end

local units = { [""] = 1, K = 2 ^ 10, M = 2 ^ 20, G = 2 ^ 30, T = 2 ^ 40 }

--- Bytes of a size: a number, or a string such as "64K"; nil when it is none.
---@param value any
---@return integer|nil
function M.size(value)
  if type(value) == "string" then
    local number, unit = value:match("^(%d+%.?%d*)([KMGT]?)[iI]?[bB]?$")
    value = number and tonumber(number) * units[unit]
  end
  return type(value) == "number" and value >= 0 and value < 2 ^ 62 and math.floor(value) or nil
end

local function callable(v)
  local meta = getmetatable(v)
  return type(v) == "function" or type(meta) == "table" and meta.__call ~= nil
end

M.callable = callable

local function is_count(least)
  return function(v) return math.type(v) and math.tointeger(v) and v >= least or false end
end

local function not_negative(v) return type(v) == "number" and v >= 0 end

-- What an option may be: a name of this table, of a Lua type, a list of words, or names joined
-- by "|".
local types = {
  any = { "a value", function() return true end },
  callable = { "a function", callable },
  count = { "a whole number of at least 1", is_count(1) },
  count0 = { "a whole number of at least 0", is_count(0) },
  integer = { "an integer", function(v) return math.type(v) == "integer" end },
  milliseconds = { "a number of milliseconds", not_negative },
  number = { "a number", function(v) return type(v) == "number" and v == v end },
  seconds = { "a number of seconds", not_negative },
  size = { "a size in bytes or as \"64M\"", function(v) return M.size(v) ~= nil end },
}

local function plain(name)
  return { "a " .. name, function(v) return type(v) == name end }
end

local function words(list)
  local quoted = {}
  for i, word in ipairs(list) do quoted[i] = ("%q"):format(word) end
  return { table.concat(quoted, " or "), function(v)
    for _, word in ipairs(list) do
      if v == word then return true end
    end
    return false
  end }
end

local function either(names)
  local expected, tests = {}, {}
  for name in names:gmatch("[%w_]+") do
    local one = types[name] or plain(name)
    table.insert(expected, one[1])
    table.insert(tests, one[2])
  end
  return { table.concat(expected, " or "), function(v)
    for _, test in ipairs(tests) do
      if test(v) then return true end
    end
    return false
  end }
end

--- A rule of `known` as what is expected, in words, and a function that tells whether a value fits.
---@param want string|string[]
---@return string expected
---@return fun(value: any): boolean fits
function M.rule(want)
  local rule = types[want]
  if not rule then -- made once: requests check their options often
    rule = type(want) == "table" and words(want) or either(want)
    types[want] = rule
  end
  return rule[1], rule[2]
end

local function shown(v)
  if type(v) == "string" then return ("%q"):format(v) end
  if type(v) == "number" or type(v) == "boolean" then return tostring(v) end
  return "a " .. type(v)
end

--- What is wrong with a table of options, or nil. `known` maps each name to what it may be: a
--- Lua type, "count" (from 1), "count0", "integer", "seconds", "milliseconds", "size",
--- "callable", "any", several of them joined by "|", or a list of words.
---@param opts table
---@param known table<string, string|string[]>
---@param noun? string what the names are called: "option" unless said
---@return string|nil problem
function M.problem(opts, known, noun)
  noun = noun or "option"
  for name, value in pairs(opts) do
    local want = known[name]
    if not want then
      local text = type(name) == "string" and "'" .. name .. "'" or ("[%s]"):format(tostring(name))
      return ("unknown %s %s%s"):format(noun, text, M.hint(name, known))
    end
    local expected, fits = M.rule(want)
    if not fits(value) then
      return ("%s '%s' must be %s, got %s"):format(noun, name, expected, shown(value))
    end
  end
  return nil
end

--- Raises what is wrong with the options of a call, at the user's line.
---@param where string the call: "pool.new"
---@param opts table|nil
---@param known table<string, string|string[]>
---@return table opts an empty table for nil
function M.check(where, opts, known)
  if opts == nil then return {} end
  if type(opts) ~= "table" then
    errors.wrong(("%s: options must be a table, got %s"):format(where, shown(opts)))
  end
  local problem = M.problem(opts, known)
  if problem then errors.wrong(where .. ": " .. problem) end
  return opts
end

return M
