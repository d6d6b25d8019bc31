-- Puts N jobs on Redis, and works them off with P workers as no-ops whose results are kept;
-- with P = 0 nobody runs them. Prints the round trips of a job. Arguments: N, how many are
-- claimed at once, P, the URL of the server.

local internal = require "tests.support.internal"
local pool = require "luapool.pool"
local queue = require "luapool.queue"

local n, many, processes, url = ...
n, many, processes = math.tointeger(n), math.tointeger(many), math.tointeger(processes)

local stream = internal "luapool.internal.net.stream"
local write, writes = stream.write, 0
function stream.write(...)
  writes = writes + 1
  return write(...)
end

local q <close> = queue.open(url)
local kinds = { noop = { result_ttl = 3600 } }
local p <close> = processes > 0 and pool.new { processes = processes } or nil

local list = {}
for i = 1, n do list[i] = { id = i } end
q:put_all("noop", list)

local function run(args) return args end

local function work(claimed)
  local results = {}
  if p then
    local args = {}
    for i, job in ipairs(claimed) do args[i] = job.args end
    for i, value in p:map(run, args) do results[i] = { value = value } end
  end
  for i, job in ipairs(claimed) do
    local result = results[i] or { value = job.args }
    result.id, result.token, result.outcome = job.id, job.token, "done"
    results[i] = result
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
print(("%.4f"):format(writes / n))
