# Durable queues on Redis: 10,000 jobs are put at once, then claimed and settled with their results kept. CPU of our
# side, round trips and the server's CPU, of a job; beside rq, where it can be had, whose workers fork for each job
# unless told not to (SimpleWorker).
. tests/support/bench.sh
N=10000
MANY=500
command -v redis-server >/dev/null || { echo "queue on Redis: no redis-server" && exit 0; }

mkdir "$bench_dir/redis"
redis-server --port 0 --unixsocket "$bench_dir/redis/socket" --save "" --appendonly yes --dir "$bench_dir/redis" \
  --auto-aof-rewrite-percentage 0 >"$bench_dir/redis/log" &
server=$!
trap 'kill $server; wait $server; rm -rf "$bench_dir"' EXIT
until [ -S "$bench_dir/redis/socket" ]; do sleep 0.02; done
redis() { redis-cli -s "$bench_dir/redis/socket" "$@"; }
url=unix://$bench_dir/redis/socket

# What the server has used so far: its CPU in us.
server_us() { redis info cpu | tr -d '\r' | awk -F: '/^used_cpu_(user|sys):/ { s += $2 } END { printf "%.0f\n", s * 1e6 }'; }

# queue_cost N MANY WORKERS: $cpu_us of ours, $server_us_used of the server's.
queue_cost() {
  redis flushall >/dev/null
  before=$(server_us)
  cost luapool run tests/bench/queue_jobs.lua -- "$@" "$url"
  used=$(($(server_us) - before))
}

queue_cost $N $MANY 0 # the server has its memory from here on
queue_cost 1 1 0
base=$cpu_us
queue_cost $N $MANY 0
row "queue on Redis: put_all, claim, settle, our CPU of a job" "$(per "$cpu_us" $N "$base")" - 15 us
row "queue on Redis: the server's CPU of a job" "$(per "$used" $N)" - - us
row "queue on Redis: round trips of a job" "$(sed -n 1p "$bench_out")" - 0.1 ""
ours=$(per "$((cpu_us - base + used))" $N)
queue_cost 1 1 2
base=$cpu_us
queue_cost $N $MANY 2
row "queue on Redis: the same, run by 2 workers, CPU of all ours" "$(per "$cpu_us" $N "$base")" - 15 us

export LUAPOOL
cost luapool run tests/bench/queue_wake.lua -- 200 "$url?ns=wake"
row "queue on Redis: from put to the start elsewhere, median" "$(sed -n 1p "$bench_out")" - 2 ms
cost luapool run tests/bench/queue_idle.lua -- 5 "$url?ns=idle"
row "queue on Redis: an idle process that waits, share of a core" "$(sed -n 1p "$bench_out")" - 0.1 %
cost luapool run tests/bench/queue_depth.lua -- 1000 1000000 "$url?ns=depth"
row "queue on Redis: a claim of 10 of 1,000 that wait" "$(sed -n 1p "$bench_out")" - - us
row "queue on Redis: a claim of 10 of 1,000,000 that wait" "$(sed -n 2p "$bench_out")" "$(sed -n 1p "$bench_out")" "$(sed -n 1p "$bench_out" | awk '{ print $1 * 1.2 }')" us

PATH=/usr/bin:$PATH # of Debian, for which rq is made
if python3 -c 'import rq' 2>/dev/null; then
  redis flushall >/dev/null
  PYTHONPATH=tests/bench cost python3 tests/bench/queue_rq.py "$bench_dir/redis/socket" 1
  base=$cpu_us
  redis flushall >/dev/null
  before=$(server_us)
  PYTHONPATH=tests/bench cost python3 tests/bench/queue_rq.py "$bench_dir/redis/socket" 1000
  used=$(($(server_us) - before))
  theirs=$(per "$((cpu_us - base + used))" 1000)
  row "queue on Redis: CPU of a job on both sides; at most: rq's" "$ours" - "$theirs" us
fi
