# luapool serve: jobs of a queue, over workers; its end. tests/cli/serve_redis.sh runs it on Redis.
. tests/support/cli.sh
. tests/support/serve.sh

cat >"$tap_dir/jobs.lua" <<'END'
local task = require "luapool.task"
local folder, url = ...
local function note(text)
  local file <close> = io.open(folder .. "/notes", "a")
  file:write(text, "\n")
end
return {
  queue = url,
  init = function(ctx) ctx.base = 100 end,
  worker_exit = function() note "exit" end,
  kinds = {
    add = { process = function(args, _, ctx) return ctx.base + args[1] + args[2] end,
      result_ttl = 600 },
    split = { fetch = function(n) return { n, n } end, result_ttl = 600,
      process = function(parts, _, ctx)
        for _, n in ipairs(parts) do ctx:add("add", { n, 0 }, { result_ttl = 600 }) end
        return #parts
      end },
    fails = { process = function(_, _, ctx)
      ctx:add("add", { 0, 0 })
      error("attempt " .. ctx.job.attempts, 0)
    end, retry = { attempts = 3, wait = 0.01 } },
    odd = { process = function() return print end },
    dies = { process = function()
      note "died"
      os.exit(3)
    end, crash_retries = 1 },
    killed = { process = function(_, _, ctx)
      note "killed"
      os.execute("kill -9 " .. require("luapool").worker.pid)
      task.sleep(60)
    end, crash_retries = 0 },
    waits = { process = function(args, _, ctx)
      note("begin " .. ctx.job.attempts)
      task.sleep(args.seconds)
      note("end " .. ctx.job.attempts)
    end },
    steps = { process = function(path, _, ctx)
      ctx:progress(0.4, "page 3")
      while not io.open(path) do task.sleep(0.02) end
    end },
    clings = { process = function(_, _, ctx)
      note "clings"
      repeat until ctx:cancelled()
      note "cancelled"
      task.sleep(0)
    end },
    slow = { process = function() task.sleep(60) end, timeout = 0.05, retry = false },
    deaf = { process = function() while true do end end, timeout = 0.05, retry = false },
  },
}
END

it "runs jobs, keeps results, and stops in order"
serve "$tap_dir/jobs.lua" -p 2 -- "$work" "$(queue_url)"
await_log "serving"
lua_q '
assert(q:result(q:put("add", { 1, 2 }), { timeout = 60 }) == 103)
assert(q:result(q:put("split", 7), { timeout = 60 }) == 2)
await("what split has added", function() return q:stats().add.done == 3 end)
local ids, last = q:flow { { "add", { 1, 0 } }, { "add", { 2, 0 } }, on_done = { "add", { 5, 5 } } }
assert(q:result(last, { timeout = 60 }) == 110)
'
stop_serve TERM 0
[ "$(grep -c exit "$work/notes")" = 2 ] || fail "worker_exit: $(cat "$work/notes")"
[ "$(find "$work" -name "*owner*" | wc -l)" = 0 ] || fail "owners are left: $(ls "$work")"

it "tries again what has failed, adds nothing of it, and keeps the error"
serve "$tap_dir/jobs.lua" -p 1 -- "$work" "$(queue_url)"
lua_q '
local ok, e = pcall(q.result, q, q:put "fails", { timeout = 60 })
assert(e.code == "failed" and e.error.message == "attempt 3", tostring(e))
ok, e = pcall(q.result, q, q:put "odd", { timeout = 60 })
assert(e.error.kind == "queue" and e.error.message:find "JSON", tostring(e))
local of = q:stats().add
assert(not of or of.waiting + of.scheduled + of.done == 0)
ok, e = pcall(q.result, q, q:put "slow", { timeout = 60 })
assert(e.error.kind == "timeout", tostring(e))
ok, e = pcall(q.result, q, q:put "deaf", { timeout = 60 })
assert(e.error.kind == "timeout", tostring(e))
'
stop_serve TERM 0
expect_log "fails .* has failed \(attempt 3\): attempt 3"

it "charges the job that was on the CPU of a worker that died, and gives the others back"
serve "$tap_dir/jobs.lua" -p 1 -- "$work" "$(queue_url)"
lua_q '
local other = q:put("waits", { seconds = 0.5 }, { result_ttl = 60 })
await("its start", function() return q:status(other).state == "running" end)
local ok, e = pcall(q.result, q, q:put "dies", { timeout = 60 })
assert(e.code == "failed" and e.error.kind == "worker_died", tostring(e))
q:result(other, { timeout = 60 })
assert(q:status(other).attempts == 1 and q:status(other).crashes == 0)
'
stop_serve TERM 0
[ "$(grep -c died "$work/notes")" = 2 ] || fail "$(cat "$work/notes")"

it "charges a job that was alone in its worker, whatever it did, and others after three times"
serve "$tap_dir/jobs.lua" -p 1 -- "$work" "$(queue_url)"
lua_q '
local ok, e = pcall(q.result, q, q:put "killed", { timeout = 60 })
assert(e.code == "failed" and e.error.kind == "worker_died", tostring(e))
'
stop_serve TERM 0

it "cancels a job that another process has cancelled, and tells how far one is"
serve "$tap_dir/jobs.lua" -p 1 -- "$work" "$(queue_url)"
lua_q '
local id = q:put("waits", { seconds = 600 })
local loops = q:put "clings"
await("its start", function() return q:status(loops).state == "running" end)
await("its start", function() return q:status(id).state == "running" end)
assert(q:cancel(id) == "asked" and q:cancel(loops) == "asked")
assert(select(2, pcall(q.result, q, id, { timeout = 60 })).code == "cancelled")
assert(select(2, pcall(q.result, q, loops, { timeout = 60 })).code == "cancelled")
local steps = q:put("steps", "'"$work"'/go", { result_ttl = 60 })
await("progress", function() local j = q:status(steps) return j.progress and j.progress.share == 0.4
  and j.progress.text == "page 3" end)
fs.write("'"$work"'/go", "")
q:result(steps, { timeout = 60 })
'
stop_serve TERM 0

it "waits for jobs that end within the grace period"
serve "$tap_dir/jobs.lua" -p 1 --grace 60 -- "$work" "$(queue_url)"
lua_q '
local id = q:put("waits", { seconds = 0.5 }, { result_ttl = 60 })
await("its start", function() return q:status(id).state == "running" end)
'
stop_serve TERM 0
lua_q 'assert(q:list({ kind = "waits" })[1].state == "done")'

it "gives back uncharged what takes longer, and runs it again elsewhere"
serve "$tap_dir/jobs.lua" -p 1 --grace 1 -- "$work" "$(queue_url)"
lua_q '
local id = q:put("waits", { seconds = 30 }, { result_ttl = 60 })
await("its start", function() return io.open("'"$work"'/notes") end)
'
stop_serve TERM 0
lua_q '
local job = q:list({ kind = "waits" })[1]
assert(job.state == "waiting" and job.attempts == 0, job.state)
'
serve "$tap_dir/jobs.lua" -p 1 --grace 0 -- "$work" "$(queue_url)"
await_lines "$work/notes" 3 "$server"
stop_serve INT 130
expect [ "$(grep -v exit "$work/notes")" = "begin 1
begin 1" ]

it "does not wait when it is asked twice"
serve "$tap_dir/jobs.lua" -p 1 --grace 600 -- "$work" "$(queue_url)"
lua_q '
local id = q:put("waits", { seconds = 600 }, { result_ttl = 60 })
await("its start", function() return q:status(id).state == "running" end)
'
kill -TERM "$server"
await_log "what runs has"
stop_serve TERM 0
lua_q 'assert(q:list({ kind = "waits" })[1].state == "waiting")'

it "leaves alone what it does not know, and says so in one line"
lua_q 'q:put_all("unknown", { 1, 2, 3 })'
serve "$tap_dir/jobs.lua" -p 1 -- "$work" "$(queue_url)"
await_log "3 jobs of kind 'unknown' wait, which is none of .*jobs.lua: they stay for who knows it"
lua_q '
local id = q:put "unknown"
assert(q:result(q:put("add", { 1, 2 }), { timeout = 60 }) == 103)
assert(q:status(id).state == "waiting" and q:status(id).attempts == 0)
'
stop_serve TERM 0

it "puts by cron what was missed, and what stands in a file that is loaded again"
cat >"$work/cron.lua" <<LUA
return {
  queue = "$(queue_url)",
  kinds = { report = { process = function(args) return args end, result_ttl = 600 } },
  cron = { nightly = { "* * * * *", tz = "Europe/Berlin", kind = "report", args = { "first" } } },
}
LUA
lua_q 'for _, name in ipairs { "nightly", "more" } do
  q.store:cron { { name = name, minute = os.time() // 60 * 60 - 3600 } }
end'
serve "$work/cron.lua" -p 1
lua_q 'await("the report", function()
  local list = q:list { kind = "report", state = "done" }
  return list[1] and list[1].result[1] == "first"
end)'
sed -i 's/nightly/more/; s/first/second/' "$work/cron.lua"
run luapool ctl reload "$server"
expect_status 0
lua_q 'await("the other report", function()
  for _, job in ipairs(q:list { kind = "report", state = "done" }) do
    if job.result[1] == "second" then return true end
  end
end)'
stop_serve TERM 0
expect_log "cron nightly: report of [0-9-]+ [0-9:]+ UTC"
