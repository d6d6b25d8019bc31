# What a run tells of items that fail: in the bar, as they come, in groups, in the list; and what is
# not tried again.
. tests/support/cli.sh

# Twenty items, of which six fail for three reasons.
cat >"$tap_dir/twenty.lua" <<'LUA'
local errors = require "luapool.error"
local items, tries = {}, {}
for i = 1, 20 do items[i] = "http://example.org/" .. i end
return {
  items = items,
  retry = { attempts = 3, wait = require("luapool.retry").fixed(0.001) },
  fetch = function(url)
    local n = tonumber(url:match "%d+$")
    if n % 5 == 0 then error(errors.new("status", "404 Not Found: " .. url, { status = 404 })) end
    tries[n] = (tries[n] or 0) + 1
    if n == 3 and tries[n] < 3 then error("the line is busy: " .. url) end
    if n == 8 then error("the line is dead: " .. url) end
    local page = n ~= 9 and { title = n } or nil
    return page.title
  end,
}
LUA

it "groups alike failures before the summary, with the first of each and its line"
run here luapool run "$tap_dir/twenty.lua" -p 1 -c 1
expect_status 3
expect [ "$(sed -n '1,3p' "$work/err" | sed "s|$tap_dir/||")" = \
"4 × status 404 (first: http://example.org/5, twenty.lua:9)
1 × the line is dead: http://example.org/8 (http://example.org/8, twenty.lua:12)
1 × attempt to index a nil value (local 'page') (http://example.org/9, twenty.lua:14)" ]
expect_err_like '^luapool: the failed items are listed in twenty.failed.jsonl$'
expect_err_like '^Done, success: 14/20, failure: 6/20 '
expect_err_lines 5

it "lists each with its kind, its message, its attempts and its traceback"
run here luapool run "$tap_dir/twenty.lua" -p 1 -c 1
cat >"$work/look.lua" <<'LUA'
local json = require "luapool.json"
for line in io.lines "twenty.failed.jsonl" do
  local e = json.decode(line)
  print(e.item:match "%d+$", e.kind, e.attempts, e.error:match "[^/]*$":sub(1, 40),
    e.traceback:match "(twenty.lua:%d+: in )[^\n]*$")
end
LUA
run here luapool run look.lua
expect_out "5	status	1	5	twenty.lua:9: in 
8	error	3	8	twenty.lua:12: in 
9	error	1	twenty.lua:14: attempt to index a nil va	twenty.lua:14: in 
10	status	1	10	twenty.lua:9: in 
15	status	1	15	twenty.lua:9: in 
20	status	1	20	twenty.lua:9: in "

it "shows each failure as it comes with -v, and with -q only what went wrong"
run here luapool run "$tap_dir/twenty.lua" -v -p 1 -c 1
expect_status 3
expect_err_like '^luapool: failed: http://example.org/10: status 404 \(.*twenty.lua:9\)$'
expect [ "$(grep -c '^luapool: failed: ' "$work/err")" = 6 ]
run here luapool run "$tap_dir/twenty.lua" -q --progress on
expect_status 3
expect_err_like '^4 × status 404 '
expect_err_like '^Done, success: 14/20'
job -q <<'LUA'
return { items = { 1, 2 }, process = function(n) return n end }
LUA
expect_status 0
expect_out_lines 2
expect_err ""
run here luapool run job.lua -q -v
expect_status 2
expect_err "luapool run: -q and -v do not go together"

it "stops at the first failure with --fail-fast"
job --fail-fast -p 1 -c 1 <<'LUA'
return {
  items = function()
    local n = 0
    return function() n = n + 1 return n end -- without end
  end,
  process = function(n)
    assert(n < 3, "too large")
    return n
  end,
}
LUA
expect_status 3
expect_err_like '^[0-9]+ × too large \('
expect_err_like '^Done, success: 2/[0-9]+, failure: [0-9]+/.*\(stopped by --fail-fast after'

it "names the function where Lua has forgotten the line of the call"
job <<'LUA'
local http = require "luapool.http"
return {
  items = { "http://127.0.0.1:1/" },
  retry = false,
  fetch = function(url)
    return http.get(url)
  end,
}
LUA
expect_err_like '^1 × GET http://127.0.0.1:1/: .* \(http://127.0.0.1:1/, job.lua:5\)$'
expect grep -q '"traceback":"stack traceback:[^ ]*job.lua:5: in the function that begins here' \
  "$work/job.failed.jsonl"

it "tells how many failed and were tried again, to done, and in the bar"
cat >"$work/job.lua" <<LUA
local job = dofile "$tap_dir/twenty.lua"
job.done = function(s) print(s.success, s.failure, s.retried) end
return job
LUA
run here luapool run job.lua -p 1 --progress on
expect_out_like '^14	6	2$'
expect_err_like '^job: 100% 20/20 \[.*, 14 ok, 6 failed, 2 retried\]$'
run here luapool run job.lua -q
expect_out_like '^14	6	2$'

it "tries no mistake of the program again, unless the policy says so"
for on in '' 'on = function() return true end,'; do
  job -p 1 -c 1 <<LUA
local calls = 0
return {
  items = { 1 },
  retry = { $on attempts = 3, wait = 0 },
  fetch = function(n)
    calls = calls + 1
    print("attempt", calls)
    local page = nil
    return page.title
  end,
}
LUA
  expect_status 3
  expect_err_like "^1 × attempt to index a nil value \(local 'page'\) \(1, job.lua:9\)$"
  expect [ "$(grep -c attempt "$work/out")" = "$([ -z "$on" ] && echo 1 || echo 3)" ]
done

# A command on a terminal, whose bytes are in $work/raw.
on_terminal() {
  run script -qec "stty cols ${cols:-100} rows 20; cd '$work'; $1" /dev/null
  mv "$work/out" "$work/raw"
}

it "colours errors and the summary on a terminal that has them"
export TERM=xterm LC_ALL=C.UTF-8
unset NO_COLOR
red=$(printf '\033[31m') green=$(printf '\033[32m')
plain() { ! grep -q "$(printf '\033')" "$1"; }
on_terminal "'$LUAPOOL' run '$tap_dir/twenty.lua'"
expect grep -qF "${red}4 × status 404" "$work/raw"
expect grep -qF "${red}Done, success: 14/20" "$work/raw"
on_terminal "'$LUAPOOL' run -e 'return { items = { 1 }, process = print }'"
expect grep -qF "${green}Done, success: 1/1" "$work/raw"
on_terminal "'$LUAPOOL' run -e 'error \"oh\"'"
expect grep -qF "${red}luapool: -e:1: oh" "$work/raw"
NO_COLOR=1 on_terminal "'$LUAPOOL' run '$tap_dir/twenty.lua'"
expect grep -q '^Done, success: 14/20' "$work/raw"
expect plain "$work/raw"
run here luapool run "$tap_dir/twenty.lua"
expect plain "$work/err"

it "puts the likely slip behind an error"
job <<'LUA'
local res = { text = function() return "x" end }
return { items = { 1 }, process = function() return res.text:match "x" end }
LUA
expect_err_like "^1 × attempt to index a function value \(field 'text'\) \('text' is a function: was it to be called, as in res:text\(\)\?\) \("
job <<'LUA'
local p <close> = require("luapool.pool").new { processes = 1 }
for page in p:map(function(n) return { n } end, { 1 }) do
  print(page[1])
end
LUA
expect_status 1
expect_err_like "attempt to index a number value \(local 'page'\) \(a loop over a map gives the place, then the result: for i, page in "
job <<'LUA'
local n = 5
print(n.x)
LUA
expect_err_like "attempt to index a number value \(local 'n'\)$"
job <<'LUA'
local client = require("luapool.http").client()
return { items = { 1 }, process = function() return client end }
LUA
expect_err_like "upvalue 'client' of .*; make it in the worker, once for all of its tasks in 'init'$"
job <<'LUA'
print(pcall(require("luapool.http").post, "http://127.0.0.1:1/", { data = "x" }))
LUA
expect_out_like "unknown option 'data' \(here it is 'form' for the fields of a form, 'body' for a text\)$"
job <<'LUA'
return { urls = { 1 }, process = print }
LUA
expect_err "luapool: job.lua: unknown field 'urls' (here it is 'items')"
LUA_PATH="$work/?.lua" run luapool run -e 'require "luapool.yaml"'
expect_status 1
expect_err_like '^luapool: luapool.yaml needs lyaml: install the package lua-yaml '
run luapool run -e 'error { code = 5, why = "late" }'
expect_err_like '^luapool: \{code = 5, why = "late"\}$'
