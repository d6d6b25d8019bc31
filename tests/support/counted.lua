-- What test_counted.c runs: `counted` are our functions, the standard ones are beside them. Random
-- calls must return and raise the same; the seed of a difference is in the error.
local counted, rounds, seed = ...

math.randomseed(seed)
local random = math.random

local function any(list) return list[random(#list)] end

local function several(list, most)
  local parts = {}
  for i = 1, random(0, most) do parts[i] = any(list) end
  return table.concat(parts)
end

-- ---- what is compared ----

local function show(value)
  if type(value) == "string" then return ("%q"):format(value) end
  return type(value) == "function" and "a function" or tostring(value):gsub("0x%x+", "")
end

local function list(values)
  local shown = {}
  for i = 1, values.n do shown[i] = show(values[i]) end
  return table.concat(shown, ", ")
end

-- The name of the function is not the same in both: the standard one is a field of `string`. Nor
-- is the number of the argument of table.remove, which Lua has mended since 5.4.4.
local function outcome(ok, ...)
  local values = table.pack(ok, ...)
  if not ok then values[2] = tostring(values[2]):gsub("#%d to '[%w_.?]+'", ""):gsub("0x%x+", "") end
  return list(values)
end

local function compare(library, name, make)
  local args, again = make(), nil
  if type(args) == "function" then args, again = args(), args() end
  again = again or args
  local ours = outcome(pcall(counted[library][name], table.unpack(args, 1, args.n)))
  local theirs = outcome(pcall(_G[library][name], table.unpack(again, 1, again.n)))
  if args.after then ours, theirs = ours .. args.after(), theirs .. again.after() end
  if ours ~= theirs then
    error(("%s.%s(%s)\n  ours: %s\n  theirs: %s (seed %d)"):format(library, name,
      args.shown or list(args), ours, theirs, seed), 0)
  end
end

-- ---- patterns ----

local atoms = { "a", "b", "c", "x", " ", ".", "%a", "%d", "%s", "%w", "%x", "%u", "%l", "%p", "%c",
  "%g", "%z", "%A", "%S", "%W", "%Z", "%%", "%.", "%-", "[abc]", "[^a]", "[a-c]", "[%a_]", "[]]",
  "[^]]", "[a-]", "[%]]", "[%w%d]", "[\0-\x7f]", "-", "\0", "\xff", "]" }
local repeats = { "", "", "", "*", "+", "-", "?" }
local others = { "(", ")", "()", "(", ")", "%b()", "%bax", "%f[%w]", "%f[^a]", "%f[%z]", "%1", "%2",
  "%3", "^", "$" }
local broken = { "%", "[", "[^", "[a", "%b", "%ba", "%f", "%fa", "%0", "[%", "[a-", "[]", "%9" }

local function pattern()
  local parts = {}
  for i = 1, random(0, 7) do
    local kind = random(40)
    if kind == 1 then
      parts[i] = any(broken)
    elseif kind < 12 then
      parts[i] = any(others)
    else
      parts[i] = any(atoms) .. any(repeats)
    end
  end
  if random(4) == 1 then table.insert(parts, 1, "^") end
  if random(4) == 1 then parts[#parts + 1] = "$" end
  return table.concat(parts)
end

-- One whose brackets are whole, most of the time.
local function captured()
  local text, depth = pattern():gsub("[()]", ""), random(0, 3)
  return ("("):rep(depth) .. text .. (")"):rep(depth) .. any { "", "%1", "()", "a*" }
end

local letters = { "a", "b", "c", "aa", "abc", "x", "(", ")", "1", " ", ".", "-", "]", "\0", "\xff",
  "_", "A" }

local function subject() return several(letters, 12) end

local function any_pattern() return random(2) == 1 and pattern() or captured() end

local function position() return random(3) == 1 and random(-15, 15) or nil end

local replacements = {
  function() return several({ "%0", "%1", "%2", "%%", "x", "yy", "%", "%a", "" }, 3) end,
  function() return random(9) end,
  function() return { a = "1", b = 2, c = false, abc = {}, aa = "" } end,
  function() return function(a, b) return any { a, false } and (tostring(a) .. tostring(b)) end end,
  function() return true end,
}

local function replacement()
  local kind = random(40)
  if kind == 1 then return replacements[5]() end
  if kind < 20 then return replacements[1]() end
  local value = replacements[random(2, 4)]()
  if type(value) ~= "function" then return value end
  return function(a, b) return a ~= "b" and (tostring(a) .. tostring(b)) end
end

local function searches(name)
  compare("string", name, function()
    return table.pack(subject(), any_pattern(), position(), random(8) == 1 or nil)
  end)
end

local tests = {}

function tests.find() searches "find" end

function tests.match() searches "match" end

function tests.gsub()
  compare("string", "gsub", function()
    local most = random(4) == 1 and random(-1, 3) or nil
    return table.pack(subject(), any_pattern(), replacement(), most)
  end)
end

-- All matches, as one text.
local function all(gmatch)
  return function(...)
    local found = {}
    for a, b, c in gmatch(...) do
      found[#found + 1] = list(table.pack(a, b, c))
      if #found > 50 then break end
    end
    return table.concat(found, ";")
  end
end

local ours, theirs = all(counted.string.gmatch), all(string.gmatch)

function tests.gmatch()
  local s, p, init = subject(), any_pattern(), position()
  local a, b = outcome(pcall(ours, s, p, init)), outcome(pcall(theirs, s, p, init))
  if a ~= b then
    local text = "gmatch(%q, %q, %s)\n  ours: %s\n  theirs: %s (seed %d)"
    error(text:format(s, p, init, a, b, seed), 0)
  end
end

-- ---- other functions of string ----

function tests.rep()
  compare("string", "rep", function()
    return table.pack("x" .. subject() .. "x", any { -1, 0, 1, 2, 3, 7, 100, 1 << 62 },
      any { "", ",", "a long one between them" })
  end)
  compare("string", "rep", function()
    local text = ("abcdefg"):rep(random(1, 20000))
    local t = table.pack(text, random(1, 9), any { "", "::" })
    t.shown = #text .. " bytes, " .. t[2]
    return t
  end)
end

function tests.bytes()
  for _, name in ipairs { "lower", "upper", "reverse" } do
    compare("string", name, function()
      return table.pack(subject() .. several({ "É", "z", "Q" }, 9))
    end)
  end
  compare("string", "reverse", function()
    local t = table.pack(("abcde\0"):rep(random(40000)))
    t.shown = #t[1] .. " bytes"
    return t
  end)
end

function tests.format()
  local n = random(150)
  compare("string", "format", function()
    local t = { n = n }
    for i = 1, n do t[i + 1] = any { 1, -2.5, "text" } end
    local parts = {}
    for i = 1, n do
      parts[i] = any { "%%", "", "a" } .. (type(t[i + 1]) == "string" and any { "%s", "%10s", "%q" }
        or math.type(t[i + 1]) == "integer" and any { "%d", "%5.2f", "%x", "%%%d" } or "%g")
    end
    t[1] = table.concat(parts)
    t.n = n + any { 1, 1, 2 }
    return t
  end)
end

-- ---- utf8 ----

local characters = { "a", "é", "€", "𐍈", "\u{7FFFFFFF}", "\xff", "\x80", "\xc0\x80", "\xed\xa0\x80",
  "\xf4\x90\x80\x80", "\xe2\x82", "\0" }

function tests.utf8()
  local function args()
    return table.pack(several(characters, 6), any { random(-8, 8), 1 }, any { random(-8, 8), -1 },
      random(2) == 1)
  end
  compare("utf8", "len", args)
  compare("utf8", "codepoint", args)
  compare("utf8", "offset", function()
    local t = args()
    return table.pack(t[1], random(-5, 5), random(2) == 1 and t[3] or nil)
  end)
end

-- ---- table ----

local function values()
  local t = {}
  for i = 1, random(0, 9) do t[i] = any { 1, 2, 3, 4.5, "a", "b" } end
  return t
end

local function dump(t)
  local parts = {}
  for i = -3, 20 do parts[#parts + 1] = show(t[i]) end
  return table.concat(parts, ",")
end

-- An object that has the values of a list, and notes who asks for what.
local function proxy(t, length)
  local log = {}
  local object = setmetatable({}, {
    __index = function(_, k)
      log[#log + 1] = "get " .. show(k)
      return t[k]
    end,
    __newindex = function(_, k, v)
      log[#log + 1] = "set " .. show(k) .. show(v)
      t[k] = v
    end,
    __len = function() return length or #t end,
  })
  return object, function() return table.concat(log, ";") .. dump(t) end
end

-- The same arguments twice: of tables, which the functions change.
local function twice(rest)
  local t, kind, length = values(), random(4), random(12)
  return function()
    local copy = table.move(t, 1, #t, 1, {})
    local object, after = copy, function() return dump(copy) end
    if kind == 1 then object, after = proxy(copy) end
    if kind == 2 then object, after = proxy(copy, length) end
    local args = table.pack(object, table.unpack(rest, 1, rest.n))
    args.after, args.shown = after, "a list, " .. list(rest)
    return args
  end
end

function tests.table()
  local small = function() return random(-4, 12) end
  compare("table", "concat", function()
    local last = random(2) == 1 and small() or nil
    return twice(table.pack(any { ",", "", "--" }, any { 1, small() }, last))
  end)
  compare("table", "insert", function() return twice(table.pack(any { 1, small() }, "new")) end)
  compare("table", "insert", function() return twice(table.pack("new")) end)
  compare("table", "insert", function() return twice(any { table.pack(), table.pack(1, 2, 3) }) end)
  compare("table", "remove", function()
    return twice(table.pack(random(2) == 1 and small() or nil))
  end)
  compare("table", "move", function()
    local last = any { small(), math.maxinteger, math.mininteger }
    local from = last == math.maxinteger and -random(0, 4) or small()
    return twice(table.pack(from, last, any { small(), math.maxinteger }))
  end)
  compare("table", "move", function()
    return twice(table.pack(small(), small(), small(), {}))
  end)
  compare("table", "unpack", function() return twice(table.pack(small(), small())) end)
  compare("table", "unpack", function() return twice(table.pack()) end)
end

function tests.misuse()
  for library, functions in pairs(counted) do
    for name in pairs(functions) do
      local tried = library ~= "os" and name ~= "char"
      if tried and type(functions[name]) == "function" then
        compare(library, name, function()
          return table.pack(any { nil, {}, true, 7 }, any { {}, "x" })
        end)
        compare(library, name, function() return table.pack() end)
      end
    end
  end
end

-- ---- sort ----

-- Sorted by `less`, and a permutation of what it was.
local function is_sorted(t, before, less)
  local count = {}
  for _, v in ipairs(before) do count[v] = (count[v] or 0) + 1 end
  for i, v in ipairs(t) do
    count[v] = (count[v] or 0) - 1
    if i > 1 and less(v, t[i - 1]) then return false end
  end
  for _, n in pairs(count) do
    if n ~= 0 then return false end
  end
  return #t == #before
end

local orders = {
  function(n) for i = 1, n do coroutine.yield(i) end end,
  function(n) for i = n, 1, -1 do coroutine.yield(i) end end,
  function(n) for i = 1, n do coroutine.yield(i % 3) end end,
  function(n) for i = 1, n do coroutine.yield(math.abs(n // 2 - i)) end end,
  function(n) for _ = 1, n do coroutine.yield(random(n)) end end,
  function(n) for _ = 1, n do coroutine.yield(7) end end,
}

function tests.sort()
  local t, n = {}, any { 0, 1, 2, 3, 4, 5, 10, 99, 1000 }
  for v in coroutine.wrap(function() any(orders)(n) end) do t[#t + 1] = v end
  local before = table.move(t, 1, #t, 1, {})
  local less = any { nil, function(a, b) return a < b end, function(a, b) return a > b end }
  counted.table.sort(t, less)
  assert(is_sorted(t, before, less or function(a, b) return a < b end), "sort: seed " .. seed)
  -- an order that is none ends, too: with an error or with some permutation
  local ok, e = pcall(counted.table.sort, before, function() return true end)
  assert(ok or tostring(e):find "invalid order function", e)
  local mixed = { 3, "a", 1 }
  assert(not pcall(counted.table.sort, mixed))
end

for _ = 1, rounds do
  for _, test in pairs(tests) do test() end
end
