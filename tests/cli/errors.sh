# shellcheck disable=SC2154
# Errors of tasks that nobody awaits are told on stderr, each once; those that somebody has got are not.
. tests/support/cli.sh

expect_reports() { expect [ "$(grep -c "$2" "$work/err")" -eq "$1" ]; }

it "tells the error of a group's member when the scope has another one"
cat >"$work/both.lua" <<'END'
local task = require "luapool.task"
print(pcall(function()
  local g <close> = task.group()
  g:spawn(function() error("of the member", 0) end)
  g:spawn(task.sleep, 10)
  task.sleep(0.01)
  error("of the scope", 0)
end))
END
run luapool run "$work/both.lua"
expect_status 0
expect_out "false	of the scope"
expect_reports 1 '^luapool: of the member$'
expect_reports 1 '^luapool: '

it "tells the error of a member of a group that is never left"
cat >"$work/never.lua" <<'END'
local task = require "luapool.task"
local g = task.group()
g:spawn(function() error("of the member", 0) end)
task.sleep(0.01)
END
run luapool run "$work/never.lua"
expect_status 0
expect_reports 1 '^luapool: of the member$'
expect_reports 1 '^luapool: '

it "does not tell one that was raised by leaving a group, by gather or by timeout"
cat >"$work/raised.lua" <<'END'
local task = require "luapool.task"
local function fail() error("seen", 0) end
local function grouped()
  local g <close> = task.group()
  g:spawn(fail)
  g:spawn(task.sleep, 10)
end
for _, f in ipairs {
  grouped,
  function() task.gather { fail, task.yield } end,
  function() task.all(fail) end,
  function() task.timeout(1, fail) end,
  function() task.spawn(fail):await() end,
} do
  print(pcall(f))
end
END
run luapool run "$work/raised.lua"
expect_status 0
expect_out "false	seen
false	seen
false	seen
false	seen
false	seen"
expect_err ""

it "tells the error of a finalizer, where nobody can catch it, in main and in a worker"
cat >"$work/finalizers.lua" <<'END'
local http, pool = require "luapool.http", require "luapool.pool"
local function collect()
  setmetatable({}, { __gc = function() require("luapool.http").get "http://127.0.0.1:1/" end })
  collectgarbage()
end
collect()
setmetatable({}, { __gc = function() error "plain" end })
setmetatable({}, { __gc = function() pcall(http.get, "http://127.0.0.1:1/") end })
setmetatable({}, { __gc = function() error {} end })
collectgarbage()
local p <close> = pool.new { processes = 1 }
p:apply(collect)
END
run luapool run "$work/finalizers.lua"
expect_status 0
expect_out ""
expect_reports 2 "^luapool: .*in a finalizer: .*finalizers.lua:3: .*cannot wait here (http request): .*collector"
expect_reports 1 "^luapool: worker 1: in a finalizer: .*finalizers.lua:3: "
expect_reports 1 "^luapool: in a finalizer: .*finalizers.lua:7: plain"
expect_reports 1 "^luapool: in a finalizer: error object is not a string"
expect_reports 4 "finalizer"

it "warns as lua does, when a script asks for it"
cat >"$work/warn.lua" <<'END'
warn "unheard"
warn "@on"
warn("heard", " in ", "parts")
warn "@off"
warn "unheard"
END
run luapool run "$work/warn.lua"
expect_status 0
expect_err "luapool: warning: heard in parts"

it "shows no title of a traceback that has no frame of the script below it"
cat >"$work/joined.lua" <<'END'
local process = require "luapool.process"
local p <close> = process.new(function() error("of the child", 0) end)
p:start()
p:join()
END
run luapool run "$work/joined.lua"
expect_status 1
expect_err_like '^luapool: of the child$'
expect_reports 2 '^stack traceback:$'
