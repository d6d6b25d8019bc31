-- internal.html_css: CSS selectors to XPath, for luapool.html. One recursive descent over the
-- text: a parser `p` has the text and the place `p.at`; what it does not understand raises kind
-- `query`.

local lp_error = require "luapool.error"
local options = require "luapool.internal.options"

local M = {}

local function fail(p, what)
  local message = ("CSS '%s': %s at column %d"):format(p.text, what, p.at)
  lp_error.raise("query", message, { column = p.at })
end

local function unexpected(p)
  local character = p.text:match("^" .. utf8.charpattern, p.at)
  fail(p, ("unexpected '%s'"):format(character or "invalid UTF-8"))
end

-- Takes what matches at the current place; returns its captures, or nil.
local function take(p, pattern)
  local first, last, a, b = p.text:find("^" .. pattern, p.at)
  if not first then return nil end
  p.at = last + 1
  return a or p.text:sub(first, last), b
end

local function expect(p, pattern, what)
  return take(p, pattern) or fail(p, "expected " .. what)
end

local function literal(s)
  if not s:find("'", 1, true) then return "'" .. s .. "'" end
  if not s:find('"', 1, true) then return '"' .. s .. '"' end
  return "concat('" .. s:gsub("'", "',\"'\",'") .. "')"
end

local function unescape(p)
  local hex = take(p, "\\(%x%x?%x?%x?%x?%x?)%s?")
  if hex then return utf8.char(tonumber(hex, 16)) end
  return take(p, "\\(" .. utf8.charpattern .. ")")
end

local function identifier(p, what)
  local parts = {}
  while true do
    local part = take(p, "[%w_\x80-\xFF-]+") or unescape(p)
    if not part then break end
    parts[#parts + 1] = part
  end
  if #parts == 0 then fail(p, "expected " .. what) end
  return table.concat(parts)
end

local function quoted(p)
  local quote = take(p, "[\"']")
  if not quote then return nil end
  local parts = {}
  while not take(p, quote) do
    parts[#parts + 1] = take(p, "\\\n") and "" or unescape(p) or take(p, "[^\\" .. quote .. "]+")
      or fail(p, "expected the closing quote")
  end
  return table.concat(parts)
end

-- Names that XPath would read otherwise (xlink:href) are compared as strings.
local function named(axis, name)
  if name:find("^[%a_][%w_-]*$") then return axis .. name end
  return axis .. "*[name()=" .. literal(name) .. "]"
end

local function has_word(value, word)
  word = literal(" " .. word .. " ")
  return ("contains(concat(' ',normalize-space(%s),' '),%s)"):format(value, word)
end

local function never_when_empty(format)
  return function(a, v)
    if v == "" then return "false()" end
    return format:format(a, literal(v))
  end
end

local OPERATORS = {
  ["="] = function(a, v) return a .. "=" .. literal(v) end,
  ["~="] = function(a, v) return (v == "" or v:find("%s")) and "false()" or has_word(a, v) end,
  ["|="] = function(a, v)
    return ("(%s=%s or starts-with(%s,%s))"):format(a, literal(v), a, literal(v .. "-"))
  end,
  ["^="] = never_when_empty("starts-with(%s,%s)"),
  ["*="] = never_when_empty("contains(%s,%s)"),
  ["$="] = function(a, v)
    if v == "" then return "false()" end
    return ("substring(%s,string-length(%s)-%d)=%s"):format(a, a, utf8.len(v) - 1, literal(v))
  end,
}

local LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

local function attribute(p)
  take(p, "%s*")
  local value = named("@", identifier(p, "the name of an attribute"):lower())
  take(p, "%s*")
  local operator = take(p, "[~|^$*]?=")
  if not operator then
    expect(p, "%]", "an operator or ]")
    return value
  end
  take(p, "%s*")
  local wanted = quoted(p) or identifier(p, "a value")
  if take(p, "%s*[iI]%s*%]") then
    value = ("translate(%s,'%s','%s')"):format(value, LETTERS, LETTERS:lower())
    wanted = wanted:lower()
  else
    expect(p, "%s*%]", "]")
  end
  return OPERATORS[operator](value, wanted)
end

local function read_nth(p)
  local word = expect(p, "%s*([%w+%s-]-)%s*%)", "an+b, odd, even or a number"):lower()
  if word == "odd" then return 2, 1 end
  if word == "even" then return 2, 0 end
  local a, sign, b = word:match("^([+-]?%d*)n%s*([+-]?)%s*(%d*)$")
  if a and (sign == "") == (b == "") then
    if not a:find("%d") then a = a .. "1" end
    return math.tointeger(tonumber(a)), math.tointeger(tonumber(sign .. (b == "" and "0" or b)))
  end
  if not word:find("^[+-]?%d+$") then
    fail(p, "expected an+b, odd, even or a number before this")
  end
  return 0, math.tointeger(tonumber(word))
end

-- Exactly n siblings on that side, without counting further.
local function exactly(axis, siblings, n)
  if n < 0 then return "false()" end
  local none_beyond = ("not(%s::%s[%d])"):format(axis, siblings, n + 1)
  if n == 0 then return none_beyond end
  return ("%s::%s[%d] and %s"):format(axis, siblings, n, none_beyond)
end

local function nth(axis)
  return function(p, siblings)
    local a, b = read_nth(p)
    local before = ("count(%s::%s)"):format(axis, siblings)
    if a == 0 then return exactly(axis, siblings, b - 1) end
    local order = a > 0 and ">=" or "<="
    return ("(%s+1%s%d and (%s+1-%d) mod %d=0)"):format(before, order, b, before, b, math.abs(a))
  end
end

local function none(axis)
  return function(_, siblings) return ("not(%s::%s)"):format(axis, siblings) end
end

local function only(_, siblings)
  return ("not(preceding-sibling::%s) and not(following-sibling::%s)"):format(siblings, siblings)
end

local compound, forward

-- The comma-separated list in parentheses, each read by `read`, as one condition.
local function any_of(read)
  return function(p)
    local conditions = {}
    repeat
      take(p, "%s*")
      conditions[#conditions + 1] = read(p)
    until not take(p, "%s*,")
    expect(p, "%s*%)", ") (only simple selectors stand here)")
    return "(" .. table.concat(conditions, " or ") .. ")"
  end
end

local function simple(p)
  local name, conditions = compound(p)
  if name ~= "*" then table.insert(conditions, 1, named("self::", name)) end
  if #conditions == 0 then return "true()" end
  return "(" .. table.concat(conditions, " and ") .. ")"
end

local is = any_of(simple)
local before, after = "preceding-sibling", "following-sibling"

-- Each returns a condition. Those in OPEN have an argument: the parenthesis has been read.
local CLOSED = {
  ["first-child"] = none(before), ["first-of-type"] = none(before),
  ["last-child"] = none(after), ["last-of-type"] = none(after),
  ["only-child"] = only, ["only-of-type"] = only,
  empty = function() return "not(*) and not(text())" end,
  root = function() return "not(parent::*)" end,
}
local OPEN = {
  ["nth-child"] = nth(before), ["nth-of-type"] = nth(before),
  ["nth-last-child"] = nth(after), ["nth-last-of-type"] = nth(after),
  is = is, where = is,
  ["not"] = function(p) return "not" .. is(p) end,
  has = any_of(function(p) return forward(p) end),
}

local function unknown(p, name, known)
  fail(p, ("unknown pseudo-class ':%s'%s before this"):format(name, options.hint(name, known)))
end

local function pseudo(p, type_name)
  local name = identifier(p, "the name of a pseudo-class"):lower()
  local known = take(p, "%(") and OPEN or CLOSED
  local condition = known[name] or unknown(p, name, known)
  local siblings = "*"
  if name:find("of-type", 1, true) then
    if type_name == "*" then fail(p, ":" .. name .. " needs the name of an element in front") end
    siblings = named("", type_name)
  end
  return condition(p, siblings)
end

local READERS = {
  ["#"] = function(p) return "@id=" .. literal(identifier(p, "an id")) end,
  ["."] = function(p) return has_word("@class", identifier(p, "a class")) end,
  ["["] = attribute,
  [":"] = pseudo,
}

-- The type (or "*") of a compound selector and the list of its conditions.
function compound(p)
  local start, conditions = p.at, {}
  local name = "*"
  if not take(p, "%*") and p.text:find("^[%w_\\\x80-\xFF-]", p.at) then
    name = identifier(p, "a name"):lower()
  end
  while true do
    local mark = take(p, "[#.%[:]")
    if not mark then break end
    conditions[#conditions + 1] = READERS[mark](p, name)
  end
  if p.at == start then fail(p, "expected a selector") end
  return name, conditions
end

-- From one compound selector to the next one on its right; and from one to what must stand on
-- its left.
local FORWARD = {
  [" "] = "descendant::", [">"] = "child::", ["~"] = "following-sibling::",
  ["+"] = "following-sibling::*[1]/self::",
}
local BACKWARD = {
  [" "] = "ancestor::", [">"] = "parent::", ["~"] = "preceding-sibling::",
  ["+"] = "preceding-sibling::*[1]/self::",
}

-- The combinator behind a compound selector, or nil at the end of the selector.
local function read_combinator(p)
  local combinator = take(p, "%s*([>+~])%s*")
  local at_end = p.text:find("^%s*[,)]", p.at) or p.text:find("^%s*$", p.at)
  if combinator or at_end then return combinator end
  if not take(p, "%s+") then unexpected(p) end
  return " "
end

-- The compound selectors as XPath steps without their axes, and the combinators in front of each.
local function read_steps(p)
  local steps, combinators = {}, { take(p, "%s*([>+~])%s*") or " " }
  repeat
    local name, conditions = compound(p)
    for i, condition in ipairs(conditions) do conditions[i] = "[" .. condition .. "]" end
    steps[#steps + 1] = (name == "*" and "*" or named("", name)) .. table.concat(conditions)
    combinators[#combinators + 1] = read_combinator(p)
  until #combinators == #steps
  return steps, combinators
end

-- From the left, relative to the node itself: for :has and a selector that begins with a
-- combinator.
function forward(p)
  local steps, combinators = read_steps(p)
  for i, step in ipairs(steps) do steps[i] = FORWARD[combinators[i]] .. step end
  return table.concat(steps, "/")
end

-- From the right, as browsers do: each descendant is visited once and looks to its left. (A path of
-- descendant steps takes libxml2 a time that grows with the square of the nodes.)
local function backward(p)
  local steps, combinators = read_steps(p)
  local left
  for i, step in ipairs(steps) do
    left = left and ("%s[%s%s]"):format(step, BACKWARD[combinators[i]], left) or step
  end
  return "descendant::" .. left
end

local function translate(selector)
  local p, paths = { text = selector, at = 1 }, {}
  repeat
    take(p, "%s*")
    paths[#paths + 1] = p.text:find("^[>+~]", p.at) and forward(p) or backward(p)
    take(p, "%s*")
  until not take(p, ",")
  if p.at <= #selector then unexpected(p) end
  return table.concat(paths, " | ")
end

local cache, cached = {}, 0

--- The XPath query that finds, inside a node, what the selector matches.
---@param selector string
---@return string
function M.to_xpath(selector)
  local path = cache[selector]
  if path then return path end
  path = translate(selector)
  if cached == 256 then cache, cached = {}, 0 end
  cache[selector], cached = path, cached + 1
  return path
end

return M
