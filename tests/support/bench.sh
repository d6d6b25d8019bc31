# What the benchmarks (tests/bench/*.sh) share: the cost of a command, and rows side by side.
#
#   . tests/support/bench.sh
#   cost luapool run tests/bench/get.lua      sets $cpu_us and $wall_us; stdout goes to $bench_out
#   row "GET 1 KB" "$cpu_us" "$floor" 19 us   what, measured, floor, at most, unit
#
# $BUILD is the build folder; bare C programs of tests/bench stand in $BUILD/tests/bench.

: "${BUILD:=build/release}"
BUILD=$(cd "$BUILD" && pwd)
LUAPOOL=$BUILD/luapool
bench_dir=$(mktemp -d "${TMPDIR:-/tmp}/luapool-bench.XXXXXX")
bench_out=$bench_dir/out
trap 'rm -rf "$bench_dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Runs a command; a failure of it ends the benchmark.
cost() {
  [ "$1" != luapool ] || { shift && set -- "$LUAPOOL" "$@"; }
  "$BUILD/tests/bench/measure" "$bench_dir/cost" "$@" >"$bench_out" || {
    echo "bench: $* failed ($?)" >&2
    exit 1
  }
  # shellcheck disable=SC2034 # for who sources this
  read -r cpu_us wall_us rss_kb <"$bench_dir/cost"
}

# per TOTAL N [BASE]: (TOTAL - BASE) / N with two decimals.
per() { awk -v t="$1" -v n="$2" -v b="${3:-0}" 'BEGIN { printf "%.2f\n", (t - b) / n }'; }

# least SO_FAR NEW: the lesser one; SO_FAR is empty at first.
least() { [ -n "$1" ] && [ "$1" -le "$2" ] && echo "$1" || echo "$2"; }

# row WHAT MEASURED FLOOR LIMIT UNIT; "-" where there is none. Says when the limit is passed. A figure that is missing
# ends the benchmark.
row() {
  [ -n "$2" ] && [ -n "$4" ] || { echo "bench: no figure: $1" >&2 && exit 1; }
  awk -v what="$1" -v got="$2" -v floor="$3" -v limit="$4" -v unit="$5" 'BEGIN {
    verdict = limit == "-" ? "" : got + 0 <= limit + 0 ? "ok" : "OVER"
    printf "%-52s %10s %-3s  floor %9s  at most %9s  %s\n", what, got, unit, floor, limit, verdict
  }'
}
