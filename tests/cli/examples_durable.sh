# The examples of queues, services and cron, as their first lines say. A "machine" is a process group
# of its own with a work folder of its own.
[ -n "${NGINX_URL:-}" ] || exec tests/support/nginx run sh "$0"
. tests/support/cli.sh

# machine NAME FILE ARGS...: luapool serve FILE; its pid in $server, stderr in $work/NAME.log.
machine() {
  name=$1
  shift
  mkdir -p "$work/$name"
  setsid setpriv --pdeathsig KILL env --default-signal=INT "$LUAPOOL" serve "$@" \
    >"$work/$name.out" 2>"$work/$name.log" &
  server=$!
}

# Waits until a file has so many lines.
await_count() {
  until [ -e "$1" ] && [ "$(wc -l <"$1")" -ge "$2" ]; do
    kill -0 "$server" 2>/dev/null || { fail "$1: serve has ended: $(cat "$work"/*.log)"; return 1; }
    sleep 0.05
  done
}

await_serving() {
  until grep -q "serving" "$work/$1.log"; do
    kill -0 "$server" 2>/dev/null || { fail "$1 has ended: $(cat "$work/$1.log")"; return 1; }
    sleep 0.05
  done
}

# Ends a machine in order.
stop() {
  kill -TERM "$1"
  ended=0
  wait "$1" || ended=$?
  [ "$ended" -eq 0 ] || fail "serve ended with $ended: $(cat "$work"/*.log)"
}

start_redis() {
  setpriv --pdeathsig KILL redis-server --port 0 --unixsocket "$work/redis" --save "" \
    --appendonly yes --dir "$work" >"$work/redis.log" 2>&1 &
  redis=$!
  until [ -S "$work/redis" ]; do
    kill -0 "$redis" 2>/dev/null || { fail "no redis: $(cat "$work/redis.log")"; return 1; }
    sleep 0.05
  done
}

it "opens each with what it shows"
for file in examples/thumbnails/*.lua examples/two_machines/*.lua examples/words/*.lua; do
  head -n 2 "$file" >"$work/head"
  expect grep -q '^-- Shows ' "$work/head"
done

it "thumbnails/: a worker and an enqueuer"
for n in 1 2 3; do printf "%0${n}00d" 0 >"$work/$n.png"; done
machine one examples/thumbnails/worker.lua -p 2 -- "$work/work.db"
run luapool run examples/thumbnails/enqueue.lua -- "$work/work.db" "$work/1.png" "$work/none.png" \
  "$work/3.png"
expect_status 0
expect_out_like "^$work/1.png	100\$"
expect_out_like "^$work/none.png	.*job .* has failed: .*none.png"
expect [ "$(wc -c <"$work/3.png.thumbnail")" = 100 ]
stop "$server"

it "nightly.lua: a report by cron, made up for after two days in which nothing ran"
cat >"$work/before.lua" <<'LUA'
local queue = require "luapool.queue"
local q <close> = queue.open(arg[1])
q.store:cron { { name = "nightly", minute = os.time() // 60 * 60 - 2 * 86400 } }
LUA
run luapool run "$work/before.lua" -- "sqlite:$work/nightly.db"
expect_status 0
machine one examples/nightly.lua -p 1 -- "$work"
until ls "$work"/report-*.txt >"$work/list" 2>/dev/null; do
  kill -0 "$server" 2>/dev/null || { fail "$(cat "$work/one.log")"; break; }
  sleep 0.1
done
stop "$server"
expect [ "$(cat "$work"/report-*.txt)" = "report on sales" ]

it "service.lua: it reloads, and says good-bye"
echo '{"greeting": "hello", "pause": 0.05}' >"$work/settings.json"
machine one examples/service.lua -- "$work/settings.json" "$work/log"
await_count "$work/log" 2
await_serving one
echo '{"greeting": "hi", "pause": 0.05}' >"$work/settings.json"
kill -HUP "$server"
await_count "$work/log" 4
stop "$server"
expect [ "$(cut -d ' ' -f 2- "$work/log" | sort | uniq -c | tr -s ' ')" = " 2 begins with hello
 2 ends with hi
 2 goes on with hi" ]

it "two_machines/: a crawl over two machines, each page once"
start_redis
for n in $(seq 0 29); do
  printf '<title>Page %d</title><a href="page-%d.html">a</a><a href="page-%d.html">b</a>' "$n" \
    $(((n * 2 + 1) % 30)) $(((n + 7) % 30)) >"$NGINX_ROOT/page-$n.html"
done
url="unix://$work/redis?ns=crawl"
machine one examples/two_machines/worker.lua -p 2 -- "$url" "$work/one"
one=$server
machine two examples/two_machines/worker.lua -p 2 -- "$url" "$work/two"
run luapool run examples/two_machines/start.lua -- "$url" "$NGINX_URL/page-0.html"
expect_status 0
expect_out "30 pages, 0 failed"
cat "$work"/one/pages.txt "$work"/two/pages.txt >"$work/pages" 2>/dev/null
expect [ "$(wc -l <"$work/pages")" = 30 ]
expect [ "$(sort -u "$work/pages" | wc -l)" = 30 ]

it "two_machines/: a rate that both machines keep together"
work=$tap_dir/$((tap_count - 1))
cat >"$work/ask.lua" <<'LUA'
local queue = require "luapool.queue"
local q <close> = queue.open(arg[1])
local list, starts = {}, {}
for n = 1, 35 do list[n] = n end
for i, id in ipairs(q:put_all("ask", list)) do
  q:result(id, { timeout = 120 })
  starts[i] = q:status(id).started_at
end
table.sort(starts)
for i = 11, #starts do assert(starts[i] - starts[i - 10] >= 0.999, starts[i] - starts[i - 10]) end
print "kept"
LUA
run luapool run "$work/ask.lua" -- "$url"
expect_out "kept"
expect [ "$(cat "$work"/*/asked.txt | sort -u | wc -l)" = 35 ]
kill -0 "$one" || fail "the first machine has ended"
stop "$one"
stop "$server"
kill "$redis"
wait "$redis" || :

it "words/: a chord merges a thousand parts"
machine one examples/words/worker.lua -p 2 -- "$work/work.db"
run luapool run examples/words/count.lua -- "$work/work.db" 1000
expect_status 0
expect_out "6000 words in 1000 parts"
stop "$server"
