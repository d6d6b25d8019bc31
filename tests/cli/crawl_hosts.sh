# Crawls and hosts: pauses and rates over all workers, robots.txt, sitemaps. "localhost" and
# "127.0.0.1" are two hosts.
[ -n "${NGINX_URL:-}" ] || exec tests/support/nginx run sh "$0"
. tests/support/cli.sh

other=$(echo "$NGINX_URL" | sed s/127.0.0.1/localhost/)

# A job of the URLs in the file `urls`; $1 are fields of the job, the others options of the command
# line.
job_of() {
  cat >"$work/job.lua" <<LUA
local http = require "luapool.http"
return {
  items = function() return io.lines "urls" end,
  fetch = function(url) return http.get(url):raise_for_status() end,
  process = function(res, url) return url end,
  output = "out.jsonl",
  $1
}
LUA
  shift
  run here luapool run job.lua "$@"
}

get() { curl -s "$1"; }

# So many URLs: $2 with the numbers up to $1 behind it.
urls() { seq -f "$2%.0f" "$1"; }

it "pauses a host that answers 429, for all workers, and goes on with the others"
name=$(basename "$work")
{
  urls 200 "$NGINX_URL/pause/$name?after=40&seconds=2&"
  urls 100 "$other/echo?"
} >"$work/urls"
job_of "" -p 6 -c 5
expect_status 0
expect_err_like '^Done, success: 300/300, failure: 0/300 '
# Refused are the 30 items that can be under way together, the 15 that are sent ahead of them, and
# the few that go out while main takes the results that came before the first refusal.
expect [ "$(get "$NGINX_URL/paused/$name")" -le 60 ]
expect [ "$(get "$NGINX_URL/paused/$name")" -ge 1 ]
# The other host was done before the pause was over: 40 results of this one stand before it.
expect [ "$(grep -n localhost "$work/out.jsonl" | tail -n 1 | cut -d: -f1)" -le 140 ]

it "charges no attempt to items that were under way when another one was refused"
name=$(basename "$work")
urls 60 "$NGINX_URL/pause/$name?after=0&seconds=1&" >"$work/urls"
job_of "retry = { attempts = 2 }," -p 3 -c 10
expect_status 0
expect_err_like '^Done, success: 60/60, failure: 0/60 '

it "gives up an item that is refused each time"
name=$(basename "$work")
echo "$NGINX_URL/flaky/$name?fail=100&status=429&retry_after=0" >"$work/urls"
job_of "retry = { attempts = 3, wait = 0 }," -p 1
expect_status 3
expect grep -q '"kind":"status","attempts":3[,}]' "$work/out.jsonl.failed.jsonl"
expect [ "$(get "$NGINX_URL/count/$name")" = 1 ]

it "holds the rate of a host over all workers, and lets two hosts have it each"
{
  urls 30 "$NGINX_URL/echo?"
  urls 30 "$other/echo?"
} >"$work/urls"
job_of "crawl = { rate = { per_host = 20 } }, done = function(s) print(s.elapsed >= 1.35) end," -p 6
expect_status 0
expect_out true
expect_err_like '^Done, success: 60/60, '

it "lets a burst pass at once"
urls 20 "$NGINX_URL/echo?" >"$work/urls"
job_of "crawl = { rate = { per_host = 0.01, burst = 20 } }," -p 2 --timeout 50
expect_status 0

it "keeps a delay"
urls 5 "$NGINX_URL/echo?" >"$work/urls"
job_of "crawl = { delay = 0.2 }, done = function(s) print(s.elapsed >= 0.75) end," -p 2
expect_status 0
expect_out true

it "sets the delay by the latency"
urls 8 "$NGINX_URL/delay/0.1?" >"$work/urls"
job_of "crawl = { autothrottle = { target = 1 } }, done = function(s) print(s.elapsed >= 0.7) end," \
    -p 2
expect_status 0
expect_out true

it "asks for robots.txt once, and obeys it"
cat >"$NGINX_ROOT/robots.txt" <<'TXT'
User-agent: *
Disallow: /

User-agent: luapool
Disallow: /echo/private
Allow: /echo/private/but
TXT
{
  urls 20 "$NGINX_URL/echo/private/"
  urls 20 "$NGINX_URL/echo/public/"
  echo "$NGINX_URL/echo/private/but/this"
} >"$work/urls"
job_of "crawl = { robots = true }, done = function(s)
    local _, host = next(s.hosts)
    print(host.requests, host.skipped.robots)
  end," -p 3
expect_status 0
expect_err_like '^Done, success: 21/21, failure: 0/21 '
expect_out "22	20"
expect [ "$(grep -c private "$work/out.jsonl")" = 1 ]

it "reads robots.txt for the agent that it is told"
echo "$NGINX_URL/echo/x" >"$work/urls"
job_of 'crawl = { robots = "Stranger/2.0" },' -p 1
expect_status 0
expect_err_like '^Done, success: 0/0, '

it "takes a robots.txt that is not there for leave, and one that cannot be had for none"
rm "$NGINX_ROOT/robots.txt"
echo "status 503" >"$NGINX_ROOT/robots-localhost.txt"
{
  urls 3 "$NGINX_URL/echo/"
  urls 3 "$other/echo/"
} >"$work/urls"
job_of "crawl = { robots = true }," -p 2
expect_status 3
expect_err_like '^Done, success: 3/6, failure: 3/6 '
expect [ "$(grep -c 'localhost:[0-9]*/robots.txt: 503 .*"kind":"status"' "$work/out.jsonl.failed.jsonl")" = 3 ]
rm "$NGINX_ROOT/robots-localhost.txt"

it "obeys a Crawl-delay"
printf 'User-agent: *\nCrawl-delay: 0.2\n' >"$NGINX_ROOT/robots.txt"
urls 5 "$NGINX_URL/echo?" >"$work/urls"
job_of "crawl = { robots = true }, done = function(s) print(s.elapsed >= 0.75) end," -p 2
expect_status 0
expect_out true

it "begins with what the sitemaps list, too"
printf 'Sitemap: %s/index.xml\n' "$NGINX_URL" >"$NGINX_ROOT/robots.txt"
cat >"$NGINX_ROOT/index.xml" <<XML
<sitemapindex><sitemap><loc>$NGINX_URL/one.xml</loc></sitemap>
<sitemap><loc>$NGINX_URL/two.txt.gz</loc></sitemap>
<sitemap><loc>$NGINX_URL/missing.xml</loc></sitemap></sitemapindex>
XML
cat >"$NGINX_ROOT/one.xml" <<XML
<urlset><url><loc>$NGINX_URL/echo/dated</loc><lastmod>2024-05-01</lastmod></url>
<url><loc>$NGINX_URL/echo/start#again</loc></url><url><loc>$other/echo/elsewhere</loc></url></urlset>
XML
echo "$NGINX_URL/echo/packed" | gzip >"$NGINX_ROOT/two.txt.gz"
cat >"$work/job.lua" <<LUA
return {
  items = { "$NGINX_URL/echo/start" },
  crawl = { sitemaps = true, same_host = true, max_depth = 0 },
  fetch = function(url) return require("luapool.http").get(url):json().uri end,
  process = function(uri, _, ctx) return { uri, ctx.depth, ctx.meta and ctx.meta.lastmod } end,
}
LUA
run here luapool run job.lua -p 2
expect_status 0
sort "$work/out" >"$work/sorted"
expect [ "$(cat "$work/sorted")" = '["/echo/dated",0,"2024-05-01"]
["/echo/packed",0]
["/echo/start",0]' ]
expect_err_like 'warn: sitemap http://127.0.0.1:[0-9]*/missing.xml: .*404 Not Found$'
expect_err_like '^Done, success: 3/3, failure: 0/3 '
