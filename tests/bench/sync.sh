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
cost luapool run tests/bench/sync_remote.lua -- 20000 1
row "put through a proxy, 1 task, CPU of both" "$(per "$cpu_us" 20000 "$base")" - 12 us
