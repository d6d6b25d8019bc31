# GET of 1 KB over keep-alive and new HTTPS connections, beside bare C on libcurl.
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
head -c 1024 /dev/zero | tr '\0' x >"$root/1k"
tests/support/nginx -r "$root" run lua5.4 tests/bench/http.lua "$root/cost"
