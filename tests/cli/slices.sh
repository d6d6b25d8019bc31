# Time slices are not seen by scripts: the programs in slices/ print the same as under a plain lua5.4,
# wherever a task is suspended and resumed. 0.1 ms slices it at every tick of the CPU clock.
. tests/support/cli.sh

for program in coroutines generators work hooks; do
  lua5.4 "tests/cli/slices/$program.lua" >"$tap_dir/$program"
  for slice in 0.1 10 0; do
    it "runs $program as stock Lua does, in slices of $slice ms"
    run luapool run --slice "$slice" "tests/cli/slices/$program.lua"
    expect_status 0
    expect cmp "$tap_dir/$program" "$work/out"
    expect_err ""
  done
done

for order in fifo lifo priority; do
  it "does not cut a method of luapool.sync in two ($order)"
  run luapool run --slice 0.05 tests/cli/slices/sync.lua -- $order
  expect_status 0
  expect_err ""
done

it "does not cut a line in two"
run luapool run --slice 0.05 tests/cli/slices/lines.lua
expect_status 0
expect_out exact

it "lets others run beside a task that never waits"
cat >"$work/endless.lua" <<'END'
local task = require "luapool.task"
local function forever() while true do end end
local function nested() coroutine.wrap(function() coroutine.wrap(forever)() end)() end
local function caught() while true do pcall(forever) end end
for _, f in ipairs { forever, nested, caught } do task.spawn(f) end
for _ = 1, 3 do task.sleep(0.001) end
print "awake"
os.exit(0, false)
END
run luapool run --slice 1 "$work/endless.lua"
expect_status 0
expect_out awake

it "takes a slice as milliseconds only"
run luapool run --slice -1 "$work/endless.lua"
expect_status 2
expect_err_like "'--slice' must be a number of milliseconds"
