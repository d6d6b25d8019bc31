-- Scripts that want too much: time, memory, tasks, stack. A row is { what it tries, the kind that
-- it ends with, the script, text = what its error says, bits = what its environment may do }. Kind
-- `run` is an error of the script itself, `any` whichever comes first. tests/unit/test_hogs.c runs
-- each in an environment of its own, with budgets, and then looks whether the runtime goes on.

return {
  -- ---- time: where a task can be suspended ----
  { "an endless loop", "budget", [[while true do end]] },
  { "an endless loop under pcall", "budget", [[
    while true do pcall(function() while true do end end) end
  ]] },
  { "an endless loop under xpcall", "budget", [[
    while true do xpcall(function() while true do end end, function() while true do end end) end
  ]] },
  { "an endless message handler", "budget", [[
    error((select(2, xpcall(error, function() while true do end end))), 0)
  ]] },
  { "an endless loop in a coroutine", "budget", [[
    while true do coroutine.wrap(function() while true do end end)() end
  ]] },
  { "coroutines that take turns", "budget", [[
    local other = coroutine.wrap(function() while true do coroutine.yield() end end)
    while true do other() end
  ]] },
  { "a tower of coroutines that catches all", "budget", [[
    local function climb()
      while true do pcall(coroutine.wrap(climb)) end
    end
    climb()
  ]] },
  { "an endless loop under a shield", "budget", [[
    require("luapool.task").shield(function() while true do end end)
  ]] },
  { "an endless <close> handler", "budget", [[
    local guard <close> = setmetatable({}, { __close = function() while true do end end })
    error "now"
  ]] },
  { "<close> handlers without end", "budget", [[
    local function again()
      local guard <close> = setmetatable({}, { __close = function() pcall(again) end })
      while true do end
    end
    again()
  ]] },
  { "goto", "budget", [[::top:: goto top]] },
  { "an endless iterator", "budget", [[for _ in function() return 1 end do end]] },
  { "an endless metamethod", "budget", [[
    local t = setmetatable({}, { __index = function() while true do end end })
    print(t.x)
  ]] },

  -- ---- time: inside functions in C ----
  { "an endless order for sort", "budget", [[
    table.sort({ 3, 2, 1 }, function() while true do end end)
  ]] },
  { "an order for sort that catches all", "budget", [[
    table.sort({ 3, 2, 1 }, function()
      while true do pcall(function() while true do end end) end
    end)
  ]] },
  { "an endless callback of gsub", "budget", [[
    ("a"):gsub("a", function() while true do end end)
  ]] },
  { "an endless __tostring", "budget", [[
    tostring(setmetatable({}, { __tostring = function() while true do end end }))
  ]] },
  { "an endless __tostring under format", "budget", [[
    ("%s"):format(setmetatable({}, { __tostring = function() while true do end end }))
  ]] },
  { "an endless __tostring of the error", "run", [[
    error(setmetatable({}, { __tostring = function() while true do end end }))
  ]], text = "block_us is used up" },
  { "a load that gets pieces without end", "budget", [[
    while true do load(function() return " " end) end
  ]] },
  { "a pattern that backtracks", "budget", [[
    ("a"):rep(100):find(("a*"):rep(30) .. "b")
  ]] },
  { "a pattern that backtracks, again and again", "budget", [[
    while true do pcall(string.find, ("a"):rep(100), ("a*"):rep(30) .. "b") end
  ]] },
  { "lazy items that backtrack", "budget", [[
    ("a"):rep(1000):match(".-.-.-.-.-.-.-b")
  ]] },
  { "gmatch that backtracks", "budget", [[
    for _ in ("a"):rep(100):gmatch(("a?"):rep(90) .. ("a"):rep(20) .. "b") do end
  ]] },
  { "gsub that backtracks", "budget", [[
    ("a"):rep(1000):gsub("(a*)(a*)(a*)(a*)(a*)b", "")
  ]] },
  { "a set as long as the text", "budget", [[
    local set = "[" .. ("b"):rep(1e6) .. "]*"
    ;("a"):rep(1e6):gsub(set, "")
  ]] },
  { "a literal as long as the text", "budget", [[
    ("a"):rep(1e6):find(("a"):rep(5e5) .. "[b]")
  ]] },
  { "brackets without an end", "budget", [[("("):rep(1e6):gsub("%b()", "")]] },
  { "nothing, often", "run", [[error(#(""):rep(1e15))]], text = "0" },
  { "concat of a made-up length", "budget", [[
    table.concat(setmetatable({}, { __len = function() return 1e15 | 0 end,
      __index = function() return "" end }))
  ]] },
  { "concat of a made-up length, in C alone", "budget", [[
    table.concat(setmetatable({}, { __len = function() return 1e15 | 0 end, __index = type }))
  ]] },
  { "insert into a made-up length", "budget", [[
    table.insert(setmetatable({}, { __len = function() return 1e15 | 0 end }), 1, "x")
  ]] },
  { "remove from a made-up length", "budget", [[
    table.remove(setmetatable({}, { __len = function() return 1e15 | 0 end }), 1)
  ]] },
  { "move of nothing", "budget", [[table.move({}, 1, 1e15 | 0, 2)]] },
  { "sort of a made-up length", "budget", [[
    table.sort(setmetatable({}, { __len = function() return 1 << 30 end, __index = type,
      __newindex = type }))
  ]] },
  { "unpack of a made-up length", "run", [[
    table.unpack(setmetatable({}, { __len = function() return 1e15 | 0 end }))
  ]], text = "too many results" },
  { "unpack, often", "budget", [[while true do pcall(table.unpack, {}, 1, 9e5) end]] },
  { "a long format", "budget", [[
    local args = {}
    for i = 1, 9e4 do args[i] = 1e308 end
    while true do (("%99.99f"):rep(#args)):format(table.unpack(args)) end
  ]] },
  { "a long format of string.pack", "run", [[string.packsize(("i16"):rep(1e6))]],
    text = "longer than" },
  { "a long format of os.date", "run", [[os.date(("%c"):rep(1e6))]], text = "longer than" },
  { "utf8 of a long text", "budget", [[
    local text = ("é"):rep(5e6)
    while true do pcall(utf8.len, text) end
  ]] },
  { "a long text in small letters", "budget", [[
    local text = ("A"):rep(8e6)
    while true do pcall(string.lower, text) end
  ]] },
  { "a query of SQL without end", "budget", [[
    local db <close> = require("luapool.sqlite").open ":memory:"
    db:first "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c"
  ]] },

  -- ---- memory ----
  { "a table without end", "memory", [[local t = {} for i = 1, math.huge do t[i] = i end]] },
  { "a table without end under pcall", "memory", [[
    local t = {}
    local function fill() for i = #t + 1, math.huge do t[i] = i end end
    for _ = 1, 3 do pcall(fill) end
    fill()
  ]] },
  { "a text that doubles", "memory", [[local s = "x" while true do s = s .. s end]] },
  { "rep", "memory", [[("x"):rep(1e10)]] },
  { "rep beyond all memory", "run", [[("xx"):rep(1 << 62)]], text = "too large" },
  { "a gsub that grows", "any", [[
    local s = ("x"):rep(1000)
    while true do s = s:gsub("x", "xx") end
  ]] },
  { "coroutines", "memory", [[
    local t = {}
    while true do
      local co = coroutine.create(function() coroutine.yield() end)
      coroutine.resume(co)
      t[#t + 1] = co
    end
  ]] },
  { "closures", "memory", [[
    local f = function() end
    while true do
      local g = f
      f = function() return g end
    end
  ]] },
  { "a page of tags", "memory", [[require("luapool.html").parse(("<b>"):rep(1e6))]] },
  { "a page of attributes", "memory", [[
    require("luapool.html").parse(("<a b c d e f g h i j k l>"):rep(1e5))
  ]] },
  { "many pages", "memory", [[
    local html, pages = require "luapool.html", {}
    while true do pages[#pages + 1] = html.parse(("<p>text</p>"):rep(1000)) end
  ]] },
  { "XML of tags", "memory", [[
    require("luapool.xml").parse("<x>" .. ("<b/>"):rep(1e6) .. "</x>")
  ]] },
  { "JSON of numbers", "memory", [[
    require("luapool.json").decode("[" .. ("1,"):rep(3e6) .. "1]")
  ]] },
  { "JSON of objects", "memory", [[
    require("luapool.json").decode("[" .. ("{},"):rep(2e6) .. "1]")
  ]] },
  { "YAML of numbers", "any", [[
    require("luapool.yaml").load("[" .. ("1,"):rep(3e6) .. "1]")
  ]], bits = "native read" },
  { "a database in memory", "memory", [[
    local db <close> = require("luapool.sqlite").open ":memory:"
    db:exec "CREATE TABLE t (b)"
    while true do db:exec "INSERT INTO t VALUES (randomblob(1000000))" end
  ]] },
  { "a value of a database", "memory", [[
    local db <close> = require("luapool.sqlite").open ":memory:"
    error(#db:first("SELECT zeroblob(900000000) AS b").b)
  ]] },
  { "a file without end", "memory", [[require("luapool.fs").read "/dev/zero"]], bits = "read" },
  { "a queue without end", "memory", [[
    local queue = require("luapool.sync").queue()
    while true do queue:put(("x"):rep(1000)) end
  ]] },

  -- ---- tasks ----
  { "a million tasks", "budget", [[
    local task = require "luapool.task"
    for _ = 1, 1e6 do task.spawn(task.sleep, 0.01) end
  ]], text = "tasks" },
  { "a million promises", "budget", [[
    local task, kept = require "luapool.task", {}
    local _, e = pcall(function() for i = 1, 1e6 do kept[i] = task.promise() end end)
    for _, promise in ipairs(kept) do promise:resolve() end
    error(e, 0)
  ]], text = "tasks" },
  { "tasks that make tasks", "budget", [[
    local task = require "luapool.task"
    local function split(n)
      if n == 0 then return task.sleep(0.01) end
      task.gather { task.spawn(split, n - 1), task.spawn(split, n - 1) }
    end
    split(20)
  ]], text = "tasks" },

  -- ---- the stack ----
  { "recursion in Lua", "any", [[local function f() return 1 + f() end f()]] },
  { "recursion through gsub", "run", [[
    local function f() return (("a"):gsub("a", f)) end
    f()
  ]], text = "overflow" },
  { "recursion through sort", "run", [[
    local function f() table.sort({ 1, 2, 3 }, f) end
    f()
  ]], text = "overflow" },
  { "recursion through pcall", "run", [[
    local function f() return assert(pcall(f)) end
    error(select(2, f()) or "overflow")
  ]], text = "overflow" },
  { "recursion through tostring", "run", [[
    local t = setmetatable({}, { __tostring = function(t) return tostring(t) end })
    tostring(t)
  ]], text = "overflow" },
  { "recursion through load", "run", [[
    local text = ("("):rep(1e5)
    assert(load("return " .. text))
  ]], text = "overflow" },
  { "a nested pattern", "run", [[("a"):rep(300):find(("a?"):rep(300))]], text = "too complex" },
  { "nested JSON", "run", [[require("luapool.json").decode(("["):rep(1e5))]], text = "json" },
  { "nested values to JSON", "run", [[
    local t = {}
    for _ = 1, 1e4 do t = { t } end
    require("luapool.json").encode(t)
  ]], text = "json" },
  { "nested YAML", "any", [[require("luapool.yaml").load(("["):rep(1e5))]], bits = "native read" },
}
