-- Long work of every kind: the outcome must not depend on where slices fall.
-- luacheck: ignore 211 431

-- recursion, deep and wide
local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
print(fib(26))
local function depth(n) return n == 0 and 0 or 1 + depth(n - 1) end
local deep = 0
for _ = 1, 30 do deep = deep + depth(50000) end
print(deep)
local function tail(n, acc) if n == 0 then return acc end return tail(n - 1, acc + n) end
print(tail(2000000, 0))
local ok, message = pcall(function() local function f() return 1 + f() end return f() end)
print(ok, message:match("stack overflow"))
local function ackermann(m, n)
  if m == 0 then return n + 1 end
  if n == 0 then return ackermann(m - 1, 1) end
  return ackermann(m - 1, ackermann(m, n - 1))
end
print(ackermann(2, 300))

-- strings
local parts = {}
for i = 1, 100000 do parts[#parts + 1] = ("%d,"):format(i) end
local text = table.concat(parts)
local sum = 0
for digits in text:gmatch("%d+") do sum = sum + tonumber(digits) end
print(#text, sum)
local swapped, n = text:gsub("(%d)(%d)", "%2%1")
print(#swapped, n)
print(#(text:gsub("%d", function(d) return d == "7" and "seven" or nil end)))
local s = ""
for i = 1, 6000 do s = s .. string.char(97 + i % 26) end
print(#s, s:sub(-5), s:rep(3, "-"):len())

-- sorting
local list, seed = {}, 1
for i = 1, 60000 do
  seed = seed * 16807 % 2147483647
  list[i] = seed
end
table.sort(list, function(a, b) return a > b end)
print(list[1], list[60000])
local by = setmetatable({}, { __lt = function(a, b) return a.v < b.v end })
local objects = {}
for i = 1, 5000 do
  objects[i] = setmetatable({ v = list[(i * 7919) % 60000 + 1] }, getmetatable(by))
end
table.sort(objects)
print(objects[1].v, objects[5000].v)
print(pcall(table.sort, { 3, 1, "x", 2 }))
print(pcall(table.sort, { 1, 2, 3, 4, 5, 6, 7, 8 }, function() error("in the comparator", 0) end))

-- closures, goto, varargs
local adders = {}
for i = 1, 1000 do
  local total = i
  adders[i] = function(x) total = total + x; return total end
end
local all = 0
for round = 1, 200 do
  for i = 1, 1000 do all = all + adders[i](round) end
end
print(all)
local i, found = 0, 0
::again::
i = i + 1
if i % 3 == 0 then goto next end
found = found + i
::next::
if i < 3000000 then goto again end
print(found)
local function rotate(n, first, ...) if n == 0 then return first, ... end
  local function put(...) return ... end
  return rotate(n - 1, put(..., first)) end
print(rotate(100000, 1, 2))
print(select("#", table.unpack({}, 1, 200)))

-- metatables
local Vector = {}
Vector.__index = Vector
function Vector.__add(a, b) return setmetatable({ a[1] + b[1], a[2] + b[2] }, Vector) end
function Vector.__eq(a, b) return a[1] == b[1] and a[2] == b[2] end
function Vector.__concat(a, b) return tostring(a) .. tostring(b) end
function Vector.__tostring(v) return "(" .. v[1] .. " " .. v[2] .. ")" end
local v, one = setmetatable({ 0, 0 }, Vector), setmetatable({ 1, 2 }, Vector)
for _ = 1, 300000 do v = v + one end
print(v .. one, v == setmetatable({ 300000, 600000 }, Vector))
local chain = {}
for _ = 1, 50 do chain = setmetatable({}, { __index = chain }) end
for _ = 1, 20000 do assert(chain.x == nil) end
local log = 0
local proxy = setmetatable({}, { __newindex = function(_, _, x) log = log + x end })
for k = 1, 200000 do proxy[k] = k end
print(log)

-- the collector and <close>
local closed, collected = 0, 0
for k = 1, 100000 do
  local c <close> = setmetatable({}, { __close = function() closed = closed + 1 end })
  if k % 2 == 0 then goto continue end
  closed = closed + 1
  ::continue::
end
for _ = 1, 20000 do setmetatable({}, { __gc = function() collected = collected + 1 end }) end
collectgarbage()
print(closed, collected)

-- arithmetic and tables
local matrix = {}
for r = 1, 60 do
  matrix[r] = {}
  for c = 1, 60 do matrix[r][c] = (r * c) % 7 end
end
local trace = 0
for _ = 1, 3 do
  local product = {}
  for r = 1, 60 do
    product[r] = {}
    for c = 1, 60 do
      local x = 0
      for k = 1, 60 do x = x + matrix[r][k] * matrix[k][c] end
      product[r][c] = x % 1009
    end
  end
  for r = 1, 60 do trace = trace + product[r][r] end
  matrix = product
end
print(trace)
local t = {}
for k = 1, 200000 do t["k" .. k % 5000] = (t["k" .. k % 5000] or 0) + k end
local keys, values = 0, 0
for _, x in pairs(t) do keys, values = keys + 1, values + x end
print(keys, values, math.tointeger(2 ^ 53), 7 // -2, -7 % 3, 1 << 62, 0xff ~ 0x0f)
print(string.pack("<i4", 77):byte(1, -1), utf8.char(228, 8364):len())
