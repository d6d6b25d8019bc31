# Durable queues on Redis: 10,000 jobs are put at once, then claimed and settled with their results kept. CPU of our
# side, round trips and the server's CPU, of a job; beside rq, Celery and BullMQ, where they can be had. The workers of
# rq and Celery fork unless told not to (SimpleWorker, --pool=solo). BullMQ is looked for in the folder $BULLMQ, in which
# `npm install bullmq ioredis` was run.
. tests/support/bench_queue.sh
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

PATH=/usr/bin:$PATH # of Debian, for which rq and Celery are made

# peer NAME N COMMAND...: what a job costs there on both sides; ours is to be no dearer.
peer() {
  name=$1 n=$2
  shift 2
  redis flushall >/dev/null
  PYTHONPATH=tests/bench cost "$@" "$bench_dir/redis/socket" 1
  base=$cpu_us
  redis flushall >/dev/null
  before=$(server_us)
  PYTHONPATH=tests/bench cost "$@" "$bench_dir/redis/socket" "$n"
  used=$(($(server_us) - before))
  row "queue on Redis: CPU of a job on both sides, beside $name" "$ours" - "$(per "$((cpu_us - base + used))" "$n")" us
}

if python3 -c 'import rq' 2>/dev/null; then
  peer rq 1000 python3 tests/bench/queue_rq.py
else
  echo "queue on Redis: no rq (python3-rq)"
fi
if python3 -c 'import celery' 2>/dev/null; then
  peer Celery 1000 python3 -W ignore tests/bench/queue_celery.py
else
  echo "queue on Redis: no Celery (python3-celery)"
fi
if [ -d "${BULLMQ:-}/node_modules/bullmq" ]; then
  export BULLMQ
  peer BullMQ 10000 node tests/bench/queue_bullmq.mjs
else
  echo "queue on Redis: no BullMQ (npm install bullmq ioredis, and BULLMQ names the folder)"
fi

queue_waits "queue on Redis" 2 "$url?ns=wake" "$url?ns=idle" "$url?ns=depth"
