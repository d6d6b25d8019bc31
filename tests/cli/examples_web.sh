# The examples that scrape, each on a server of its own pages.
[ -n "${NGINX_URL:-}" ] || exec tests/support/nginx run sh "$0"
. tests/support/cli.sh

it "json_api.lua: all pages, with the token, and never refused"
export TOKEN=s3cret
run luapool run examples/json_api.lua -- "$NGINX_URL/shop/api/items?page=1"
expect_status 0
expect_out_lines 36
expect_out_like '^id,name,price$'
expect_out_like '^1,Item 1,1.5$'
expect_out_like '^35,Item 35,35.5$'
TOKEN=wrong
run luapool run examples/json_api.lua -- "$NGINX_URL/shop/api/items?page=1"
expect_status 1
expect_err_like ' 401 '
refused=$(luapool run /dev/stdin -- "$NGINX_URL/shop/api/refused" <<'LUA'
print(require("luapool.http").get(...).body)
LUA
)
expect [ "$refused" = 0 ]

it "upload.lua: files, byte for byte; one that is missing is told"
head -c 300000 /dev/urandom >"$work/one.bin"
printf 'text' >"$work/two.txt"
run luapool run examples/upload.lua -- "$NGINX_URL/shop/upload" "$work/one.bin" "$work/two.txt"
expect_status 0
expect_out_like "^file one.bin 300000 $(md5sum <"$work/one.bin" | cut -c 1-32)\$"
expect_out_like "^file two.txt 4 $(md5sum <"$work/two.txt" | cut -c 1-32)\$"
expect_out_like '^title - 3 '
expect_out_like '^2 of 2 files sent$'
run luapool run examples/upload.lua -- "$NGINX_URL/shop/upload" "$work/none.bin" "$work/two.txt"
expect_status 1
expect_out_like '^1 of 2 files sent$'
expect_err_like 'none.bin'

it "login.lua: behind a form with a token"
export NAME=ann PASSWORD="open sesame"
run luapool run examples/login.lua -- "$NGINX_URL/shop/login"
expect_status 0
expect_out "account	Orders
17	3.50
23	99.00"
PASSWORD=wrong
run luapool run examples/login.lua -- "$NGINX_URL/shop/login"
expect_status 1
expect_err_like ' 403 '
