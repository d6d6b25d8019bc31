# What the benchmarks of queues share.
. tests/support/bench.sh

# queue_waits NAME MS WAKE IDLE DEPTH: a job that is put wakes another process, within so many milliseconds; one that
# waits; claims from many jobs. The last three are where each program has its queue. Leaves the last one's output.
queue_waits() {
  export LUAPOOL
  cost luapool run tests/bench/queue_wake.lua -- 200 "$3"
  row "$1: from put to the start in another process, median" "$(sed -n 1p "$bench_out")" - "$2" ms
  cost luapool run tests/bench/queue_idle.lua -- 5 "$4"
  row "$1: an idle process that waits, share of a core" "$(sed -n 1p "$bench_out")" - 0.1 %
  cost luapool run tests/bench/queue_depth.lua -- 1000 1000000 "$5"
  few=$(sed -n 1p "$bench_out")
  row "$1: a claim of 10 of 1,000 that wait" "$few" - - us
  row "$1: a claim of 10 of 1,000,000 that wait" "$(sed -n 3p "$bench_out")" "$few" "$(awk -v few="$few" 'BEGIN { print few * 1.2 }')" us
}
