# What `--resume` costs: a no-op job, one whose items add items, and one that fetches.
[ -n "${NGINX_URL:-}" ] || exec tests/support/nginx run sh "$0"
. tests/support/bench.sh
export NGINX_URL

# The least CPU of three runs, in us an item: what, of how many items, options.
item() {
  least=
  for _ in 1 2 3; do
    rm -f "$bench_dir"/r.db*
    # shellcheck disable=SC2086 # words
    cost luapool run tests/bench/resume_items.lua -p 1 --progress off -o "$bench_dir/out.jsonl" ${3:-} \
      -- "$1" "$2" 2>/dev/null
    [ -n "$least" ] && [ "$least" -le "$cpu_us" ] || least=$cpu_us
  done
  per "$least" "$2"
}

for row in "noop 300000" "adds 100000" "fetch 10000"; do
  # shellcheck disable=SC2086 # words
  set -- $row
  without=$(item "$1" "$2")
  with=$(item "$1" "$2" "--resume $bench_dir/r.db")
  row "an item of a job, $1, CPU of all" "$without" - - us
  row "the same with --resume" "$with" "$without" "$(awk -v t="$without" 'BEGIN { print t * 1.2 }')" us
done
