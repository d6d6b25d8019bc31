# Pools: what a task costs, how long one call takes, how long six workers take to answer.
. tests/support/bench.sh
N=100000

# The best of five, against the noise of the machine: cpu_us of a command.
best() {
  least=
  for _ in 1 2 3 4 5; do
    cost "$@"
    [ -n "$least" ] && [ "$least" -le "$cpu_us" ] || least=$cpu_us
  done
}

best "$BUILD/tests/bench/pool_floor" $N
floor=$(per "$least" $N)
best luapool run tests/bench/pool_map.lua -- $N 2
row "pool:map, 2 workers, CPU of all a task" "$(per "$least" $N)" "$floor" 4 us

cost luapool run tests/bench/pool_apply.lua
row "pool:apply, one at a time, median wall" "$(cat "$bench_out")" 70 150 us

# Wall time of the whole run, its end included: an upper bound.
fastest=
for _ in 1 2 3 4 5 6 7; do
  cost luapool run tests/bench/pool_start.lua
  [ -n "$fastest" ] && [ "$fastest" -le "$wall_us" ] || fastest=$wall_us
done
row "start to a result of each of 6 workers, and exit" "$(per "$fastest" 1000)" 8.6 25 ms
