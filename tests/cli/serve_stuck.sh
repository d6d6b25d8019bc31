# luapool serve: jobs in a C function that does not return, where nothing reaches them.
. tests/support/cli.sh
. tests/support/serve.sh

cat >"$tap_dir/jobs.lua" <<'END'
local task = require "luapool.task"
local url = ...
local function never_returns() return (("a"):rep(200)):find((".-"):rep(30) .. "b") end
return {
  queue = url,
  kinds = {
    timed = { process = never_returns, timeout = 0.1, retry = false },
    endless = { process = function(path)
      io.open(path, "w"):close()
      return never_returns()
    end, crash_retries = 0 },
    waits = { process = function(path)
      while not io.open(path) do task.sleep(0.02) end
      return "there"
    end, retry = false, crash_retries = 0, result_ttl = 600 },
  },
}
END

# Runs the Lua code $1 beside a job that waits in the same worker, and goes on in another one.
beside_another() {
  serve "$tap_dir/jobs.lua" -p 1 -- "$(queue_url)"
  lua_q "
  local other = q:put('waits', '$work/go')
  await('its start', function() return q:status(other).state == 'running' end)
  $1
  await('its new start', function() return q:status(other).state == 'running' end)
  fs.write('$work/go', '')
  assert(q:result(other, { timeout = 60 }) == 'there')
  local job = q:status(other)
  assert(job.attempts == 1 and job.crashes == 0, job.attempts .. ' attempts')"
  stop_serve TERM 0
  expect_log "worker-1 is killed: it is in a C function that nothing else can end"
}

it "ends one that is longer than its timeout, and others of its worker go on in the next one"
beside_another "
local ok, e = pcall(q.result, q, q:put 'timed', { timeout = 60 })
assert(e.code == 'failed' and e.error.kind == 'timeout', tostring(e))
assert(e.error.message == 'the job took longer than 0.1 s', e.error.message)"

it "ends one that was cancelled"
beside_another "
local id = q:put('endless', '$work/begun')
await('its start', function() return io.open '$work/begun' end)
assert(q:cancel(id) == 'asked')
local ok, e = pcall(q.result, q, id, { timeout = 60 })
assert(e.code == 'cancelled', tostring(e))"
