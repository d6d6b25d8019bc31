# Jobs at their edges: items that cannot travel, errors that are nil, hooks that are interrupted.
. tests/support/cli.sh

it "fails each item that cannot be sent by itself"
job -p 2 <<'LUA'
local file = io.open "job.lua"
return {
  items = { 1, { log = file }, 3, coroutine.create(print), function() return file end, 6 },
  process = function(x) return x end,
}
LUA
expect_status 3
expect_out_lines 3
expect_err_like '^Done, success: 3/6, failure: 3/6 '
expect [ "$(wc -l <"$work/job.failed.jsonl")" = 3 ]
expect grep -q '"error":"cannot send argument #1.log: file (FILE\*)","kind":"cannot_send"' \
  "$work/job.failed.jsonl"
expect grep -q 'thread' "$work/job.failed.jsonl"
expect grep -q "upvalue 'file'" "$work/job.failed.jsonl"

it "says of a global that is nil in a worker that globals do not travel"
job <<'LUA'
function helper(x) return x end
local function fail(x) return helper(x) end
return {
  items = { 1 },
  fetch = fail,
}
LUA
expect_status 3
expect grep -q "global 'helper'): globals do not travel to workers, use a local or set it in init" \
  "$work/job.failed.jsonl"
job <<'LUA'
function helper() end
return { items = { 1 }, process = function(x) helper(x) end }
LUA
expect_status 3
expect grep -q "global 'helper'): globals do not travel to workers" "$work/job.failed.jsonl"
job <<'LUA'
function helper() end
return { items = { 1 }, init = function() helper() end, process = function(x) return x end }
LUA
expect_status 1
expect_err_like "global 'helper'\): globals do not travel to workers"

it "ends with status 1 when init raises nil"
job <<'LUA'
return { items = { 1, 2 }, init = function() error() end, process = function(x) return x end }
LUA
expect_status 1
expect_out ""
expect_err_like '^Done, success: 0/2, '

# Runs the job of stdin in the background; then does $@: sends a signal, or waits until stderr has
# a line like that.
stopped_by() {
  cat >"$work/job.lua"
  rm -f "$work/err"
  (cd "$work" && exec env --default-signal=INT "$LUAPOOL" run job.lua -p 2 -o out.jsonl >out 2>err) &
  pid=$! tap_command="luapool run job.lua"
  for what; do
    case $what in
      INT | TERM) kill -s "$what" "$pid" ;;
      *) until grep -qs "$what" "$work/err" || ! kill -0 "$pid"; do sleep 0.02; done ;;
    esac
  done
  status=0
  wait "$pid" || status=$?
}

# The same with a job whose 'done' is on its way, for ever, when it has said so.
done_stopped_by() {
  stopped_by "$@" <<'LUA'
return {
  items = { 1 },
  process = function(x) return x end,
  done = function()
    io.stderr:write "done begins\n"
    require("luapool.task").sleep(1000)
  end,
}
LUA
}

it "ends a 'done' that goes on after a second Ctrl-C"
done_stopped_by "done begins" INT "has 5 s to finish" INT
expect_status 130
expect_err_like "^luapool: interrupted: 'done' has 5 s to finish$"
expect_err_like '^Done, success: 1/1, failure: 0/1 '

it "ends a 'done' that goes on 5 s after SIGTERM, and lets it finish before"
done_stopped_by "done begins" TERM
expect_status 143
expect_err_like '^Done, success: 1/1, failure: 0/1 '
stopped_by "item begins" TERM <<'LUA'
return {
  items = { 1, 2 },
  process = function(x)
    if x == 2 then
      io.stderr:write "item begins\n"
      require("luapool.task").sleep(3)
    end
    return x
  end,
  done = function()
    require("luapool.task").sleep(3) -- more than 5 s after the signal
    print "done"
  end,
}
LUA
expect_status 143
expect_out "done"
expect_err_like '^Done, success: 2/2, failure: 0/2 '

it "ends with a hook that never waits 5 s after a second Ctrl-C"
stopped_by "done begins" INT "has 5 s to finish" INT <<'LUA'
return {
  items = { 1 },
  process = function(x) return x end,
  done = function()
    io.stderr:write "done begins\n"
    while true do end
  end,
}
LUA
expect_status 130

# A job whose items end their worker; what it says of retries: $1.
dying_job() {
  job <<LUA
return {
  items = { 1 },
  process = function(x)
    io.stderr:write("run ", x, "\n")
    os.exit(1)
  end,
  $1
}
LUA
  expect_status 3
}

it "runs an item again whose worker has died, unless it is to be tried once"
dying_job ""
expect [ "$(grep -c '^run 1$' "$work/err")" = 2 ]
dying_job "retry = false"
expect [ "$(grep -c '^run 1$' "$work/err")" = 1 ]
expect grep -q '"kind":"worker_died","attempts":1[,}]' "$work/job.failed.jsonl"
dying_job "retry = false, crash_retries = 2"
expect [ "$(grep -c '^run 1$' "$work/err")" = 3 ]
dying_job "crash_retries = 0"
expect [ "$(grep -c '^run 1$' "$work/err")" = 1 ]
job <<'LUA'
local function die() os.exit(1) end
return {
  items = { 1 },
  kinds = { one = { process = die, retry = false } },
  crash_retries = -1,
}
LUA
expect_status 1
expect_err "luapool: job.lua: field 'crash_retries' must be a whole number from 0 to 2147483647, got -1"

it "accepts byte order marks before a job and its settings, and a first line for the shell"
printf '\357\273\277name: Anna\n' >"$work/settings.yaml"
printf '\357\273\277#!/usr/bin/env -S luapool run\n' >"$work/job.lua"
echo 'return { items = { 1 }, process = function(_, _, ctx) return ctx.config.name end }' >>"$work/job.lua"
run here luapool run job.lua --config settings.yaml
expect_status 0
expect_out '"Anna"'
run here luapool check job.lua
expect_status 0

it "finds modules and packages beside the job from any folder"
mkdir -p "$work/jobs/lib" "$work/elsewhere"
echo 'return { name = "lib" }' >"$work/jobs/lib/init.lua"
echo 'return { name = "plain" }' >"$work/jobs/plain.lua"
cat >"$work/jobs/job.lua" <<'LUA'
local lib = require "lib"
return { items = { 1 }, process = function() return lib.name .. require("lib").name .. require("plain").name end }
LUA
elsewhere() { (cd "$work/elsewhere" && "$@"); }
for path in ../jobs/job.lua "$work/jobs/job.lua"; do
  run elsewhere luapool run "$path"
  expect_status 0
  expect_out '"liblibplain"'
done

it "tells of a stdout that is closed, and of a file that may not grow"
cat >"$work/job.lua" <<'LUA'
local items = {}
for i = 1, 1000 do items[i] = i end
return { items = items, process = function() return ("x"):rep(1000) end }
LUA
echo 'print "lost"' >"$work/script.lua"
for file in job.lua script.lua; do
  run here sh -c "exec '$LUAPOOL' run $file >&-"
  expect_status 1
  expect_err_like '^luapool: cannot write (to )?stdout: Bad file descriptor$'
done
run here sh -c "ulimit -f 128 && exec '$LUAPOOL' run job.lua -o out.jsonl"
expect_status 1
expect_err_like '^luapool: cannot write out.jsonl.part: File too large$'
expect_err_like '^Done, success: 65/'

it "says what is wrong with what items and key return"
returns() {
  job <<LUA
return { process = function(x) return x end, $1 }
LUA
  expect_status 1
  expect_err_like "^luapool: $2\$"
}
returns 'items = function() return "urls.txt" end' \
  "job.lua:1: the function 'items' returned a string: a list or an iterator expected"
returns 'items = function() end' "job.lua:1: the function 'items' returned nil: a list or an iterator expected"
returns 'items = { {} }, key = function(x) return x.id end' \
  "the function 'key' returned nil: a string or a number expected"
returns 'items = { 1 }, key = function() return 0 / 0 end' \
  "the function 'key' returned nan: a string or a number expected"
returns 'items = { 1 }, key = function() return print end' \
  "the function 'key' returned a function: a string or a number expected"
returns 'items = { { 1 } }, crawl = true' "items are dropped when seen before .* but a table is no key: .*"

it "lists failed items and errors of any form"
job -p 1 -c 1 <<'LUA'
return {
  items = { "\xFFa\xFE", { u = "\xED\xA0\x80" }, { f = print }, {}, 5 },
  retry = false,
  process = function(x)
    if x == 5 then error {} end
    error("bad \xFF")
  end,
}
LUA
expect_status 3
expect_err_like '^Done, success: 0/5, failure: 5/5 '
cat >"$work/expected" <<'JSONL'
{"item":"\\xFFa\\xFE","error":"job.lua:6: bad \\xFF","kind":"error","attempts":1}
{"item":"{u = \"\\xED\\xA0\\x80\"}","error":"job.lua:6: bad \\xFF","kind":"error","attempts":1}
{"item":"{f = a function}","error":"job.lua:6: bad \\xFF","kind":"error","attempts":1}
{"item":{},"error":"job.lua:6: bad \\xFF","kind":"error","attempts":1}
{"item":5,"error":"{}","kind":"error","attempts":1}
JSONL
sed 's/,"traceback":"[^"]*"}$/}/' "$work/job.failed.jsonl" >"$work/listed"
expect diff "$work/expected" "$work/listed"
expect_err_like '^4 × bad [?] \(first: [?]a[?], job.lua:6\)$'

it "refuses an output without a name"
echo 'return { items = { 1 }, process = print }' >"$work/job.lua"
run here luapool run job.lua -o ""
expect_status 2
expect_err "luapool: the output has no name: '' was given"
