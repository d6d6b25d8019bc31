-- What tests/cli/serve_storm.sh asks of the queue of its storm:
--   luapool run tests/support/serve_storm.lua -- put|left|check FOLDER JOBS URL
local fs = require "luapool.fs"
local lock = require "luapool.lock"
local queue = require "luapool.queue"
local sqlite = require "luapool.sqlite"

local what, folder, third, url = ...
local n = tonumber(third)
local is_redis = url and not url:find "^sqlite:"

local function put()
  local q <close> = queue.open(url)
  local list = {}
  for i = 1, n do list[i] = i end
  q:put_all("item", list, { result_ttl = 86400 })
end

local function left()
  local q <close> = queue.open(url)
  local of = q:stats().item
  print(of.waiting + of.scheduled + of.running)
end

-- Each job has ended once, well, with its own result.
local function check_jobs(q)
  local of, bad = q:stats().item, q:list({ state = "failed" })[1]
  assert(not bad, bad and ("job %s failed: %s"):format(bad.id, bad.error.message))
  assert(of.done == n, ("%d of %d have ended well, %d wait, %d run"):format(of.done, n,
    of.waiting + of.scheduled, of.running))
  for _, name in ipairs { "waiting", "scheduled", "running", "dead", "failed", "cancelled" } do
    assert(of[name] == 0, ("%d %s"):format(of[name], name))
  end
  local seen, sum, after, ids = {}, 0, nil, {}
  repeat
    local jobs = q:list { limit = 1000, after = after }
    for _, job in ipairs(jobs) do
      assert(job.state == "done" and job.result == 2 * job.args, job.id)
      assert(not seen[job.args], "twice")
      seen[job.args], sum, after, ids[job.args] = true, sum + job.result, job.id, job.id
    end
  until #jobs == 0
  assert(sum == n * (n + 1), ("the sum is %d"):format(sum))
  return ids
end

-- Whether a process says that it has lost the lease of this job: it stood still for so long.
local function is_lost(id)
  for _, name in ipairs(fs.list(folder)) do
    local text = name:find "^serve%." and fs.read(folder .. "/" .. name) or ""
    if text:find(id .. " is somebody else's by now", 1, true) then return true end
  end
  return false
end

-- A run of a job has its lock from its begin to its end: the system gives it back when the worker
-- dies. The log has a line for each begin and each end.
local function check_log(ids)
  local begun, ended = 0, {}
  for line in io.lines(folder .. "/log") do
    local how, item = line:match "^(%a+) (%d+)$"
    assert(how ~= "overlap" or is_redis and is_lost(ids[tonumber(item)]),
      "two runs of job " .. tostring(item) .. " at once")
    if how == "begin" then begun = begun + 1 end
    if how == "end" then ended[tonumber(item)] = true end
  end
  assert(#ended == n, ("only %d jobs came to their end"):format(#ended))
  return begun
end

local function check()
  local ids
  do
    local q <close> = queue.open(url)
    ids = check_jobs(q)
  end
  local begun = check_log(ids)
  if not is_redis then
    do
      local db <close> = sqlite.open(folder .. "/queue/work.db")
      assert(db:first("PRAGMA integrity_check").integrity_check == "ok", "the database is damaged")
    end
    local names = fs.list(folder .. "/queue")
    assert(#names == 1 and names[1] == "work.db", "left: " .. table.concat(names, " "))
  end
  print(("%d jobs, %d runs"):format(n, begun))
end

-- This file is the job file of `luapool serve`, too: with the folder, the seconds of a job, and the
-- queue.
local function serve(place, pause, address)
  local function note(how, item)
    local file <close> = io.open(place .. "/log", "a")
    file:write(how, " ", item, "\n")
  end
  return {
    queue = address,
    kinds = { item = {
      process = function(item)
        local mine = lock.file(("%s/locks/%d"):format(place, item))
        if not mine:try_acquire() then note("overlap", item) end
        note("begin", item)
        require("luapool.task").sleep(pause * (item % 10) / 5)
        note("end", item)
        mine:release()
        return 2 * item
      end,
      result_ttl = 86400, crash_retries = 1000, host_retries = 1000,
    } },
  }
end

if what == "put" then put() elseif what == "left" then left() elseif what == "check" then check()
else
  return serve(what, tonumber(folder), third)
end
