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

examples=$(pwd)/examples

# Runs an example in the folder of the test, where its output goes.
example() {
  name=$1
  shift
  run here luapool run "$examples/$name" "$@"
}

# The rows that SQL gives, one on a line.
sql() {
  cat >"$work/sql.lua" <<'LUA'
local path, sql = ...
local db <close> = require("luapool.sqlite").open(path)
for row in db:rows(sql) do print(row.line) end
LUA
  luapool run "$work/sql.lua" -- "$@"
}

# Writes a page of the server: page PATH TITLE LINK...
page() {
  file=$NGINX_ROOT/$1 title=$2
  shift 2
  mkdir -p "$(dirname "$file")"
  echo "<title>$title</title>" >"$file"
  for link in "$@"; do echo "<a href='$link'>$link</a>" >>"$file"; done
}

it "site.lua: all pages up to a depth, once, as robots.txt allows"
printf 'User-agent: example-crawler\nDisallow: /site/private/\n' >"$NGINX_ROOT/robots.txt"
page site/index.html "Home" one.html two.html#top /site/private/secret.html broken.html \
  http://elsewhere.example/ big.zip data.txt mailto:a@example.com
page site/one.html "One" two.html index.html deep/three.html "two.html?print=1"
page site/two.html "Two" one.html "#here"
page site/deep/three.html "Three" four.html
page site/deep/four.html "Four" ../five.html
page site/five.html "Five"
page site/private/secret.html "Secret"
echo "no page" >"$NGINX_ROOT/site/data.txt"
echo "big" >"$NGINX_ROOT/site/big.zip"
example site.lua -p 2 -- "$NGINX_URL/site/index.html"
expect_status 3
expect_err_like '^Done, success: 6/7, failure: 1/7 '
expect_err_like 'exclude: 2, max_depth: 1, robots: 1, same_host: 1, scheme: 1'
found=$(sql "$work/site.sqlite" "SELECT depth || ' ' || coalesce(title, '-') AS line FROM pages ORDER BY line")
expect [ "$found" = "0 Home
1 -
1 One
1 Two
2 Three
3 Four" ]
expect grep -q 'broken.html.*"kind":"status"' "$work/site.sqlite.failed.jsonl"
rm "$NGINX_ROOT/robots.txt"

it "two_hosts.lua: a host that refuses waits alone, and all pages come"
for n in 1 2 3 4 5; do
  page "flaky-$n.html" "Refused $n" "/flaky/flaky-$((n + 1)).html?fail=0"
  page "ready-$n.html" "Ready $n" "/ready-$((n + 1)).html"
done
page flaky-6.html "Refused 6"
page ready-6.html "Ready 6"
other=$(echo "$NGINX_URL" | sed s/127.0.0.1/localhost/)
example two_hosts.lua -p 3 -- "$other/flaky/flaky-1.html?fail=2&status=429&retry_after=1" \
  "$NGINX_URL/ready-1.html"
expect_status 0
expect_err_like '^Done, success: 12/12, failure: 0/12 '
expect_out_like '^localhost:[0-9]*: 8 requests, 2 refused with 429$'
expect_out_like '^127.0.0.1:[0-9]*: 6 requests, 0 refused with 429$'
expect [ "$(grep -n 'Ready 6' "$work/pages.jsonl" | cut -d: -f1)" -le 7 ]

it "sitemap.lua: the pages of an index of sitemaps, as CSV"
map() { # map FILE KIND LOC...: with a date for each page
  file=$NGINX_ROOT/$1 kind=$2
  shift 2
  {
    echo '<?xml version="1.0" encoding="UTF-8"?>'
    echo "<$kind xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>"
    for loc in "$@"; do
      case $kind in
        sitemapindex) echo "<sitemap><loc>$loc</loc></sitemap>" ;;
        *) echo "<url><loc> $loc </loc><lastmod>2026-11-01</lastmod></url>" ;;
      esac
    done
    echo "</$kind>"
  } >"$file"
}
map sitemap.xml sitemapindex "$NGINX_URL/map-a.xml" "$NGINX_URL/map-b.xml.gz"
map map-a.xml urlset "$NGINX_URL/a-1.html" "$NGINX_URL/a-2.html" "$NGINX_URL/missing.html"
map map-b.xml urlset "$NGINX_URL/a-2.html" "$NGINX_URL/b.html" "http://elsewhere.example/"
gzip "$NGINX_ROOT/map-b.xml"
for name in a-1 a-2 b; do
  echo "<title>Page, $name</title><meta name=description content='\"$name\"'>" >"$NGINX_ROOT/$name.html"
done
example sitemap.lua -p 2 -- "$NGINX_URL/sitemap.xml"
expect_status 3
expect_err_like '^Done, success: 3/4, failure: 1/4 '
expect [ "$(sed 1d "$work/pages.csv" | sort | sed "s|$NGINX_URL||")" = '/a-1.html,"Page, a-1","""a-1""",2026-11-01,64
/a-2.html,"Page, a-2","""a-2""",2026-11-01,64
/b.html,"Page, b","""b""",2026-11-01,60' ]
expect [ "$(head -n 1 "$work/pages.csv")" = url,title,description,lastmod,bytes ]

it "feed.lua: what is new in RSS and Atom"
cat >"$NGINX_ROOT/rss.xml" <<'XML'
<?xml version="1.0"?><rss version="2.0"><channel><title>News</title><link>http://h/</link>
<item><title>One &amp; two</title><link>http://h/1</link></item>
<item><title>Only an id</title><guid>http://h/2</guid></item></channel></rss>
XML
cat >"$NGINX_ROOT/atom.xml" <<'XML'
<feed xmlns="http://www.w3.org/2005/Atom"><title>More</title>
<entry><title>Three</title><link rel="self" href="http://h/no"/><link href="/3"/></entry></feed>
XML
example feed.lua -- "$NGINX_URL/rss.xml" "$NGINX_URL/atom.xml"
expect_status 0
expect_out_lines 3
expect_out_like '^One & two	http://h/1$'
expect_out_like '^Only an id	http://h/2$'
expect_out_like "^Three	$NGINX_URL/3\$"
sed 's|<item><title>One|<item><title>New</title><link>http://h/0</link></item>&|' \
  "$NGINX_ROOT/rss.xml" >"$NGINX_ROOT/later.xml"
example feed.lua -- "$NGINX_URL/later.xml" "$NGINX_URL/rss.xml" "$NGINX_URL/none.xml"
expect_status 0
expect_out 'New	http://h/0'
expect_err_like 'none.xml: .*404'

# asked NAME: how often /shop/cut/NAME was asked for.
asked() {
  cat >"$work/asked.lua" <<'LUA'
print(require("luapool.http").get(...).body)
LUA
  luapool run "$work/asked.lua" -- "$NGINX_URL/shop/asked/$1"
}

it "downloads.lua: goes on where a transfer was cut, and refuses what has another checksum"
for name in large changed; do head -c 250000 /dev/urandom >"$NGINX_ROOT/$name.bin"; done
for name in small wrong; do head -c 10 /dev/urandom >"$NGINX_ROOT/$name.bin"; done
sum() { sha256sum <"$NGINX_ROOT/$1" | cut -c 1-64; }
for name in large small; do
  echo "$(sum $name.bin)  $NGINX_URL/shop/cut/$name.bin"
done >"$work/list.txt"
echo "$(sum small.bin)  $NGINX_URL/shop/cut/wrong.bin?x=1" >>"$work/list.txt"
example downloads.lua -p 2 -- list.txt files
expect_status 3
expect_err_like '^Done, success: 2/3, failure: 1/3 '
for name in large small; do expect cmp "$work/files/$name.bin" "$NGINX_ROOT/$name.bin"; done
expect [ "$(here ls -A files | tr '\n' ' ')" = "large.bin small.bin " ]
expect grep -q '"kind":"checksum"' "$work/downloads.failed.jsonl"
expect [ "$(asked large.bin) $(asked small.bin)" = "3 1" ] # 100,000 bytes each

it "downloads.lua: goes on where a run was killed, unless the file has changed"
for name in kept changed; do
  head -c 150000 /dev/urandom >"$NGINX_ROOT/$name.bin"
  echo "$(sum $name.bin)  $NGINX_URL/shop/cut/$name.bin"
done >"$work/list.txt"
cat >"$work/once.lua" <<'LUA'
local http, fs = require "luapool.http", require "luapool.fs"
fs.mkdir "files"
for _, name in ipairs { "kept", "changed" } do -- each is cut once
  local ok, e = pcall(http.get, (...) .. name .. ".bin",
    { save_to = "files/" .. name .. ".bin", resume = true })
  print(ok, e.kind)
end
LUA
run here luapool run once.lua -- "$NGINX_URL/shop/cut/"
expect_out "false	aborted
false	aborted"
head -c 150000 /dev/urandom >"$NGINX_ROOT/changed.bin"
for name in kept changed; do
  echo "$(sum $name.bin)  $NGINX_URL/shop/cut/$name.bin"
done >"$work/list.txt"
example downloads.lua -p 2 -- list.txt files
expect_status 0
for name in kept changed; do expect cmp "$work/files/$name.bin" "$NGINX_ROOT/$name.bin"; done
expect [ "$(here ls -A files | tr '\n' ' ')" = "changed.bin kept.bin " ]
expect [ "$(asked kept.bin) $(asked changed.bin)" = "2 3" ]
