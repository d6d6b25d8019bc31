-- Generators inside generators, consumers inside C functions, and enough work that slices fall
-- everywhere.
local function range(n)
  return coroutine.wrap(function()
    for i = 1, n do coroutine.yield(i) end
  end)
end

local function filter(p, g)
  return coroutine.wrap(function()
    for v in g do
      if p(v) then coroutine.yield(v) end
    end
  end)
end

-- primes: a chain of as many coroutines as there are primes
local function primes(n)
  return coroutine.wrap(function()
    local g = coroutine.wrap(function()
      for i = 2, n do coroutine.yield(i) end
    end)
    while true do
      local p = g()
      if not p then return end
      coroutine.yield(p)
      g = filter(function(v) return v % p ~= 0 end, g)
    end
  end)
end

local sum, last = 0, 0
for p in primes(500) do sum, last = sum + p, p end
print(sum, last)

-- permutations
local function permute(a, n)
  n = n or #a
  if n <= 1 then return coroutine.yield(a) end
  for i = 1, n do
    a[n], a[i] = a[i], a[n]
    permute(a, n - 1)
    a[n], a[i] = a[i], a[n]
  end
end
local count, mix = 0, 0
for a in coroutine.wrap(function() permute { 1, 2, 3, 4, 5, 6, 7, 8 } end) do
  count = count + 1
  mix = (mix * 31 + a[1] * 8 + a[8]) % 1000003
end
print(count, mix)

-- a consumer inside gsub, whose generator may not be suspended by more than a yield
local g = range(20000)
local text = ("x"):rep(20000):gsub("x", function() return g() % 10 end)
print(#text, text:sub(1, 20))
local inside = ("ab"):rep(3):gsub(".", function(c)
  local made = coroutine.wrap(function()
    local s = 0
    for i in range(3000) do s = s + i end
    coroutine.yield(s)
    return c
  end)
  return made() .. made()
end)
print(inside)

-- sort with a comparator that runs coroutines
local list, seed = {}, 42
for i = 1, 5000 do
  seed = (seed * 1103515245 + 12345) % 2147483648
  list[i] = seed
end
local compared = 0
table.sort(list, function(a, b)
  compared = compared + 1
  local less = coroutine.wrap(function() coroutine.yield(); return a < b end)
  less()
  return less()
end)
for i = 2, #list do assert(list[i - 1] <= list[i]) end
print(compared, list[1], list[5000])

-- a producer and a consumer that resume each other's partner
local produced = coroutine.create(function()
  for i = 1, 30000 do coroutine.yield(i) end
  return nil
end)
local total = 0
while true do
  local _, v = coroutine.resume(produced)
  if not v then break end
  total = total + v
end
print(total, coroutine.status(produced))

-- errors at random depths, caught at others
local function risky(depth, at)
  if depth == at then error({ depth = depth }) end
  if depth > 30 then return depth end
  if depth % 5 == 0 then
    local ok, result = pcall(risky, depth + 1, at)
    if ok then return result end
    result.caught = (result.caught or 0) + 1
    error(result)
  end
  local co = coroutine.create(risky)
  local ok, result = coroutine.resume(co, depth + 1, at)
  if not ok then error(result) end
  return result
end
local depths = 0
for round = 1, 20 do
  for at = 1, 40 do
    local ok, result = pcall(risky, 1, at)
    depths = depths + (ok and result or result.depth * (result.caught or 1)) * round
  end
end
print(depths)

-- coroutines left behind in every state, and collected
local kept = setmetatable({}, { __mode = "k" })
for i = 1, 20000 do
  local co = coroutine.create(function() coroutine.yield(i) end)
  if i % 3 > 0 then coroutine.resume(co) end
  if i % 3 > 1 then coroutine.resume(co) end
  kept[co] = i
end
collectgarbage()
collectgarbage()
print(next(kept))
