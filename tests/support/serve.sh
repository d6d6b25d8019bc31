# What tests of `luapool serve` share. A test file sources it behind cli.sh.
#
#   queue_url                     the queue of $work: in a file, or with STORE=redis on a Redis
#   serve jobs.lua -p 2           starts it in the background: its pid in $server, stderr in $work/log
#   await_log "serving"           waits for a line of its log
#   stop_serve TERM 0             sends the signal and expects the exit status
# shellcheck disable=SC2034,SC2154 # variables of cli.sh

STORE=${STORE:-sqlite}

# Starts it, again where it was after a kill.
start_redis() {
  setpriv --pdeathsig KILL redis-server --port 0 --unixsocket "$tap_dir/redis" --dir "$tap_dir" \
    --save "" --appendonly yes --appendfsync always >"$tap_dir/redis.log" 2>&1 &
  redis=$!
  until [ "$(redis-cli -s "$tap_dir/redis" ping 2>/dev/null)" = PONG ]; do
    kill -0 "$redis" 2>/dev/null || { cat "$tap_dir/redis.log" >&2; exit 1; }
    sleep 0.02
  done
}

[ "$STORE" != redis ] || start_redis

queue_url() {
  case $STORE in
    redis) echo "unix://$tap_dir/redis?ns=${work##*/}" ;;
    *) echo "sqlite:$work/work.db" ;;
  esac
}

serve() {
  setpriv --pdeathsig KILL env --default-signal=INT "$LUAPOOL" serve "$@" >"$work/serve.out" 2>"$work/log" &
  server=$! tap_command="luapool serve $*"
}

# Waits until the log has $2 (or one) lines that match; fails when the server has ended before.
await_log() {
  until [ "$(grep -Ec -e "$1" "$work/log" 2>/dev/null)" -ge "${2:-1}" ]; do
    kill -0 "$server" 2>/dev/null || {
      [ "$(grep -Ec -e "$1" "$work/log")" -ge "${2:-1}" ] && return 0
      fail "ended before its log had: $1
$(cat "$work/log")"
      return 1
    }
    sleep 0.02
  done
}

expect_log() { grep -Eq -e "$1" "$work/log" || fail "expected in the log: $1
$(cat "$work/log")"; }

expect_no_log() { ! grep -E -e "$1" "$work/log" || fail "not expected in the log: $1
$(cat "$work/log")"; }

# Sends a signal and waits for the end; its status is to be $2.
stop_serve() {
  kill -s "$1" "$server" 2>/dev/null
  await_end "$2"
}

await_end() {
  status=0
  wait "$server" || status=$?
  server=""
  [ "$status" -eq "$1" ] || fail "expected exit status $1 of serve, got $status
$(cat "$work/log")"
}

# Runs a script of Lua that has the queue of $work as `q`.
lua_q() {
  cat >"$work/script.lua" <<LUA
local queue, task, json, fs = require "luapool.queue", require "luapool.task", require "luapool.json",
  require "luapool.fs"
local q <close> = queue.open "$(queue_url)"
local function await(what, fn)
  local late = task.now() + 60
  while not fn() do
    assert(task.now() < late, what .. " has not come in 60 s")
    task.sleep(0.02)
  end
end
$1
LUA
  run luapool run "$work/script.lua"
  [ "$status" -eq 0 ] || tap_show "the script failed"
}
