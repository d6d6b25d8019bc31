# Durable queues on SQLite: 10,000 jobs are put at once, then claimed and settled with their results kept. The floor
# is the same statements in the same batches in bare C, without workers.
. tests/support/bench.sh
N=10000
MANY=500

# queue_cost N MANY WORKERS: of a fresh database.
queue_cost() {
  rm -rf "$bench_dir/queue"
  mkdir "$bench_dir/queue"
  cost luapool run tests/bench/queue_jobs.lua -- "$@" "sqlite:$bench_dir/queue/queue.db"
}

queue_cost 1 1 0
base=$cpu_us
rm "$bench_dir"/queue/*
"$LUAPOOL" run tests/bench/queue_jobs.lua -- 0 1 0 "sqlite:$bench_dir/queue/queue.db"
cost "$BUILD/tests/bench/queue_floor" "$bench_dir/queue/queue.db" $N $MANY
floor=$(per "$cpu_us" $N)
queue_cost $N $MANY 0
row "queue: put_all, claim, settle, CPU of a job" "$(per "$cpu_us" $N "$base")" "$floor" "$(awk -v f="$floor" 'BEGIN { print f * 1.5 }')" us
queue_cost 1 1 2
base=$cpu_us
queue_cost $N $MANY 2
row "queue: the same, run by 2 workers, CPU of all" "$(per "$cpu_us" $N "$base")" "$floor" 12 us

cost luapool run tests/bench/queue_single.lua -- 10000 100 "$bench_dir"
row "queue: puts in a commit, 100 tasks" "$(sed -n 1p "$bench_out")" - - ""
export LUAPOOL
cost luapool run tests/bench/queue_wake.lua -- 200 "$bench_dir"
row "queue: from put to the start in another process, median" "$(sed -n 1p "$bench_out")" - 5 ms
cost luapool run tests/bench/queue_idle.lua -- 5 "$bench_dir"
row "queue: an idle process that waits, share of a core" "$(sed -n 1p "$bench_out")" - 0.1 %
cost luapool run tests/bench/queue_depth.lua -- 1000 1000000 "$bench_dir"
at() { sed -n "$1p" "$bench_out"; }
row "queue: a claim of 10 of 1,000 that wait" "$(at 1)" - - us
row "queue: a claim of 10 of 1,000,000 that wait" "$(at 3)" "$(at 1)" "$(at 1 | awk '{ print $1 * 1.2 }')" us
row "queue: memory of the process, with 1,000,000" "$(at 4)" "$(at 2)" "$(at 2 | awk '{ print $1 + 10 }')" MB
