-- A line that reads and writes what tasks share is never cut in two.
local task = require "luapool.task"
local N, YIELDS, sum = 1000000, 100000, 0 -- a yield costs much under AddressSanitizer
local function same(x) return x end
local function plain()
  for _ = 1, N do
    sum = sum + 1
  end
end
local function after_calls()
  for i = 1, N do
    local x = math.abs(same(i))
    sum = sum + x // x
  end
end
local function after_yields()
  local one = coroutine.wrap(function() while true do coroutine.yield(1) end end)
  for _ = 1, YIELDS do
    local x = one()
    sum = sum + x
  end
end
task.all(plain, after_calls, after_yields, plain, after_calls, after_yields)
print(sum == 4 * N + 2 * YIELDS and "exact" or sum)
