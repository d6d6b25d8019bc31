# Mistakes with queues, as who serves one and who puts into it sees them: one clear line each, and
# nothing is lost.
. tests/support/cli.sh
. tests/support/serve.sh

# The job file of a queue, with kinds "note" and "adds"; $2 are further fields.
jobs() {
  cat >"$work/jobs.lua" <<LUA
return {
  queue = "$1",
  kinds = {
    note = { process = function(args) return args end, result_ttl = 600 },
    adds = { process = function(what, _, ctx)
      ctx:add("note", "before")
      ctx:add("note", what == "large" and ("x"):rep(70000) or what == "odd" and { print } or what)
    end, retry = false },
  },
  $2
}
LUA
}

# Neither the server nor who puts takes this queue: one line, the same for both.
refused() {
  jobs "$1"
  run luapool serve "$work/jobs.lua" -p 1
  expect_status 1
  expect_err_lines 1
  expect_err_like "$2"
  run luapool queue put "$1" note 1
  expect [ "$status" -eq "$3" ]
  expect_err_lines 1
  expect_err_like "$2"
  expect_out ""
}

state_of() { luapool queue show "$url" "$1" --json | sed 's/.*"state":"\([a-z]*\)".*/\1/'; }

await_state() {
  until [ "$(state_of "$1")" = "$2" ] || ! kill -0 "$server" 2>/dev/null; do sleep 0.05; done
  expect [ "$(state_of "$1")" = "$2" ]
}

it "refuses a store that is no database, or one of another program"
echo "no database, but a longer text than that of a header, which has a hundred bytes in SQLite" >"$work/text"
cp "$work/text" "$work/copy"
refused "sqlite:$work/text" "'sqlite:.*/text' is no database: it is left as it is" 1
expect cmp "$work/text" "$work/copy"
sqlite3 "$work/shop.db" 'CREATE TABLE goods (id)'
cp "$work/shop.db" "$work/copy"
refused "sqlite:$work/shop.db" "'sqlite:.*/shop.db' is .*of another program" 1
expect cmp "$work/shop.db" "$work/copy"

it "refuses an unknown scheme, and says which was meant"
refused "redsi://127.0.0.1/0" "'redsi://127.0.0.1/0' begins with none of .*did you mean 'redis'" 2
refused "amqp://me:secret@host" "'amqp://me:\*\*\*@host' begins with none of " 2

it "refuses a Redis that may throw keys away"
redis-server --port 0 --unixsocket "$work/r.sock" --dir "$work" --save "" --maxmemory 20mb \
  --maxmemory-policy allkeys-lru >"$work/redis.log" &
redis=$!
until [ -S "$work/r.sock" ] || ! kill -0 $redis; do sleep 0.02; done
refused "unix://$work/r.sock" "maxmemory-policy allkeys-lru" 1
expect [ "$(redis-cli -s "$work/r.sock" dbsize)" = 0 ]
kill $redis
wait $redis || true

it "takes neither arguments that are too large nor such as JSON cannot carry, and loses no job"
url="sqlite:$work/q.db"
jobs "$url"
run luapool queue put "$url" note "\"$(head -c 70000 /dev/zero | tr '\0' x)\""
expect_status 1
expect_err_like '^luapool queue: .*the arguments are 70002 bytes as JSON, at most 65536 are taken'
large=$(luapool queue put "$url" adds '"large"')
odd=$(luapool queue put "$url" adds '"odd"')
good=$(luapool queue put "$url" adds '"good"' --result-ttl 600)
serve "$work/jobs.lua" -p 1
await_state "$good" "done"
await_state "$large" failed
await_state "$odd" failed
stop_serve TERM 0
run luapool queue failed "$url"
expect_out_like "^$large  adds  failed .*at most 65536 are taken"
run luapool queue show "$url" "$odd"
expect_out_like "^error .*JSON"
run luapool queue ls "$url" --kind note --json
expect_out_lines 2

it "leaves a job of a kind that nobody knows until somebody does"
url="sqlite:$work/q.db"
jobs "$url"
unknown=$(luapool queue put "$url" resize 7 --result-ttl 600)
known=$(luapool queue put "$url" note 7)
serve "$work/jobs.lua" -p 1
await_state "$known" "done"
expect [ "$(state_of "$unknown")" = waiting ]
stop_serve TERM 0
sed -i 's/ note = / resize = /' "$work/jobs.lua"
serve "$work/jobs.lua" -p 1
await_state "$unknown" "done"
stop_serve TERM 0

it "does not start with a mistake in a line of cron, and keeps the old one when it is loaded"
url="sqlite:$work/q.db"
jobs "$url" 'cron = { night = { "61 2 * * *", kind = "note" } }'
run luapool serve "$work/jobs.lua" -p 1
expect_status 1
expect_err_lines 1
expect_err_like "night.*\"61\" is no minute: from 0 to 59"
jobs "$url" 'cron = { night = { "30 2 * * *", kind = "note" } }'
serve "$work/jobs.lua" -p 1
await_log "serving"
jobs "$url" 'cron = { night = { "30 2 * * mo-", kind = "note" } }'
kill -HUP "$server"
await_log "night"
known=$(luapool queue put "$url" note 7 --result-ttl 600)
await_state "$known" "done"
stop_serve TERM 0
