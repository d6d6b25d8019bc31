# A crawl of 5,000 pages of a real nginx that is killed with all its workers at 20 random moments, and
# one whose disk becomes full in the middle: each page stands in the output once.
[ -n "${NGINX_URL:-}" ] || exec tests/support/nginx run sh "$0"
. tests/support/cli.sh

PAGES=5000

crawl() {
  cat >"$work/job.lua" <<LUA
local http, task = require "luapool.http", require "luapool.task"
local left = tonumber(os.getenv "PAGES_LEFT") or math.huge  -- pages that this worker may still fetch
return {
  items = { "$NGINX_URL/graph/1?n=$PAGES" },
  crawl = true,
  fetch = function(url)
    left = left - 1
    if left < 0 then task.sleep(3600) end
    return http.get(url):raise_for_status()
  end,
  process = function(res, url, ctx)
    for _, link in ipairs(res:html():css "a") do ctx:follow(link) end
    return { url = url }
  end,
  output = "$1out.jsonl", processes = 2, concurrency = 20,
}
LUA
}

expect_pages() {
  expect_status 0
  expect_err_like "^Done, success: $PAGES/$PAGES, failure: 0/$PAGES"
  expect [ "$(wc -l <"$1") $(sort -u "$1" | wc -l)" = "$PAGES $PAGES" ]
}

# A number below $1, by chance.
below() { echo $(($(od -An -N4 -tu4 /dev/urandom) % $1)); }

written() { cat "$work/out.jsonl.part" 2>/dev/null | wc -l; }

# How many items of the run that goes on had ended before.
ended() { sed -n 's/.*: \([0-9]*\) items have ended$/\1/p' "$work/killed"; }

# Kills the run, the ${run}th, when $1 further pages are written, or after ten seconds. Its two workers fetch
# no more than 110 pages each, however late this shell looks: 20 such runs do no more than 4,400 pages.
killed() {
  (cd "$work" && PAGES_LEFT=110 exec setsid "$LUAPOOL" run job.lua --resume r.db >"$work/killed" 2>&1) &
  pid=$!
  looks=0
  until [ $((looks += 1)) = 500 ] || ! kill -0 "$pid" 2>/dev/null; do
    sleep 0.02
    if [ "$run" = 1 ] || [ -s "$work/killed" ]; then
      [ "$(written)" -le $(($(ended) + $1)) ] || break
    fi
  done
  sleep "0.0$(below 10)"
  kill -9 "-$pid" 2>/dev/null || fail "it has ended before: $(cat "$work/killed")"
  wait "$pid" 2>/dev/null || true
}

it "has each page once, however often it is killed"
crawl ""
for run in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do killed "$(below 150)"; done
run sh -c "cd '$work' && exec '$LUAPOOL' run job.lua --resume r.db"
expect_pages "$work/out.jsonl"

it "has each page once, also when the disk was full"
crawl "disk/"
mkdir "$work/disk"
cat >"$work/full.sh" <<SH
set -e
cd "$work"
mount -t tmpfs -o size=200k luapool disk
for size in 300k 400k; do
  status=0
  "$LUAPOOL" run job.lua --resume disk/r.db 2>told || status=\$?
  cat told >&2
  [ "\$status" = 1 ]
  grep -Eq '^luapool: cannot write disk/(r.db|out.jsonl.part): ' told
  mount -o remount,size=\$size disk
done
mount -o remount,size=50m disk
"$LUAPOOL" run job.lua --resume disk/r.db
cp disk/out.jsonl "$work/found"
SH
if unshare -m true 2>/dev/null; then
  run unshare -m sh "$work/full.sh"
  expect_pages "$work/found"
elif unshare -rm true 2>/dev/null; then
  run unshare -rm sh "$work/full.sh"
  expect_pages "$work/found"
else
  skip "no namespace for mounts is permitted here"
fi
