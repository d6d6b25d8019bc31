-- Proportional memory of main, the forkserver and six workers that have each run a task: KiB.
local pool, task = require "luapool.pool", require "luapool.task"
local me = debug.getregistry()["luapool.env"].require("luapool.core").pid()
local p <close> = pool.new { processes = 6, scheduler = "round_robin" }
for _ in p:map(function() return 1 end, { 1, 2, 3, 4, 5, 6 }) do end
collectgarbage()
task.sleep(0.2)

local function read(path)
  local file <close> = io.open(path)
  return file and file:read("a") or ""
end

local function pss(pid)
  local sum = tonumber(read(("/proc/%d/smaps_rollup"):format(pid)):match "Pss:%s*(%d+)") or 0
  for child in read(("/proc/%d/task/%d/children"):format(pid, pid)):gmatch "%d+" do
    sum = sum + pss(math.tointeger(tonumber(child)))
  end
  return sum
end

print(pss(me))
