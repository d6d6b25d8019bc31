# What a job writes: the output takes the place of the old file at the end, and of nothing before.
. tests/support/cli.sh

content() { [ "$(cat "$work/$1")" = "$2" ] || tap_show "expected in $1: $2; it has: $(cat "$work/$1")"; }

# The folder has these files, besides those of the test itself.
files() {
  found=$(here ls | grep -v -x -e out -e err -e job.lua -e expect | tr '\n' ' ')
  [ "$found" = "${*:+$* }" ] || tap_show "expected the files $*, found $found"
}

it "leaves the results of the last run alone when a run never starts"
echo yesterday >"$work/out.jsonl"
echo failures >"$work/out.jsonl.failed.jsonl"
never() {
  job -o out.jsonl "$@"
  [ "$status" -ne 0 ] || tap_show "expected a failure"
  content out.jsonl yesterday
  content out.jsonl.failed.jsonl failures
  files out.jsonl out.jsonl.failed.jsonl
}
never <<'LUA'
return { items = function() error "no items" end, process = function(x) return x end }
LUA
never <<'LUA'
return { items = { 1 }, init = function() error "no init" end, process = function(x) return x end }
LUA
never <<'LUA'
local log = io.tmpfile()
return { items = { 1 }, process = function() log:write "x" end }
LUA
never <<'LUA'
local client = require("luapool.http").client { proxy = 5 }
return { items = { 1 }, process = function() return client end }
LUA
never <<'LUA'
return { items = { 1 }, proces = function(x) return x end }
LUA
never --config missing.yaml <<'LUA'
return { items = { 1 }, process = function(x) return x end }
LUA
never <<'LUA'
return {
  items = function() return function() error "the first line is wrong" end end,
  process = function(x) return x end,
}
LUA

it "replaces the old file at the end; until then the lines stand in .part"
echo yesterday >"$work/out.jsonl"
chmod 640 "$work/out.jsonl"
job -o out.jsonl -p 1 -c 1 <<'LUA'
local function read(name)
  local file <close> = io.open(name)
  return file and file:read "a" or ""
end
return {
  items = { 1, 2, 3 },
  process = function(x)
    if x == 3 then while read "out.jsonl.part" ~= "1\n2\n" do require("luapool.task").sleep(0.01) end end
    if x == 3 then assert(read "out.jsonl" == "yesterday\n") end
    return x
  end,
  done = function() assert(read "out.jsonl" == "1\n2\n3\n") end,
}
LUA
expect_status 0
content out.jsonl "1
2
3"
files out.jsonl
expect [ "$(stat -c %a "$work/out.jsonl")" = 640 ]

it "replaces it with an empty one only when it has run to its end"
echo yesterday >"$work/out.jsonl"
job -o out.jsonl <<'LUA'
return { items = {}, process = function(x) return x end }
LUA
expect_status 0
content out.jsonl ""
files out.jsonl

it "writes to the file that a link leads to"
mkdir "$work/results"
echo yesterday >"$work/results/day.jsonl"
ln -s results/day.jsonl "$work/out.jsonl"
job -o out.jsonl <<'LUA'
return { items = { 1 }, process = function(x) return x end }
LUA
expect_status 0
content results/day.jsonl 1
expect [ -L "$work/out.jsonl" ]
expect [ "$(ls "$work/results")" = day.jsonl ]

it "keeps what it has when it is stopped, also on an error and by a hook that never ends"
echo yesterday >"$work/out.jsonl"
job -o out.jsonl --timeout 3 <<'LUA'
return {
  items = { 1, 2 },
  process = function(x)
    if x == 2 then require("luapool.task").sleep(3600) end
    return x
  end,
}
LUA
expect_status 4
content out.jsonl 1
files out.jsonl
echo yesterday >"$work/out.jsonl"
job -o out.jsonl -p 1 -c 1 <<'LUA'
return {
  items = { 1, 2 },
  process = function(x) if x == 1 then return x end error "no" end,
  on_error = function() error "hook" end,
}
LUA
expect_status 1
content out.jsonl 1
files out.jsonl out.jsonl.failed.jsonl

it "adds with --append, on a line of its own"
printf '"cut' >"$work/out.jsonl"
job -o out.jsonl --append <<'LUA'
return { items = { 1 }, process = function(x) return x end }
LUA
expect_status 0
content out.jsonl '"cut
1'
run here luapool run job.lua --append -o out.jsonl
content out.jsonl '"cut
1
1'
run here luapool run job.lua --append -o other.jsonl
content other.jsonl 1
run here luapool run job.lua --append
expect_status 2
expect_err "luapool: --append adds to an output file: name one with --output, or in the job"
job -o new.jsonl --append <<'LUA'
return { items = function() error "none" end, process = function(x) return x end }
LUA
expect_status 1
expect_no_file "$work/new.jsonl"

it "writes to what is no regular file, and leaves nothing beside it"
cat >"$work/job.lua" <<'LUA'
return { items = { 1, 2 }, retry = false, process = function(x) if x == 2 then error "no" end return x end }
LUA
for path in /dev/null /dev/stdout /dev/fd/1 /dev/stderr; do
  run here luapool run job.lua -o "$path"
  expect_status 3
  expect_no_file "$path.failed.jsonl"
  expect_no_file "$path.part"
  case $path in
    /dev/null) expect_out "" ;;
    /dev/stderr) expect_err_like '^1$' ;;
    *) expect_out 1 ;;
  esac
  files job.failed.jsonl
done
mkfifo "$work/pipe"
cat "$work/pipe" >"$work/read" &
reader=$!
run here luapool run job.lua -o pipe
wait "$reader"
expect_status 3
content read 1
run here luapool run job.lua -o .
expect_status 2
expect_err "luapool: cannot write .: Is a directory"

it "says what a killed run has left, and replaces it"
cat >"$work/job.lua" <<'LUA'
return {
  items = { 1, 2 },
  process = function(x)
    if x == 2 then require("luapool.task").sleep(3600) end
    return x
  end,
}
LUA
echo yesterday >"$work/out.jsonl"
(cd "$work" && exec "$LUAPOOL" run job.lua -o out.jsonl >out 2>err) &
pid=$! tap_command="luapool run job.lua"
await_lines "$work/out.jsonl.part" 1 "$pid"
run here luapool run job.lua -o out.jsonl
expect_status 2
expect_err "luapool: cannot write out.jsonl: another run is writing it"
kill -KILL "$pid"
wait "$pid" || :
content out.jsonl yesterday
content out.jsonl.part 1
job -o out.jsonl <<'LUA'
return { items = function() error "none" end, process = function(x) return x end }
LUA
expect_err_like '^luapool: out.jsonl.part holds the results of a run that was killed: '
content out.jsonl.part 1
job -o out.jsonl <<'LUA'
return { items = { 5 }, process = function(x) return x end }
LUA
expect_status 0
content out.jsonl 5
files out.jsonl

it "writes the keys of an object in order"
job <<'LUA'
return {
  items = { 1 },
  process = function()
    local wide = {}
    for i = 1, 60 do wide[("k%02d"):format(i)] = i end
    return { z = 1, a = { d = 1, c = { y = 1, b = 2 } }, wide = wide }
  end,
}
LUA
expect_status 0
keys=$(grep -o '"[a-z0-9]*":' "$work/out" | tr -d '":\n')
expect [ "$keys" = "acbydwide$(seq -f 'k%02.0f' 60 | tr -d '\n')z" ]

it "goes on where the list of failed items cannot be written, and tells them"
mkdir "$work/job.failed.jsonl.part"
job -p 1 <<'LUA'
return {
  items = { 1, 2, 3 },
  retry = false,
  process = function(i) if i == 2 then error "x" end return { i = i } end,
}
LUA
expect_status 3
expect_out_lines 2
expect_err 'luapool: cannot write job.failed.jsonl.part: Is a directory: failed items are told here
luapool: failed: {"item":2,"error":"job.lua:4: x","kind":"error","attempts":1,"traceback":"'"$(
  sed -n 's/^luapool: failed: .*"traceback":"//p' "$work/err")"'
1 × x (2, job.lua:4)
'"$(tail -n 1 "$work/err")"
expect_err_like '^Done, success: 2/3, failure: 1/3 '
