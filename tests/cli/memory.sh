# A program whose allocations fail says so and ends: no crash, no hang, no wrong result. Only the
# sanitized builds fail them (runtime/base/alloc.h); in the others the program just runs.
. tests/support/cli.sh

cat >"$tap_dir/program.lua" <<'END'
local task, pool = require "luapool.task", require "luapool.pool"
local function generator(n)
  return coroutine.wrap(function()
    for i = 1, n do
      task.sleep(0)
      coroutine.yield(i)
    end
  end)
end
local total = 0
for v in generator(5) do total = total + v end
print(total, task.all(function() return 1 end, function() task.sleep(0.001) return 2 end))
print((pcall(task.timeout, 0.001, task.sleep, 1000)))
local p <close> = pool.new { processes = 1 }
print(p:apply(function(x) return { x }, #{ x } end, 5))
print(p:submit(function(x) return x end, 6):await())
for i, r in p:map(function(x) return { x, total } end, { 1, 2, 3 }) do print(i, r[1], r[2]) end
END

cat >"$tap_dir/parts.lua" <<'END'
local pool, sync = require "luapool.pool", require "luapool.sync"
local json, html, fs = require "luapool.json", require "luapool.html", require "luapool.fs"
print(json.encode(json.decode '[1, {"a": [2.5, "x", null]}, 9007199254740993]'))
local page = html.parse "<p class=a>one<p>two <a href=/x>link</a>"
print(page:first("p.a"):text(), page:xpath("//a/@href")[1])
local folder = fs.tempdir()
fs.write(folder .. "/f", ("data"):rep(5000))
print(#fs.read(folder .. "/f"), fs.stat(folder .. "/f").size)
fs.remove(folder .. "/f")
fs.remove(folder)
local n, queue = sync.counter(), sync.queue { redeliver = true }
local Class = { __index = { get = function(self) return self.v end } }
local p <close> = pool.new { processes = 2, concurrency = 3 }
local sum = 0
local function count(x)
  n:add(x)
  queue:put(x)
  return setmetatable({ v = x }, Class)
end
for _, r in p:map(count, { 1, 2, 3, 4, 5 }) do sum = sum + r:get() end
print(sum, n:get() >= sum) -- what ran again has counted again
print(p:apply(function() return queue:get() > 0 end))
print((pcall(p.apply, p, function() error { code = 7 } end)))
print((pcall(p.apply, p, function() os.exit(3) end)))
print((p:apply(function(x) return { x } end, 5))[1])
END

cat >"$tap_dir/output.lua" <<'END'
local pool = require "luapool.pool"
for _ = 1, 10 do
  pcall(function()
    local p <close> = pool.new { processes = 1 }
    p:apply(function() -- more than a pipe holds
      for _ = 1, 2000 do print(("x"):rep(100)) end
    end)
  end)
end
END

# Runs a program with that setting; what it prints is right as far as it comes.
fail_allocations() {
  run env LUAPOOL_FAIL_ALLOC="$1" timeout 30 "$LUAPOOL" run "$tap_dir/$2.lua"
  sed 's/table: 0x[0-9a-f]*/TABLE/' "$work/out" >"$work/got"
  expect sh -c "head -c $(wc -c <"$work/got") '$tap_dir/$2.right' | cmp - '$work/got'"
  case $status in
    0) expect cmp "$tap_dir/$2.right" "$work/got" ;;
    1) expect_err_like 'memory' ;;
    *) expect_status 1 ;;
  esac
  expect sh -c "! grep -E 'Sanitizer|runtime error' '$work/err'"
}

# What a program prints when nothing fails: so many lines.
run_well() {
  run luapool run "$tap_dir/$1.lua"
  expect_status 0
  expect_out_lines "$2"
  sed 's/table: 0x[0-9a-f]*/TABLE/' "$work/out" >"$tap_dir/$1.right"
}

it "runs when nothing fails"
run_well program 7
run_well parts 8

it "ends in good order when each n-th allocation fails"
for n in 1 2 5 11 23 47 83 101 116 128 137 149 164 176 191 206 224 251 307 401 613 997; do
  fail_allocations "$n" program
done

it "ends in good order when all allocations fail from some time on"
for n in 1 50 300 700 1100 1300 1500 1700 1900 2100 2200 2300 2350 2400 2500 2600 2700 2800; do
  fail_allocations "-$n" program
done

it "ends in good order when allocations fail in any part"
for n in 31 130 211 351 404 419 436 545 701 946 1320 1334 1999 -1500 -3500 -5500 -6500 -6696; do
  fail_allocations "$n" parts
done

it "encodes a table that a finalizer changes meanwhile"
cat >"$work/sorted.lua" <<'END'
local core = debug.getregistry()["luapool.env"].require "luapool.json.core"
local list = {}
for i = 1, 60000 do list["k" .. i] = i end
collectgarbage("incremental", 100, 1000)
collectgarbage()
setmetatable({}, { __gc = function() for i = 1, 60000 do list["x" .. i] = i end end })
print(#core.encode(list, nil, true) > 60000)
END
run luapool run "$work/sorted.lua"
expect_status 0
expect_out true

it "reads what workers print, and ends, when allocations fail"
for n in 59 61 67 71 73 79 83 89 97 101 103 107 109 113; do
  run env LUAPOOL_FAIL_ALLOC="$n" timeout -k 1 30 "$LUAPOOL" run "$tap_dir/output.lua"
  [ "$status" = 1 ] && expect_err_like 'memory' || expect_status 0
  expect sh -c "! grep -E 'Sanitizer|runtime error' '$work/err'"
done
