# Workers that are killed and stopped at random, in short: `make storm` runs the whole.
. tests/support/cli.sh

it "gives every task one outcome while workers are killed and stopped"
run luapool run tests/support/storm.lua -- 2000 2
expect_status 0
expect_out_like '^2000 tasks in .* [1-9][0-9]* restarts'
