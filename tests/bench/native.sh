# C functions of a host: what an asynchronous one costs that is answered at once, beside a plain one; how long the
# answer of a thread takes, beside two bare threads that wake each other.
. tests/support/bench.sh

cost "$BUILD/tests/bench/native" 20000
read -r plain at_once thread floor <"$bench_out"
row "C function answered at once, CPU" "$at_once" "$plain" "$(per "$plain" 1 -0.3)" us
row "C function answered by a thread, median wall" "$thread" "$floor" 15 us
