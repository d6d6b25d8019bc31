-- Runs the bare C client and luapool by turns against one nginx and compares their CPU, all of
-- it: user and system time from start to end. The median of some pairs counts, for the machine
-- is never quiet.

local build, cost = os.getenv "BUILD" or "build/release", ...
local env = os.getenv

local function run(...)
  local command = ("%s/tests/bench/measure %s %s >%s.out"):format(build, cost, table.concat({ ... }, " "), cost)
  if not os.execute(command) then error("failed: " .. command, 0) end
  local file = assert(io.open(cost))
  local cpu = file:read("n")
  file:close()
  return cpu
end

local function median(list)
  table.sort(list)
  return list[#list // 2 + 1]
end

local function floor(...)
  return run(build .. "/tests/bench/http_floor", ...)
end

local function luapool(...)
  return run(build .. "/luapool run tests/bench/http_client.lua --", ...)
end

-- Microseconds per request of both, and the ratio of the pairs.
local function compare(pairs_of, n, ...)
  local ours, bare, ratios = {}, {}, {}
  for i = 1, pairs_of do
    bare[i] = floor(...) / n
    ours[i] = luapool(...) / n
    ratios[i] = ours[i] / bare[i]
  end
  return median(ours), median(bare), median(ratios)
end

local failed = false

local function report(name, measured, bare, limit, ok)
  failed = failed or not ok
  print(("%-44s %12s  floor %12s  limit %10s  %s"):format(name, measured, bare, limit,
    ok and "ok" or "MISSED"))
end

local n = 60000
local ours, bare, ratio = compare(7, n, env "NGINX_URL" .. "/1k", n, 100)
report("http GET 1 KB, keep-alive, 100 connections", ("%.1f us"):format(ours), ("%.1f us"):format(bare),
  ("%.2f of 1.30"):format(ratio), ratio <= 1.3)

n = 300
ours, bare = compare(3, n, env "NGINX_HTTPS_URL" .. "/bye/1k", n, 1, env "NGINX_CA")
report("http GET 1 KB, new HTTPS connection", ("%.2f ms"):format(ours / 1000),
  ("%.2f ms"):format(bare / 1000), "1.50 ms", ours <= 1500)

os.exit(not failed)
