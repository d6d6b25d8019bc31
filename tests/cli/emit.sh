# ctx:emit: several results of an item.
. tests/support/cli.sh

it "writes each result, before the one that is returned"
job -p 1 -c 1 <<'LUA'
return {
  items = { 2, 0 },
  fetch = function(n, ctx)
    ctx:emit { of = "fetch", n = n }
    return n
  end,
  process = function(n, _, ctx)
    for i = 1, n do ctx:emit(i) end
    return { last = n }
  end,
}
LUA
expect_status 0
expect_out '{"n":2,"of":"fetch"}
1
2
{"last":2}
{"n":0,"of":"fetch"}
{"last":0}'
expect_err_like '^Done, success: 2/2, '

it "writes nothing of an attempt that has failed, nor of an item that has"
job -p 1 -c 1 <<'LUA'
local tries = 0
return {
  items = { "again", "never", "given up" },
  retry = { attempts = 2, wait = 0, on_giveup = function(e)
    if e:find "given up" then return "instead" end
  end },
  fetch = function(item, ctx)
    tries = tries + 1
    ctx:emit(item .. tries)
    if item ~= "again" or tries == 1 then error(item, 0) end
  end,
}
LUA
expect_status 3
expect_out '"again2"
"instead"'

it "gives them to on_result and to a table, one by one"
job -p 1 -c 1 <<'LUA'
return {
  items = { 1 },
  process = function(_, _, ctx) ctx:emit { a = 1 } ctx:emit { a = 2 } end,
  on_result = function(value, item) print(value.a, item) end,
}
LUA
expect_out "1	1
2	1"
job -o out.csv <<'LUA'
return { items = { 1 }, process = function(_, _, ctx) ctx:emit { a = 1 } ctx:emit { a = 2 } end }
LUA
expect [ "$(cat "$work/out.csv")" = "a
1
2" ]

it "refuses what is no result, at the user's line, and outside of items"
job -p 1 <<'LUA'
return { items = { 1 }, process = function(_, _, ctx)
  ctx:emit { f = print }
end }
LUA
expect_status 3
expect_out ""
expect_err_like '^1 × .*a function has no form in JSON.* \(1, job.lua:2\)$'
job -p 1 <<'LUA'
return { items = { 1 }, process = function(_, _, ctx)
  ctx:emit(nil)
end }
LUA
expect_err_like "^1 × bad argument #1 to 'ctx:emit' \(a result expected, got nil\) \(1, job.lua:2\)$"
job -p 1 <<'LUA'
return { items = { 1 }, init = function(ctx)
  ctx:emit(1)
end, process = print }
LUA
expect_status 1
expect_err_like "^luapool: job.lua:2: ctx:emit: only fetch and process add results$"

it "keeps the results of an item together when a run with --resume is killed"
cat >"$work/job.lua" <<'LUA'
local task, items = require "luapool.task", {}
for n = 1, 400 do items[n] = n end
return {
  items = items,
  process = function(n, _, ctx)
    for part = 1, 5 do
      ctx:emit { n = n, part = part }
      task.sleep(0.001)
    end
  end,
  output = "out.jsonl",
}
LUA
for rows in 150 700 1300; do
  (cd "$work" && exec "$LUAPOOL" run job.lua -p 2 -c 3 --resume run.db >/dev/null 2>&1) &
  pid=$!
  await_lines "$work/out.jsonl.part" "$rows" "$pid"
  kill -KILL "$pid" 2>/dev/null
  wait "$pid" 2>/dev/null || :
done
run here luapool run job.lua -p 2 -c 3 --resume run.db
expect_status 0
expect_err_like '^Done, success: 400/400, '
expect [ "$(wc -l <"$work/out.jsonl")" = 2000 ]
expect [ "$(sort -u "$work/out.jsonl" | wc -l)" = 2000 ]
