# tests/support/spec.lua: what a spec may rely on, and what makes it fail.
. tests/support/cli.sh

# A spec file of the given lines, run inside luapool; TAP in $work/out.
run_spec() {
  for line; do echo "$line"; done >"$work/some_spec.lua"
  run luapool run tests/support/spec.lua -- "$work/some_spec.lua"
}

it "tells passes, failures, errors and what is pending"
run_spec 'it("a", function() assert.are.equal(1, 1) end)' \
  'it("b", function() assert.are.equal(1, 2) end)' \
  'it("c", function() error("oh") end)' \
  'pending("d")'
expect_status 1
expect_out_like '^ok 1 - a$'
expect_out_like '^not ok 2 - b$'
expect_out_like '^not ok 3 - c$'
expect_out_like 'some_spec.lua:3: oh$'
expect_out_like '^ok 4 - d # SKIP$'
expect_out_like '^1\.\.4$'

it "lets a test await"
run_spec 'local task = require "luapool.task"' \
  'it("waits", function() assert.are.equal(3, task.spawn(function() task.sleep(0.01) return 3 end):await()) end)'
expect_status 0
expect_out_like '^ok 1 - waits$'

it "cancels a test that takes too long"
SPEC_LIMIT=0.05 run_spec 'local task = require "luapool.task"' \
  'it("waits", function() task.sleep(1000) end)'
expect_status 1
expect_out_like '^not ok 1 - waits'
expect_out_like 'some_spec.lua:2'

it "tells the scopes of a test that fails, or takes too long, of the error"
SPEC_LIMIT=0.5 run_spec 'local task = require "luapool.task"' \
  'local mark = { __close = function(_, cause) print("left by " .. tostring(cause)) end }' \
  'it("a", function() local _ <close> = setmetatable({}, mark) error("oh") end)' \
  'it("b", function() local _ <close> = setmetatable({}, mark) assert.are.equal(1, 2) end)' \
  'it("c", function() local _ <close> = setmetatable({}, mark) task.sleep(1000) end)'
expect_status 1
expect_out_like '^left by .*some_spec.lua:3: oh$'
expect_out_like '^# .*some_spec.lua:3: oh$'
expect_out_like '^left by .*objects to be equal'
expect_out_like '^# .*some_spec.lua:4: Expected objects to be equal'
expect_out_like '^left by .*the task was cancelled: not done after 0.5 s'
expect_out_like '^not ok 3 - c$'

it "fails a file that leaves a task behind"
run_spec 'local task = require "luapool.task"' \
  'it("forgets", function() task.spawn(function() task.sleep(1000) end) end)'
expect_status 1
expect_out_like '^# 1 tasks$'

it "fails a file that leaves a descriptor open"
run_spec 'it("forgets", function() string.kept = io.open("/dev/null") end)'
expect_status 1
expect_out_like '^# descriptor [0-9]+: /dev/null$'

it "fails a file that does not compile"
run_spec 'it("a", function() end'
expect_status 1
expect_out_like '^not ok 1 - .*some_spec.lua$'

it "gives functions of a spec the plain globals"
run_spec 'it("a", function() local f = function() return print end' \
  '  assert.are.equal(_G, select(2, debug.getupvalue(f, 1))) end)'
expect_status 0
