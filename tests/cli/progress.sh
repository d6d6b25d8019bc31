# luapool.progress and luapool.log: what stands on the terminal, and what a file gets.
. tests/support/cli.sh
. tests/support/screen.sh

# Lines of Lua into $work/script.lua.
script_is() { printf '%s\n' "$@" >"$work/script.lua"; }

# Runs a command on a terminal of 60 columns. What the terminal got is in $work/raw, and each
# state of a line as a line, without escapes, in $work/out.
on_terminal() {
  run script -qec "stty cols 60 rows 20; $1" /dev/null
  mv "$work/out" "$work/raw"
  tr '\r' '\n' <"$work/raw" | sed "s/$(printf '\033')\[[?0-9]*[A-Za-z]//g" | grep -v '^$' >"$work/out"
}

unset NO_COLOR
prelude='local progress, task = require "luapool.progress", require "luapool.task"; local board = debug.getregistry()["luapool.env"].require "luapool.internal.progress.board"'
ten='for x in progress.wrap({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, { desc = "list", unit = "x" }) do'

it "draws a bar on a terminal, and leaves its last state"
script_is "$prelude" "board.interval = 0" "$ten end"
on_terminal "'$LUAPOOL' run '$work/script.lua'"
expect_status 0
expect_out_like '^list:  50%\|█+[^ ]? *\| 5/10 \[00:00<00:00, [0-9.]+ x/s\]$'
expect_out_like '^list: 100%\|█+\| 10/10 \[00:00<00:00, [0-9.]+ x/s\]$'

it "stays within the width of the terminal, with letters in place of blocks where there are none"
script_is "$prelude" 'local b = progress.bar { total = 4, desc = ("d"):rep(100) }' 'b:update(2)' 'b:close()' \
  'b = progress.bar { total = 4 }' 'b:update(2)' 'b:close()'
LC_ALL=C on_terminal "'$LUAPOOL' run '$work/script.lua'"
expect_out_like '^d{59}$'
expect_out_like '^ 50%\|#+-+\| 2/4 \[.{0,30}$'

it "keeps what is printed, logged and written by workers above the bars"
script_is "$prelude" 'local pool, log = require "luapool.pool", require "luapool.log"' \
  'local a, b = progress.bar { total = 10, desc = "first" }, progress.bar { desc = "second" }' \
  'local p = pool.new { processes = 1 }' 'a:update(3)' 'print "from print"' \
  'io.write("from ", "write\n")' 'log.warn("from %s", "log")' \
  'p:apply(function() print "worker out" io.stderr:write "worker err\n" end)' \
  'b:set_postfix { step = 7 }' 'b:update(5)' \
  'while not io.open(arg[1]) do task.sleep(0.02) end' 'b:close()' 'print "between"' 'a:close()'
open_screen "'$LUAPOOL' run '$work/script.lua' -- '$work/go'"
expect_screen_like '^first:  30%\|█+[^ ]? +\| 3/10 '
expect_screen_like '^second: 5 it \[.*, step=7\]$'
expect_screen_like '^worker out$'
expect_screen_like '^worker err$'
expect_screen_like '^from print$'
expect_screen_like '^from write$'
expect_screen_like '^[-0-9]+ [:0-9]+ warn: from log$'
[ "$(screen | grep -c '^first:')" -eq 1 ] || fail "the bar is there twice: $(screen)"
[ "$(screen | grep -v '^$' | tail -n 1 | cut -c1-7)" = "second:" ] || fail "not at the bottom: $(screen)"
touch "$work/go"
expect_screen_like '^ended$'
[ "$(screen | grep -E '^(first|second|between)' | cut -c1-6 | tr '\n' ' ')" = "second betwee first: " ] ||
  fail "not in order: $(screen)"
close_screen

it "survives a resize"
script_is "$prelude" 'local a, b = progress.bar { total = 10, desc = "first" }, progress.bar { total = 9, desc = "second" }' \
  'a:update(3)' 'while not io.open(arg[1]) do a:set_total(a.total + 1) task.sleep(0.02) end' 'b:close() a:close()'
open_screen "'$LUAPOOL' run '$work/script.lua' -- '$work/go'"
expect_screen_like '^second: '
in_tmux resize-window -x 40 -y 10
expect_screen_like '^first: .{5,33}$'
in_tmux resize-window -x 90 -y 10
expect_screen_like '^first: .{60,}$'
touch "$work/go"
expect_screen_like '^ended$'
expect_screen_unlike '^first:.*second:'
close_screen

it "leaves no stale row when the terminal shrinks and grows, with the bars at its bottom"
script_is "$prelude" 'for i = 1, 30 do print("above " .. i) end' \
  'local a, b = progress.bar { total = 10, desc = "first" }, progress.bar { total = 9, desc = "second" }' \
  'while not io.open(arg[1]) do a:set_total(a.total + 1) task.sleep(0.02) end' 'b:close() a:close()'
open_screen "'$LUAPOOL' run '$work/script.lua' -- '$work/go'" 24
expect_screen_like '^second: '
for size in 20 60 15 90 20 60; do
  in_tmux resize-window -x $size -y 24
  expect_screen_like "^first: .{$((size - 13)),$((size - 8))}\$"
done
touch "$work/go"
expect_screen_like '^ended$'
all=$(in_tmux capture-pane -p -S -100)
[ "$(echo "$all" | grep -c '^first:')" -eq 1 ] || fail "a row is left: $all"
[ "$(echo "$all" | grep -c '^second:')" -eq 1 ] || fail "a row is left: $all"
close_screen

it "draws no more bars than the terminal has rows for"
script_is "$prelude" 'local bars = {}' 'for i = 1, 15 do bars[i] = progress.bar { desc = "bar " .. i } end' \
  'while not io.open(arg[1]) do bars[1]:update() task.sleep(0.02) end' 'for i = 15, 1, -1 do bars[i]:close() end'
open_screen "'$LUAPOOL' run '$work/script.lua' -- '$work/go'"
expect_screen_like '^bar 9: '
touch "$work/go"
expect_screen_like '^ended$'
all=$(in_tmux capture-pane -p -S -100)
[ "$(echo "$all" | grep -c '^bar ')" -eq 15 ] || fail "a row is left, or missing: $all"
close_screen

it "counts the columns of wide characters, of marks and of emoji"
script_is "$prelude" 'board.interval = 0' \
  'for _, text in ipairs { "下载图片文件名称测试测试测试", ("e\u{301}"):rep(30), ("👍🏽"):rep(20), ("❤\u{FE0F}"):rep(20), ("日"):rep(50) } do' \
  '  local b = progress.bar { total = 5, desc = text }' '  b:update()' '  b:close()' 'end'
on_terminal "'$LUAPOOL' run '$work/script.lua'"
lua5.4 - "$work/out" <<'END' || fail "a line is wider than the terminal, or too short: $(cat "$work/out")"
-- Of the texts above: marks, then what is wide.
local function columns(code)
  if code == 0x301 or code == 0xfe0f then return 0 end
  local wide = code >= 0x2e80 and code <= 0xa4cf or code >= 0x1f300 and code <= 0x1f64f
  return wide and 2 or 1
end
local least, most, n = math.huge, 0, 0
for line in io.lines(arg[1]) do
  local width = 0
  for _, code in utf8.codes(line) do width = width + columns(code) end
  if width > 0 then least, most, n = math.min(least, width), math.max(most, width), n + 1 end
end
assert(n >= 10 and most <= 59 and least >= 30, ("%d lines of %d to %d"):format(n, least, most))
END
grep -q "^日*\$" "$work/out" || fail "a wide character was parted: $(cat "$work/out")"

it "draws the bars of workers, until they are closed or the worker has gone"
script_is "$prelude" 'local p = require("luapool.pool").new { processes = 1 }' \
  'local mine = progress.bar { total = 2, desc = "main" }' \
  'local go = require("luapool.sync").event()' \
  'local f = p:submit(function()' \
  '  local progress = require "luapool.progress"' \
  '  local b = progress.bar { total = 8, desc = "worker", unit = "page" }' \
  '  progress.bar { desc = "forgotten" }' \
  '  b:update(2) b:set_postfix "busy"' '  go:wait()' '  b:update(6) b:close()' 'end)' \
  'while not io.open(arg[1]) do task.sleep(0.02) end' 'go:set()' 'f:await()' \
  'p:close()' 'p:join()' 'mine:close()' 'print "end of script"'
open_screen "'$LUAPOOL' run '$work/script.lua' -- '$work/go'"
expect_screen_like '^worker:  25%\|.*\| 2/8 \[.* page/s, busy\]$'
expect_screen_like '^main:   0%'
expect_screen_like '^forgotten: 0 it'
touch "$work/go"
expect_screen_like '^ended$'
expect_screen_like '^worker: 100%\|.*\| 8/8 \['
expect_screen_like '^main:   0%'
expect_screen_unlike '^forgotten'
close_screen

it "has plain lines of workers too, and none with --progress off"
script_is 'local p = require("luapool.pool").new { processes = 2 }' \
  'p:map(function(i)' '  local b <close> = require("luapool.progress").bar { total = 3, desc = "part " .. i }' \
  '  b:update(3)' 'end, { 1, 2 }):drain()'
run luapool run --progress on "$work/script.lua"
expect_err_lines 2
expect_err_like '^part 1: 100% 3/3 \['
expect_err_like '^part 2: 100% 3/3 \['
run luapool run --progress off "$work/script.lua"
expect_err ""

it "names the oldest item of a stalled job, and what it waits for"
cat >"$work/job.lua" <<'LUA'
local function board() -- lines at short intervals, here and in the worker
  local inner = debug.getregistry()["luapool.env"].require
  local board = inner "luapool.internal.progress.board"
  board.plain_interval, board.stall_interval = 0.2, 0.2
  inner("luapool.internal.progress.line").stall = 0.5
end
board()
return {
  items = { "quick", "slow page", "slower" },
  init = board,
  fetch = function(item)
    local task = require "luapool.task"
    while item ~= "quick" and not io.open(FILE) do task.sleep(0.3) end
  end,
}
LUA
sed -i "s|FILE|'$work/go'|" "$work/job.lua"
"$LUAPOOL" run "$work/job.lua" -p 1 --progress on >"$work/out" 2>"$work/err" &
pid=$! tap_command="luapool run job.lua -p 1 --progress on"
until grep -q 'slow page waits' "$work/err" || ! kill -0 "$pid"; do sleep 0.05; done
touch "$work/go"
status=0
wait "$pid" || status=$?
expect_status 0
expect_err_like '^job: 33% 1/3 \[[0-9:]+<[?], .*, slow page waits for sleep\]$'
expect_err_like '^job: 100% 3/3 \[[0-9:]+<00:00, [0-9.]+ (s/item|item/s)\]$'

it "takes an empty LC_ALL for none"
script_is "$prelude" 'local b = progress.bar { total = 4 }' 'b:update(2)' 'b:close()'
LC_ALL='' LC_CTYPE='' LANG=C.UTF-8 on_terminal "'$LUAPOOL' run '$work/script.lua'"
expect_out_like '^ 50%\|█+'
LC_ALL='' LC_CTYPE=C LANG=C.UTF-8 on_terminal "'$LUAPOOL' run '$work/script.lua'"
expect_out_like '^ 50%\|#+'

it "does not cut into a line that is being written"
script_is "$prelude" 'board.interval = 0' 'local b <close> = progress.bar { total = 10 }' 'io.write("begun ")' \
  'b:update()' 'task.sleep(0.2)' 'io.write("ended\n")' 'b:update()'
on_terminal "'$LUAPOOL' run '$work/script.lua'"
expect_out_like '^begun ended$'

it "puts an error that ends the run below nothing but itself"
script_is "$prelude" 'local b = progress.bar { total = 10 }' 'error "oh"'
on_terminal "'$LUAPOOL' run '$work/script.lua'"
expect_status 1
expect_out_like "^luapool: .*script.lua:3: oh$"

it "writes nothing but results into files by default, at the beginning"
script_is "$prelude" "$ten end"
run luapool run "$work/script.lua"
expect_status 0
expect_out ""
expect_err ""

it "writes plain lines elsewhere, at most one in an interval, and a last one"
script_is "$prelude" "board.plain_interval = 0.1" "$ten" 'task.sleep(0.06)' 'end'
run luapool run "$work/script.lua"
expect_err_like '^list: [0-9]+% [0-9]+/10 \[00:0[0-9]<00:0[0-9], [0-9.]+ x/s\]$'
expect_err_like '^list: 100% 10/10 \['
[ "$(wc -l <"$work/err")" -le 12 ] || fail "too many lines: $(cat "$work/err")"
[ -z "$(tr -d '[:print:]\n' <"$work/err")" ] || fail "not plain: $(cat -v "$work/err")"

it "writes the last line also of a short run with --progress on"
script_is "$prelude" "$ten end"
run luapool run --progress on "$work/script.lua"
expect_err_like '^list: 100% 10/10 \[00:00<00:00, [0-9.]+ x/s\]$'
expect_err_lines 1

it "is plain with NO_COLOR and on a dumb terminal"
script_is "$prelude" "board.plain_interval = 0.05" "$ten" 'task.sleep(0.02)' 'end'
NO_COLOR=1 on_terminal "'$LUAPOOL' run '$work/script.lua'"
expect_out_like '^list: 100% 10/10'
[ -z "$(tr -d '[:print:]\n\r' <"$work/raw")" ] || fail "not plain: $(cat -v "$work/raw")"
TERM=dumb on_terminal "'$LUAPOOL' run '$work/script.lua'"
expect_out_like '^list: 100% 10/10'
[ -z "$(tr -d '[:print:]\n\r' <"$work/raw")" ] || fail "not plain: $(cat -v "$work/raw")"

it "draws nothing with --progress off"
script_is "$prelude" "board.interval = 0" "$ten end"
on_terminal "'$LUAPOOL' run --progress off '$work/script.lua'"
expect_status 0
expect_out ""

it "wipes what was not closed"
script_is "$prelude" 'progress.bar { total = 10, desc = "forgotten" }:update()' 'print "last"'
open_screen "'$LUAPOOL' run '$work/script.lua'"
expect_screen_like '^ended$'
expect_screen_like '^last$'
expect_screen_unlike 'forgotten'
close_screen

it "wipes the bars when it is interrupted twice"
script_is "$prelude" 'local b = progress.bar { total = 10, desc = "shown" }' \
  'pcall(task.sleep, 100) print "cancelled" while true do pcall(task.sleep, 0.02) end'
open_screen "'$LUAPOOL' run '$work/script.lua'"
expect_screen_like '^shown: '
tmux -S "$work/tmux" send-keys C-c
expect_screen_like '^cancelled$'
tmux -S "$work/tmux" send-keys C-c
expect_screen_like '^ended$'
expect_screen_unlike 'shown'
close_screen

it "logs by level and format"
script_is 'local log, task = require "luapool.log", require "luapool.task"' \
  'log.debug "hidden"' 'log.info("100%")' 'log.warn("%d of %s", 3, "x")' 'log.error("%d", "no number")' \
  'task.spawn(function() task.current():name "fetcher" log.info "hi" end):await()'
run luapool run "$work/script.lua"
expect_out ""
expect_err_lines 4
expect_err_like '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8} info: 100%$'
expect_err_like ' warn: 3 of x$'
expect_err_like ' error: %d no number$'
expect_err_like ' info fetcher: hi$'
run luapool run --log-level error "$work/script.lua"
expect_err_lines 1
run luapool run --log-level debug --log-format json "$work/script.lua"
expect_err_lines 5
expect_err_like '^\{"level":"warn","message":"3 of x",.*"time":"[-0-9]{10}T[:0-9]{8}Z"\}$'

it "begins the lines of a process with its name"
script_is 'local process = require "luapool.process"' \
  'local p = process.new(function()' \
  '  local log, task = require "luapool.log", require "luapool.task"' \
  '  log.warn "text" task.spawn(error, "alone") task.sleep(0) end, { name = "indexer" })' \
  'p:start()' 'p:join()'
run luapool run "$work/script.lua"
expect_err_like '^[-0-9]+ [:0-9]+ warn indexer: text$'
expect_err_like '^luapool: indexer: .*alone'
run luapool run --log-format json "$work/script.lua"
expect_err_like '"message":"text","process":"indexer",.*"worker":1'

it "tells workers of --log-level and --log-format"
script_is 'local pool, log = require "luapool.pool", require "luapool.log"' \
  'local p = pool.new { processes = 1 }' 'log.debug "main"' \
  'p:apply(function() local l = require "luapool.log" l.debug("%d", 7) l.error "bad" end)'
run luapool run --log-level debug --log-format json "$work/script.lua"
expect_err_lines 3
expect_err_like '"level":"debug","message":"main"'
expect_err_like '"level":"debug","message":"7".*"worker":1'
run luapool run --log-level error "$work/script.lua"
expect_err_lines 1
expect_err_like '^[-0-9]+ [:0-9]+ error worker 1: bad$'
