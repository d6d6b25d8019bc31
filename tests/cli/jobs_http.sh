# A job over 1,000 pages of a real nginx: flaky and missing ones, killed workers, Ctrl-C, a closed pipe.
[ -n "${NGINX_URL:-}" ] || exec tests/support/nginx run sh "$0"
. tests/support/cli.sh

# 1,000 pages, $1 each, the last 300 of them once there is a file "go". 50 answer 503 twice before they
# answer 200, and 10 are 404. Which worker has fetched it is in each result.
write_job() {
  cat >"$work/job.lua" <<LUA
local http = require "luapool.http"
local retry = require "luapool.retry"
local base = "$NGINX_URL"

local function url(i)
  if i % 100 == 0 then return base .. "/status/404?" .. i end
  if i % 20 == 1 then return base .. "/flaky/$work-" .. i end
  return base .. "$1?" .. i
end

return {
  items = function()
    local i = 0
    return function()
      i = i + 1
      while i == 700 and not io.open "go" do require("luapool.task").sleep(0.01) end
      if i <= 1000 then return url(i) end
    end
  end,
  fetch = function(address) return http.get(address):raise_for_status() end,
  process = function(res, address)
    return { url = address, status = res.status, pid = require("luapool").worker.pid }
  end,
  retry = { attempts = 5, wait = retry.fixed(0.01) },
  output = "out.jsonl",
}
LUA
}

expect_the_sums() {
  expect_status 3
  expect_err_like '^Done, success: 990/1000, failure: 10/1000 \('
  expect [ "$(sed -n '$p' "$work/err" | cut -d, -f1)" = Done ]
  expect [ "$(wc -l <"$work/out.jsonl")" = 990 ]
  expect [ "$(grep -o '"url": *"[^"]*"' "$work/out.jsonl" | sort -u | wc -l)" = 990 ]
  expect [ "$(grep -c '"kind":"status","attempts":1[,}]' "$work/out.jsonl.failed.jsonl")" = 10 ]
  expect [ "$(wc -l <"$work/out.jsonl.failed.jsonl")" = 10 ]
}

# The job in the background, until it has $1 results.
start_job() {
  results=$1
  shift
  (cd "$work" && exec env --default-signal=INT "$LUAPOOL" run job.lua "$@" >out 2>err) &
  pid=$! tap_command="luapool run job.lua $*"
  await_lines "$work/out.jsonl.part" "$results" "$pid"
  workers=$(grep -o '"pid": *[0-9]*' "$work/out.jsonl.part" | grep -o '[0-9]*' | sort -u)
}

wait_for_job() {
  status=0
  wait "$pid" || status=$?
}

it "retries what is flaky and lists what is missing"
write_job /echo
touch "$work/go"
run here luapool run job.lua -p 6
expect_the_sums

it "loses nothing when two of six workers are killed"
write_job /delay/0.05/
start_job 200 -p 6 -c 5
# shellcheck disable=SC2086 # one word each
set -- $workers
expect kill -KILL "$1" "$2"
touch "$work/go"
wait_for_job
expect_the_sums
expect [ "$(grep -o '"pid": *[0-9]*' "$work/out.jsonl" | sort -u | wc -l)" -gt 6 ]

it "sums up on Ctrl-C and leaves no process"
write_job /delay/0.05/
start_job 200 -p 6 -c 5
family="$workers $(cat "/proc/$pid/task/$pid/children")"
kill -INT "$pid"
wait_for_job
expect_status 130
expect_err_like '^Done, success: [0-9]+/[0-9]+, failure: [0-9]+/[0-9]+.*\(interrupted after'
expect [ "$(wc -l <"$work/out.jsonl")" = "$(sed -n 's/^Done, success: \([0-9]*\).*/\1/p' "$work/err")" ]
for p in $family; do expect_gone "$p"; done

it "ends quietly when nobody reads its results"
write_job /echo
touch "$work/go"
sed -i '/output/d' "$work/job.lua"
run here sh -c '{ "$0" run job.lua -p 2; echo $? >status; } | head -n 1' "$LUAPOOL"
expect_out_lines 1
expect_err ""
expect [ "$(cat "$work/status")" = 0 ]
