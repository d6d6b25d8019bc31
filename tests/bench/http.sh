# GET of 1 KB over keep-alive, and over new HTTPS connections: CPU of the client, all of it, beside bare
# C on libcurl.
. tests/support/bench.sh

if [ -z "${NGINX_URL:-}" ]; then
  mkdir "$bench_dir/root"
  head -c 1024 /dev/zero | tr '\0' x >"$bench_dir/root/1k"
  tests/support/nginx -r "$bench_dir/root" run sh "$0"
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

compare 7 60000 "$NGINX_URL/1k" 100
row "GET 1 KB, keep-alive, 100 connections, CPU" "$(per "$ours" 60000)" "$(per "$floor" 60000)" \
  "$(awk -v f="$floor" 'BEGIN { printf "%.2f", f / 60000 * 1.3 }')" us

compare 3 300 "$NGINX_HTTPS_URL/bye/1k" 1 "$NGINX_CA"
row "GET 1 KB, new HTTPS connection, CPU" "$(per "$ours" 300000)" "$(per "$floor" 300000)" 1.5 ms
