-- Tasks on six workers while a random worker is killed with a random signal every 50 ms:
--   luapool run tests/support/storm.lua -- [TASKS [SECONDS [SEED]]]
-- Shows that every task has exactly one outcome, that the sums match, and that no process and no
-- descriptor is left. Prints one line; fails by an error. Used by tests/cli/storm.sh, make storm.

local internal = require "tests.support.internal"
local luapool = require "luapool"
local pool, process, task = luapool.pool, luapool.process, luapool.task

local tasks, seconds = tonumber((...)) or 20000, tonumber((select(2, ...))) or 20
local seed = math.tointeger(tonumber((select(3, ...))) or os.time())
local SIGNALS = { "KILL", "SEGV", "TERM", "STOP" }
local WORKERS, PLACES, EVERY = 6, 8, 0.05
math.randomseed(seed)

-- Half of the tasks wait, some compute, the rest is over at once. Together they fill the time.
local pause = seconds * WORKERS * PLACES / tasks
local function work(i)
  if i % 2 == 0 then require("luapool.task").sleep(pause * 1.5) end
  if i % 5 == 0 then
    for _ = 1, 20000 do end
  end
  if i % 97 == 0 then error("unlucky " .. i, 0) end
  return i
end

local me = internal("luapool.core").pid()

local function descriptors() return #luapool.fs.list(("/proc/%d/fd"):format(me)) end

-- All that descend from a process: their states and names.
local function processes(pid, list)
  local file <close> = io.open(("/proc/%d/task/%d/children"):format(pid, pid))
  for child in (file and file:read("a") or ""):gmatch "%d+" do
    local stat <close> = io.open(("/proc/%s/stat"):format(child))
    list[#list + 1] = stat and stat:read("a"):match "^%d+ %(.-%) %a" or child
    processes(child, list)
  end
  return list
end

local function storm(p, sent)
  local finish = task.now() + seconds
  while task.now() < finish and not p.done do
    local workers = p:stats().workers
    local victim = #workers > 0 and workers[math.random(#workers)]
    if victim and victim.pid then
      local name = SIGNALS[math.random(#SIGNALS)]
      process.exec { "kill", "-s", name, tostring(victim.pid) }
      sent[name] = (sent[name] or 0) + 1
    end
    task.sleep(EVERY)
  end
end

local function check(ok, ...)
  if not ok then error(("seed %d: "):format(seed) .. string.format(...), 0) end
end

-- How the tasks ended, counted by what their callers saw.
local seen = { done = 0, failed = 0, cancelled = 0 }

local function note(ok, value, item)
  check(not ok or value == item, "task %s gave %s", tostring(item), tostring(value))
  local kind = ok and "done" or luapool.error.is(value, "cancelled") and "cancelled" or "failed"
  if kind == "failed" and not luapool.error.is(value, "worker_died") then
    check(value == "unlucky " .. item, "task %s: %s", tostring(item), tostring(value))
  end
  seen[kind] = seen[kind] + 1
end

local function count_to(n)
  local i = 0
  return function()
    i = i + 1
    if i <= n then return i end
  end
end

local function map(p, n, ordered)
  local times, latest = {}, 0
  local opts = { ordered = ordered, return_errors = true }
  for i, value, err, item in p:map(work, count_to(n), opts) do
    check(not times[i], "item %d came twice", i)
    check(not ordered or i == latest + 1, "item %d came after %d", i, latest)
    times[i], latest = true, i
    note(err == nil, err == nil and value or err, item)
  end
  check(#times == n, "%d of %d items came", #times, n)
end

-- Futures, some of which are cancelled, a few hundred at a time.
local function futures(p, n)
  for first = 1, n, 300 do
    local batch = {}
    for i = first, math.min(n, first + 299) do
      batch[#batch + 1] = p:submit(work, i)
    end
    for i, future in ipairs(batch) do
      if i % 10 == 0 then future:cancel "not wanted" end
    end
    for _, future in ipairs(batch) do
      local ok, value = future:result()
      note(ok, value, future.args[1])
    end
  end
end

local first = pool.new { processes = 1 }
first:terminate()
first:join()
process.exec { "true" } -- whatever looks after programs runs from now on
descriptors() -- the loop and its threads have theirs from now on
local fds, children = descriptors(), #processes(me, {})
local start, sent = task.now(), {}

local function run()
  local p <close> = pool.new { processes = WORKERS, concurrency = PLACES, max_tasks = 200 }
  local killer = task.spawn(storm, p, sent)
  local third = tasks // 3
  task.all(
    function() map(p, third, true) end,
    function() map(p, third, false) end,
    function() futures(p, tasks - 2 * third) end
  )
  p.done = true
  killer:await()
  p:close()
  p:join()
  return p:stats()
end

local stats = run()
collectgarbage()
task.sleep(0.1)
collectgarbage()

local ended = stats.done + stats.failed + stats.cancelled + stats.lost
local outcomes = seen.done + seen.failed + seen.cancelled
check(stats.submitted == tasks, "%d tasks were submitted", stats.submitted)
local running = stats.pending + stats.running
check(running == 0, "%d are pending or running", running)
check(ended == tasks and outcomes == tasks, "%d have ended, %d outcomes", ended, outcomes)
check(stats.lost == 0, "%d lost", stats.lost)
check(#stats.workers == 0, "%d workers are left", #stats.workers)
local left = processes(me, {})
check(#left == children, "processes are left:\n%s", table.concat(left, "\n"))
check(descriptors() == fds, "%d descriptors became %d", fds, descriptors())
local names = {}
for _, name in ipairs(SIGNALS) do names[#names + 1] = ("%d %s"):format(sent[name] or 0, name) end
print(("%d tasks in %.1f s: %d done, %d failed, %d cancelled; %d restarts; signals: %s"):format(
  tasks, task.now() - start, seen.done, seen.failed, seen.cancelled, stats.restarts,
  table.concat(names, ", ")))
