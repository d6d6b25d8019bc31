# The command line itself: help, subcommands, options, check, new, scripts.
. tests/support/cli.sh

it "prints its version"
run luapool --version
expect_status 0
expect_out_like '^luapool [0-9]+\.[0-9]+\.[0-9]+$'

it "prints help on stdout when asked, on stderr when there is nothing to do"
run luapool --help
expect_status 0
expect_out_like '^  run FILE +run a job file or a script$'
run luapool
expect_status 2
expect_out ""
expect_err_like '^Usage: luapool COMMAND'

it "helps with each command"
run luapool run --help
expect_status 0
expect_out_like '^Usage: luapool run FILE'
expect_out_like '^  -p, --processes N +worker processes'
cp "$work/out" "$work/first"
run luapool help run
expect cmp "$work/first" "$work/out"

it "names the nearest command and option"
run luapool rnu
expect_status 2
expect_err "luapool: unknown command 'rnu' (did you mean 'run'?); see luapool --help"
run luapool un
expect_status 2
expect_err "luapool: unknown command 'un' (did you mean 'run'?); see luapool --help"
run luapool "$work"
expect_status 2
expect_err "luapool: unknown command '$work'; see luapool --help"
run luapool new a b
expect_status 2
expect_err "luapool new: one NAME at a time, got 'b' too"
run luapool repl a
expect_status 2
expect_err "luapool repl: no arguments expected, got 'a'"
run luapool run job.lua --procesess 3
expect_status 2
expect_err "luapool run: unknown option '--procesess' (did you mean '--processes'?)"
run luapool job.lua
expect_status 2
expect_err "luapool: unknown command 'job.lua'; to run that file: luapool run job.lua"

it "checks the values of options"
run luapool run job.lua -p 0
expect_status 2
expect_err "luapool run: option '-p' must be a whole number from 1 to 4096, got '0'"
run luapool run job.lua -c 9223372036854775807
expect_status 2
expect_err "luapool run: option '-c' must be a whole number from 1 to 1000000, got \
'9223372036854775807'"
run luapool run job.lua --slice 1e300
expect_status 2
expect_err "luapool run: option '--slice' must be a number of milliseconds from 0 to 1e9, got '1e300'"
run luapool run job.lua --mode=fast
expect_status 2
expect_err "luapool run: option '--mode' must be \"async\" or \"sync\", got 'fast'"
run luapool run job.lua -o
expect_status 2
expect_err "luapool run: option '-o' needs a value: FILE"
run luapool run
expect_status 2
expect_err "luapool run: which FILE? luapool run FILE"

it "says which file it cannot read"
run here luapool run missing.lua
expect_status 2
expect_err "luapool run: cannot open missing.lua: No such file or directory"
run luapool run "$work"
expect_status 2
expect_err "luapool run: cannot read $work: Is a directory"

it "says where a syntax error is"
printf 'local x = 1\nlocal y = = 2\n' >"$work/bad.lua"
run here luapool run bad.lua
expect_status 1
expect_err "luapool: bad.lua:2: unexpected symbol near '='"

it "runs a script with its arguments"
echo 'print(arg[0], arg[1], #arg, ...)' >"$work/args.lua"
run here luapool run args.lua -p 2 -- --one "two words"
expect_status 0
expect_out "args.lua	--one	2	--one	two words"

it "runs a file that is a program of its own"
printf '#!/usr/bin/env -S luapool run\nprint("hello", ...)\n' >"$work/tool"
chmod +x "$work/tool"
mkdir "$work/bin" && ln -s "$LUAPOOL" "$work/bin/luapool"
PATH=$work/bin:$PATH run "$work/tool" you
expect_status 0
expect_out "hello	you"

it "runs stdin, and a text, with arguments"
printf '#!/usr/bin/env luapool\nprint(arg[0], ...)\nlocal x = nil + 1\n' >"$work/script"
run sh -c '"$0" run - one two <"$1"' "$LUAPOOL" "$work/script"
expect_status 1
expect_out "stdin	one	two"
expect_err_like '^luapool: stdin:3: attempt to perform arithmetic on a nil value$'
run luapool run -e 'print(arg[0], ...) error "oh"' one -p 2 -- --two
expect_status 1
expect_out "-e	one	--two"
expect_err_like '^luapool: -e:1: oh$'
run here luapool run -e 'return { items = { 1, 2 }, process = function(n) return n end, output = "o" }'
expect_status 0
expect [ "$(wc -l <"$work/o")" = 2 ]

it "sets values over the settings"
printf 'URL: http://a/\nPAGES: 3\ninner:\n  deep: [1, 2]\n' >"$work/settings.yaml"
cat >"$work/job.lua" <<'LUA'
local json = require "luapool.json"
return {
  items = { 1 }, config = "settings.yaml", output = "/dev/null",
  process = function(_, _, ctx) print(json.encode(ctx.config, { sort_keys = true })) end,
}
LUA
run luapool run "$work/job.lua" --set PAGES=5 --set inner.more=yes --set new.a.b="x: y" --set inner.deep.2=7
expect_status 0
expect_out '{"PAGES":5,"URL":"http://a/","inner":{"deep":[1,7],"more":true},"new":{"a":{"b":"x: y"}}}'
run luapool run "$work/job.lua" --set "PAGES=[a, 2]" --set URL=
expect_out '{"PAGES":["a",2],"URL":"","inner":{"deep":[1,2]}}'
run luapool run "$work/job.lua" --set PAGES
expect_status 2
expect_err "luapool run: option '--set' must be KEY=VALUE, got 'PAGES'"
run luapool run "$work/job.lua" --set PAGES.x=1
expect_status 2
expect_err "luapool run: --set PAGES.x=1: 'PAGES' is no table in the settings"
run luapool run -e 'print "ran"' --set a=1
expect_out ran
expect_err "luapool: -e is no job file: --set has set nothing"

it "finds modules beside the script"
mkdir "$work/sub"
echo 'return { answer = 42 }' >"$work/sub/beside.lua"
echo 'print(require("beside").answer)' >"$work/sub/script.lua"
run luapool run "$work/sub/script.lua"
expect_out 42

it "shows an uncaught error with its traceback"
printf 'local function inner() error("oh no") end\ninner()\n' >"$work/fails.lua"
run here luapool run fails.lua
expect_status 1
expect_err_like '^luapool: fails.lua:1: oh no$'
expect_err_like "fails.lua:1: in .*inner"

it "ends quietly when nobody reads stdout"
echo 'while true do print("line") end' >"$work/endless.lua"
printf '%s\n' 'while true do io.write("line\n") end' >"$work/endless2.lua"
for script in endless endless2; do
  run sh -c '{ "$0" run "$1"; echo $? >"$2"; } | head -n 1' "$LUAPOOL" "$work/$script.lua" "$work/status"
  expect_out line
  expect_err ""
  expect [ "$(cat "$work/status")" = 0 ]
done

it "stops a script after --timeout, with status 4"
echo 'require("luapool.task").sleep(60)' >"$work/slow.lua"
run luapool run "$work/slow.lua" --timeout 0.1
expect_status 4

# Starts a script in the background, waits until it has printed, sends $1.
signal_script() {
  rm -f "$work/out"
  (exec env --default-signal=INT "$LUAPOOL" run "$work/wait.lua" >"$work/out" 2>"$work/err") &
  pid=$! tap_command="luapool run wait.lua, signal $1"
  until [ -s "$work/out" ]; do sleep 0.02; done
  kill "-$1" "$pid"
  status=0
  wait "$pid" || status=$?
}

it "cancels a script on Ctrl-C and SIGTERM"
cat >"$work/wait.lua" <<'LUA'
local close <close> = setmetatable({}, { __close = function() print("closed") end })
print("begun")
io.stdout:flush()
require("luapool.task").sleep(60)
LUA
signal_script INT
expect_status 130
expect_out_like '^closed$'
signal_script TERM
expect_status 143
expect_out_like '^closed$'

it "ends a script that hears no signal when it is asked again"
cat >"$work/wait.lua" <<'LUA'
print("begun")
io.stdout:flush()
table.sort({ 1, 2, 3 }, function() while true do end end)
LUA
env --default-signal=INT "$LUAPOOL" run "$work/wait.lua" >"$work/out" 2>"$work/err" &
pid=$! tap_command="luapool run wait.lua"
until [ -s "$work/out" ]; do sleep 0.02; done
for _ in $(seq 40); do
  kill -INT "$pid" 2>/dev/null || break
  sleep 0.5
done
kill -KILL "$pid" 2>/dev/null
status=0
wait "$pid" || status=$?
expect_status 130

it "checks a job"
cat >"$work/good.lua" <<'LUA'
local json = require "luapool.json"
local function double(n) return n * 2 end
return {
  items = { 1, 2 },
  init = function() prefix = "p" end,
  process = function(n) return { [prefix] = double(n), text = json.encode { double = n } } end,
}
LUA
run here luapool check good.lua
expect_status 0
expect_out "good.lua: ok"
expect_err ""

it "warns of globals that do not travel"
cat >"$work/globals.lua" <<'LUA'
function helper(n) return n end
local function deep(n) return halper(n) end
return {
  items = function() return helper { 1 } end,
  process = function(n) return deep(n), helper(n), prnt end,
}
LUA
run here luapool check globals.lua
expect_status 0
expect_err "globals.lua:2: warning: global 'halper' is nil in a worker: globals do not travel
globals.lua:5: warning: global 'helper' is nil in a worker: globals do not travel
globals.lua:5: warning: global 'prnt' is nil in a worker: globals do not travel (did you mean 'print'?)"

it "warns of globals in metatables, in _G and _ENV, and of those that a worker sets"
cat >"$work/globals.lua" <<'LUA'
local class = setmetatable({}, { __index = function() return helper end })
return {
  items = { 1 },
  init = function() _G.ready, done = true, true end,
  process = function(n)
    count = (count or 0) + n
    local sum = _G.total + _ENV.rest, _G, _ENV
    local _ENV = { inner = 1 }
    return class, inner, sum
  end,
  fetch = function() return ready, done end,
}
LUA
run here luapool check globals.lua
expect_status 0
expect_err "globals.lua:1: warning: global 'helper' is nil in a worker: globals do not travel
globals.lua:6: warning: global 'count' is set in a worker, where all tasks share it: is a 'local' missing?
globals.lua:7: warning: global 'total' is nil in a worker: globals do not travel
globals.lua:7: warning: global 'rest' is nil in a worker: globals do not travel"

it "warns of a policy of retry without a fetch"
cat >"$work/job.lua" <<'LUA'
return { items = { 1 }, process = print, retry = { attempts = 5 } }
LUA
run here luapool check job.lua
expect_status 0
expect_err "job.lua: warning: field 'retry' is the policy of 'fetch': 'process' runs once"
cat >"$work/job.lua" <<'LUA'
return {
  items = { 1 },
  retry = { attempts = 5 },
  start = "a",
  kinds = { a = { fetch = print }, b = { process = print }, c = { process = print, retry = false } },
}
LUA
run here luapool check job.lua
expect_err "job.lua: warning: kinds.b: field 'retry' is the policy of 'fetch': 'process' runs once"

it "finds mistakes without running a script"
printf 'x = = 1\n' >"$work/a.lua"
run here luapool check a.lua
expect_status 1
expect_err "a.lua:1: unexpected symbol near '='"
echo 'return { items = {}, proces = print }' >"$work/a.lua"
run here luapool check a.lua
expect_status 1
expect_err "a.lua: unknown field 'proces' (did you mean 'process'?)"
echo 'print("it runs")' >"$work/a.lua"
run here luapool check a.lua
expect_status 0
expect_out "a.lua: ok"

it "checks several files, and whether what the workers need can travel"
cat >"$work/good.lua" <<'LUA'
return { items = { 1, { 2 } }, fetch = print, retry = { attempts = 2 } }
LUA
cat >"$work/file.lua" <<'LUA'
local log = io.tmpfile()
return { items = { 1 }, process = function() log:write("x") end }
LUA
cat >"$work/item.lua" <<'LUA'
return { items = { 1, { io.tmpfile() } }, process = print }
LUA
run here luapool check good.lua file.lua item.lua missing.lua
expect_status 2
expect_err_like '^luapool check: cannot open missing.lua: No such file or directory$'
run here luapool check file.lua good.lua item.lua
expect_status 1
expect_out "good.lua: ok"
expect_err_like "^file.lua: cannot send upvalue 'log' of function 'process' \\(file.lua:2\\): file \\(FILE\\*\\)"
expect_err_like "^item.lua: item 2: cannot send .*file \\(FILE\\*\\)"
expect_err_lines 2

it "refuses a name that no job can have"
for name in "" . .. folder/ 'a"b'; do
  run here luapool new "$name"
  expect_status 2
  expect_err "luapool new: '$name' cannot be the name of a job"
done

it "writes a job to start from, and overwrites nothing"
run here luapool new titles
expect_status 0
run here luapool check titles.lua
expect_status 0
expect_err ""
run here luapool new titles
expect_status 2
expect_err "luapool new: titles.lua exists already"

it "runs tasks while it waits for a line; Ctrl-C ends the line that runs, and it goes on"
mkfifo "$work/typed"
env --default-signal=INT "$LUAPOOL" repl <"$work/typed" >"$work/out" 2>"$work/err" &
pid=$! tap_command="luapool repl"
exec 9>"$work/typed"
for line in 'print "busy" io.stdout:flush() while true do end' \
  'print "asleep" io.stdout:flush() task.sleep(60)' \
  'later = "behind" task.spawn(function() task.sleep(0.01) print(later) io.stdout:flush() end)'; do
  echo "$line" >&9
  word=$(echo "$line" | cut -d '"' -f 2)
  until grep -qs "$word" "$work/out" || ! kill -0 "$pid"; do sleep 0.02; done
  case $word in busy | asleep) kill -s INT "$pid" ;; esac
done
echo '20 + 1' >&9
exec 9>&-
status=0
wait "$pid" || status=$?
expect_status 0
expect_out "busy
asleep
behind
21"
expect_err_like 'cancelled'

it "reads, runs and shows lines"
printf '1 + 1, "x"\nfunction f()\nreturn 5 end\nf()\nerror("oh")\n(\n' >"$work/lines"
run sh -c '"$0" repl <"$1"' "$LUAPOOL" "$work/lines"
expect_status 0
expect_out "2	x
5"
expect_err_like '^stdin:1: oh$'
