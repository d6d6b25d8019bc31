# luapool serve: services, which run for ever, and luapool ctl.
. tests/support/cli.sh
. tests/support/serve.sh

cat >"$tap_dir/services.lua" <<'END'
local task = require "luapool.task"
local folder = ...
local function note(...)
  local file <close> = io.open(folder .. "/notes", "a")
  file:write(table.concat({ ... }, " "), "\n")
end
local stop = false
local function hooks(name)
  return {
    processes = 2,
    init = function(ctx) ctx.name = name .. ctx.worker note("init", ctx.name) end,
    run = function(ctx)
      note("run", ctx.name, require("luapool").worker.pid)
      while not stop do task.sleep(0.02) end
      note("over", ctx.name)
    end,
    reload = function(ctx) note("reload", ctx.name) end,
    terminate = function(ctx) note("terminate", ctx.name) stop = true end,
  }
end
return { services = {
  poll = hooks "poll",
  plain = { run = function() note("plain", require("luapool").worker.pid) task.sleep(1e6) end },
} }
END

it "runs them with their hooks, in processes with ids that stay, and starts again what ends"
serve "$tap_dir/services.lua" -- "$work"
await_log "serving .* 3 services"
await_lines "$work/notes" 5 "$server"
for line in "init poll1" "init poll2" "run poll1 [0-9]+" "run poll2 [0-9]+" "plain [0-9]+"; do
  expect grep -Eqx "$line" "$work/notes"
done
kill -9 "$(awk '/^run poll2/ { print $3 }' "$work/notes")"
await_log "service poll-2 has ended, and is started again in .*SIGKILL|signal 9"
await_lines "$work/notes" 7 "$server"
[ "$(grep -c "run poll2" "$work/notes")" = 2 ] || fail "$(cat "$work/notes")"

it "reloads those that can, replaces the others, and tells luapool ctl"
work=$tap_dir/1
run luapool ctl reload "$server"
expect_status 0
await_lines "$work/notes" 10 "$server"
[ "$(grep -c "^reload poll" "$work/notes")" = 2 ] || fail "$(cat "$work/notes")"
[ "$(grep -c "^plain" "$work/notes")" = 2 ] || fail "$(cat "$work/notes")"
[ "$(grep -c "^run poll" "$work/notes")" = 3 ] || fail "$(cat "$work/notes")"
run luapool ctl status "$server"
expect_out_like "poll-1 +process [0-9]+"
expect_out_like "running, process $server"
run luapool ctl status --json "$server"
expect_out_like '"state":"running"'
run luapool ctl scale 3 "$server"
expect_status 1
expect_err_like "no workers"
stop_serve TERM 0
[ "$(grep -c "^terminate" "$work/notes")" = 2 ] || fail "$(cat "$work/notes")"
[ "$(grep -c "^over" "$work/notes")" = 2 ] || fail "$(cat "$work/notes")"

it "does not start when an init fails, and leaves nothing"
cat >"$work/bad.lua" <<'END'
return { services = { a = { run = print }, b = { init = function() error "no luck" end, run = print } } }
END
run luapool serve "$work/bad.lua" --control "$work/sock"
expect_status 1
expect_err_like "bad.lua:1: no luck"
expect_no_file "$work/sock"

it "gives up a service that ends ten times within a minute, and says so"
echo 'return { services = { a = { run = function() error "every time" end } } }' >"$work/loop.lua"
run luapool serve "$work/loop.lua" --control "$work/sock"
expect_status 1
expect_err_like "service a-1: ten have ended within a minute; the latest: .*loop.lua:1: every time"

it "cancels and kills those that do not end"
echo 'return { services = { a = { run = function() while true do end end, terminate = print } } }' \
  >"$work/deaf.lua"
serve "$work/deaf.lua" --grace 0.2
await_log "serving"
stop_serve TERM 0

it "is steered by luapool ctl: more workers, fewer, the end; its socket is its user's alone"
cat >"$work/jobs.lua" <<END
return { queue = "sqlite:$work/work.db", kinds = { pid = { result_ttl = 60,
  process = function() require("luapool.task").sleep(0.05) return require("luapool").worker.pid end } } }
END
serve "$work/jobs.lua" -p 1 -c 1 --control "$work/sock" --pid-file "$work/pid" \
  --metrics "$work/metrics"
await_log "serving"
[ "$(cat "$work/pid")" = "$server" ] || fail "pid file: $(cat "$work/pid")"
[ "$(stat -c %a "$work/sock")" = 600 ] || fail "mode $(stat -c %a "$work/sock")"
run luapool ctl scale 3 "$work/sock"
expect_status 0
lua_q '
local ids, pids, n = {}, {}, 0
for i = 1, 12 do ids[i] = q:put "pid" end
for _, id in ipairs(ids) do
  local pid = q:result(id, { timeout = 60 })
  if not pids[pid] then pids[pid], n = true, n + 1 end
end
assert(n == 3, n)
'
run luapool ctl scale 1 "$work/sock"
expect_status 0
run luapool ctl status --json "$work/sock"
expect_out_like '"workers":\[\{[^}]*\}\]'
cat >"$work/get.lua" <<LUA
local internal = require "tests.support.internal"
internal "luapool.socket.core"
local client = assert(internal("luapool.socket.stream").unix "$work/metrics")
client:send "GET /metrics HTTP/1.1\\r\\n\\r\\n"
print((client:receive "*a"))
LUA
run luapool run "$work/get.lua"
expect_out_like "^HTTP/1.0 200 OK"
expect_out_like "^luapool_workers 1"
expect_out_like "^luapool_jobs_total.outcome=.done.. 12"
expect_out_like "^luapool_queue_jobs.kind=.pid.,state=.waiting.. 0"
run luapool ctl stop "$work/sock"
expect_status 0
await_end 0
expect_no_file "$work/sock"
expect_no_file "$work/pid"

it "tells clearly what is wrong with a call of luapool ctl"
run luapool ctl
expect_status 2
run luapool ctl stauts
expect_err "luapool ctl: unknown word 'stauts' (did you mean 'status'?)"
run luapool ctl scale many
expect_err "luapool ctl: how many workers? luapool ctl scale N"
run luapool ctl status 4194399
expect_err "luapool ctl: no luapool serve of yours has the process id 4194399"
run luapool ctl status "$work/none"
expect_err "luapool ctl: no luapool serve listens on $work/none"
export XDG_RUNTIME_DIR="$work"
run luapool ctl status
expect_err_like "no luapool serve of yours runs"

it "tells in one line what is wrong with a file"
# wrong TEXT LINE: the file is refused with this line.
wrong() {
  echo "$1" >"$work/wrong.lua"
  run luapool serve "$work/wrong.lua"
  expect_status 1
  expect_err_lines 1
  expect_err_like "$2"
}
wrong 'return 7' "returns a table, this one the number 7|returns a table, this one"
wrong 'return {}' "one of the fields 'kinds', 'cron' and 'services' expected"
wrong 'return { kinds = { a = { process = print } } }' "field 'queue' expected"
wrong 'return { queue = "x", kinds = { a = { proces = print } } }' "kinds.a: unknown field 'proces' .did you mean"
wrong 'return { queue = "x", kinds = { a = { process = print, rate = 7 } } }' "rate"
wrong 'return { queue = "x", kinds = { a = { process = print, rate = { "x" } } } }' "so many starts"
wrong 'return { queue = "x", cron = { a = { "61 * * * *", kind = "b" } } }' "is no minute: from 0 to 59"
wrong 'return { queue = "x", cron = { a = { "* * * *", kind = "b" } } }' "has 4 fields: five expected"
wrong 'return { queue = "x", cron = { a = { "* * * * *", kind = "b", tz = "Mars/One" } } }' "unknown time zone 'Mars/One'"
wrong 'return { queue = "x", cron = { a = { "* * * * *" } } }' "field 'kind' expected"
wrong 'return { queue = "sqlit:x", kinds = { a = { process = print } } }' "did you mean 'sqlite'"
wrong 'return { queue = ' "wrong.lua:[0-9]+:"
run luapool serve
expect_status 2
run luapool serve "$work/none.lua"
expect_status 2
