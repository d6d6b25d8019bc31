# luapool run --resume: jobs that are killed, stopped or out of disk, and go on.
. tests/support/cli.sh

# Starts the job of $work in a group of its own, as $pid.
begin() {
  rm -f "$work/killed"
  (cd "$work" && exec setsid "$LUAPOOL" run job.lua --resume r.db "$@" >"$work/killed" 2>&1) &
  pid=$!
}

# Kills it and its workers when file $1 is larger than $2 bytes.
kill_at() {
  until [ "$(stat -c %s "$work/$1" 2>/dev/null || echo 0)" -gt "$2" ] || ! kill -0 "$pid" 2>/dev/null; do
    sleep 0.02
  done
  until kill -9 "-$pid" 2>/dev/null; do # it may not have a group of its own yet
    kill -0 "$pid" 2>/dev/null || { fail "it has ended before it was killed: $(cat "$work/killed")" && break; }
    sleep 0.02
  done
  wait "$pid" 2>/dev/null || true
}

# Begins, and stops it in order when its output is larger than $1 bytes; $status is how it has ended.
stop_at() {
  begin
  until [ "$(stat -c %s "$work/out.jsonl.part" 2>/dev/null || echo 0)" -gt "$1" ] || ! kill -0 "$pid" 2>/dev/null; do
    sleep 0.02
  done
  kill -TERM "$pid"
  status=0
  wait "$pid" || status=$?
}

# The job goes on, to its end.
resume() { run here luapool run job.lua --resume r.db "$@"; }

# 600 items, of which each tenth fails; $1 are further fields.
job() {
  cat >"$work/job.lua" <<LUA
local task = require "luapool.task"
local items = {}
for i = 1, 600 do items[i] = i end
return {
  items = items, retry = false, processes = 2, concurrency = 10,
  process = function(n)
    task.sleep(0.05)
    if n % 10 == 0 then error("no") end
    return { n = n, text = ("x"):rep(100) }
  end,
  $1
}
LUA
}

# Of each item that does not fail there is one line of its own in $work/found.
expect_all() { expect [ "$(wc -l <"$work/found") $(sort -u "$work/found" | wc -l)" = "540 540" ]; }

it "goes on after kill -9 of all its processes"
job 'output = "out.jsonl"'
for size in 3000 20000 40000; do
  begin
  kill_at out.jsonl.part $size
  expect_no_file "$work/out.jsonl"
done
resume
expect_status 3
expect_err_like '^luapool: r.db: goes on where an earlier run was: [0-9]+ items have ended$'
expect_err_like '^Done, success: 540/600, failure: 60/600'
cp "$work/out.jsonl" "$work/found"
expect_all
expect [ "$(wc -l <"$work/out.jsonl.failed.jsonl")" = 60 ]
expect [ "$(sort -u "$work/out.jsonl.failed.jsonl" | wc -l)" = 60 ]
expect [ -z "$(find "$work" -name '*.part' -o -name 'r.db-*')" ]

it "does nothing once all has been done"
job 'output = "out.jsonl", done = function() print "done" end'
resume
expect_status 3
cp "$work/out.jsonl" "$work/before"
resume
expect_status 3
expect_out ""
expect_err_like '^luapool: r.db: this job has been done: nothing is left'
expect_err_like '^Done, success: 540/600, failure: 60/600'
expect cmp "$work/before" "$work/out.jsonl"

it "goes on with each format of output"
for out in out.csv out.json out.jsonl.gz out.csv.gz out.sqlite#t; do
  rm -f "$work"/*
  job "output = '$out'"
  file=${out%#t}
  [ "$file" = "$out" ] && file=$out.part
  for size in 5000 9000; do
    case $out in *.gz) size=$((size / 25)) ;; esac
    begin
    kill_at "$file" $size
  done
  resume
  expect_status 3
  case $out in
    *.csv) tail -n +2 "$work/$out" >"$work/found" ;;
    *.json) expect luapool run /dev/stdin <<LUA
local list = require("luapool.json").decode(io.open("$work/$out"):read "a")
local found = io.open("$work/found", "w")
for _, row in ipairs(list) do found:write(row.n, "\n") end
LUA
      ;;
    *.jsonl.gz) gzip -dc "$work/$out" >"$work/found" ;;
    *.csv.gz) gzip -dc "$work/$out" | tail -n +2 >"$work/found" ;;
    *) sqlite3 "$work/out.sqlite" 'SELECT n FROM t' >"$work/found" ;;
  esac
  expect_all
done

it "keeps what items have added, what was seen and the attempts"
cat >"$work/job.lua" <<'LUA'
local retry = require "luapool.retry"
local task = require "luapool.task"
return {
  items = { 1 }, crawl = true, output = "out.jsonl", processes = 2, concurrency = 5,
  retry = { attempts = 4, wait = retry.fixed(1.2) },
  fetch = function(n)
    local log <close> = io.open("calls", "a")
    log:write(n, "\n")
    task.sleep(0.01)
    if n % 50 == 0 then error "not this time" end
    return n
  end,
  process = function(n, _, ctx)
    for k = 2 * n, math.min(2 * n + 1, 1000) do
      ctx:add(k)
      ctx:add(k - 1)
    end
    return n
  end,
}
LUA
for size in 300 1500; do
  begin
  kill_at out.jsonl.part $size
done
begin
until [ "$(grep -c '^50$' "$work/calls")" -ge 3 ]; do sleep 0.05; done
sleep 0.5
kill -9 "-$pid"
wait "$pid" 2>/dev/null || true
resume
expect_status 3
expect [ "$(wc -l <"$work/out.jsonl")" = "$(sort -u "$work/out.jsonl" | wc -l)" ]
expect grep -q '"item":50,"error":"[^"]*","kind":"error","attempts":4' "$work/out.jsonl.failed.jsonl"
expect [ "$(grep -c '^50$' "$work/calls")" -le 6 ]
expect grep -qx 997 "$work/out.jsonl"

it "reads an iterator again, and what it has added in main"
cat >"$work/job.lua" <<'LUA'
local task = require "luapool.task"
return {
  items = function(ctx)
    ctx:add "first"
    return task.iter(function()
      for i = 1, 500 do
        if i % 100 == 0 then ctx:add("added " .. i) end
        coroutine.yield("item " .. i)
      end
    end)
  end,
  process = function(text) task.sleep(0.03) return text end,
  output = "out.jsonl", processes = 2, concurrency = 8,
}
LUA
sed -i 's/task.iter(function()/coroutine.wrap(function()/' "$work/job.lua"
for size in 1000 4000; do
  begin
  kill_at out.jsonl.part $size
done
resume
expect_status 0
expect [ "$(wc -l <"$work/out.jsonl") $(sort -u "$work/out.jsonl" | wc -l)" = "506 506" ]

it "says when the items that come again are others"
cat >"$work/job.lua" <<'LUA'
local task = require "luapool.task"
return {
  items = function() return io.lines "items" end,
  process = function(text) task.sleep(0.02) return text end,
  output = "out.jsonl", processes = 1, concurrency = 5,
}
LUA
seq 1 500 >"$work/items"
begin
kill_at out.jsonl.part 300
seq 1001 1500 >"$work/items"
resume
expect_status 1
expect_err_like "^luapool: r.db: item [0-9]+ of 'items' is another one than before: they must come again in the same order$"
seq 1 10 >"$work/items"
resume
expect_status 1
expect_err_like "^luapool: r.db: 'items' ended after 10 items, but [0-9]+ were read before: they must come again in the same order$"
seq 1 500 >"$work/items"
resume
expect_status 0
expect [ "$(wc -l <"$work/out.jsonl") $(sort -u "$work/out.jsonl" | wc -l)" = "500 500" ]

it "goes on after SIGTERM and after a timeout"
job 'output = "out.jsonl"'
resume --timeout 1
expect_status 4
expect_err_like '^luapool: r.db has what is done: the same command goes on$'
expect_no_file "$work/out.jsonl"
stop_at 25000
expect_status 143
resume
expect_status 3
cp "$work/out.jsonl" "$work/found"
expect_all

it "goes on when the disk was full"
job 'output = "out.jsonl"'
run here sh -c "ulimit -f 120 && exec '$LUAPOOL' run job.lua --resume r.db"
expect_status 1
expect_err_like '^luapool: cannot write (r.db|out.jsonl.part): '
resume
expect_status 3
cp "$work/out.jsonl" "$work/found"
expect_all

it "goes on in its last steps, whichever it was killed at"
job 'output = "out.jsonl", done = function() if os.getenv "DIE" then os.execute "kill -9 $PPID" end end'
DIE=1
export DIE
resume
expect_status 137
unset DIE
expect_file "$work/out.jsonl"
resume
expect_status 3
expect_err_like '^Done, success: 540/600, failure: 60/600'
cp "$work/out.jsonl" "$work/found"
expect_all

it "refuses what it cannot go on with"
job 'output = "out.jsonl"'
stop_at 1000
refuses() {
  text=$1
  shift
  run here luapool run "$@"
  expect_status 2
  expect_err_like "^luapool: $text\$"
  expect_err_lines 1
}
refuses 'r.db is of a run with other arguments: none, not x y \(another file for --resume begins anew\)' \
  job.lua --resume r.db -- x y
refuses 'r.db is of a run with another output: out.jsonl, not b.jsonl \(another .*' \
  job.lua --resume r.db -o b.jsonl
cp "$work/job.lua" "$work/other.lua"
refuses 'r.db is of another job: job.lua, not other.lua \(another .*' other.lua --resume r.db
refuses '--append and --resume do not go together: .*' job.lua --resume r.db --append
refuses '--resume needs an output that is a file: name one with -o, or in the job \(what went to stdout .*' \
  job.lua --resume s.db -o -
expect_no_file "$work/s.db" # as it would bind the next run to that output
refuses 'cannot write no/out: No such file or directory' job.lua --resume s.db -o no/out
expect_no_file "$work/s.db"
refuses "--resume names a file, such as run.db, not 'sqlite:r.db'" job.lua --resume sqlite:r.db
refuses "--resume names a file, such as run.db, not ''" job.lua --resume ""
sqlite3 "$work/shop.db" 'CREATE TABLE goods (id)'
cp "$work/shop.db" "$work/copy"
refuses "shop.db is a database of something else \(with a table 'goods'\): it is left as it is" \
  job.lua --resume shop.db
expect cmp "$work/shop.db" "$work/copy"
echo "no database, but a longer text than that of a header, which has a hundred bytes in SQLite" >"$work/text"
cp "$work/text" "$work/copy"
refuses 'text is no database: it is left as it is' job.lua --resume text
expect cmp "$work/text" "$work/copy"
refuses 'cannot write no/r.db: No such file or directory' job.lua --resume no/r.db
refuses "the output and --resume name the same file: x.sqlite" job.lua --resume x.sqlite -o x.sqlite#t
cp "$work/out.jsonl.part" "$work/copy"
head -c 10 "$work/copy" >"$work/out.jsonl.part"
refuses 'out.jsonl.part has 10 bytes, but should have at least [0-9]+' job.lua --resume r.db
rm "$work/out.jsonl.part"
refuses 'out.jsonl.part is missing: it belongs to this run' job.lua --resume r.db
mv "$work/copy" "$work/out.jsonl.part"
begin
until [ -s "$work/killed" ]; do sleep 0.02; done
refuses 'r.db: another run uses it' job.lua --resume r.db
wait "$pid" || true
sed -i 's/"no"/"never"/' "$work/job.lua"
echo 'print(1)' >"$work/script.lua"
run here luapool run script.lua --resume r.db
expect_status 0
expect_out 1
expect_err 'luapool: script.lua is no job file: --resume has kept nothing'

it "tells that the job file has changed, once, and does what is left the new way"
job 'output = "out.jsonl"'
stop_at 1000
sed -i 's/% 10 == 0/% 20 == 7/' "$work/job.lua"
stop_at 20000
expect grep -qx 'luapool: job.lua has changed since r.db was begun: what is left is done the new way' "$work/killed"
resume
expect_status 3
expect [ "$(grep -c changed "$work/err")" = 0 ]

it "keeps no item that JSON and SQLite cannot have"
cat >"$work/job.lua" <<'LUA'
return {
  items = { 1 }, output = "out.jsonl",
  process = function(n, _, ctx)
    if n == 1 then ctx:add { f = print } end
    return 1
  end,
}
LUA
resume
expect_status 1
expect_err_like '^luapool: --resume cannot keep an item: it has functions, modules or objects of luapool.sync$'
