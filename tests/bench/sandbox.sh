# What a sandbox costs: a call of a script's function by the host, free and sandboxed in turn; and a call of a
# library's function by its field, which is found behind a frozen table.
. tests/support/bench.sh

cost "$BUILD/tests/bench/sandbox"
read -r free sandboxed field_free field_sandboxed <"$bench_out"
row "a script's function in a sandbox" "$sandboxed" "$free" "$(per "$free" 1 "-$(per "$free" 50)")" ns
row "math.max by its field in a sandbox" "$field_sandboxed" "$field_free" - ns
