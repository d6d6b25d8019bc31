# Scripts that overwrite standard globals: luapool's own half keeps those that it was made with.
. tests/support/cli.sh

names="pcall xpcall pairs ipairs next type select error assert tostring tonumber setmetatable
  getmetatable rawget rawset rawequal rawlen load require print collectgarbage
  table math package coroutine string io os debug utf8"

cat >"$tap_dir/work.lua" <<'END'
local print, assert = print, assert
local task, sync, pool = require "luapool.task", require "luapool.sync", require "luapool.pool"
local json, retry, fs = require "luapool.json", require "luapool.retry", require "luapool.fs"
local progress, errors = require "luapool.progress", require "luapool.error"
local process = require "luapool.process"
local pcall, collectgarbage = pcall, collectgarbage
local G = _G

-- Every global is gone, or stands for something else, here and in the workers.
local function spoil(names, value)
  for library in ("table math coroutine io os debug utf8"):gmatch "%w+" do
    local t = G[library]
    for field in G.pairs(t) do t[field] = nil end
  end
  for name in names:gmatch "%w+" do G[name] = value end
end

return function(list, value)
  spoil(list, value)
  local results = task.gather { function() task.sleep(0) return 1 end, function() return 2 end }
  assert(results[1] == 1 and results[2] == 2)
  local ok, e = pcall(task.timeout, 0.01, task.sleep, 60)
  assert(not ok and errors.is(e, "timeout"))
  local group <close> = task.group()
  group:spawn(task.yield)
  local q = sync.queue { maxsize = 1 }
  task.spawn(function() for i = 1, 3 do q:put(i) end q:close() end)
  local sum = 0
  for v in q:iter() do sum = sum + v end
  assert(sum == 6)
  local workers <close> = pool.new { processes = 1, init = spoil, init_args = { list, value } }
  local shared, attempts = sync.counter(), 0
  local fetch = retry.wrap(function(i)
    shared:add(i)
    if i == 2 then return json.decode "no JSON" end
    return json.decode(json.encode { n = i }).n
  end, { attempts = 2, wait = retry.fixed(0) })
  for i, n, err in workers:map(fetch, { 1, 2, 3 }, { return_errors = true }) do
    assert(i == 2 and err or n == i)
  end
  assert(shared:get() == 8)
  assert(workers:apply(function(s) return s end, "text") == "text")
  for i, n in task.map({ 5 }, function(x) return x + 1 end) do assert(i == 1 and n == 6) end
  retry.call({ attempts = 3, wait = retry.fixed(0) }, function()
    attempts = attempts + 1
    if attempts < 3 then return json.decode "no JSON" end
  end)
  assert(attempts == 3)
  local dir = fs.tempdir()
  fs.write(dir .. "/x", "y")
  assert(fs.read(dir .. "/x") == "y")
  fs.remove(dir .. "/x")
  fs.remove(dir)
  local bar <close> = progress.bar { total = 3 }
  bar:update(1)
  assert(process.exec { "echo", "hi" }.stdout == "hi\n")
  for _ in progress.wrap(task.iter(function(_, i) if not i then return 1 end end)) do end
  collectgarbage()
  print "well"
end
END

for value in nil 1; do
  it "works when every global is $value"
  cat >"$work/spoilt.lua" <<END
package.path = "$tap_dir/?.lua;" .. package.path
require "work"([[$names]], $value)
END
  run timeout -s KILL 60 "$LUAPOOL" run "$work/spoilt.lua"
  expect_status 0
  expect_out well
  expect_err ""
done

it "runs a job whose file overwrites globals"
cat >"$work/job.lua" <<END
local names, G = [[$names]], _G
local function spoil() for name in names:gmatch "%w+" do G[name] = nil end end
spoil()
return {
  init = spoil,
  items = { 1, 2, 3 },
  fetch = function(i) if i == 2 then error2() end return i end,
  process = function(i) return { n = i } end,
  retry = { attempts = 2 },
}
END
run timeout -s KILL 60 "$LUAPOOL" run -p 1 --progress off -o "$work/results.jsonl" "$work/job.lua"
expect_status 3
expect grep -q '"n":1' "$work/results.jsonl"
