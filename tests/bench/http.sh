# The HTTP client: CPU of the client, all of it, beside bare C on libcurl, which is the floor; and a
# large file beside the curl program.
. tests/support/bench.sh

hosts=1000
if [ -z "${NGINX_URL:-}" ]; then
  mkdir "$bench_dir/root"
  head -c 1024 /dev/zero | tr '\0' x >"$bench_dir/root/1k"
  head -c 102400 /dev/zero | tr '\0' x >"$bench_dir/root/100k"
  truncate -s 1G "$bench_dir/root/1g"
  tests/support/nginx -a $hosts -r "$bench_dir/root" run sh "$0"
  exit
fi

# The smaller one of two numbers, of which the first may be missing.
lesser() {
  if [ -n "$1" ] && [ "$1" -le "$2" ]; then echo "$1"; else echo "$2"; fi
}

# The best of $1 runs by turns, against the noise of the machine: $ours and $floor for $2 requests,
# without what the programs take to start and to end.
compare() {
  turns=$1 n=$2 url=$3
  shift 3
  ours='' floor='' our_start='' floor_start=''
  while [ "$turns" -gt 0 ]; do
    turns=$((turns - 1))
    cost "$BUILD/tests/bench/http_floor" "$url" "$n" "$@"
    floor=$(lesser "$floor" "$cpu_us")
    cost luapool run tests/bench/http_client.lua -- "$url" "$n" "$@"
    ours=$(lesser "$ours" "$cpu_us")
    cost "$BUILD/tests/bench/http_floor" "$url" 0 "$@"
    floor_start=$(lesser "$floor_start" "$cpu_us")
    cost luapool run tests/bench/http_client.lua -- "$url" 0 "$@"
    our_start=$(lesser "$our_start" "$cpu_us")
  done
  ours=$((ours - our_start)) floor=$((floor - floor_start))
}

# goal FACTOR WHAT: the row of what was compared; at most so many times the floor.
goal() {
  row "$2, CPU" "$(per "$ours" "$n")" "$(per "$floor" "$n")" \
    "$(awk -v f="$floor" -v n="$n" -v by="$1" 'BEGIN { printf "%.2f", f / n * by }')" us
}

# node_row WHAT C: the row of Node's client for the same requests, where it is installed.
node_row() {
  command -v node >/dev/null || return 0
  cost node tests/bench/http_node.mjs "$url" 0 1
  start=$cpu_us
  cost node tests/bench/http_node.mjs "$url" "$n" "$2"
  row "$1, Node's undici" "$(per "$cpu_us" "$n" "$start")" - - us
}

ca=ca=$NGINX_CA
compare 7 60000 "$NGINX_URL/1k" 100
goal 1.12 "GET 1 KB, keep-alive, 100 connections"
node_row "GET 1 KB, keep-alive, 100 connections" 100
compare 5 40000 "$NGINX_HTTPS_URL/1k" 100 "$ca"
goal 1.15 "GET 1 KB, HTTPS, keep-alive, 100 connections"
compare 3 300 "$NGINX_HTTPS_URL/bye/1k" 1 "$ca" fresh
goal 1.05 "GET 1 KB, new HTTPS connection"
compare 5 20000 "$NGINX_URL/100k" 50
goal 1.05 "GET 100 KB, 50 connections"
node_row "GET 100 KB, 50 connections" 50
compare 5 20000 "$NGINX_URL/delay/0.05" 1000
goal 1.05 "GET after 50 ms, 1,000 connections"
compare 5 20000 "$NGINX_HTTPS_URL/1k" 100 "$ca" h2
goal 1.15 "GET 1 KB, HTTP/2, 100 streams"
compare 3 4000 "$NGINX_URL/1k" 100 hosts=$hosts
goal 1.15 "GET 1 KB, 1,000 hosts in turn"
compare 3 1000 "$NGINX_HTTPS_URL/1k" 100 hosts=$hosts insecure
goal 1.05 "GET 1 KB, HTTPS, 1,000 hosts in turn"

command -v curl >/dev/null || exit 0

# The best of three downloads by turns, by the clock on the wall: $curl, $plain and $checked. Each
# into a new file: to replace one costs the file system as much again, whoever does it.
file=$bench_dir/file
sum=sha256:$(sha256sum <"$NGINX_ROOT/1g" | cut -d ' ' -f 1)
curl='' plain='' checked=''
download() { rm -f "$file" && cost "$@"; }
for _ in 1 2 3; do
  download curl -s -o "$file" "$NGINX_URL/1g" && curl=$(lesser "$curl" "$wall_us")
  download luapool run tests/bench/http_save.lua -- "$NGINX_URL/1g" "$file" && plain=$(lesser "$plain" "$wall_us")
  download luapool run tests/bench/http_save.lua -- "$NGINX_URL/1g" "$file" "$sum" && checked=$(lesser "$checked" "$wall_us")
done
ms() { per "$1" 1000; }
limit=$(awk -v f="$curl" 'BEGIN { printf "%.2f", f / 1000 / 0.8 }')
row "1 GB to a file, by the curl program" "$(ms "$curl")" - - ms
row "1 GB to a file" "$(ms "$plain")" "$(ms "$curl")" "$limit" ms
row "1 GB to a file, with its sha256" "$(ms "$checked")" "$(ms "$curl")" "$limit" ms
row "the same, memory" "$(per "$rss_kb" 1024)" - 40 MiB
