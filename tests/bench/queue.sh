# Durable queues on SQLite: 10,000 jobs are put at once, then claimed and settled with their results kept. The floor
# is the same statements in the same batches in bare C, without workers.
. tests/support/bench_queue.sh
N=10000
MANY=500

# queue_cost N MANY WORKERS: of a fresh database.
queue_cost() {
  rm -rf "$bench_dir/queue"
  mkdir "$bench_dir/queue"
  cost luapool run tests/bench/queue_jobs.lua -- "$@" "sqlite:$bench_dir/queue/queue.db"
}

# floor_cost: the same by bare C, in a database that the queue has made.
floor_cost() {
  rm -rf "$bench_dir/queue"
  mkdir "$bench_dir/queue"
  "$LUAPOOL" run tests/bench/queue_jobs.lua -- 0 1 0 "sqlite:$bench_dir/queue/queue.db"
  cost "$BUILD/tests/bench/queue_floor" "$bench_dir/queue/queue.db" $N $MANY
}

# The least of five, by turns, so that all meet the same machine.
floor='' alone='' alone_base='' two='' two_base=''
for _ in 1 2 3 4 5; do
  floor_cost && floor=$(least "$floor" "$cpu_us")
  queue_cost 1 1 0 && alone_base=$(least "$alone_base" "$cpu_us")
  queue_cost $N $MANY 0 && alone=$(least "$alone" "$cpu_us")
  queue_cost 1 1 2 && two_base=$(least "$two_base" "$cpu_us")
  queue_cost $N $MANY 2 && two=$(least "$two" "$cpu_us")
done
floor=$(per "$floor" $N)
row "queue: put_all, claim, settle, CPU of a job" "$(per "$alone" $N "$alone_base")" "$floor" "$(awk -v f="$floor" 'BEGIN { print f * 1.5 }')" us
row "queue: the same, run by 2 workers, CPU of all" "$(per "$two" $N "$two_base")" "$floor" 12 us

cost luapool run tests/bench/queue_single.lua -- 10000 100 "$bench_dir"
row "queue: puts in a commit, 100 tasks" "$(sed -n 1p "$bench_out")" - - ""
queue_waits queue 5 "$bench_dir" "$bench_dir" "$bench_dir"
at() { sed -n "$1p" "$bench_out"; }
row "queue: memory of the process, with 1,000,000" "$(at 4)" "$(at 2)" "$(at 2 | awk '{ print $1 + 10 }')" MB
