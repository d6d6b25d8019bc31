-- internal.options: what users may write: options of a call, fields of a job, arguments. An
-- unknown name is told with the nearest known one, a wrong type with what was expected. Used by
-- every part that takes options; luapool.internal.usage checks arguments by the same rules.
--
--     local check = options.define("pool.new", { processes = "processes", init = "callable" })
--     opts = check(opts)
--     --> pool.new: unknown option 'proceses' (did you mean 'processes'?)
--@whole

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

-- The largest size, and the largest number of things to count.
local MOST, MANY = 2 ^ 53, 2 ^ 31 - 1

local units = { [""] = 1, K = 2 ^ 10, M = 2 ^ 20, G = 2 ^ 30, T = 2 ^ 40 }

--- Bytes of a size: a number, or a string such as "64K"; nil when it is none.
---@param value any
---@return integer|nil
function M.size(value)
  if type(value) == "string" then
    local number, unit = value:match("^(%d+%.?%d*)([KMGT]?)[iI]?[bB]?$")
    value = number and tonumber(number) * units[unit]
  end
  return type(value) == "number" and value >= 0 and value <= MOST and math.floor(value) or nil
end

local function callable(v)
  local meta = getmetatable(v)
  return type(v) == "function" or type(meta) == "table" and meta.__call ~= nil
end

M.callable = callable

local function number(v) return type(v) == "number" and v == v end
local function not_negative(v) return type(v) == "number" and v >= 0 end

local function whole(least, most)
  return { ("a whole number from %d to %d"):format(least, most), function(v)
    return math.type(v) and math.tointeger(v) and v >= least and v <= most or false
  end }
end

local function method(v)
  return type(v) == "string" and #v <= 15 and v:find "^%a+$" ~= nil
end

local function attempts(v)
  return v == math.huge or math.type(v) and math.tointeger(v) and v >= 1 and v <= MANY or false
end

-- What an option may be: a name of this table, of a Lua type, a list of words, or names joined
-- by "|". Numbers of things have a bound, so that a slip of the keyboard is told and not tried; a
-- number of seconds has none: from 1e9 on it is for ever.
local types = {
  above0 = { "a number above 0", function(v) return type(v) == "number" and v > 0 end },
  any = { "a value", function() return true end },
  attempts = { ("a whole number from 1 to %d or math.huge"):format(MANY), attempts },
  callable = { "a function", callable },
  concurrency = whole(1, 1000000),
  count = whole(1, MANY),
  count0 = whole(0, MANY),
  finite = { "a finite number", function(v) return number(v) and v - v == 0 end },
  indent = whole(-1, 100),
  integer = { "an integer", function(v) return math.type(v) == "integer" end },
  method = { "a method such as \"GET\"", method },
  milliseconds = { "a number of milliseconds from 0 to 1e9", function(v)
    return not_negative(v) and v <= 1e9
  end },
  no = { "false", function(v) return v == false end },
  number = { "a number", number },
  amount = { "a finite number >= 0", function(v)
    return not_negative(v) and v < math.huge
  end },
  period = { "a number of seconds >= 1e-6", function(v)
    return type(v) == "number" and v >= 1e-6
  end },
  positive = { "a finite number above 0", function(v)
    return type(v) == "number" and v > 0 and v < math.huge
  end },
  priority = whole(-100, 100),
  processes = whole(1, 4096),
  rotation = { "a size above 0 as \"100M\", or \"daily\"", function(v)
    return v == "daily" or (M.size(v) or 0) > 0
  end },
  seconds = { "a number of seconds >= 0", not_negative },
  separator = { "one character, and no quote or line end", function(v)
    return type(v) == "string" and v:find '^[^"\r\n%z\x80-\xFF]$' ~= nil
  end },
  size = { "a size in bytes or as \"64M\", up to 2^53", function(v)
    return M.size(v) ~= nil
  end },
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
  if #tests == 1 then return { expected[1], tests[1] } end
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

-- An unknown name, as it stands in a message.
local function name_of(key)
  return type(key) == "string" and "'" .. key .. "'" or ("[%s]"):format(errors.describe(key))
end

--- What is wrong with a table of options, or nil. `known` maps each name to what it may be: a
--- Lua type, "count" (from 1), "count0", "seconds", "size", "callable", "any" and what else
--- stands above, several of them joined by "|", or a list of words.
---@param opts table
---@param known table<string, string|string[]>
---@param noun? string what the names are called: "option" unless said
---@param slips? table<string, string> names that are used elsewhere, and what to write here
---@return string|nil problem
function M.problem(opts, known, noun, slips)
  noun = noun or "option"
  for name, value in pairs(opts) do
    local want = known[name]
    if not want then
      local here = slips and slips[name]
      local hint = here and (" (here it is %s)"):format(here) or M.hint(name, known)
      return ("unknown %s %s%s"):format(noun, name_of(name), hint)
    end
    local expected, fits = M.rule(want)
    if not fits(value) then
      return ("%s '%s' must be %s, got %s"):format(noun, name, expected, errors.describe(value))
    end
  end
  return nil
end

--- Raises what is wrong with the options of a call, at the user's line.
---@param where string the call: "pool.new"
---@param opts table|nil
---@param known table<string, string|string[]>
---@param slips? table<string, string>
---@return table opts an empty table for nil
function M.check(where, opts, known, slips)
  if opts == nil then return {} end
  if type(opts) ~= "table" then
    errors.usage(where, "options must be a table, got " .. errors.describe(opts))
  end
  local problem = M.problem(opts, known, nil, slips)
  if problem then errors.usage(where, problem) end
  return opts
end

--- All options of all calls whose modules have been loaded: by the name of the call, then of the
--- option. Tests walk over them.
---@type table<string, table<string, string|string[]>>
M.defined = {}

--- Notes the options of a call and returns the function that checks a table of them; `where` of
--- that function names the call when several share their options.
---@param call string
---@param known table<string, string|string[]>
---@param slips? table<string, string>
---@return fun(opts: table|nil, where: string|nil): table check
function M.define(call, known, slips)
  M.defined[call] = known
  return function(opts, where) return M.check(where or call, opts, known, slips) end
end

return M
