# luapool.log as its user sees it on stderr and in files: journald's priorities, relative paths, a
# full disk. What its calls do is in tests/spec/log_spec.lua.
. tests/support/cli.sh

script_is() { printf '%s\n' "$@" >"$work/script.lua"; }

# Runs the script with stderr to a file, which JOURNAL_STREAM names by $1, its device and inode.
run_journal() {
  status=0
  : >"$work/err"
  JOURNAL_STREAM=$1 "$LUAPOOL" run "$work/script.lua" -- "$work" \
    >"$work/out" 2>>"$work/err" || status=$?
}

it "puts the priority before each line where stderr is journald's"
script_is 'local log, pool = require "luapool.log", require "luapool.pool"' \
  'local p <close> = pool.new { processes = 1 }' \
  'log.info "one\ntwo" log.warn "three"' \
  'p:apply(function() require("luapool.log").error "four" end)'
: >"$work/err"
run_journal "$(stat -c %d:%i "$work/err")"
expect_status 0
expect_err_lines 4
expect_err_like '^<6>[-0-9]+ [:0-9]+ info: one$'
expect_err_like '^<6>  two$'
expect_err_like '^<4>[-0-9]+ [:0-9]+ warn: three$'
expect_err_like '^<3>[-0-9]+ [:0-9]+ error worker 1: four$'
run_journal "1:2"
expect_err_like '^[-0-9]+ [:0-9]+ warn: three$'
run_journal "nonsense"
expect_err_like '^[-0-9]+ [:0-9]+ warn: three$'

it "writes no priorities to files"
script_is 'local log = require "luapool.log"' 'log.add { path = (...) .. "/app.log" }' 'log.warn "x"'
: >"$work/err"
run_journal "$(stat -c %d:%i "$work/err")"
expect_err_like '^<4>'
expect grep -Eq '^[-0-9]+ [:0-9]+ warn: x$' "$work/app.log"

it "obeys --log-format and not --log-level in files, and finds them by relative paths"
script_is 'local log, pool = require "luapool.log", require "luapool.pool"' \
  'log.add { path = "app.log" } log.add { path = "text.log", format = "text", level = "warn" }' \
  'local p <close> = pool.new { processes = 1 }' \
  'p:apply(function() require("luapool.log").debug "from a worker" end) log.error "late"'
in_work() { (cd "$work" && luapool "$@"); }
run in_work run --log-format json --log-level error script.lua
expect_status 0
expect_err_lines 1
expect grep -q '"level":"debug","message":"from a worker".*"worker":1' "$work/app.log"
expect grep -Eq '^[-0-9]+ [:0-9]+ error: late$' "$work/text.log"

it "tells once that the disk is full, leaves whole lines, and goes on"
script_is 'local log = require "luapool.log"' 'local path = (...) .. "/app.log"' \
  'log.add { path = path }' \
  'for i = 1, 100 do log.debug("%d %s", i, ("x"):rep(100)) end' \
  'os.rename(path, path .. ".1") log.debug "more"'
limited() { (ulimit -f 8 && luapool "$@"); }
run limited run "$work/script.lua" -- "$work"
expect_status 0
expect_err_lines 2
expect_err_like "^luapool: cannot write the log '$work/app.log': File too large: its lines are lost"
expect_err_like "^luapool: the log '$work/app.log' can be written again: [0-9]+ lines were lost$"
expect grep -q 'debug: more$' "$work/app.log"
expect [ "$(grep -cvE '^.* debug: [0-9]+ x{100}$' "$work/app.log.1")" = 0 ]
expect [ "$(tail -c 1 "$work/app.log.1" | od -An -c | tr -d ' ')" = '\n' ]
