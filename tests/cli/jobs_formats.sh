# The outputs of a job by their endings: CSV, a list of JSON, tables of databases, compressed ones.
. tests/support/cli.sh

# Writes job.lua from stdin and runs it, one item after the other.
job() {
  cat >"$work/job.lua"
  run here luapool run job.lua -p 1 -c 1 "$@"
}

content() { [ "$(cat "$work/$1")" = "$2" ] || tap_show "expected in $1: $2; it has: $(cat "$work/$1")"; }

# The folder has these files, besides those of the test itself.
files() {
  found=$(here ls | grep -v -x -e out -e err -e job.lua -e expect -e sql.lua | tr '\n' ' ')
  [ "$found" = "${*:+$* }" ] || tap_show "expected the files $*, found $found"
}

# The rows that SQL gives of a database, one on a line: sql FILE SQL
sql() {
  cat >"$work/sql.lua" <<'LUA'
local path, sql = ...
local json = require "luapool.json"
local db <close> = require("luapool.sqlite").open(path)
for row in db:rows(sql) do print(json.encode(row, { sort_keys = true })) end
LUA
  here luapool run sql.lua -- "$@" 2>&1
}

rows() {
  found=$(sql "$1" "$2")
  [ "$found" = "$3" ] || tap_show "expected of '$2': $3; found: $found"
}

# A job of three results, with more fields of its table: people FIELDS OPTIONS...
people() {
  cat >"$work/job.lua" <<'LUA'
return {
  items = { 1, 2, 3 },
  process = function(i)
    if i == 1 then return { name = "a,b", n = i, list = { 1, { x = "q\"" } } } end
    if i == 2 then return { name = "two\nlines", n = 2.5, yes = true } end
    return { n = math.maxinteger, none = require("luapool.json").null, yes = false }
  end,
LUA
  echo "$1 }" >>"$work/job.lua"
  shift
  run here luapool run job.lua -p 1 -c 1 "$@"
}

it "CSV: the columns of the first row, and a warning of others"
people "" -o out.csv
expect_status 0
content out.csv 'list,n,name
"[1,{""x"":""q\""""}]",1,"a,b"
,2.5,"two
lines"
,9223372036854775807,'
files out.csv
expect [ "$(grep -c "^luapool: out.csv has no column 'yes': such fields are left out" "$work/err")" = 1 ]

it "CSV: the columns that the job names; nothing but their names without results"
people "columns = { 'yes', 'n' }" -o out.csv
expect_status 0
content out.csv 'yes,n
,1
true,2.5
false,9223372036854775807'
job -o out.csv <<'LUA'
return { items = {}, process = print, columns = { "yes", "n" } }
LUA
content out.csv yes,n
job -o out.csv <<'LUA'
return { items = { 1, 2 }, process = function(i) return i == 1 and "x" or { i, "y", {} } end }
LUA
content out.csv 'value
x
2,y,{}'

it "CSV: adds under the columns that the file has"
printf 'b,a\r\n1,2' >"$work/out.csv"
job -o out.csv --append <<'LUA'
return { items = { 1 }, process = function() return { a = "new", b = "x" } end }
LUA
expect_status 0
expect [ "$(tr -d '\r' <"$work/out.csv")" = "b,a
1,2
x,new" ]
job -o out.csv --append <<'LUA'
return { items = { 1 }, process = function(x) return { a = x } end, columns = { "a", "b" } }
LUA
expect_status 2
expect_err 'luapool: --append: out.csv has other columns: b, a'

it "fails an item whose result is no row, and not the run"
job -o out.csv <<'LUA'
return { items = { 1, 2, 3 }, retry = false, process = function(i)
  if i == 1 then return { f = { print } } end
  if i == 2 then return { [true] = 1 } end
  return { n = i }
end }
LUA
expect_status 3
content out.csv 'n
3'
expect_file "$work/out.csv.failed.jsonl"
expect grep -q 'a function has no form in JSON' "$work/out.csv.failed.jsonl"
expect grep -q 'a row has names for its columns, not a boolean' "$work/out.csv.failed.jsonl"

it "JSON: one list, whole at any time"
job -o out.json <<'LUA'
return { items = { 1, 2 }, process = function(i) return { i = i } end }
LUA
expect_status 0
content out.json '[
{"i":1},
{"i":2}
]'
job -o out.json <<'LUA'
return { items = {}, process = print }
LUA
content out.json '[]'
run here luapool run job.lua -o out.json --append
expect_status 2
expect_err 'luapool: --append cannot add to out.json, which holds one list'
job -o out.json <<'LUA'
return { items = { 1, 2 }, retry = false, on_error = function() error "enough" end,
  process = function(i) return i == 1 and i or error "no" end }
LUA
expect_status 1
content out.json '[
1
]'

it "gzip: of each, also added to, and readable while it is written"
for ending in jsonl csv json; do
  job -o "out.$ending" <<'LUA'
return { items = { 1, 2, 3 }, process = function(i) return { i = i, text = ("x"):rep(100000) } end }
LUA
  expect_status 0
  run here luapool run job.lua -p 1 -c 1 -o "out.$ending.gz"
  expect_status 0
  expect sh -c "gzip -dc '$work/out.$ending.gz' | cmp - '$work/out.$ending'"
  rm "$work"/out.*
done
job -o out.jsonl.gz <<'LUA'
return { items = { 1 }, process = function(i) return i end }
LUA
run here luapool run job.lua -o out.jsonl.gz --append
expect_status 0
expect [ "$(gzip -dc "$work/out.jsonl.gz")" = "1
1" ]
job -o out.jsonl.gz <<'LUA'
local function readable()
  local pipe <close> = io.popen "gzip -dc out.jsonl.gz.part 2>/dev/null"
  return pipe:read "a" == "1\n"
end
return { items = { 1, 2 }, process = function(i)
  while i == 2 and not readable() do require("luapool.task").sleep(0.05) end
  return i
end }
LUA
expect_status 0
job -o out.csv.gz --append <<'LUA'
return { items = { 1 }, process = function(i) return { n = i } end, columns = { "n" } }
LUA
run here luapool run job.lua -o out.csv.gz --append
expect [ "$(gzip -dc "$work/out.csv.gz")" = "n
1
1" ]

it "gzip: a full disk ends the run, also when it shows at the end alone"
ln -s /dev/full "$work/full.jsonl.gz"
job -o full.jsonl.gz <<'LUA'
return { items = { 1 }, process = function(i) return i end }
LUA
expect_status 1
expect_err_like '^luapool: cannot write full.jsonl.gz: No space left on device$'
job -o full.jsonl.gz <<'LUA'
return { items = { 1, 2 }, process = function(i)
  if i == 2 then require("luapool.task").sleep(1.5) end
  return i
end }
LUA
expect_status 1
expect_err_like 'cannot write full.jsonl.gz: No space left on device$'

it "SQLite: a table takes the place of the old one; others stay"
cat >"$work/fill.lua" <<'LUA'
local db <close> = require("luapool.sqlite").open "out.sqlite"
db:exec "CREATE TABLE other (n); INSERT INTO other VALUES (7)"
db:exec "CREATE TABLE people (old); INSERT INTO people VALUES (1); CREATE VIEW v AS SELECT old FROM people"
LUA
here luapool run fill.lua
rm "$work/fill.lua"
people "" -o "out.sqlite#people"
expect_status 0
rows out.sqlite 'SELECT * FROM people ORDER BY rowid' \
  '{"list":"[1,{\"x\":\"q\\\"\"}]","n":1,"name":"a,b"}
{"n":2.5,"name":"two\nlines","yes":1}
{"n":9223372036854775807,"yes":0}'
rows out.sqlite 'SELECT * FROM other' '{"n":7}'
rows out.sqlite "SELECT group_concat(name) AS n FROM (SELECT name FROM sqlite_master ORDER BY name)" \
  '{"n":"other,people,v"}'
files out.sqlite

it "SQLite: the columns of the job, added rows, a default name"
people "columns = { 'n', 'name' }" -o sqlite:x.db
expect_status 0
expect_err_like "^luapool: x.db has no column '[a-z]*': such fields are left out"
rows x.db "SELECT count(*) AS n FROM results" '{"n":3}'
job -o "sqlite:x.db" --append <<'LUA'
return { items = { 1 }, process = function(i) return { NAME = "late", New = i } end }
LUA
expect_status 0
rows x.db "SELECT * FROM results WHERE new" '{"New":1,"name":"late"}'
job -o "sqlite:x.db" <<'LUA'
return { items = {}, process = print }
LUA
rows x.db "SELECT count(*) AS n FROM results" '{"n":0}'
job -o "y.sqlite3#t" <<'LUA'
return { items = { { 1, "b" } }, process = function(list) return list end }
LUA
rows y.sqlite3 "SELECT * FROM t" '{"column1":1,"column2":"b"}'
job -o "y.sqlite3#empty" <<'LUA'
return { items = {}, process = print, columns = { "a", "b" } }
LUA
rows y.sqlite3 "SELECT count(*) AS n FROM pragma_table_info('empty')" '{"n":2}'

it "SQLite: many rows of changing columns"
job -o many.sqlite -c 50 <<'LUA'
return {
  items = function()
    local i = 0
    return function()
      i = i + 1
      return i <= 5000 and i or nil
    end
  end,
  process = function(i)
    local row = { i = i }
    for k = 1, i // 500 do row["c" .. k] = i end
    return row
  end,
}
LUA
expect_status 0
rows many.sqlite "SELECT count(*) AS n, sum(i) AS sum, count(c1) AS c1, count(c10) AS c10 FROM results" \
  '{"c1":4501,"c10":1,"n":5000,"sum":12502500}'

it "SQLite: a run that never starts or is killed leaves the old table, and says what it left"
job -o x.sqlite <<'LUA'
return { items = { "old" }, process = function(x) return x end }
LUA
job -o x.sqlite <<'LUA'
return { items = function() error "none" end, process = function(x) return x end }
LUA
expect_status 1
rows x.sqlite "SELECT * FROM results" '{"value":"old"}'
job -o none.sqlite <<'LUA'
return { items = function() error "none" end, process = function(x) return x end }
LUA
expect_no_file "$work/none.sqlite"
cat >"$work/job.lua" <<'LUA'
local task, sqlite = require "luapool.task", require "luapool.sqlite"
return { items = { 1, 2 }, process = function(i)
  if i == 1 then return "new" end
  local db <close> = sqlite.open "x.sqlite"
  while not pcall(db.first, db, 'SELECT * FROM "results.part"') do task.sleep(0.05) end
  io.stdout:write "written\n"
  task.sleep(3600)
end }
LUA
(cd "$work" && exec "$LUAPOOL" run job.lua -p 1 -c 1 -o x.sqlite >out 2>err) &
pid=$! tap_command="luapool run job.lua"
await_lines "$work/out" 1 "$pid"
run here luapool run job.lua -o x.sqlite
expect_status 2
expect_err "luapool: cannot write x.sqlite: another run is writing it"
kill -KILL "$pid"
wait "$pid" || :
rows x.sqlite "SELECT * FROM results" '{"value":"old"}'
rows x.sqlite 'SELECT * FROM "results.part"' '{"value":"new"}'
job -o x.sqlite <<'LUA'
return { items = { "newer" }, process = function(x) return x end }
LUA
expect_status 0
expect_err_like "^luapool: table 'results.part' of x.sqlite holds the results of a run that was killed"
rows x.sqlite "SELECT * FROM results" '{"value":"newer"}'
rows x.sqlite "SELECT count(*) AS n FROM sqlite_master" '{"n":1}'

it "SQLite: a run that ends early keeps what it has"
job -o x.sqlite <<'LUA'
return { items = { 1, 2 }, retry = false, on_error = function() error "enough" end,
  process = function(i) return i == 1 and i or error "no" end }
LUA
expect_status 1
rows x.sqlite "SELECT * FROM results" '{"value":1}'

it "tells of what is no output"
echo "no database, for sure, and long enough to be read as one: $(seq 200 | tr '\n' ' ')" >"$work/bad.sqlite"
job -o bad.sqlite <<'LUA'
return { items = { 1 }, process = function(x) return x end }
LUA
expect_status 2
expect_err_like '^luapool: cannot write bad.sqlite: .*file is not a database'
run here luapool run job.lua -o "x.sqlite#"
expect_status 2
run here luapool run job.lua -o "x.sqlite#sqlite_x"
expect_status 2
run here luapool run job.lua -o "no/x.sqlite"
expect_status 2
expect_err "luapool: cannot write no/x.sqlite: No such file or directory"
files bad.sqlite
for columns in '{}' '{ 1 }' '{ "a", "a" }' '{ a = "b" }'; do
  echo "return { items = {}, process = print, columns = $columns }" >"$work/job.lua"
  run here luapool run job.lua -o out.csv
  expect_status 1
  expect_err_like "job.lua: field 'columns' must be a list of"
done
