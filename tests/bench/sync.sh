# Queues: what it costs to hand an item from one task to another. With room for one item each item is a switch of
# tasks; the floor is a run of nothing.
. tests/support/bench.sh
N=1000000

cost luapool run tests/bench/sync_queue.lua -- 1 1
base=$cpu_us
cost luapool run tests/bench/sync_queue.lua -- $N 1
row "sync.queue, put and get with a switch of tasks" "$(per "$cpu_us" $N "$base")" - 1 us
cost luapool run tests/bench/sync_queue.lua -- $N 1000
row "sync.queue, put and get, 1000 at a time" "$(per "$cpu_us" $N "$base")" - 1 us

cost luapool run tests/bench/sync_remote.lua -- 1 1
base=$cpu_us
cost luapool run tests/bench/sync_remote.lua -- 100000 100
row "put through a proxy, 100 tasks, CPU of both" "$(per "$cpu_us" 100000 "$base")" - 4 us

# Two workers share a queue of main.
cost luapool run tests/bench/sync_shared.lua -- 1
base=$cpu_us
cost luapool run tests/bench/sync_shared.lua -- 100000
row "get and task_done of 2 workers, put and join of main, CPU of all" "$(per "$cpu_us" 100000 "$base")" - 8 us

# One task: the worker sleeps until main has answered. What it costs the kernel to wake a process depends on where
# it is (5 us on the same core, 60 when an idle one has to be woken), so both stay on one core, and so does the floor.
core=$(taskset -pc $$ | sed 's/.*[^0-9]//')
cost taskset -c "$core" "$BUILD/tests/bench/wake_floor" 20000
floor=$(per "$cpu_us" 20000)
cost taskset -c "$core" "$LUAPOOL" run tests/bench/sync_remote.lua -- 1 1
base=$cpu_us
cost taskset -c "$core" "$LUAPOOL" run tests/bench/sync_remote.lua -- 20000 1
row "put through a proxy, 1 task, CPU of both" "$(per "$cpu_us" 20000 "$base")" "$floor" "$(per "$floor" 1 "-$(per "$floor" 2)")" us
