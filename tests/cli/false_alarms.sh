# No deadlock is reported where there is none: `make alarms` runs many more seeds.
. tests/support/cli.sh

it "goes on through deaths, stops, retirements, long items and idle workers"
run tests/support/false_alarms "$LUAPOOL" 10 21
expect_status 0
expect_out "0 of 10 runs failed"
