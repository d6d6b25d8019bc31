-- A claim of ten jobs, with few and with many that wait: microseconds of each, then the largest
-- memory of this process in MB. Arguments: few, many, a folder, or a URL: then it is the time that
-- passes, of which the server has its part.

local queue = require "luapool.queue"

local few, many, folder = ...
local is_server = folder:find "://"
local clock = is_server and require("luapool.task").now or os.clock
local kinds = { noop = {} }

local function measure(n)
  local q <close> = queue.open(is_server and folder or "sqlite:" .. folder .. "/depth.db")
  while q:stats().noop == nil or q:stats().noop.waiting < n do
    local list = {}
    for i = 1, math.min(n, 1000) do list[i] = i end
    q:put_all("noop", list)
  end
  q.store:settle({}, 10, kinds)
  local begun, rounds = clock(), 90
  local results = {}
  for _ = 1, rounds do
    local _, claimed = q.store:settle(results, 10, kinds)
    results = {}
    for i, job in ipairs(claimed) do
      results[i] = { id = job.id, token = job.token, outcome = "back" }
    end
  end
  return (clock() - begun) / rounds * 1e6
end

local function megabytes()
  collectgarbage()
  for line in io.lines "/proc/self/status" do
    local kb = line:match "^VmRSS:%s*(%d+)"
    if kb then return kb // 1024 end
  end
end

for _, n in ipairs { few, many } do
  print(("%.0f"):format(measure(math.tointeger(n))))
  print(megabytes())
end
