# Programs that end in the middle of transactions: nothing crashes, and what was committed is there.
. tests/support/cli.sh

# Ten tasks insert over two connections until the program ends: ends HOW.
ends() {
  cat >"$work/busy.lua" <<'LUA'
local sqlite, task = require "luapool.sqlite", require "luapool.task"
local path, how, seed = ...
math.randomseed(tonumber(seed))
local dbs = { sqlite.open(path), sqlite.open(path) }
dbs[1]:exec "CREATE TABLE IF NOT EXISTS t (n)"
for i = 1, 10 do
  local db = dbs[i % 2 + 1]
  task.spawn(function()
    while true do
      db:transaction(function()
        db:exec "INSERT INTO t VALUES (1)"
        task.yield()
        for _ in db:rows "SELECT * FROM t" do break end
        db:exec "INSERT INTO t VALUES (2)"
      end)
    end
  end)
end
task.sleep(math.random() * 0.03)
if how == "exit" then os.exit(0, true) end
if how == "error" then error("enough", 0) end
LUA
  for seed in 1 2 3 4 5; do run luapool run "$work/busy.lua" -- "$work/x.db" "$1" "$seed"; done
  expect_status "$2"
  cat >"$work/look.lua" <<'LUA'
local db <close> = require("luapool.sqlite").open((...))
local row = db:first "SELECT sum(n = 1) AS ones, sum(n = 2) AS twos FROM t"
print(row.ones == row.twos, db:first("PRAGMA integrity_check").integrity_check)
LUA
  run luapool run "$work/look.lua" -- "$work/x.db"
  expect_out "true	ok"
}

it "by the return of the main task"
ends return 0

it "by os.exit that closes the state"
ends exit 0

it "by an error"
ends error 1
