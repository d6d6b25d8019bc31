-- Puts N jobs, and works them off with P workers as no-ops whose results are kept; with P = 0
-- nobody runs them. Arguments: N, how many are claimed at once, P, the URL of the queue. On Redis
-- it prints the round trips of a job.

local internal = require "tests.support.internal"
local pool = require "luapool.pool"
local queue = require "luapool.queue"

local n, many, processes, url = ...
n, many, processes = math.tointeger(n), math.tointeger(many), math.tointeger(processes)

local writes = 0
if not url:find "^sqlite:" then
  local stream = internal "luapool.internal.net.stream"
  local write = stream.write
  function stream.write(...)
    writes = writes + 1
    return write(...)
  end
end

local q <close> = queue.open(url)
local kinds = { noop = { result_ttl = 3600 } }
local p <close> = processes > 0 and pool.new { processes = processes } or nil

local list = {}
for i = 1, n do list[i] = { id = i } end
q:put_all("noop", list)

local function run(args) return args end

local function work(claimed)
  local args, results = {}, {}
  for i, job in ipairs(claimed) do args[i] = job.args end
  local values = p and {} or args
  if p then
    for i, value in p:map(run, args) do values[i] = value end
  end
  for i, job in ipairs(claimed) do
    results[i] = { id = job.id, token = job.token, outcome = "done", value = values[i] }
  end
  return results
end

local done, results = 0, {}
repeat
  local settled, claimed = q.store:settle(results, many, kinds)
  for _, ok in ipairs(settled) do done = done + (ok and 1 or 0) end
  results = work(claimed)
until #claimed == 0
assert(done == n, done)
if writes > 0 then print(("%.4f"):format(writes / n)) end
