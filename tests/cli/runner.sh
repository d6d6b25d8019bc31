# The test runner itself: whatever goes wrong in a test program counts as a failure.
. tests/support/cli.sh

# A test file of the given lines, run by a runner of its own; stdout in $work/out.
run_tests() {
  for line; do echo "$line"; done >"$work/some_test.sh"
  TEST_LOGS=$work/logs TEST_LIMIT=1 run tests/run "$(dirname "$LUAPOOL")" "$work/some_test.sh"
}

it "counts passes, failures and skips"
run_tests 'echo "ok 1 - a"' 'echo "not ok 2 - b"' 'echo "ok 3 - c # SKIP d"' 'echo 1..3'
expect_status 1
expect_out_like '^1 passed, 1 failed, 1 skipped$'

it "succeeds when all is well"
run_tests 'echo "ok 1 - a"' 'echo 1..1'
expect_status 0
expect_out_like '^1 passed, 0 failed, 0 skipped$'

it "ends with the sum"
run_tests 'echo "ok 1 - a"' 'echo 1..1'
expect [ "$(tail -n 1 "$work/out")" = "1 passed, 0 failed, 0 skipped" ]

it "counts a crash as a failure"
run_tests 'echo "ok 1 - a"' 'kill -SEGV $$'
expect_status 1
expect_out_like '^1 passed, 1 failed, 0 skipped$'

it "counts a bad exit status after good results as a failure"
run_tests 'echo "ok 1 - a"' 'echo 1..1' 'exit 7'
expect_out_like '^1 passed, 1 failed, 0 skipped$'

it "counts missing results as a failure"
run_tests 'echo "ok 1 - a"' 'echo 1..2'
expect_out_like '^1 passed, 1 failed, 0 skipped$'

it "counts a program that says nothing as a failure"
run_tests ':'
expect_out_like '^0 passed, 1 failed, 0 skipped$'

it "kills a program that hangs, and counts it as a failure"
run_tests 'echo "ok 1 - a"' 'sleep 100'
expect_out_like '^1 passed, 1 failed, 0 skipped$'
expect_out_like 'killed: not done after 1 s'

it "fails when it has run nothing"
TEST_LOGS=$work/logs run tests/run "$(dirname "$LUAPOOL")" no-such-test
expect_status 1
expect_out "0 passed, 0 failed, 0 skipped"

it "tells what was skipped, and why"
run_tests 'echo "ok 1 - a # SKIP no b"' 'echo "ok 2 - c"' 'echo 1..2'
expect_status 0
expect_out_like '^ +ok 1 - a # SKIP no b$'
expect_out_like '^1 passed, 0 failed, 1 skipped$'
