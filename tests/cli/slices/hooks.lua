-- Hooks that the script sets survive slices: a line hook sees every line, once.
local lines, calls, x = 0, 0, 0
local function watched()
  debug.sethook(function() lines = lines + 1 end, "l")
  for i = 1, 200000 do
    x = x + i
  end
  debug.sethook()
end
watched()
print(x, lines)

debug.sethook(function(event) calls = calls + (event == "call" and 1 or 0) end, "cr")
local function f(n) return n end
for i = 1, 2000000 do f(i) end
debug.sethook()
print(calls)

local counted = 0
debug.sethook(function() counted = counted + 1 end, "", 100)
for i = 1, 300000 do x = x + i end
debug.sethook()
print(counted > 5000)
print(debug.gethook())

-- one of a coroutine is its own
local co = coroutine.create(function()
  for i = 1, 100000 do
    x = x + i
  end
  coroutine.yield()
  for i = 1, 100000 do x = x + i end
end)
local inside = 0
debug.sethook(co, function() inside = inside + 1 end, "l")
coroutine.resume(co)
for i = 1, 200000 do x = x + i end
print(inside, debug.gethook(co) ~= nil, debug.gethook())
debug.sethook(co)
coroutine.resume(co)
print(inside)

-- a hook that raises, an endless loop stopped by it
print(pcall(function()
  local n = 0
  debug.sethook(function() n = n + 1; if n == 5000 then error("enough", 0) end end, "l")
  while true do
    x = x + 1
  end
end))
debug.sethook()
print(debug.traceback("trace", 1):match("in main chunk"))

-- luapool's own is none that a script can see, neither here nor on a new coroutine
local strange = 0
for _ = 1, 500000 do
  if debug.gethook() or debug.gethook(coroutine.create(print)) then strange = strange + 1 end
end
print(strange)

-- nor does it come back in the place of the script's, or keep that from coming back
local swapped, other = 0, 0
local function count() swapped = swapped + 1 end
local function count_other() other = other + 1 end
for i = 1, 200000 do
  local mine = i % 2 == 0 and count or count_other
  debug.sethook(mine, "l")
  local hook, mask, step = debug.gethook()
  if hook ~= mine or mask ~= "l" or step ~= 0 then print(hook, mask, step) end
end
debug.sethook()
print(swapped, other, debug.gethook())
