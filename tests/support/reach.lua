-- Walks over all that a script can reach from its globals, from the public parts of luapool and
-- from objects of them. Called with a mark it tries to leave it in each table on the way, without
-- one it looks for what others have left. Returns how many tables it has reached, how many marks
-- it has left or found, and where. tests/unit/test_sandbox.c runs it.

local mark = ...
local getupvalue = debug.getupvalue -- in the free environment
local TRACE = "luapool_trace"

local parts = "cache csv digest dns error fs html http json lock log memcached pool process "
  .. "progress redis retry signal sqlite sync task xml yaml"
local roots = { _G, "" }

for name in parts:gmatch "%a+" do
  table.insert(roots, (require("luapool." .. name)))
end

local task, sync, html = require "luapool.task", require "luapool.sync", require "luapool.html"
local json, http, retry = require "luapool.json", require "luapool.http", require "luapool.retry"

-- One of each kind of object that can be had without leaving the sandbox.
local function try(make, ...)
  local ok, value = pcall(make, ...)
  table.insert(roots, value)
  return ok and value
end

try(task.current)
try(task.promise)
try(task.group)
try(task.spawn, task.yield)
local every = try(task.every, 60, print)
for name in ("queue lock event counter map barrier limiter semaphore"):gmatch "%a+" do
  try(sync[name], 1)
  try(sync[name])
end
try(html.parse, "<form action=/a><input name=b></form><p>c")
local doc = html.parse "<form action=/a><input name=b></form><p>c"
try(doc.first, doc, "form")
try(function() return doc:first "form":form() end)
try(doc.css, doc, "p")
try(json.array)
table.insert(roots, json.null)
try(http.client)
try(function() return http.client().cookies end)
try(retry.fixed, 1)
try(retry.exponential)
try(retry.policy, {})
try(retry.wrap, print, { attempts = 2 })
try(require("luapool.digest").sha256, "a")
try(require("luapool.memcached").client, { servers = { "127.0.0.1:1" } })
try(require("luapool.cache").new, { max = 1 })
try(require("luapool.lock").file, "/tmp/luapool-reach")
try(require("luapool.cache").memoize, print)
try(require("luapool.error").new, "odd", "odd")
try(require("luapool.csv").rows, { "a,b" })
try(task.map, { 1 }, print)
try(task.as_completed, { task.spawn(task.yield) })
try(error) -- and what pcall gives
local bar = try(require("luapool.progress").bar, { total = 1 })
try(require("luapool.xml").parse, "<a><b/></a>")
try(require("luapool.yaml").load, "- a: 1")
try(json.decode, "[{}]")
try(require("luapool.sqlite").open, ":memory:")
try(require("luapool.csv").writer, "/dev/null")
try(require("luapool.process").new, print)
try(doc.links, doc)
try(doc.tables, doc)
try(retry.chain, { retry.fixed(1), retry.fixed(2) })
try(pcall, http.get, "http://127.0.0.1:1/")
try(task.timeout, 0, task.sleep, 1)
try(coroutine.create, print)
try(coroutine.running)

local seen, reached, marked, names = {}, 0, 0, {}
local walk

local function index(value, key) return value[key] end
local function assign(value, key, to) value[key] = to end

-- Each way to write that a script has.
local function leave_mark(t, name)
  pcall(assign, t, TRACE, mark)
  pcall(rawset, t, TRACE, mark)
  pcall(table.move, { mark }, 1, 1, 7777, t)
  if rawget(t, TRACE) ~= mark then return end
  marked = marked + 1
  table.insert(names, name)
end

local function find_mark(t, name)
  local ok, found = pcall(index, t, TRACE)
  if rawget(t, TRACE) == nil and rawget(t, 7777) == nil and not (ok and found) then return end
  marked = marked + 1
  table.insert(names, name)
end

local function walk_fields(t, name)
  local ok, step, state, key = pcall(pairs, t)
  if not ok then return end
  while true do
    local fine, value
    fine, key, value = pcall(step, state, key)
    if not fine or key == nil then break end
    walk(key, name .. ".key")
    walk(value, name .. "." .. tostring(key))
  end
end

function walk(value, name)
  local kind = type(value)
  if kind == "number" or kind == "boolean" or kind == "nil" or seen[value] then return end
  seen[value] = true
  if kind == "table" then
    reached = reached + 1
    walk_fields(value, name)
    if mark then leave_mark(value, name) else find_mark(value, name) end
  end
  if getupvalue and kind == "function" then
    for i = 1, math.huge do
      local key, held = getupvalue(value, i)
      if not key then break end
      walk(held, name .. "^" .. key)
    end
  end
  local meta = getmetatable(value)
  if type(meta) == "table" then walk(meta, name .. ":meta") end
  for _, key in ipairs { "__index", "__metatable", "__newindex", "__gc", "__name", "class" } do
    local ok, v = pcall(index, value, key)
    if ok and type(v) ~= "string" then walk(v, name .. "." .. key) end
  end
end

if getupvalue then
  roots[0] = debug.getregistry()
  collectgarbage() -- objects of those who have left marks
  collectgarbage()
end
for i, root in pairs(roots) do walk(root, tostring(i)) end
if every then every:close() end
if bar then bar:close() end -- the board holds those that are open
return ("%d %d %s"):format(reached, marked, table.concat(names, " "))
