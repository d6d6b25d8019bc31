# Crawls: what an item costs beside the work on it, what waiting items weigh, how a rate holds.
[ -n "${NGINX_URL:-}" ] || exec tests/support/nginx run sh "$0"
. tests/support/bench.sh
N=200000

# The least CPU of three runs over N items, in us an item.
item() {
  least=
  for _ in 1 2 3; do
    cost luapool run tests/bench/crawl_items.lua -p 1 -- "$1" 2>/dev/null
    [ -n "$least" ] && [ "$least" -le "$cpu_us" ] || least=$cpu_us
  done
  per "$least" $N
}

row "a crawl's item that adds items, numbers, CPU of all" "$(item numbers)" - - us
urls=$(item urls)
row "the same, URLs" "$urls" - - us
row "the same, URLs that are followed by rules" "$(item rules)" "$urls" "$(per "$urls" 1 "-$(per "$urls" 5)")" us

cost luapool run tests/bench/crawl_frontier.lua -p 1 -- 2000000 2>/dev/null
row "2,000,000 URLs that wait, memory of main" "$(per "$rss_kb" 1024)" - 200 MiB

cost luapool run tests/bench/crawl_rate.lua -p 6 -- "$NGINX_URL" 2>/dev/null
row "100 requests a second, 6 workers, 20 s" "$(tail -n 1 "$bench_out")" 1900 2100 ""
