# A storm over a queue on SQLite, in short: `make storm` is the whole. Three times `luapool serve`
# with four workers each, of which workers, main processes and whole groups are killed at random: each
# job ends once, no two runs of one are at once, nothing is left. tests/cli/serve_storm_redis.sh is the
# same on a Redis, which is killed and started again, too.
. tests/support/cli.sh
. tests/support/serve.sh
JOBS=${STORM_JOBS:-2500} SECONDS_OF_STORM=${STORM_SECONDS:-8}

# No group outlives the test.
end_all() {
  code=$?
  for pid in ${pid_1:-} ${pid_2:-} ${pid_3:-}; do kill -9 "-$pid" 2>/dev/null; done
  (exit $code)
  tap_end
}
trap end_all EXIT

ask() { "$LUAPOOL" run tests/support/serve_storm.lua -- "$1" "$work" "$JOBS" "$url"; }

# $1 is one of the three. Each has a group of its own.
begin() {
  setsid "$LUAPOOL" serve tests/support/serve_storm.lua -p 4 -c 8 -- "$work" "$pause" "$url" \
    2>>"$work/serve.$1" &
  eval "pid_$1=$!"
}

pid_of() { eval "echo \$pid_$1"; }

# A number from 1 to $1, by chance.
among() { echo $(($(od -An -N4 -tu4 /dev/urandom) % $1 + 1)); }

# Kills a worker, a main process or a whole group, or the server of the queue.
strike() {
  one=$(among 3)
  main=$(pid_of "$one")
  case $(among "$kinds_of_death") in
    1)
      victims=$(pgrep -g "$main" | grep -vx "$main")
      # shellcheck disable=SC2086 # words
      set -- $victims
      [ $# -eq 0 ] || shift $(($(among $#) - 1))
      [ $# -eq 0 ] || kill -9 "$1" 2>/dev/null
      ;;
    2) kill -9 "$main" 2>/dev/null ;;
    3) kill -9 "-$main" 2>/dev/null ;;
    4)
      kill -9 "$redis"
      wait "$redis" 2>/dev/null || true
      sleep "0.$(among 6)"
      start_redis
      ;;
  esac
  strikes=$((strikes + 1))
}

revive() {
  for i in 1 2 3; do
    kill -0 "$(pid_of $i)" 2>/dev/null || { wait "$(pid_of $i)" 2>/dev/null; begin $i; }
  done
}

it "ends each of $JOBS jobs once in a storm of $SECONDS_OF_STORM s"
mkdir "$work/queue" "$work/locks"
case $STORE in
  redis) kinds_of_death=4 url="$(queue_url)&lease=5" ;;
  *) kinds_of_death=3 url="sqlite:$work/queue/work.db" ;;
esac
pause=$(awk -v s="$SECONDS_OF_STORM" -v n="$JOBS" 'BEGIN { printf "%.3f", s * 96 / n / 2 }')
expect ask put
strikes=0
for i in 1 2 3; do begin $i; done
until_time=$(($(date +%s) + SECONDS_OF_STORM))
while [ "$(date +%s)" -lt "$until_time" ]; do
  sleep "0.$(among 6)"
  strike
  revive
done
last=-1 same=0
sleep 0.5
revive # also what the last strike has killed
while [ $same -lt 60 ]; do
  sleep 1
  n=$(ask left) || n=unknown # as the machine may be too busy for it
  [ "$n" != 0 ] || break
  revive
  [ "$n" = "$last" ] && same=$((same + 1)) || same=0
  last=$n
done
for i in 1 2 3; do kill -TERM "$(pid_of $i)"; done
for i in 1 2 3; do
  status=0
  wait "$(pid_of $i)" || status=$?
  expect_status 0
  eval "pid_$i="
done
run ask check
expect_status 0
expect_out_like "^$JOBS jobs, [0-9]+ runs$"
expect [ "$strikes" -ge 5 ]
sed 's/^/# /' "$work/out"
echo "# $strikes deaths"
