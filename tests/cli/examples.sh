# Each example runs, as its first lines say.
[ -n "${NGINX_URL:-}" ] || exec tests/support/nginx run sh "$0"
. tests/support/cli.sh

it "opens each with what it shows"
for file in examples/*.lua examples/*/job.lua; do
  head -n 2 "$file" >"$work/head"
  expect grep -q '^-- Shows ' "$work/head"
done

it "titles.lua: the titles of pages"
for n in 1 2 3; do
  echo "<html><title>Page $n</title><p>text" >"$NGINX_ROOT/title-$n.html"
done
run luapool run examples/titles.lua -p 2 -- "$NGINX_URL/title-1.html" "$NGINX_URL/title-2.html" \
  "$NGINX_URL/title-3.html"
expect_status 0
expect_out_lines 3
expect_out_like '"title": *"Page 2"'
expect_err_like '^Done, success: 3/3, failure: 0/3'

it "map.lua: functions and tables travel"
run luapool run examples/map.lua -p 2
expect_status 0
expect_out "1	(1000, 10000)
2	(2000, 20000)
3	(3000, 30000)
4	(4000, 40000)
5	(5000, 50000)
sum	(2, 20)"

it "gather.lua: many pages at once"
echo "hi" >"$NGINX_ROOT/gather.html"
run luapool run examples/gather.lua -- "$NGINX_URL/gather.html" "$NGINX_URL/none.html"
expect_status 0
expect_out "one failed: status
1	3
2	status"

it "pool_init.lua: what a worker opens once"
run luapool run examples/pool_init.lua -p 2
expect_status 0
expect_out "4 greeted
main has no global GREETING"

it "first_error.lua: what failed is submitted once more"
run luapool run examples/first_error.lua -p 2
expect_status 0
expect_out_lines 4
for n in 4 8 12; do expect_out_like "^no luck with $n\$"; done
expect_out_like "^sum 650, 3 submitted again"

it "semaphore.lua: three places for all processes together"
run luapool run examples/semaphore.lua
expect_status 0
expect_out_like "^40 visits, at most [123] at once, 0 inside"

it "callbacks.lua: on_done and on_error"
run luapool run examples/callbacks.lua -p 2
expect_status 0
expect_out "failed done failed done
item 1: 1 is odd, item 3: 3 is odd"

it "every.lua: regular times"
run luapool run examples/every.lua
expect_status 0
expect_out "20 pieces of work, reported several times"

it "queue.lua: a queue, a limiter and a counter of all processes"
run luapool run examples/queue.lua -p 3
expect_status 0
expect_out "511 nodes visited, 256 leaves"

it "crash.lua: one item fails with a report, the others do not"
run luapool run examples/crash.lua -p 2
expect_status 0
expect_out "77 failed: worker_died
its worker ended with status 1
and had said: 77 is not for me
999 squares, 2 workers replaced"

it "generator.lua: a generator that fetches"
for n in 1 2 3; do
  echo "<title>Part $n</title><a rel=next href=part-$((n + 1)).html>on</a>" >"$NGINX_ROOT/part-$n.html"
done
echo "<title>The end</title>" >"$NGINX_ROOT/part-4.html"
run luapool run examples/generator.lua -- "$NGINX_URL/part-1.html"
expect_status 0
expect_out "Part 1
Part 2
Part 3
The end
another task went on meanwhile"

it "luasocket.lua: socket.http and a server in one process"
for n in 1 2 3; do echo "page $n" >"$NGINX_ROOT/socket-$n.html"; done
run luapool run examples/luasocket.lua -- "$NGINX_URL/socket-1.html" "$NGINX_URL/socket-2.html" \
  "$NGINX_URL/none.html"
expect_status 0
expect_out_lines 4
expect_out_like '^socket-2.html: 200, 7 bytes'
expect_out_like '^none.html: 404'
expect_out_like '^HELLO'

it "image_scraper: downloads a gallery, byte for byte, and sums up last"
run examples/image_scraper/demo "$(dirname "$LUAPOOL")" 10 12
expect_status 0
expect_out_like '^Done, success: 118/120, failure: 2/120 \('
expect [ "$(sed -n '$p' "$work/out" | cut -c 1-14)" = "Done, success:" ]
expect [ "$(cat "$work/out" "$work/err" | grep -c '^Done, ')" = 1 ]
expect_out_like '120 images, 2 of which are missing on purpose'
expect_out_like '^118 images are there, byte for byte those served; the 2 missing ones failed[.]$'
expect_err_like '^2 × status 404 \(first: '
expect [ "$(grep -c 'listed in' "$work/err")" = 0 ]

it "image_scraper: the same one by one"
mkdir "$work/site"
luapool run examples/image_scraper/gallery.lua -- "$work/site" 2 5
cp -r "$work/site/." "$NGINX_ROOT"
cat >"$work/settings.yaml" <<YAML
URL: "$NGINX_URL/{item}/page-{page}.html"
ITEM: cats
OUT_DIR: "$work/images"
AMOUNT_PAGES: 1
YAML
run luapool run examples/image_scraper/job.lua -m sync -p 1 --config "$work/settings.yaml"
expect_status 0
expect_err_like '^Done, success: 5/5, failure: 0/5'
expect [ "$(find "$work/images" -type f | wc -l)" = 5 ]
