# Parsing a page of 230 KB, and 12 queries on it: CPU of the best run, beside lxml's.
. tests/support/bench.sh

page=$bench_dir/page.html
cost luapool run tests/bench/html_page.lua -- "$page"

# The best of $1 runs by turns, against the noise of the machine: parse and queries, ours, theirs, html5's.
least() { [ -z "$1" ] || [ "$2" -lt "$1" ] && echo "$2" || echo "$1"; }
for _ in 1 2 3; do
  cost luapool run tests/bench/html.lua -- "$page" html && read -r a b <"$bench_out"
  cost /usr/bin/python3 tests/bench/html_lxml.py "$page" && read -r c d <"$bench_out"
  cost luapool run tests/bench/html.lua -- "$page" html5 && read -r e _ <"$bench_out"
  parse=$(least "${parse:-}" "$a") queries=$(least "${queries:-}" "$b") html5=$(least "${html5:-}" "$e")
  parse_lxml=$(least "${parse_lxml:-}" "$c") queries_lxml=$(least "${queries_lxml:-}" "$d")
done

at_most() { awk -v f="$1" -v n="$2" 'BEGIN { printf "%.0f", f * n }'; }
row "parse a page of 230 KB" "$parse" "$parse_lxml" "$(at_most "$parse_lxml" 1.1)" us
row "parse it and ask 12 queries" "$queries" "$queries_lxml" "$(at_most "$queries_lxml" 1.1)" us
row "parse it as browsers do" "$html5" "$parse_lxml" "$(at_most "$parse_lxml" 4)" us
