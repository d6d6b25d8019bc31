# luapool serve: the file is loaded again, by SIGHUP and by luapool ctl.
. tests/support/cli.sh
. tests/support/serve.sh

# jobs VERSION: a file whose jobs note this version.
jobs() {
  cat >"$work/jobs.lua" <<LUA
local version = "$1"
return {
  queue = "sqlite:$work/work.db",
  init = function() if version == "cannot start" then error "no init" end end,
  kinds = {
    note = { process = function() return version end, result_ttl = 600 },
    sum = { process = function() require("luapool.task").sleep(0.02) end },
    waits = { process = function(path)
      while not io.open(path) do require("luapool.task").sleep(0.02) end
      return version
    end, result_ttl = 600 },
    $2
  },
}
LUA
}

it "takes a new file over, while old workers finish what they run"
jobs one
serve "$work/jobs.lua" -p 2
await_log "serving"
lua_q '
local id = q:put("waits", "'"$work"'/go")
await("its start", function() return q:status(id).state == "running" end)
assert(q:result(q:put "note", { timeout = 60 }) == "one")
'
jobs two 'fresh = { process = function() return "fresh" end, result_ttl = 600 },'
kill -HUP "$server"
await_log "reloaded"
lua_q '
assert(q:result(q:put "note", { timeout = 60 }) == "two")
assert(q:result(q:put "fresh", { timeout = 60 }) == "fresh")
local id = q:list({ kind = "waits" })[1].id
assert(q:status(id).state == "running")
fs.write("'"$work"'/go", "")
assert(q:result(id, { timeout = 60 }) == "one")
'

it "keeps the old workers when the new file is broken, says why, and takes a mended one"
work=$tap_dir/1 # that server goes on
for broken in 'return {' 'error "at load"' 'return { kinds = 7 }' "$(sed 's/"two"/"cannot start"/' "$work/jobs.lua")"; do
  echo "$broken" >"$work/jobs.lua"
  before=$(grep -c "not taken over" "$work/log")
  kill -HUP "$server"
  await_log "not taken over" $((before + 1))
done
expect_log "not taken over.*jobs.lua:[0-9]+:"
expect_log "at load"
expect_log "field 'kinds' must be a table"
expect_log "no init"
lua_q 'assert(q:result(q:put "note", { timeout = 60 }) == "two")'
jobs three
run luapool ctl reload "$server"
expect_status 0
lua_q 'assert(q:result(q:put "note", { timeout = 60 }) == "three")'
echo "return {" >"$work/jobs.lua"
run luapool ctl reload "$server"
expect_status 1
expect_err_like "not taken over, the old workers go on"
stop_serve TERM 0

# 100 jobs are put before each reload. LUAPOOL_LONG=1: 200 reloads and 20,000 jobs.
hups=20
[ -z "${LUAPOOL_LONG:-}" ] || hups=200
count=$((hups * 100))

it "loses no job and fails none in $hups reloads while $count jobs run"
jobs one
serve "$work/jobs.lua" -p 2 -c 4
await_log "serving"
for _ in $(seq $hups); do
  lua_q 'local l = {} for i = 1, 100 do l[i] = i end q:put_all("sum", l)'
  before=$(grep -c "reloaded" "$work/log")
  kill -HUP "$server"
  await_log "reloaded" $((before + 1))
done
lua_q '
await("their end", function() return q:stats().sum.done == '$count' end)
local s = q:stats().sum
assert(s.failed == 0 and s.waiting == 0 and s.running == 0)
'
stop_serve TERM 0
expect_no_log " (warn|error)"

it "stops while it reloads a file whose init never ends, and keeps what it had"
jobs one
serve "$work/jobs.lua" -p 1 --grace 1
await_log "serving"
sed -i 's/init = function()/& require("luapool.task").sleep(1e6)/' "$work/jobs.lua"
kill -HUP "$server"
lua_q 'assert(q:result(q:put "note", { timeout = 60 }) == "one")'
stop_serve TERM 0
