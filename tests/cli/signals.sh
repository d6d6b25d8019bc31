# Signals at the edges of a run, and those that whoever has started us does not want to be heard.
. tests/support/cli.sh

# Waits, 10 s at most, for a file.
await_file() {
  for _ in $(seq 200); do
    [ -e "$1" ] && return 0
    sleep 0.05
  done
  fail "no file $1: $(cat "$work/err")"
}

# A finalizer that runs while main closes: it says so and goes on until it is let go.
cat >"$tap_dir/closing.lua" <<'END'
print "a result"
local touch, go = arg[1] .. "/closing", arg[1] .. "/go"
held = setmetatable({}, { __gc = function()
  io.open(touch, "w"):close()
  while not io.open(go) do end
end })
END

for signal in INT TERM HUP USR2; do
  it "keeps its results and its status when $signal comes while it closes"
  env --default-signal=INT "$LUAPOOL" run "$tap_dir/closing.lua" "$work" >"$work/out" 2>"$work/err" &
  await_file "$work/closing"
  kill -s $signal $!
  touch "$work/go"
  status=0 tap_command="luapool run closing.lua"
  wait $! || status=$?
  expect_status 0
  expect_out "a result"
done

it "has written its results when it is killed while it closes, and ends when it is asked twice"
env --default-signal=INT "$LUAPOOL" run "$tap_dir/closing.lua" "$work" >"$work/out" 2>"$work/err" &
await_file "$work/closing"
for _ in $(seq 40); do
  kill -TERM $! 2>/dev/null || break
  sleep 0.25
done
status=0
wait $! || status=$?
expect_status 143
expect_out "a result"

cat >"$tap_dir/waiting.lua" <<'END'
io.open(arg[1] .. "/begun", "w"):close()
while not io.open(arg[1] .. "/go") do require("luapool.task").sleep(0.01) end
print "done"
END

it "goes on ignoring the signals that it was started to ignore"
(trap '' INT TERM HUP && exec "$LUAPOOL" run "$tap_dir/waiting.lua" "$work" >"$work/out" 2>"$work/err") &
await_file "$work/begun"
for signal in INT TERM HUP; do kill -s $signal $!; done
touch "$work/go"
status=0
wait $! || status=$?
expect_status 0
expect_out "done"

it "hears signals that were blocked where it was started"
env --block-signal "$LUAPOOL" run "$tap_dir/waiting.lua" "$work" >"$work/out" 2>"$work/err" &
await_file "$work/begun"
kill -TERM $!
status=0
wait $! || status=$?
expect_status 143

it "says that no signal may wait, where none may"
echo 'print(1)' >"$work/script.lua"
run prlimit --sigpending=0 "$LUAPOOL" run "$work/script.lua"
expect_err_like 'signal .*ulimit -i'
expect_status 1

it "refuses what is nested too deep for a small stack, and does not crash"
cat >"$work/script.lua" <<'END'
local json, pool = require "luapool.json", require "luapool.pool"
local function nested(n)
  local t = {}
  for _ = 2, n do t = { t } end
  return t
end
local p <close> = pool.new { processes = 1 }
for _, f in ipairs {
  function() return json.encode(nested(2000)) end,
  function() return json.decode(("["):rep(2000) .. ("]"):rep(2000)) end,
  function() return json.decode(("[{\"a\":"):rep(1000) .. "1" .. ("}]"):rep(1000)) end,
  function() return p:apply(function(t) return t end, nested(490)) end,
} do
  local ok, e = pcall(f)
  print(ok or tostring(e):match "too deep" or e)
end
END
for size in 256 512 1024; do
  run sh -c "ulimit -s $size; exec '$LUAPOOL' run '$work/script.lua'"
  expect_status 0
  expect_out_lines 4
  ! grep -qv -e '^true$' -e '^too deep$' "$work/out" || tap_show "expected true or too deep"
done
run luapool run "$work/script.lua"
expect_status 0
expect_out "true
true
true
true"
