# Job files without a network: the table, results, failures, kinds, stopping.
. tests/support/cli.sh

# A job table of one line that is wrong: $1, and what is said of it: $2.
wrong() {
  job <<LUA
return { $1 }
LUA
  expect_status 1
  expect_err "luapool: job.lua: $2"
  expect_out ""
}

it "explains what is wrong with a job table"
wrong 'items = {}, procss = print' "unknown field 'procss' (did you mean 'process'?)"
wrong 'items = 5, process = print' "field 'items' must be a table or a function, got 5"
wrong 'process = print' "field 'items' expected, a list or a function"
wrong 'items = {}' "field 'fetch' or 'process' expected, a function"
wrong 'items = {}, process = print, concurrency = "ten"' \
  "field 'concurrency' must be a whole number from 1 to 1000000, got \"ten\""
wrong 'items = {}, process = print, start = "page"' \
  "field 'start' names one of 'kinds': expected it, too"
wrong 'items = {}, process = print, output = "x", on_result = print' \
  "field 'on_result' stands in place of 'output': only one of them expected"
wrong 'items = {}, kinds = { page = { ftch = print } }' \
  "kinds.page: unknown field 'ftch' (did you mean 'fetch'?)"
wrong 'items = {}, start = "pag", kinds = { page = { fetch = print }, image = { fetch = print } }' \
  "field 'start': unknown kind 'pag' (did you mean 'page'?)"
wrong 'items = {}, kinds = { page = { fetch = print }, image = { fetch = print } }' \
  "field 'start' expected, the kind of the first items: image, page"
wrong 'items = {}, fetch = print, retry = { attmpts = 3 }' \
  "field 'retry': unknown option 'attmpts' (did you mean 'attempts'?)"

it "takes a file that returns something else for a script, as lua does, and tells of it"
job <<LUA
print "ran"
return 5, print
LUA
expect_status 0
expect_out ran
expect_err "luapool: job.lua returned 5: a job file returns a table, a script nothing"
run here luapool check job.lua
expect_status 1
expect_err "job.lua: a job file returns a table (a script nothing), got a number"

it "finds an unwritable output before any work begins"
job -o nowhere/out.jsonl <<'LUA'
return { items = { 1 }, process = function() os.execute("touch worked") end }
LUA
expect_status 2
expect_err "luapool: cannot write nowhere/out.jsonl: No such file or directory"
expect_no_file "$work/worked"

it "explains settings that cannot be read"
cat >"$work/job.lua" <<'LUA'
return { items = { 1 }, process = function(_, _, ctx) return ctx.config.name end, output = "out.jsonl" }
LUA
printf 'a: 1\nb: [1, 2\nc: 3\n' >"$work/bad.yaml"
run here luapool run job.lua --config bad.yaml
expect_status 2
expect_err_like "^luapool run: bad.yaml:[23]: not YAML: "
expect_err_lines 1
expect_no_file "$work/out.jsonl"
run here luapool run job.lua --config missing.yaml
expect_status 2
expect_err "luapool run: cannot open missing.yaml: No such file or directory"
echo 'just text' >"$work/text.yaml"
run here luapool run job.lua --config text.yaml
expect_status 2
expect_err "luapool run: text.yaml: settings must be a table of names and values, got a string"
echo 'name: Anna' >"$work/good.yaml"
run here luapool run job.lua --config good.yaml
expect_status 0
expect [ "$(cat "$work/out.jsonl")" = '"Anna"' ]

it "writes results as JSON lines to stdout, and the summary last"
job -p 2 -- x <<'LUA'
return {
  items = { 1, 2, 3 },
  fetch = function(n) return n * 10 end,
  process = function(tens, n, ctx) if n ~= 2 then return { tens = tens, arg = ctx.args[1] } end end,
}
LUA
expect_status 0
sort "$work/out" >"$work/sorted"
expect [ "$(grep -c '"arg": *"x"' "$work/sorted")" = 2 ]
expect_out_lines 2
expect_err_like '^Done, success: 3/3, failure: 0/3 \([0-9.]+ s, [0-9.]+/s\)$'
expect_err_lines 1

it "lists what has failed, and only that"
job -p 2 -o out.jsonl <<'LUA'
local errors = require "luapool.error"
return {
  items = function()
    local n = 0
    return function()
      n = n + 1
      if n <= 20 then return n end
    end
  end,
  retry = { attempts = 3, wait = require("luapool.retry").fixed(0.001) },
  fetch = function(n)
    if n == 7 then error(errors.new("odd", "no sevens")) end
    if n == 8 then error "not eight" end
    return n
  end,
  on_error = function(e, item) print("failed", item, tostring(e):match("[^:]*$")) end,
}
LUA
expect_status 3
expect_out_like '^failed	7	.*no sevens$'
expect_err_like '^Done, success: 18/20, failure: 2/20 '
expect [ "$(wc -l <"$work/out.jsonl")" = 18 ]
expect [ "$(wc -l <"$work/out.jsonl.failed.jsonl")" = 2 ]
expect grep -q '^{"item":7,"error":".*no sevens","kind":"odd","attempts":3,"traceback":".*job.lua:[0-9]*: in ' "$work/out.jsonl.failed.jsonl"
expect grep -q '^{"item":8,"error":"job.lua:13: not eight","kind":"error","attempts":3,' "$work/out.jsonl.failed.jsonl"
job -o out.jsonl <<LUA
return { items = { 1 }, process = function(n) return n end }
LUA
expect_status 0
expect_no_file "$work/out.jsonl.failed.jsonl"
expect [ "$(cat "$work/out.jsonl")" = 1 ]

it "waits for items that others add, once each"
job -p 3 <<'LUA'
return {
  items = { 1 },
  crawl = true,
  process = function(n, _, ctx)
    for k = 2 * n, 2 * n + 2 do
      if k <= 500 then ctx:add(k) end
    end
    return n
  end,
}
LUA
expect_status 0
expect_out_lines 500
expect_err_like '^Done, success: 500/500, failure: 0/500 '

it "counts the counted kinds, and tells of failures of the others"
job <<'LUA'
return {
  kinds = {
    page = { process = function(n, _, ctx)
      if n == 3 then error("no page 3") end
      for i = 1, 10 do ctx:add(n * 100 + i, "image") end
    end },
    image = { counted = true, process = function(n) if n == 105 then error("gone") end end },
  },
  start = "page",
  items = { 1, 2, 3 },
}
LUA
expect_status 3
expect_err_like '^Done, success: 19/20, failure: 1/20, page failed: 1/3 '
expect grep -q '^{"item":105,"item_kind":"image","error":"job.lua:7: gone","kind":"error","attempts":1,"trace' \
  "$work/job.failed.jsonl"

it "runs init once in each worker, sharing upvalues with fetch"
job -p 2 -c 5 <<'LUA'
local task = require "luapool.task"
local count = 0
local items = {}
for i = 1, 40 do items[i] = i end
return {
  items = items,
  init = function(ctx)
    task.sleep(0.05)
    count = count + 1
    ctx.ready = true
  end,
  fetch = function(_, ctx)
    task.sleep(0.01)
    assert(count == 1 and ctx.ready)
  end,
}
LUA
expect_status 0
expect_err_like '^Done, success: 40/40, '

it "ends with status 1 when init, items or a hook fails"
job <<LUA
return { items = { 1 }, init = function() error "no way" end, process = print }
LUA
expect_status 1
expect_err_like '^luapool: job.lua:1: no way$'
job <<LUA
return { items = function() error "no items" end, process = print }
LUA
expect_status 1
expect_err_like '^luapool: job.lua:1: no items$'
job <<LUA
return {
  items = { 1 },
  process = function() return 1 end,
  on_result = function() error "hook" end,
}
LUA
expect_status 1
expect_err_like '^luapool: job.lua:4: hook$'

it "gives results to on_result and the sums to done"
job <<'LUA'
local sum = 0
return {
  items = { 1, 2, 3 },
  process = function(n) return { double = n * 2, list = { n } } end,
  on_result = function(r, item) sum = sum + r.double + r.list[1] + item end,
  done = function(s) print(sum, s.total, s.success, s.failure, s.cancelled) end,
}
LUA
expect_status 0
expect_out "24	3	3	0	0"

it "frees the slot during a long wait for the next attempt"
job -p 1 -c 1 <<'LUA'
local tries = 0
return {
  items = { "flaky", "other" },
  retry = { attempts = 2, wait = require("luapool.retry").fixed(1.2) },
  fetch = function(item)
    if item ~= "flaky" then return item end
    tries = tries + 1
    if tries == 1 then error("again") end
    return item
  end,
}
LUA
expect_status 0
expect_out '"other"
"flaky"'

it "works one at a time with -m sync"
job -p 1 -m sync <<'LUA'
local task = require "luapool.task"
local running = 0
return {
  items = { 1, 2, 3, 4, 5 },
  fetch = function()
    running = running + 1
    assert(running == 1)
    task.sleep(0.005)
    running = running - 1
  end,
}
LUA
expect_status 0
expect_err_like '^Done, success: 5/5'

it "names what cannot travel"
job <<'LUA'
local log = io.tmpfile()
return { items = { 1 }, process = function() log:write("x") end }
LUA
expect_status 1
expect_err_like "upvalue 'log'.*file"

it "survives items that cannot be encoded or sent back"
job -o out.jsonl <<'LUA'
return {
  items = { 1, 2, 3 },
  process = function(n) return n == 2 and { f = print } or n end,
}
LUA
expect_status 3
expect_err_like '^Done, success: 2/3, failure: 1/3 '

# A job of slow items in the background, until some have a result.
slow_job() {
  cat >"$work/job.lua" <<'LUA'
local task = require "luapool.task"
return {
  items = function()
    local n = 0
    return function()
      n = n + 1
      return n
    end
  end,
  fetch = function(n)
    task.sleep(n > 300 and 3600 or 0.01)
    return require("luapool").worker.pid
  end,
  output = "out.jsonl",
}
LUA
  rm -f "$work/out.jsonl"*
  (cd "$work" && exec env --default-signal=INT "$LUAPOOL" run job.lua -p 3 -c 20 "$@" >out 2>err) &
  pid=$! tap_command="luapool run job.lua $*"
  await_lines "$work/out.jsonl.part" 300 "$pid"
  left="$pid $(sort -u "$work/out.jsonl.part") $(cat "/proc/$pid/task/$pid/children")"
}

stopped() {
  status=0
  wait "$pid" || status=$?
  for p in $left; do expect_gone "$p"; done
}

it "stops pulling on Ctrl-C, sums up and leaves no process"
slow_job
kill -INT "$pid"
sleep 0.2
expect kill -0 "$pid"
kill -INT "$pid"
stopped
expect_status 130
expect_err_like '^Done, success: 300/[0-9]+, failure: 0/[0-9]+, cancelled: [0-9]+/[0-9]+ \(interrupted after'

it "ends 5 s after one SIGTERM at the latest"
slow_job
kill -TERM "$pid"
stopped
expect_status 143
expect_err_like '^Done, success: 300/.*\(terminated after'

it "stops after --timeout with status 4"
slow_job --timeout 4
kill -0 "$pid"
stopped
expect_status 4
expect_err_like '^Done, success: 300/.*\(stopped by --timeout 4 after'

it "stops what never waits too on the second Ctrl-C, long before the 5 s of the first"
cat >"$work/job.lua" <<'LUA'
return {
  items = { 1, 2, 3, 4 },
  process = function(x)
    while x == 2 do end
    return x
  end,
  output = "out.jsonl",
}
LUA
(cd "$work" && exec env --default-signal=INT "$LUAPOOL" run job.lua -p 2 >out 2>err) &
pid=$! tap_command="luapool run job.lua"
await_lines "$work/out.jsonl.part" 3 "$pid"
kill -INT "$pid"
sleep 0.1
kill -INT "$pid"
status=0
wait "$pid" || status=$?
expect_status 130
expect_err_like '^Done, success: 3/4, failure: 0/4, cancelled: 1/4 \(interrupted after [0-4][.]'

it "lets running items finish when it is stopped"
cat >"$work/job.lua" <<'LUA'
local task = require "luapool.task"
return {
  items = function() return function() return 1 end end,
  fetch = function() task.sleep(0.5) return 1 end,
  output = "out.jsonl",
}
LUA
(cd "$work" && exec env --default-signal=INT "$LUAPOOL" run job.lua -p 2 -c 10 >out 2>err) &
pid=$! tap_command="luapool run job.lua"
await_lines "$work/out.jsonl.part" 1 "$pid"
kill -INT "$pid"
status=0
wait "$pid" || status=$?
expect_status 130
expect_err_like '^Done, success: [0-9]+/[0-9]+, failure: 0/'
expect [ "$(wc -l <"$work/out.jsonl")" = "$(sed -n 's/^Done, success: \([0-9]*\).*/\1/p' "$work/err")" ]

it "ends quietly when nobody reads its results"
cat >"$work/job.lua" <<'LUA'
return { items = function() return function() return 1 end end, process = function() return "line" end }
LUA
run sh -c '{ "$0" run "$1"; echo $? >"$2"; } | head -n 1' "$LUAPOOL" "$work/job.lua" "$work/status"
expect_out '"line"'
expect_err ""
expect [ "$(cat "$work/status")" = 0 ]

it "says that the disk is full, without a traceback"
cat >"$work/job.lua" <<'LUA'
return { items = { 1, 2 }, process = function(n) return n end }
LUA
run here luapool run job.lua -o /dev/full
expect_status 1
expect_err_like '^luapool: cannot write /dev/full: No space left on device$'
expect_err_lines 2

it "fails an item that ends its worker, not the others"
job -p 2 <<'LUA'
return {
  items = { 1, 2, 3, 4 },
  process = function(n)
    if n == 2 then os.exit(3) end
    return n
  end,
}
LUA
expect_status 3
expect_out_lines 3
expect_err_like '^Done, success: 3/4, failure: 1/4 '
expect grep -q '"item":2,.*"kind":"worker_died","attempts":2[,}]' "$work/job.failed.jsonl"

it "fails an item that takes too long, not the others"
job -p 2 <<'LUA'
return {
  items = { 1, 2, 3, 4 },
  task_timeout = 0.3,
  process = function(n)
    while n == 2 do end
    return n
  end,
}
LUA
expect_status 3
expect_out_lines 3
expect grep -q '"item":2,.*"kind":"timeout"' "$work/job.failed.jsonl"

it "says what is wrong with items that would give nothing, or end early"
wrong 'items = { a = 1 }, process = print' "field 'items': a list expected, but it has no item 1 and \
a field 'a': the pairs of a table are task.iter(pairs(t))"
wrong 'items = { 1, nil, 3 }, process = print' \
  "field 'items': a list expected, but it has no item 2 and an item [3] behind it"
job <<'LUA'
return { items = function() return { 1, nil, 3 } end, process = print }
LUA
expect_status 1
expect_err_like "^luapool: field 'items': a list expected, but it has no item 2 and an item .3. behind"

it "warns of what is set in main and does not reach the workers"
job <<'LUA'
return {
  items = function(ctx)
    ctx.found = 1
    return { 1 }
  end,
  process = function(_, _, ctx) return ctx.found == nil end,
}
LUA
expect_status 0
expect_out true
expect_err_like "warn: job.lua:3: ctx.found is set in main: fetch and process run in workers"

it "calls tables that can be called, wherever a job has a function"
job <<'LUA'
local function callable(f) return setmetatable({}, { __call = function(_, ...) return f(...) end }) end
return {
  items = { 1, 2 },
  fetch = callable(function(n) return n * 10 end),
  process = callable(function(n) return n + 1 end),
  done = callable(function(summary) io.stderr:write("done ", summary.success, "\n") end),
}
LUA
expect_status 0
expect_err_like "^done 2$"

it "shows the fields of an error that is a table, also in the list of the failed"
job <<'LUA'
return { items = { 1 }, retry = false, process = function() error { code = 5, why = "late" } end }
LUA
expect_status 3
expect grep -qF '"error":"{code = 5, why = \"late\"}"' "$work/job.failed.jsonl"
job <<'LUA'
error { code = 5, why = "late" }
LUA
expect_status 1
expect_err_like '^luapool: {code = 5, why = "late"}$'

it "names the function whose last act was a wrong call"
job <<'LUA'
local http = require "luapool.http"
return {
  items = { "http://127.0.0.1:1/" },
  fetch = function(url)
    return http.get(url, { timout = 1 })
  end,
  on_error = function(e) print(e) end,
}
LUA
expect_status 3
expect_out "job.lua:4: in a tail call of the function that begins here: http.get: unknown option \
'timout' (did you mean 'timeout'?)"
expect grep -qF '"attempts":1' "$work/job.failed.jsonl"
job <<'LUA'
return {
  items = { 1 },
  process = function(n) return require("luapool.task").gather(n) end,
  on_error = function(e) print(e) end,
}
LUA
expect_status 3
expect_out "job.lua:3: in a tail call of the function that begins here: bad argument #1 to \
'task.gather' (a list expected, got 1)"
