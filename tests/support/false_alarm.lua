-- A run that goes through deaths, stops, retirements and long pauses, and that never stands still:
--   luapool run tests/support/false_alarm.lua -- SEED
-- The seed draws everything: the pool, what its items do, what befalls the workers meanwhile. Every
-- item has its right outcome; a report of a deadlock fails the run. Each fourth seed is a job.
-- Used by tests/support/false_alarms.

local luapool = require "luapool"
local errors, pool, task = luapool.error, luapool.pool, luapool.task

local seed = math.tointeger(tonumber((...)))
math.randomseed(seed)
local function draw(list) return list[math.random(#list)] end
local function chance(percent) return math.random(100) <= percent end

local ITEMS = math.random(1, 4)
local TIMEOUT = chance(25) and 1.5 or nil
local RETIRE_ABOVE = chance(25) and 12 << 20 or nil

-- What a worker comes to, at the first attempt of an item. Signals are sent by a shell.
local ENDS = { "none", "none", "exit", "KILL", "SEGV", "STOP" }

local plan = {}
for i = 1, ITEMS do
  plan[i] = {
    before = draw { 0, 0.3, 1.3 },
    computes = i == 1 and chance(40) and 1.2 or 0, -- a busy machine must get through it
    ends = draw(ENDS),
    stuck = TIMEOUT and chance(30),
    heavy = RETIRE_ABOVE and chance(50),
    after = draw { 0, 0, 1.2 },
  }
  if TIMEOUT then plan[i].before, plan[i].computes, plan[i].after = 0.3, 0, 0.2 end
end

-- Runs in a worker; what it keeps there stays.
-- luacheck: globals Kept
local function work(i)
  local lp = require "luapool"
  local step, attempt = plan[i], lp.task.current().attempt
  lp.task.sleep(step.before)
  local start = os.clock()
  while os.clock() - start < step.computes do
    for _ = 1, 100000 do end
  end
  if step.heavy then
    Kept = {}
    for k = 1, 16 do Kept[k] = ("x"):rep(1 << 20) end
  end
  if attempt == 1 and step.ends == "exit" then os.exit(1) end
  if attempt == 1 and step.ends ~= "none" then
    os.execute(("kill -s %s %d"):format(step.ends, lp.worker.pid))
  end
  if step.stuck then return ("a"):rep(60):find(("a?"):rep(60) .. ("a"):rep(60)) end
  lp.task.sleep(step.after)
  return i
end

-- With a timeout any item may be too late: its worker may have been stopped for two seconds.
local function check(i, value, err)
  local late = err and errors.is(err, "timeout") and TIMEOUT
  local right = late or value == i and not plan[i].stuck
  assert(right, ("item %d: %s"):format(i, tostring(err or value)))
end

-- Twice, after a while, a signal for any worker.
local function disturb(p)
  for _ = 1, 2 do
    task.sleep(draw { 0.2, 1.5, 2.5 })
    local workers = p:stats().workers
    local victim = #workers > 0 and draw(workers)
    if victim and victim.pid then
      luapool.process.exec { "kill", "-s", draw { "KILL", "STOP", "TERM" }, tostring(victim.pid) }
    end
  end
end

local function by_map(p)
  local items, came = {}, 0
  for i = 1, ITEMS do items[i] = i end
  local opts = { ordered = chance(50), return_errors = true }
  for place, value, err in p:map(work, items, opts) do
    check(place, value, err)
    came = came + 1
  end
  assert(came == ITEMS)
end

local function by_futures(p)
  local futures = {}
  for i = 1, ITEMS do futures[i] = p:submit(work, i) end
  for i, future in ipairs(futures) do
    local ok, value = future:result()
    check(i, ok and value, not ok and value or nil)
  end
end

local function by_calls(p)
  for i = 1, ITEMS do
    local ok, value = pcall(p.apply, p, work, i)
    check(i, ok and value, not ok and value or nil)
  end
end

if seed % 4 == 0 then
  local items = {}
  for i = 1, ITEMS do
    items[i] = i
    plan[i].stuck = false
  end
  return { items = items, process = work, output = "-", processes = math.random(1, 3),
    concurrency = math.random(1, 2) }
end

local p <close> = pool.new {
  processes = math.random(1, 4),
  concurrency = math.random(1, 3),
  crash_retries = 20, -- an item may be the victim of several signals
  max_tasks = chance(40) and math.random(1, 3) or nil,
  task_timeout = TIMEOUT,
  memory_limit = RETIRE_ABOVE,
}
local disturber = chance(50) and task.spawn(disturb, p)
draw { by_map, by_futures, by_calls }(p)
if disturber then disturber:cancel "the items are through" end
