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

# The best of $1 runs by turns, against the noise of the machine: $ours and $floor for $2 requests.
compare() {
  turns=$1 n=$2 url=$3
  shift 3
  ours='' floor=''
  while [ "$turns" -gt 0 ]; do
    turns=$((turns - 1))
    cost "$BUILD/tests/bench/http_floor" "$url" "$n" "$@"
    [ -n "$floor" ] && [ "$floor" -le "$cpu_us" ] || floor=$cpu_us
    cost luapool run tests/bench/http_client.lua -- "$url" "$n" "$@"
    [ -n "$ours" ] && [ "$ours" -le "$cpu_us" ] || ours=$cpu_us
  done
}

# goal FACTOR WHAT: the row of what was compared; at most so many times the floor.
goal() {
  row "$2, CPU" "$(per "$ours" "$n")" "$(per "$floor" "$n")" \
    "$(awk -v f="$floor" -v n="$n" -v by="$1" 'BEGIN { printf "%.2f", f / n * by }')" us
}

ca=ca=$NGINX_CA
compare 7 60000 "$NGINX_URL/1k" 100
goal 1.12 "GET 1 KB, keep-alive, 100 connections"
compare 5 40000 "$NGINX_HTTPS_URL/1k" 100 "$ca"
goal 1.15 "GET 1 KB, HTTPS, keep-alive, 100 connections"
compare 3 300 "$NGINX_HTTPS_URL/bye/1k" 1 "$ca" fresh
goal 1.05 "GET 1 KB, new HTTPS connection"
compare 5 20000 "$NGINX_URL/100k" 50
goal 1.05 "GET 100 KB, 50 connections"
compare 5 20000 "$NGINX_URL/delay/0.05" 1000
goal 1.05 "GET after 50 ms, 1,000 connections"
compare 5 20000 "$NGINX_HTTPS_URL/1k" 100 "$ca" h2
goal 1.15 "GET 1 KB, HTTP/2, 100 streams"
compare 3 4000 "$NGINX_URL/1k" 100 hosts=$hosts
goal 1.15 "GET 1 KB, 1,000 hosts in turn"
compare 3 1000 "$NGINX_HTTPS_URL/1k" 100 hosts=$hosts insecure
goal 1.05 "GET 1 KB, HTTPS, 1,000 hosts in turn"
