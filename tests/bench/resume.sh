# What `--resume` costs: a no-op job, one whose items add items, a crawl, and a job that fetches.
[ -n "${NGINX_URL:-}" ] || exec tests/support/nginx run sh "$0"
. tests/support/bench.sh
export NGINX_URL

# once WHAT N [OPTION...]: one run, in $cpu_us.
once() {
  what=$1 n=$2
  shift 2
  rm -f "$bench_dir"/r.db*
  cost luapool run tests/bench/resume_items.lua -p 1 --progress off -o "$bench_dir/out.jsonl" "$@" \
    -- "$what" "$n" 2>/dev/null
  lines=$(wc -l <"$bench_dir/out.jsonl")
  [ "$lines" -eq "$n" ] || { echo "bench: $what has $lines results, not $n" >&2 && exit 1; }
}

# compare WHAT N SHARE: the least of five runs each, by turns, so that both meet the same machine.
compare() {
  without='' with=''
  for _ in 1 2 3 4 5; do
    once "$1" "$2"
    without=$(least "$without" "$cpu_us")
    once "$1" "$2" --resume "$bench_dir/r.db"
    with=$(least "$with" "$cpu_us")
  done
  without=$(per "$without" "$2")
  row "an item of a job, $1, CPU of all" "$without" - - us
  row "the same with --resume" "$(per "$with" "$2")" "$without" "$(awk -v t="$without" -v s="$3" 'BEGIN { print t * s }')" us
}

compare noop 50000 1.2
compare adds 50000 1.2
compare urls 50000 1.2
compare fetch 4000 1.05
