-- Shows what happens when a worker dies: the item that killed it fails with a report, after it
-- had a second chance; what else ran there runs again elsewhere; nothing is lost.
--
--     luapool run crash.lua -p 2

local pool = require "luapool.pool"

local function square(x)
  if x == 77 then
    io.stderr:write "77 is not for me\n"
    os.exit(1) -- or a segmentation fault in a C library, or the kernel's out-of-memory killer
  end
  require("luapool.task").sleep(0.01)
  return x * x
end

local items = {}
for i = 1, 1000 do items[i] = i end

local workers <close> = pool.new { crash_retries = 1 }
local good = 0
for _, result, err, item in workers:map(square, items, { return_errors = true }) do
  if err then
    print(("%d failed: %s"):format(item, err.kind))
    print("its worker ended with status " .. err.exitcode)
    print("and had said: " .. err.report)
  else
    assert(result)
    good = good + 1
  end
end
print(good .. " squares, " .. workers:stats().restarts .. " workers replaced")
