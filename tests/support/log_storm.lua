-- A main process and four workers that log to one file, which rotates and is compressed, while
-- workers are killed; at the end main kills itself:
--   luapool run tests/support/log_storm.lua -- FOLDER KILLS FILES
-- FOLDER/logs is where the log stands. Each line has the id of its process, a number and an end;
-- when the call has returned, process and number are written to FOLDER/acks/ID. Workers are killed
-- KILLS times, each after a while in which lines were acknowledged; main ends when FILES files were
-- rotated, too. Used by tests/cli/log_storm.sh, which looks at the lines.

local internal = require "tests.support.internal"
local luapool = require "luapool"
local fs, pool, process, task = luapool.fs, luapool.pool, luapool.process, luapool.task
local log = require "luapool.log"

local folder, kills, files = ...
kills, files = tonumber(kills), tonumber(files)

local me = math.tointeger(internal("luapool.core").pid())

-- Logs for ever. Some lines are longer than a page, some than a file is to be.
local function write(pid, pause)
  local logger = require "luapool.log"
  local acks = assert(io.open(("%s/acks/%d"):format(folder, pid), "a"))
  acks:setvbuf "no"
  for n = 1, math.huge do
    logger.info("%d.%d %send", pid, n, ("x"):rep(n * 7919 % 9000 * (n % 3)))
    acks:write(("%d.%d\n"):format(pid, n))
    pause(n)
  end
end

local function acknowledged()
  local bytes = 0
  for _, name in ipairs(fs.list(folder .. "/acks")) do
    bytes = bytes + fs.stat(folder .. "/acks/" .. name).size
  end
  return bytes
end

-- Waits until something was acknowledged, and for some moments more.
local function a_while()
  local before = acknowledged()
  repeat task.sleep(0.001) until acknowledged() > before
  task.sleep(math.random() * 0.02)
end

log.add { path = folder .. "/logs/app.log", rotate = "64K", compress = true }
-- One at a time: two in one process would number the same lines.
local p = pool.new { processes = 4, concurrency = 1, crash_retries = 0 }
for _ = 1, 4 do
  task.spawn(function()
    while true do
      pcall(p.apply, p, function()
        write(luapool.worker.pid, function(n) if n % 64 == 0 then luapool.task.yield() end end)
      end)
    end
  end)
end
task.spawn(write, me, function(n) if n % 4 == 0 then task.sleep(0.001) end end)

for _ = 1, kills do
  a_while()
  local workers = p:stats().workers
  local victim = workers[math.random(#workers)]
  if victim and victim.pid then process.exec { "kill", "-9", tostring(victim.pid) } end
end
repeat a_while() until #fs.list(folder .. "/logs") > files
process.exec { "kill", "-9", tostring(me) }
task.sleep(1e9)
