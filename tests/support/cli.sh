# The harness of tests/cli/*.sh: a test file sources it, names each test with `it`, runs the program
# as a user does and states what it expects. Prints TAP.
#
#   . tests/support/cli.sh
#   it "prints its version"
#   run luapool --version
#   expect_status 0
#   expect_out "luapool 0.2.0"
#
# Each test has a fresh folder, $work. `run` leaves stdout, stderr and exit status in $work/out,
# $work/err and $status. A failed expectation is told and the test goes on.

ROOT=$PWD
: "${LUAPOOL:=$ROOT/build/release/luapool}"
tap_count=0 tap_name="" tap_failures=0 tap_failed=0 tap_skip=""
tap_dir=$(mktemp -d "${TMPDIR:-/tmp}/luapool-cli.XXXXXX")
trap tap_end EXIT
trap 'exit 143' TERM INT

luapool() { "$LUAPOOL" "$@"; }

# A command in the folder of the test.
here() { (cd "$work" && "$@"); }

# Runs the job on stdin, with these options: job -p 1 <<'LUA'
job() {
  cat >"$work/job.lua"
  run here luapool run job.lua "$@"
}

it() {
  tap_finish
  tap_name=$1 tap_failures=0 tap_skip=""
  tap_count=$((tap_count + 1))
  work=$tap_dir/$tap_count
  mkdir "$work"
}

skip() { tap_skip=$1; }

tap_finish() {
  [ -n "$tap_name" ] || return 0
  if [ "$tap_failures" -gt 0 ]; then
    tap_failed=$((tap_failed + 1))
    echo "not ok $tap_count - $tap_name"
  else
    echo "ok $tap_count - $tap_name${tap_skip:+ # SKIP $tap_skip}"
  fi
  tap_name=""
}

tap_end() {
  tap_status=$?
  trap - EXIT
  [ "$tap_status" -eq 0 ] || fail "the file has ended in this test with exit status $tap_status"
  tap_finish
  echo "1..$tap_count"
  rm -rf "$tap_dir"
  [ "$tap_status" -eq 0 ] || exit "$tap_status"
  [ "$tap_failed" -eq 0 ] || exit 1
  exit 0
}

fail() {
  tap_failures=$((tap_failures + 1))
  printf '%s\n' "$*" | sed 's/^/# /'
}

# Runs a command to its end.
run() {
  status=0
  tap_command="$*"
  "$@" >"$work/out" 2>"$work/err" || status=$?
}

tap_show() {
  [ -e "$work/out" ] || { fail "$1"; return; }
  fail "$1
  command: $tap_command
  status:  $status
  stdout:  $(head -c 4000 "$work/out")
  stderr:  $(head -c 4000 "$work/err")"
}

expect_status() { [ "$status" -eq "$1" ] || tap_show "expected exit status $1"; }

# stdout (stderr) is exactly this text, but for newlines at the end.
expect_out() { [ "$(cat "$work/out")" = "$1" ] || tap_show "expected on stdout: $1"; }
expect_err() { [ "$(cat "$work/err")" = "$1" ] || tap_show "expected on stderr: $1"; }

# A line of stdout (stderr) matches this extended regular expression.
expect_out_like() { grep -Eq -e "$1" "$work/out" || tap_show "expected a line of stdout like: $1"; }
expect_err_like() { grep -Eq -e "$1" "$work/err" || tap_show "expected a line of stderr like: $1"; }

# stdout (stderr) has this many lines.
expect_out_lines() { [ "$(wc -l <"$work/out")" -eq "$1" ] || tap_show "expected $1 lines on stdout"; }
expect_err_lines() { [ "$(wc -l <"$work/err")" -eq "$1" ] || tap_show "expected $1 lines on stderr"; }

expect_file() { [ -e "$1" ] || tap_show "expected a file $1"; }
expect_no_file() { [ ! -e "$1" ] || tap_show "expected no file $1"; }

# Any command that must succeed: expect cmp a b
expect() { "$@" >"$work/expect" 2>&1 || tap_show "expected success of: $*
$(head -c 2000 "$work/expect")"; }

# Waits until file $1 has $2 lines, or until process $3, which writes them, has ended.
await_lines() {
  until [ "$(cat "$1" 2>/dev/null | wc -l)" -ge "$2" ] || ! kill -0 "$3" 2>/dev/null; do
    sleep 0.02
  done
}

# The process with this id has ended, within 5 s. A zombie has: its new parent may be slow to reap.
expect_gone() {
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    [ -n "$(tr -d '\0' 2>/dev/null <"/proc/$1/cmdline")" ] || return 0
    sleep 0.5
  done
  tap_show "process $1 is still there: $(tr '\0' ' ' <"/proc/$1/cmdline")"
}
