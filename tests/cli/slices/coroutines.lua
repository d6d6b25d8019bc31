-- Coroutines as stock Lua has them: what they return, raise and say of themselves.
-- luacheck: ignore 211 581
local function show(...)
  local t = table.pack(...)
  for i = 1, t.n do t[i] = tostring(t[i]):gsub("0x%x+", "ADDRESS") end
  print(table.concat(t, "\t"))
end

-- values both ways
local co = coroutine.create(function(...)
  show("start", ...)
  show("again", coroutine.yield(1, nil, 3))
  show("none", coroutine.yield())
  return nil, "end", nil
end)
show(coroutine.status(co), coroutine.resume(co, "a", nil, "c"))
show(coroutine.status(co), coroutine.resume(co, nil, nil))
show(coroutine.status(co), coroutine.resume(co))
show(coroutine.status(co), coroutine.resume(co))

-- many values
local function count(...) return select("#", ...) end
co = coroutine.wrap(function(...)
  local n = count(...)
  while true do n = count(coroutine.yield(table.unpack({}, 1, n))) end
end)
for n = 0, 240, 40 do io.write(count(co(table.unpack({}, 1, n))), " ") end
print()
show(count(coroutine.resume(coroutine.create(function() return table.unpack({}, 1, 5000) end))))
show(pcall(coroutine.wrap(function() return table.unpack({}, 1, 1e7) end)))

-- errors
show(coroutine.resume(coroutine.create(function() error("text") end)))
show(coroutine.resume(coroutine.create(function() error("text", 0) end)))
show(coroutine.resume(coroutine.create(function() error() end)))
show(coroutine.resume(coroutine.create(function() local x = nil; x() end)))
local e = setmetatable({}, { __tostring = function() return "an object" end })
co = coroutine.create(function() error(e) end)
show(select(2, coroutine.resume(co)) == e, coroutine.status(co))
show(pcall(coroutine.wrap(function() error("in wrap") end)))
show(pcall(coroutine.wrap(function() error("no place", 0) end)))
show(pcall(coroutine.wrap(function() coroutine.wrap(function() error("two deep") end)() end)))
show(pcall(function() local f = coroutine.wrap(function() end); f(); f() end))
show(pcall(coroutine.create, 1), pcall(coroutine.wrap), pcall(coroutine.resume, 1))
show(pcall(coroutine.status), pcall(coroutine.close, nil), pcall(coroutine.isyieldable, 1))

-- of themselves
local outer
outer = coroutine.create(function()
  local inner = coroutine.create(function()
    show(coroutine.status(outer), coroutine.resume(outer))
    show(pcall(coroutine.close, outer))
    show(coroutine.isyieldable(), coroutine.isyieldable(outer), select(2, coroutine.running()))
    show(coroutine.running() ~= outer)
  end)
  show(coroutine.resume(inner))
  local me = coroutine.running()
  show(me == outer, coroutine.status(me), coroutine.resume(me))
  show(pcall(coroutine.close, me))
end)
show(coroutine.isyieldable(outer), coroutine.resume(outer))
show(coroutine.resume(coroutine.running()))
show(select(2, coroutine.running()), coroutine.isyieldable())
show(coroutine.status((coroutine.running())))
show(pcall(coroutine.yield, 1))

-- close
local function closing(name, raise)
  return setmetatable({}, { __close = function(_, cause)
    show("close", name, cause)
    if raise then error(raise, 0) end
  end })
end
co = coroutine.create(function()
  local a <close> = closing("a")
  local b <close> = closing("b", "raised by b")
  local c <close> = closing("c")
  coroutine.yield("waiting")
end)
show(coroutine.resume(co))
show(coroutine.close(co))
show(coroutine.status(co), coroutine.close(co), coroutine.resume(co))
co = coroutine.create(function() end)
show(coroutine.close(co), coroutine.status(co))
co = coroutine.create(function()
  local a <close> = closing("a")
  error("by the body", 0)
end)
show(coroutine.resume(co))
show(coroutine.close(co))
show(coroutine.close(co))
co = coroutine.wrap(function()
  local a <close> = closing("a", "instead")
  error("by the body", 0)
end)
show(pcall(co))
co = coroutine.wrap(function()
  local a <close> = setmetatable({}, { __close = function() coroutine.yield("while closing") end })
  return "returned"
end)
show(co())
show(co())
co = coroutine.create(function()
  local a <close> = setmetatable({}, { __close = function() coroutine.yield("while closing") end })
  coroutine.yield("body")
end)
show(coroutine.resume(co))

-- yields across everything that stock Lua allows
local all = setmetatable({}, {
  __index = function(_, k) return coroutine.yield("index", k) end,
  __newindex = function(_, k, v) coroutine.yield("newindex", k, v) end,
  __call = function(_, ...) return coroutine.yield("call", ...) end,
  __add = function() return coroutine.yield("add") end,
  __concat = function() return coroutine.yield("concat") end,
  __len = function() return coroutine.yield("len") end,
  __unm = function() return coroutine.yield("unm") end,
  __eq = function() return coroutine.yield("eq") end,
  __lt = function() return coroutine.yield("lt") end,
  __le = function() return coroutine.yield("le") end,
  __pairs = function() return coroutine.yield("pairs") end,
})
co = coroutine.wrap(function()
  show(all.field, all(1, 2), all + 1, all .. "x", #all, -all)
  all.x = 1
  show(all == setmetatable({}, getmetatable(all)), all < all, all <= all, not (all > all))
  show("a" .. "b" .. all .. "c" .. "d")
  for k, v in pairs(all) do show(k, v) end
  show(pcall(pcall, function() coroutine.yield("in pcall"); error("oh") end))
  show(xpcall(function(...) show(...); coroutine.yield("in xpcall"); error("oh", 0) end, function(m)
    return m .. "!" end, "x", "y"))
  show(select(2, pcall(error, coroutine.yield("argument"))))
  for v in function() return coroutine.yield("iterator") end do show(v) end
  show(load("return coroutine.yield('chunk')")())
  return "last"
end)
local answers = { next, { 1, 2 }, nil }
local v, n = nil, 0
repeat
  n = n + 1
  local what = table.pack(co(v))
  show(n, table.unpack(what, 1, what.n))
  v = n
  if what[1] == "pairs" then v = nil end
  if what[1] == "iterator" and n > 25 then v = nil end
  if what[1] == "pairs" then
    what = table.pack(co(table.unpack(answers, 1, 3)))
    show("of pairs", table.unpack(what, 1, what.n))
  end
until what[1] == "last" or n > 60

-- where it does not
show(coroutine.resume(coroutine.create(function()
  table.sort({ 3, 2, 1 }, function(a, b) coroutine.yield(); return a < b end)
end)))
show(coroutine.resume(coroutine.create(function() ("x"):gsub("x", coroutine.yield) end)))
show(coroutine.resume(coroutine.create(function() return load(coroutine.yield) end)))
show(coroutine.resume(coroutine.create(function()
  return tostring(setmetatable({}, { __tostring = function() coroutine.yield() end }))
end)))
show(xpcall(error, function() return pcall(coroutine.yield) end))

-- deep
local function nest(depth)
  if depth == 0 then coroutine.yield("bottom"); return 0 end
  local c = coroutine.wrap(nest)
  local got = c(depth - 1)
  while got == "bottom" do coroutine.yield(got); got = c() end
  return got + 1
end
co = coroutine.wrap(nest)
show(co(170))
show(co())
local function endless() return coroutine.wrap(endless)() + 1 end
local ok, message = pcall(endless)
show(ok, message:match("C stack overflow"))
co = coroutine.wrap(function() return pcall(pcall, pcall, pcall, coroutine.yield, 1) end)
show(co())
show(co("resumed"))
