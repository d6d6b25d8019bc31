# Crawls of a real nginx: depth, rules, limits, what counts as seen, the table of hosts.
[ -n "${NGINX_URL:-}" ] || exec tests/support/nginx run sh "$0"
. tests/support/cli.sh

# A crawl of /graph from page 1 on; $1 are further fields of `crawl`, $2 options of the command line.
crawl() {
  cat >"$work/job.lua" <<LUA
local http = require "luapool.http"
return {
  items = { "$NGINX_URL/graph/1?n=2000" },
  crawl = { $1 },
  fetch = function(url) return http.get(url):raise_for_status() end,
  process = function(res, _, ctx)
    for _, link in ipairs(res:html():css "a") do ctx:follow(link) end
    return ("%d %s"):format(ctx.depth, res.url:match "graph/(%d+)")
  end,
  output = "out.jsonl",
}
LUA
  # shellcheck disable=SC2086 # words
  run here luapool run job.lua ${2:-}
}

# The same pages as `crawl "max_depth = $1"` should find, without any HTTP.
expected() {
  cat >"$work/expected.lua" <<'LUA'
local depth, row = { [1] = 0 }, { 1 }
for d = 1, tonumber(...) do
  local new = {}
  for _, i in ipairs(row) do
    for _, j in ipairs { (i + 1) % 2000, 2 * i % 2000, (3 * i + 1) % 2000 } do
      if not depth[j] then
        depth[j] = d
        table.insert(new, j)
      end
    end
  end
  row = new
end
for i, d in pairs(depth) do print(('"%d %d"'):format(d, i)) end
LUA
  "$LUAPOOL" run "$work/expected.lua" -- "$1" | sort >"$work/expected"
}

it "finds the same pages by their shortest paths, however many workers there are"
expected 5
for options in "-p 1 -c 1" "-p 6 -c 100" "-p 6 -c 100" "-p 6 -c 100" "-p 2 -c 7"; do
  crawl "max_depth = 5" "$options"
  expect_status 0
  sort "$work/out.jsonl" >"$work/found"
  expect cmp "$work/found" "$work/expected"
done

it "finds all pages depth first too, and without an order"
for fields in 'order = "depth"' ''; do
  crawl "$fields" "-p 2"
  expect_status 0
  expect [ "$(cut -d' ' -f2 "$work/out.jsonl" | sort -u | wc -l)" = 2000 ]
  expect [ "$(wc -l <"$work/out.jsonl")" = 2000 ]
done

it "ends after max_items, with what it has"
crawl "max_items = 25" "-p 2 -c 10"
expect_status 0
expect [ "$(wc -l <"$work/out.jsonl")" = 25 ]
expect_err_like '^Done, success: 25/25, failure: 0/25 \(ended by max_items after '

it "ends after max_errors"
cat >"$work/job.lua" <<LUA
local http = require "luapool.http"
local items = {}
for i = 1, 1000 do items[i] = "$NGINX_URL/status/404?" .. i end
return {
  items = items,
  crawl = { max_errors = 5 },
  fetch = function(url) return http.get(url):raise_for_status() end,
}
LUA
run here luapool run job.lua -p 2 -c 2
expect_status 3
expect_err_like '^Done, success: 0/([5-9]|1[0-9]), failure: ([5-9]|1[0-9])/.*\(ended by max_errors after '

it "ends after max_time"
cat >"$work/job.lua" <<LUA
return {
  items = function() return function() return "$NGINX_URL/delay/0.05?" .. math.random(1 << 60) end end,
  crawl = { max_time = 0.5 },
  fetch = function(url) return require("luapool.http").get(url).status end,
  process = function(status) return status end,
}
LUA
run here luapool run job.lua -p 1 -c 2
expect_status 0
expect_err_like '^Done, success: ([0-9]+)/\1, failure: 0/\1 \(ended by max_time after [0-9]'

it "fetches a page once, whatever forms its links have"
cat >"$work/job.lua" <<LUA
local base = "$NGINX_URL"
return {
  items = { base .. "/echo/start#top", base .. "/echo/start" },
  crawl = true,
  fetch = function(url) return require("luapool.http").get(url):json().uri end,
  process = function(uri, _, ctx)
    ctx:add(base .. "/echo/p")
    ctx:add(base:gsub("^http", "HTTP") .. "/echo/x/../p#a")
    for _, form in ipairs { "p", "p#b", "./p?", "/echo/%70", "//127.0.0.1:" .. base:match "%d+$" .. "/echo/p" } do
      assert(ctx:follow(form))
    end
    return uri
  end,
}
LUA
run here luapool run job.lua -p 1 -c 1
expect_status 0
expect_out '"/echo/start"
"/echo/p"'

it "counts URLs that differ in the fragment when that is wanted, and keys of one's own as they are"
cat >"$work/job.lua" <<LUA
return {
  items = { "http://h/#a", "http://h/#b", "http://h/#a" },
  crawl = { fragments = true },
  process = function(url) return url end,
}
LUA
run here luapool run job.lua -p 1 -c 1
expect_out_lines 2
cat >"$work/job.lua" <<LUA
return {
  items = { { url = "http://h/#a" }, { url = "http://h/#b" }, { url = "http://h/#a" } },
  key = function(item) return item.url end,
  process = function(item) return item.url end,
}
LUA
run here luapool run job.lua -p 1 -c 1
expect_out_lines 2

it "follows what the rules allow, and tells what they have skipped"
cat >"$work/job.lua" <<LUA
local base = "$NGINX_URL"
return {
  items = { base .. "/echo/start" },
  crawl = { same_host = true, include = { "/echo/" }, exclude = "[.]zip$", max_depth = 1 },
  fetch = function(url) return require("luapool.http").get(url):json().uri end,
  process = function(uri, _, ctx)
    if ctx.depth == 1 then
      assert(not ctx:follow "deeper")
      return { uri, ctx.referrer, ctx.meta }
    end
    assert(ctx:follow("a", nil, { meta = "first" }) and ctx:follow "b")
    for _, link in ipairs { "c.zip", "/body", "http://elsewhere.example/echo/", "mailto:a@b",
        "ftp://127.0.0.1/echo/", "javascript:void 0" } do
      assert(not ctx:follow(link), link)
    end
  end,
  done = function(summary)
    local _, host = next(summary.hosts)
    print(host.requests, host.statuses[200], host.skipped.scheme, host.skipped.exclude, host.skipped.include,
      host.skipped.same_host, host.skipped.max_depth, host.bytes > 0, host.p50 > 0, host.p95 >= host.p50)
  end,
}
LUA
run here luapool run job.lua -p 1 -c 1
expect_status 0
expect_out "[\"/echo/a\",\"$NGINX_URL/echo/start\",\"first\"]
[\"/echo/b\",\"$NGINX_URL/echo/start\"]
3	3	3	1	1	1	2	true	true	true"
expect_err_like '^host +requests +bytes +p50 +p95 +statuses +skipped$'
expect_err_like '^127.0.0.1:[0-9]+ +3 .* 200: 3 +exclude: 1, include: 1, max_depth: 2, same_host: 1, scheme: 3$'

it "follows the schemes that it is told to alone"
cat >"$work/job.lua" <<'LUA'
return {
  items = { "http://h/1" },
  crawl = { schemes = { "HTTPS", "ftp" } },
  process = function(url, _, ctx)
    if ctx.depth > 0 then return url end
    assert(ctx:follow "https://h/2" and ctx:follow "FTP://h/3" and not ctx:follow "/4")
  end,
  done = function(summary) print(summary.hosts.h.skipped.scheme) end,
}
LUA
run here luapool run job.lua -p 1 -c 1
expect_status 0
expect_out '"https://h/2"
"ftp://h/3"
1'

it "obeys priorities, and follows into other kinds"
cat >"$work/job.lua" <<LUA
return {
  items = { "http://h/1" },
  crawl = { domains = { "h", "example.org:81" } },
  start = "page",
  kinds = {
    page = { process = function(_, _, ctx)
      ctx:follow("/late", "leaf", { priority = 5 })
      ctx:follow("http://sub.h/plain", "leaf")
      ctx:follow("http://example.org:81/early", "leaf", { priority = -5 })
      assert(not ctx:follow("http://example.org/", "leaf") and not ctx:follow("http://hh/", "leaf"))
    end },
    leaf = { process = function(url) return url end },
  },
}
LUA
run here luapool run job.lua -p 1 -c 1
expect_status 0
expect_out '"http://example.org:81/early"
"http://sub.h/plain"
"http://h/late"'

it "says what is wrong with a call of ctx:follow"
cat >"$work/job.lua" <<'LUA'
local function try(f, ...) return (select(2, pcall(f, ...)).message:gsub("^.-: ", "", 1)) end
return {
  items = { "http://h/" },
  crawl = true,
  retry = false,
  process = function(_, _, ctx)
    return { try(ctx.follow, ctx), try(ctx.follow, ctx, 5), try(ctx.follow, ctx, "x", "pag"),
      try(ctx.follow, ctx, "x", nil, { priority = 1000 }), try(ctx.follow, ctx, "x", nil, 7) }
  end,
  on_result = function(list) print(table.concat(list, "\n")) end,
}
LUA
run here luapool run job.lua -p 1
expect_status 0
expect_out "bad argument #1 to 'ctx:follow' (a URL or a node expected, got nil)
bad argument #1 to 'ctx:follow' (a URL or a node expected, got 5)
ctx:follow: unknown kind 'pag'
ctx:follow: option 'priority' must be a whole number from -100 to 100, got 1000
ctx:follow: options must be a table, got 7"
