-- From a put to the start of the job in another process, both idle: the median of N, in ms.
-- Arguments: N, a folder or a URL. The other process is this file with a third argument.

local process = require "luapool.process"
local queue = require "luapool.queue"
local task = require "luapool.task"

local n, folder, other = ...
n = math.tointeger(n)
local url = folder:find "://" and folder or "sqlite:" .. folder .. "/wake.db"
local q <close> = queue.open(url)

if not other then
  local run = task.spawn(process.exec, { os.getenv "LUAPOOL" or "luapool", "run",
    "tests/bench/queue_wake.lua", "--", tostring(n), folder, "other" })
  for i = 1, n do
    q:result(q:put("ping", { i = i }, { result_ttl = 60 }))
    task.sleep(0.02)
  end
  local result = run:await()
  io.stdout:write(result.stdout)
  io.stderr:write(result.stderr)
  return
end

local kinds, took = { ping = {} }, {}
local clock = require("tests.support.internal")("luapool.digest.core").clock
while #took < n do
  local since = q.store:changes()
  local _, claimed = q.store:settle({}, 1, kinds)
  for _, job in ipairs(claimed) do
    local ms, part = clock()
    took[#took + 1] = ms + part / 4096 - job.put / 1000
    local result = { id = job.id, token = job.token, outcome = "done", value = "1" }
    q.store:settle({ result }, 0, kinds)
  end
  if #claimed == 0 then q.store:wait(10, since) end
end
table.sort(took)
print(("%.2f"):format(took[#took // 2 + 1]))
