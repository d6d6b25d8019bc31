# luapool serve: what a kind may say of its jobs, and what becomes of jobs when their worker, their
# process or their store goes away. tests/cli/serve_kinds_redis.sh runs it on Redis. The numbers in
# titles are those of the faults that must be impossible.
. tests/support/cli.sh
. tests/support/serve.sh

cat >"$tap_dir/jobs.lua" <<'END'
local lock, luapool, task = require "luapool.lock", require "luapool", require "luapool.task"
local folder, url, max_tasks, memory_limit = ...
local function note(text, ...)
  local file <close> = io.open(folder .. "/notes", "a")
  file:write(text:format(...), "\n")
end

local function step(seconds, _, ctx)
  note("begin %s", ctx.job.key or ctx.job.kind)
  task.sleep(seconds)
  note("end %s", ctx.job.key or ctx.job.kind)
end

local function await_file(path, _, ctx)
  note("%s %s %d", ctx.job.kind, ctx.job.id, luapool.worker.pid)
  while not io.open(path) do task.sleep(0.02) end
  if path:find "last" then note "left" end
  return "there"
end

local kept = {}

-- Notes its begin and its end, and whether the same job ran already.
local function item(n, _, ctx)
  local id = ctx.job.id
  local mine = lock.file(folder .. "/" .. id)
  if not mine:try_acquire() then note("overlap %s", id) end
  note("begin %s %d", id, luapool.worker.pid)
  task.sleep(n % 7 == 0 and 0.1 or 0.01)
  kept[#kept + 1] = memory_limit and ("x"):rep(512 * 1024)
  note("end %s %d", id, luapool.worker.pid)
  mine:release()
  return 2 * n
end

return {
  queue = url,
  max_tasks = tonumber(max_tasks), memory_limit = memory_limit,
  kinds = {
    few = { process = step, concurrency = 2 },
    tenant = { process = step, per_key = 1 },
    strict = { process = function(n, _, ctx)
      note("strict %d.%d", n, ctx.job.attempts)
      if ctx.job.attempts == 1 then error("again", 0) end
    end, per_key = 1, strict = true, retry = { attempts = 2, wait = 0.1 } },
    rated = { process = function() end, rate = { 2, per = 0.6 }, result_ttl = 600 },
    fetched = { fetch = function(n) return n + 1 end, result_ttl = 600 },
    waits = { process = await_file, crash_retries = 0, result_ttl = 600 },
    once = { process = await_file, lost = "fail" },
    lonely = { process = await_file, host_retries = 0 },
    item = { process = item, result_ttl = 600, retry = false, crash_retries = 0, host_retries = 0 },
  },
}
END

it "keeps to the limits of its kinds"
serve "$tap_dir/jobs.lua" -p 2 -c 10 -- "$work" "$(queue_url)"
lua_q '
local jobs = { few = q:put_all("few", { 0.05, 0.05, 0.05, 0.05, 0.05, 0.05 }) }
for _, key in ipairs { "a", "b" } do
  jobs[key] = q:put_all("tenant", { 0.05, 0.05, 0.05 }, { key = key })
end
q:put_all("strict", { 1, 2, 3 }, { key = "s" })
local rated = q:put_all("rated", { 1, 2, 3, 4, 5 })
assert(q:result(q:put("fetched", 7), { timeout = 60 }) == 8)
local starts = {}
for i, id in ipairs(rated) do
  q:result(id, { timeout = 60 })
  starts[i] = q:status(id).started_at
end
table.sort(starts)
for i = 3, 5 do assert(starts[i] - starts[i - 2] >= 0.6, starts[i] - starts[i - 2]) end
await("the end of all", function()
  local of = q:stats()
  return of.few.done == 6 and of.tenant.done == 6 and of.strict.done == 3
end)
local most, running, strict = { few = 2, a = 1, b = 1 }, {}, {}
for line in io.lines("'"$work"'/notes") do
  local what, name = line:match "^(%a+) (.*)$"
  if what == "strict" then table.insert(strict, name) else
    running[name] = (running[name] or 0) + (what == "begin" and 1 or -1)
    assert(running[name] <= most[name], name .. ": " .. running[name])
  end
end
assert(table.concat(strict, " ") == "1.1 1.2 2.1 2.2 3.1 3.2", table.concat(strict, " "))
'
stop_serve TERM 0

it "15: claims no more than it has room for"
serve "$tap_dir/jobs.lua" -p 1 -c 2 -- "$work" "$(queue_url)"
lua_q '
local go = "'"$work"'/go"
local ids = q:put_all("waits", { go, go, go, go, go })
await("two of them", function() return q:stats().waits.running >= 2 end)
for _ = 1, 20 do
  local of = q:stats().waits
  assert(of.running == 2 and of.waiting == 3, of.running .. " run")
end
fs.write(go, "")
for _, id in ipairs(ids) do assert(q:result(id, { timeout = 60 }) == "there") end
'
stop_serve TERM 0

# recycles ARGS...: jobs come until six workers have been there; each job has been run once.
recycles() {
  serve "$tap_dir/jobs.lua" -p 2 -c 4 -- "$work" "$(queue_url)" "$@"
  lua_q '
  local all, numbers = {}, {}
  for n = 1, 40 do numbers[n] = n end
  local function pids()
    local seen, n = {}, 0
    for pid in fs.read("'"$work"'/notes"):gmatch "begin %S+ (%d+)" do
      if not seen[pid] then seen[pid], n = true, n + 1 end
    end
    return n
  end
  local next_wave = q:put_all("item", numbers)
  repeat
    local wave, over = next_wave, #all >= 4000
    next_wave = q:put_all("item", numbers) -- so that there are always some that run
    for n, id in ipairs(wave) do
      assert(q:result(id, { timeout = 60 }) == 2 * n)
      all[#all + 1] = id
    end
  until over or pids() >= 6
  for n, id in ipairs(next_wave) do assert(q:result(id, { timeout = 60 }) == 2 * n) end
  table.move(next_wave, 1, 40, #all + 1, all)
  assert(pids() >= 6, pids() .. " workers for " .. #all .. " jobs")
  for _, id in ipairs(all) do
    local job = q:status(id)
    assert(job.attempts == 1 and job.crashes == 0 and job.losses == 0)
  end
  local count = {}
  for what, id in fs.read("'"$work"'/notes"):gmatch "(%a+) (%S+) %d+\n" do
    count[id] = (count[id] or "") .. what .. " "
  end
  for _, id in ipairs(all) do
    assert(count[id] == "begin end ", count[id])
    count[id] = nil
  end
  assert(not next(count), "more than there were")
  '
  stop_serve TERM 0
  expect_log "worker-[12] leaves after [0-9]+ jobs"
  expect_no_log "overlap|has ended|killed"
}

it "loses no job, and runs none twice, while workers are followed by others after max_tasks"
recycles 10

it "loses no job, and runs none twice, while workers are followed by others above memory_limit"
recycles 1000000 32M

it "3, 7: jobs of a process that was killed run in another one, or end, as their kind says"
url="$(queue_url)"
[ "$STORE" != redis ] || url="$url&lease=2"
serve "$tap_dir/jobs.lua" -p 1 -c 10 -- "$work" "$url"
lua_q '
for _, kind in ipairs { "waits", "once", "lonely" } do q:put(kind, "'"$work"'/go") end
await("their starts", function()
  local of = q:stats()
  return of.waits.running + of.once.running + of.lonely.running == 3
end)
'
await_lines "$work/notes" 3 "$server"
kill -9 "$server"
wait "$server" || true
serve "$tap_dir/jobs.lua" -p 1 -c 10 -- "$work" "$url"
await_lines "$work/notes" 4 "$server"
lua_q '
for _, kind in ipairs { "once", "lonely" } do
  await("its end", function() return q:list({ kind = kind })[1].state == "failed" end)
  assert(q:list({ kind = kind })[1].error.kind == "worker_died")
end
local job = q:list({ kind = "waits" })[1]
assert(job.losses == 1 and job.crashes == 0, job.losses)
fs.write("'"$work"'/go", "")
assert(q:result(job.id, { timeout = 60 }) == "there")
'
stop_serve TERM 0
expect [ "$(grep -c waits "$work/notes") $(grep -c once "$work/notes")" = "2 1" ]

it "7: gives jobs back uncharged whose workers have died beside them, three times and no more"
serve "$tap_dir/jobs.lua" -p 1 -c 2 -- "$work" "$(queue_url)"
lua_q 'q:put_all("waits", { "'"$work"'/go", "'"$work"'/go" })'
for death in 1 2 3 4; do
  await_lines "$work/notes" $((2 * death)) "$server"
  lua_q '
  for _, job in ipairs(q:list()) do assert(job.state == "running" and job.attempts == 1
    and job.crashes == 0, job.state) end'
  kill -9 "$(tail -n 1 "$work/notes" | cut -d " " -f 3)"
done
lua_q '
for _, job in ipairs(q:list()) do
  local ok, e = pcall(q.result, q, job.id, { timeout = 60 })
  assert(e.code == "failed" and e.error.kind == "worker_died", tostring(e))
end'
stop_serve TERM 0
expect [ "$(grep -c waits "$work/notes")" = 8 ]

it "19: luapool queue has its answers while jobs come and go"
serve "$tap_dir/jobs.lua" -p 2 -c 8 -- "$work" "$(queue_url)"
lua_q 'for n = 1, 300 do q:put("item", n) end'
# Each of these succeeds, and complains of nothing.
asks() {
  run luapool queue "$@"
  expect_status 0
  expect_err ""
}
for _ in 1 2 3 4; do
  asks stats "$(queue_url)"
  asks ls "$(queue_url)" --limit 20
  asks put "$(queue_url)" few 0 --delay 600 --json
  asks cancel "$(queue_url)" "$(sed 's/.*:"\(.*\)".*/\1/' "$work/out")"
  asks retry "$(queue_url)" --kind few
  asks pause "$(queue_url)" item
  asks purge "$(queue_url)" --kind few --state waiting
  asks resume "$(queue_url)" item
done
lua_q '
await("all of them", function() return q:stats().item.done == 300 end)
assert(q:stats().few.waiting + q:stats().few.scheduled == 0)'
stop_serve TERM 0
expect_no_log "cannot be|locked"

if [ "$STORE" = redis ]; then
  it "9: works on when the server is back, and ends what has ended meanwhile"
  serve "$tap_dir/jobs.lua" -p 1 -c 2 -- "$work" "$(queue_url)"
  lua_q 'q:put("waits", "'"$work"'/last")'
  await_lines "$work/notes" 1 "$server"
  kill -9 "$redis"
  wait "$redis" || true
  true >"$work/last"
  await_lines "$work/notes" 2 "$server" # its end is to be told
  start_redis
  lua_q '
  assert(q:result(q:list({ kind = "waits" })[1].id, { timeout = 60 }) == "there")
  assert(q:status(q:list({ kind = "waits" })[1].id).attempts == 1)
  assert(q:result(q:put("fetched", 7), { timeout = 60 }) == 8)'
  stop_serve TERM 0
fi
