# The hosts of examples/ are built as their READMEs tell, against an installed luapool, and do what these say.
. tests/support/cli.sh

inside() { tests/support/installed "${LUAPOOL%/*}" "$@"; }

# Copies an example, builds it there, and sets $at to the copy.
build() {
  at=$tap_dir/$1
  cp -R "examples/$1" "$at"
  # shellcheck disable=SC2016 # expanded inside
  expect inside sh -c 'make -C "$1" CC="$CC" CXX="$CXX" CFLAGS="$CFLAGS -D_GNU_SOURCE" CXXFLAGS="$CXXFLAGS"' - "$at"
}

it "embed_loop: a poll loop answers lines, and sleeps meanwhile"
build embed_loop
run inside sh -c "printf 'one\ntwo\n' | '$at/poll'"
expect_status 0
expect_out "ONE
TWO"
expect_err ""

# The second line comes when the first one is answered, so in between no task could go on.
it "embed_loop: poll.c goes on while stdin is open"
mkfifo "$work/lines"
inside "$at/poll" <"$work/lines" >"$work/answers" 2>&1 &
poll=$!
exec 3>"$work/lines"
echo one >&3
await_lines "$work/answers" 1 $poll
echo two >&3
exec 3>&-
run wait $poll
expect_status 0
expect test "$(cat "$work/answers")" = "ONE
TWO"

it "embed_loop: a loop of libuv turns the host's timer and a script"
run inside "$at/uv"
expect_status 0
expect_out "script 1
script 2
script 3
the host has ticked 10 times"
expect_err ""

it "embed_threads: eight runtimes with pools"
build embed_threads
run inside "$at/embed_threads"
expect_status 0
expect_out "$(awk 'BEGIN {
  for (t = 0; t < 8; t++) {
    sum = 0
    for (i = 1; i <= 100; i++) sum += (100 * t + i) ^ 2
    print "thread " t ": " sum
  } }')"
expect_err ""

it "embed_cpp: a weather station"
build embed_cpp
run inside "$at/embed_cpp"
expect_status 0
expect_out_like '^sensor 7: 20\.5 degrees$'
expect_out_like '^refused: .*there is no such sensor'
expect_err ""

it "embed_tool: scripts change a text"
build embed_tool
run inside "$at/embed_tool" "$at/text.txt" "$at/scripts/proofread.lua" "$at/scripts/number.lua"
expect_status 0
expect_out "line 2: mended
line 3: mended
  1  An editor that its users extend
  2  has to trust the scripts of strangers
  3  and it does not."
expect_err ""

it "embed_tool: scripts are refused with a reason, and others run"
run inside "$at/embed_tool" "$at/text.txt" "$at/scripts/endless.lua" "$at/scripts/hungry.lua" \
  "$at/scripts/spy.lua" "$at/scripts/number.lua"
expect_status 1
expect_err_like 'endless\.lua was stopped, it took too long:$'
expect_err_like 'hungry\.lua was stopped, it wanted too much memory:$'
expect_err_like 'spy\.lua was stopped, it wanted what scripts may not do:$'
expect_out_like '^  3  and it it does not\.$'
