-- Pools made and closed one after the other: ... is how many. Prints by how many KiB main has grown
-- in the second half; a descriptor or a child more is an error.
local pool = require "luapool.pool"
local fs = require "luapool.fs"
local me = debug.getregistry()["luapool.env"].require("luapool.core").pid()
local pools = math.tointeger(tonumber((...))) or 1000

local function read(path)
  local file <close> = io.open(path)
  return file:read("a")
end

local function look()
  collectgarbage()
  collectgarbage()
  local _, children = read(("/proc/%d/task/%d/children"):format(me, me)):gsub("%d+", "")
  local rss = tonumber(read("/proc/self/status"):match "VmRSS:%s*(%d+)")
  return #fs.list(("/proc/%d/fd"):format(me)), children, rss
end

local function make(n)
  for i = 1, n do
    local p <close> = pool.new { processes = 2 }
    assert(p:apply(function(x) return x end, i) == i)
  end
end

look()
make(pools // 2)
local descriptors, children, rss = look()
make(pools - pools // 2)
local d, c, r = look()
assert(d == descriptors, ("%d descriptors became %d"):format(descriptors, d))
assert(c == children, ("%d children became %d"):format(children, c))
print(r - rss)
