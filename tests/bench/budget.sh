# What budgets of CPU cost a script that only computes: on a signal that the host has granted, and on Lua's count hook,
# which is the price of granting none. The median of some runs by turns, in percent.
. tests/support/bench.sh

more() {
  source=$1
  shift
  for _ in 1 2 3 4 5 6 7; do
    cost "$BUILD/tests/bench/budget" none tests/bench/task_slice.lua "$@"
    free=$cpu_us
    cost "$BUILD/tests/bench/budget" "$source" tests/bench/task_slice.lua "$@"
    per "$((cpu_us * 100))" "$free" "$((free * 100))"
  done | sort -n | sed -n 4p
}

for work in numbers calls values; do
  row "budgets on a signal, computing with $work" "$(more signal $work 1)" - 1 %
  row "budgets on the count hook, computing with $work" "$(more count $work 1)" - - %
done
