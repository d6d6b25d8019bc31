# Tasks: what one costs that sleeps for a second among many, beside bare C and Lua; what time slices cost a script
# that only computes. The first are the best of some runs by turns, less a run of nothing, against the noise of the
# machine; they may cost 1.8 us where the floor costs 1.1, and as much more as that does on a slower machine.
. tests/support/bench.sh

# least NAME COMMAND... keeps the cheapest run in $NAME (cpu_us) and its memory in $NAME_kb.
least() {
  name=$1
  shift
  cost "$@"
  eval "before=\${$name:-}"
  [ -n "$before" ] && [ "$before" -le "$cpu_us" ] || eval "$name=$cpu_us ${name}_kb=$rss_kb"
}

# Sets $ours, $floor and their memory, for $1 tasks in $2 turns.
sleepers() {
  ours='' floor=''
  for _ in $(seq "$2"); do
    least floor "$BUILD/tests/bench/task_floor" "$1"
    least ours luapool run tests/bench/task_sleep.lua -- "$1" "$way"
  done
}

ours_kb=0 floor_kb=0 # `least` sets them
for way in list gather nobody; do
  sleepers 0 5
  ours_base=$ours floor_base=$floor ours_base_kb=$ours_kb floor_base_kb=$floor_kb
  for n in 100000 1000000; do
    sleepers $n $((n > 100000 ? 3 : 7))
    bare=$(per "$floor" $n "$floor_base")
    row "$n tasks that sleep, $way, CPU a task" \
      "$(per "$ours" $n "$ours_base")" "$bare" "$(per "$bare" 0.611)" us
    row "$n tasks that sleep, $way, memory a task" \
      "$(per "$ours_kb" $n "$ours_base_kb")" "$(per "$floor_kb" $n "$floor_base_kb")" 1.3 KiB
  done
done

# Runs both ways by turns; prints the median of what slices cost more, in percent.
slices() {
  for _ in 1 2 3 4 5 6 7 8 9; do
    cost luapool run --slice 0 tests/bench/task_slice.lua -- "$@"
    whole=$cpu_us
    cost luapool run tests/bench/task_slice.lua -- "$@"
    per "$((cpu_us * 100))" "$whole" "$((whole * 100))"
  done | sort -n | sed -n 5p
}

# Four tasks that fill tables by turns cost the caches some 2 %, as they do when they yield by hand: no limit there.
for work in numbers calls values; do
  for tasks in 1 4; do
    [ "$work $tasks" = "values 4" ] && limit=- || limit=1
    row "time slices, $tasks computing with $work" "$(slices "$work" "$tasks")" - "$limit" %
  done
done
