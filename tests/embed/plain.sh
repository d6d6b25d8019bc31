# Specs run by a plain lua5.4 with the module luapool: these few in each run of the tests, all of them by
# `make plain`. plain_exceptions lists what cannot pass there, with the reason.
. tests/support/cli.sh

for name in task coroutine require sync fs json; do
  it "runs ${name}_spec.lua"
  run tests/support/plain "${LUAPOOL%/*}" "tests/spec/${name}_spec.lua"
  expect_status 0
done
