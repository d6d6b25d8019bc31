-- Shows how to wait for the first error among many tasks, and how to submit what failed once more:
-- task.wait returns as soon as a task has failed; the others are left running.
--
--     luapool run first_error.lua -p 2

local pool = require "luapool.pool"
local task = require "luapool.task"

-- Fails once for each multiple of four: `attempt` is an argument, so that a second call knows.
local function work(n, attempt)
  require("luapool.task").sleep(0.001 * n)
  if n % 4 == 0 and attempt == 1 then error("no luck with " .. n, 0) end
  return n * n
end

local workers <close> = pool.new()
local pending = {}
for n = 1, 12 do pending[n] = workers:submit(work, n, 1) end

local sum, resubmitted = 0, 0
while #pending > 0 do
  local done
  done, pending = task.wait(pending, { return_when = "first_error" })
  for _, future in ipairs(done) do
    local ok, result = future:result()
    if ok then
      sum = sum + result
    else
      print(result)
      resubmitted = resubmitted + 1
      pending[#pending + 1] = workers:submit(work, future.args[1], 2)
    end
  end
end
print(("sum %d, %d submitted again"):format(sum, resubmitted))
