-- Shows pool:map: a function runs in every process, with all that it refers to; results come in the
-- order of the items, as soon as they are there.
--
--     luapool run map.lua -p 4

local pool = require "luapool.pool"

local Point = {}
Point.__index = Point
Point.__add = function(a, b) return setmetatable({ x = a.x + b.x, y = a.y + b.y }, Point) end
Point.__tostring = function(p) return ("(%d, %d)"):format(p.x, p.y) end

local step = setmetatable({ x = 1, y = 10 }, Point)

local function walk(steps)
  local at = setmetatable({ x = 0, y = 0 }, Point)
  for _ = 1, steps do at = at + step end
  return at
end

-- The items may be a list or, as here, a function that gives the next one; it is called only as
-- fast as the workers take them.
local n = 0
local function next_item()
  n = n + 1
  if n <= 5 then return n * 1000 end
end

local workers <close> = pool.new()
for i, point in workers:map(walk, next_item) do
  print(i, point) -- a real Point: its metatable is ours
end
print("sum", workers:apply(function(a, b) return a + b end, step, step))
