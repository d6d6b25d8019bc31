-- Every public function and method of every public module is called with wrong arguments of each
-- type in each position, and every option with the edges of numbers: each call is legal, fails in
-- a way of its own (kind `fs`, `dns` …), or raises kind `usage` at the line of this file, naming
-- the function. Nothing hangs, nothing blames a line of luapool's own scripts.
--
-- The functions come from the live tables, the methods from the classes of tests.support.samples:
-- a new one is walked without being listed here.

local internal = require "tests.support.internal"
package.path = "docs/generator/?.lua;" .. package.path
local books = require "book"
local cli = require "cli.options"
local errors = require "luapool.error"
local fs = require "luapool.fs"
local job_spec = internal "luapool.internal.job.spec"
local luapool = require "luapool"
local options = internal "luapool.internal.options"
local samples = require "tests.support.samples"
local task = require "luapool.task"

local book = books.read(books.sources())
local HERE = "^tests/spec/usage_spec%.lua:%d+: "

-- Functions that are no calls of a library: what they do is their caller's doing.
local NOT_WALKED = {
  ["luapool.run"] = true, -- for scripts of a plain lua interpreter
}

-- ---- one call ----

-- Here is the line of the user's code.
local function call(f, ...)
  local results = table.pack(f(...))
  return results
end

local function close(value)
  local class = debug.getmetatable(value)
  if type(class) ~= "table" then return end
  if class.__name == "luapool.Task" then
    value:cancel()
    value:result()
  elseif class.__close then
    pcall(class.__close, value)
  end
end

-- A call that has not ended after so many seconds waits for something, which is legal.
local PATIENCE = 0.05

-- Runs f(...) in a task; one that waits is cancelled. Returns the error, or nil.
local function try(f, args, patience)
  local running = task.spawn(call, f, table.unpack(args, 1, args.n))
  task.wait({ running }, { timeout = patience })
  running:cancel "the call waits"
  local ok, results = running:result()
  if not ok then return results end
  for i = 1, results.n do close(results[i]) end
  return nil
end

local function shown(args)
  local words = {}
  for i = 1, args.n do words[i] = type(args[i]) == "string" and "text" or tostring(args[i]) end
  return table.concat(words, ", ")
end

-- What is wrong with the way in which a call failed, or nil.
local function fault(short, e)
  if not errors.is(e) then return "raised no error object: " .. tostring(e) end
  if e.message:find "luapool/[%w_/]+%.lua:%d" then return "blames luapool: " .. e.message end
  if e.kind ~= "usage" then return nil end
  if not e.message:find(HERE) then return "has no line of this file: " .. e.message end
  if not e.message:find("%f[%w_]" .. short .. "%f[^%w_]") then
    return "does not name the function: " .. e.message
  end
  return nil
end

-- ---- the values ----

local function values(folder)
  return {
    n = 13,
    nil, true, -1, 0.5, math.maxinteger, 2 ^ 62, 0 / 0, math.huge, folder.path .. "/text", {},
    function() end, coroutine.create(print), io.stdout,
  }
end

-- The next argument is tried behind at most so many different beginnings that were no misuse.
local BEGINNINGS = 2

-- So many arguments a function takes.
local function count(f)
  local info = debug.getinfo(f, "u")
  return math.min(3, info.nparams + (info.isvararg and 2 or 0))
end

local function complain(list, name, args, problem)
  table.insert(list, ("%s(%s) %s"):format(name, shown(args), problem))
end

-- Calls f with each value at `place`, behind the arguments of `before`.
local function walk(faults, name, f, before, last, place, folder)
  if place > last then return end
  local short, legal = name:match "[%w_]+$", 0
  local all = values(folder)
  for i = 1, all.n do
    local args = table.pack(table.unpack(before, 1, before.n))
    args[before.n + 1], args.n = all[i], before.n + 1
    local e = try(f, args, PATIENCE)
    local problem = e ~= nil and fault(short, e)
    if problem then complain(faults, name, args, problem) end
    local misuse = e ~= nil and errors.is(e, "usage") and not e.message:find("#" .. place + 1)
    if not misuse and legal < BEGINNINGS then
      legal = legal + 1
      walk(faults, name, f, args, last, place + 1, folder)
    end
  end
end

-- ---- what there is ----

local function functions_of(name)
  local list = {}
  for key, value in pairs(require(books.class_of(name))) do
    local full = name .. "." .. key
    local public = not key:find "^_" and not book.private[full] and not NOT_WALKED[full]
    if type(value) == "function" and public then table.insert(list, { full, value }) end
  end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  return list
end

local function nothing_wrong(faults)
  assert.are.equal("", table.concat(faults, "\n"))
end

-- ---- options ----

local edges = {
  0, -1, 1, 2 ^ 31 - 1, 1 << 31, 2 ^ 53, 1 << 62, math.maxinteger, math.mininteger, 0.5, 0 / 0,
  math.huge, -math.huge,
}

-- One for all calls, as it is slow to open.
local queue
setup(function() queue = samples["luapool.queue.Queue"]() end)
teardown(function() queue:close() end)

local function with_memcached(fn)
  return function(opts)
    local client <close> = samples["luapool.memcached.Client"]()
    return (fn(client, opts))
  end
end

-- A call with these options, by the name under which its options are defined. What it returns is
-- closed, what waits is cancelled.
local callers = {
  ["task.gather"] = function(opts) return task.gather({}, opts) end,
  ["task.wait"] = function(opts) return task.wait({}, opts) end,
  ["task.as_completed"] = function(opts) return task.as_completed({}, opts) end,
  ["task.map"] = function(opts) return (task.map(tostring, { 1, 2, 3 }, opts):drain()) end,
  ["task.every"] = function(opts) return (task.every(60, print, opts)) end,
  ["pool.new"] = function(opts)
    opts.processes = opts.processes or 1
    return (luapool.pool.new(opts))
  end,
  ["pool:map"] = function(opts)
    local p <close> = luapool.pool.new { processes = 1 }
    return (p:map(tostring, { 1, 2, 3 }, opts):drain())
  end,
  ["pool:starmap"] = function(opts)
    local p <close> = luapool.pool.new { processes = 1 }
    return (p:starmap(tostring, { { 1 }, { 2 } }, opts):drain())
  end,
  ["process.new"] = function(opts) return (luapool.process.new(tostring, opts)) end,
  ["process.exec"] = function(opts)
    opts[1] = "true"
    return (luapool.process.exec(opts))
  end,
  ["sync.queue"] = function(opts) return (luapool.sync.queue(opts)) end,
  ["queue:put"] = function(opts) return (luapool.sync.queue():put(1, opts)) end,
  ["queue:try_put"] = function(opts) return (luapool.sync.queue():try_put(1, opts)) end,
  ["queue.open"] = function(opts)
    local folder <close> = fs.tempdir()
    local q <close> = luapool.queue.open("sqlite:" .. folder.path .. "/new.db", opts)
    return (q:stats())
  end,
  ["Queue:put"] = function(opts)
    if opts.unique_for then opts.unique = "u" end
    return (queue:put("k", 1, opts))
  end,
  ["Queue:result"] = function(opts) return (queue:result(queue:put "k", opts)) end,
  ["Queue:list"] = function(opts) return (queue:list(opts)) end,
  ["Queue:retry"] = function(opts) return (queue:retry(opts)) end,
  ["Queue:purge"] = function(opts) return (queue:purge(opts)) end,
  ["sync.limiter"] = function(opts)
    opts.rate = opts.rate or 1
    return (luapool.sync.limiter(opts):acquire())
  end,
  ["lock.file"] = function(opts) return (luapool.lock.file("/tmp/luapool-usage", opts)) end,
  ["lock.redis"] = function(opts)
    local client <close> = luapool.redis.connect("redis://127.0.0.1:1", { lazy = true })
    return (luapool.lock.redis(client, "a", opts))
  end,
  ["lock.etcd"] = function(opts)
    opts.name = opts.name or "a"
    return (luapool.lock.etcd(opts))
  end,
  ["cache.new"] = function(opts) return (luapool.cache.new(opts):set("a", 1)) end,
  ["cache:set"] = function(opts) return (luapool.cache.new():set("a", 1, opts)) end,
  ["cache:fetch"] = function(opts) return (luapool.cache.new():fetch("a", tostring, opts)) end,
  ["cache.memoize"] = function(opts) return (luapool.cache.memoize(tostring, opts)(1)) end,
  ["http.request"] = function(opts)
    return (luapool.http.request("PUT", "http://127.0.0.1:1/", opts))
  end,
  ["Jar:set"] = function(opts)
    local given = { name = "a", value = 1, domain = opts.url == nil and "a.example" or nil }
    for option, value in pairs(opts) do given[option] = value end
    return (luapool.http.client().cookies:set(given))
  end,
  ["http.client"] = function(opts)
    local client <close> = luapool.http.client(opts)
    return (client:get "http://127.0.0.1:1/")
  end,
  ["html.parse"] = function(opts) return (luapool.html.parse("", opts)) end,
  ["xml.parse"] = function(opts) return (luapool.xml.parse("<a/>", opts)) end,
  ["Node:text"] = function(opts) return (luapool.html.parse(""):text(opts)) end,
  ["Node:links"] = function(opts) return (luapool.html.parse(""):links(opts)) end,
  ["Node:table"] = function(opts) return (luapool.html.parse(""):table(opts)) end,
  ["Node:css"] = function(opts) return (luapool.html.parse(""):css("a", opts)) end,
  ["json.encode"] = function(opts) return (luapool.json.encode({ 1, { 2 } }, opts)) end,
  ["json.decode"] = function(opts) return (luapool.json.decode("[1]", opts)) end,
  ["csv.rows"] = function(opts) return (luapool.csv.rows({ "a", "1" }, opts)()) end,
  ["csv.writer"] = function(opts)
    local writer <close> = luapool.csv.writer("/dev/null", opts)
    return (writer:write { "a" })
  end,
  ["sqlite.open"] = function(opts)
    local folder <close> = fs.tempdir()
    local db <close> = luapool.sqlite.open(folder .. "/new.db", opts)
    return (db:exec "CREATE TABLE t (n)")
  end,
  ["redis.connect"] = function(opts)
    opts.lazy = opts.lazy == nil and true or opts.lazy
    return (luapool.redis.connect("redis://127.0.0.1:1", opts):ping())
  end,
  ["Client:pipeline"] = function(opts)
    local client <close> = samples["luapool.redis.Client"]()
    return (client:pipeline(function(p) p:ping() end, opts))
  end,
  ["Client:transaction"] = function(opts)
    local client <close> = samples["luapool.redis.Client"]()
    return (client:transaction(function(t) t:ping() end, opts))
  end,
  ["Client:subscribe"] = function(opts)
    local client <close> = samples["luapool.redis.Client"]()
    return (client:subscribe("a", opts))
  end,
  ["memcached.client"] = function(opts)
    opts.servers = opts.servers or { "127.0.0.1:1" }
    local client <close> = luapool.memcached.client(opts)
    return (client:get "a")
  end,
  ["servers of memcached.client"] = function(opts)
    opts.address = opts.address or "127.0.0.1:1"
    local client <close> = luapool.memcached.client { servers = { opts } }
    return (client:get "a")
  end,
  ["Client:set"] = with_memcached(function(client, opts) return client:set("a", 1, opts) end),
  ["Client:add"] = with_memcached(function(client, opts) return client:add("a", 1, opts) end),
  ["Client:replace"] = with_memcached(function(client, opts)
    return client:replace("a", 1, opts)
  end),
  ["Client:cas"] = with_memcached(function(client, opts)
    return client:cas("a", 1, "0:0", opts)
  end),
  ["Client:set_many"] = with_memcached(function(client, opts)
    return client:set_many({ a = 1 }, opts)
  end),
  ["log.add"] = function(opts)
    local folder <close> = fs.tempdir()
    opts.path = opts.path or folder .. "/app.log"
    if opts.keep ~= nil or opts.compress ~= nil then opts.rotate = opts.rotate or "1M" end
    local sink <close> = luapool.log.add(opts)
    return (sink)
  end,
  ["yaml.load"] = function(opts) return (luapool.yaml.load("a: 1", opts)) end,
  ["fs.mkdir"] = function(opts)
    local folder <close> = fs.tempdir()
    return (fs.mkdir(folder .. "/a", opts))
  end,
  ["fs.remove"] = function(opts)
    local folder <close> = fs.tempdir()
    return (fs.remove(folder, opts))
  end,
  ["retry"] = function(opts) return (luapool.retry.call(tostring, opts, 1)) end,
  ["retry.exponential"] = function(opts) return (luapool.retry.exponential(opts):after(3)) end,
  ["retry.random_exponential"] = function(opts)
    return (luapool.retry.random_exponential(opts):after(3))
  end,
  ["retry.incrementing"] = function(opts) return (luapool.retry.incrementing(opts):after(3)) end,
  ["progress.bar"] = function(opts)
    local bar <close> = luapool.progress.bar(opts)
    return (bar:update(1))
  end,
  ["progress.wrap"] = function(opts)
    for _ in luapool.progress.wrap({ 1, 2 }, opts) do end -- luacheck: ignore
  end,
}

-- The walk over the options of a call: each with each value that `list` gives.
local function walk_options(name, known, list, n)
  local faults, caller = {}, assert(callers[name], "no call with these options in this file")
  for option in pairs(known) do
    for i = 1, n do
      local opts = { [option] = list[i] }
      local e = try(caller, { n = 1, opts }, PATIENCE)
      local problem = e ~= nil and errors.is(e, "usage") and not e.message:find(option, 1, true)
        and "does not name the option: " .. e.message
      problem = e ~= nil and fault(name == "retry" and "call" or name:match "[%w_]+$", e) or problem
      if problem then complain(faults, name, { n = 2, option, list[i] }, problem) end
    end
  end
  nothing_wrong(faults)
end

describe("the options of", function()
  for _, name in ipairs(books.modules) do
    if name ~= "job" and name ~= "serve" and name ~= "cli" then require(books.class_of(name)) end
  end
  for name, known in pairs(options.defined) do
    it(name .. " take numbers within bounds, and tell of all others", function()
      walk_options(name, known, edges, #edges)
    end)

    it(name .. " are told when they have a wrong type, or a wrong name", function()
      local folder <close> = fs.tempdir()
      local all = values(folder)
      walk_options(name, known, all, all.n)
      local meant = next(known)
      local e = try(callers[name], { n = 1, { [meant .. "_"] = 1 } })
      assert.is_true(errors.is(e, "usage"))
      assert.matches(HERE .. ".*unknown option '" .. meant .. "_' %(did you mean '", e)
    end)
  end
end)

it("the fields of a job take numbers within bounds, and tell of all other values", function()
  local folder <close> = fs.tempdir()
  local all = values(folder)
  local list = table.move(edges, 1, #edges, all.n + 1, all)
  for field in pairs(job_spec.fields) do
    for i = 1, all.n + #edges do
      local job = { items = {}, process = print }
      job[field] = list[i]
      local spec, problem = job_spec.check(job)
      assert.is_true(spec ~= nil or problem:find(field, 1, true) ~= nil, problem)
    end
  end
end)

describe("the command line", function()
  for _, command in ipairs { "run", "check", "new", "repl" } do
    for _, row in ipairs(require("cli." .. command).options) do
      if row[3] then
        it("takes or refuses the edges of numbers for --" .. row[2], function()
          for _, edge in ipairs(edges) do
            local ok, e = pcall(cli.parse, { row }, { "--" .. row[2], tostring(edge) }, 1)
            assert.is_true(ok or cli.is_wrong(e))
            assert.is_true(ok or e.message:find("--" .. row[2], 1, true) ~= nil)
          end
        end)
      end
    end
  end
end)

for _, name in ipairs(books.modules) do
  if name ~= "job" and name ~= "serve" and name ~= "cli" then
    describe("the module " .. name, function()
      for _, row in ipairs(functions_of(name)) do
        it("tells of a wrong use of " .. row[1], function()
          local folder <close>, faults = fs.tempdir(), {}
          walk(faults, row[1], row[2], { n = 0 }, count(row[2]), 1, folder)
          nothing_wrong(faults)
        end)
      end
    end)
  end
end

for _, class in ipairs(book.class_list) do
  if class.form == "class" and #class.methods > 0 then
    describe("the class " .. class.name, function()
      for _, method in ipairs(class.methods) do
        it("tells of a wrong use of " .. method.name, function()
          local make = assert(samples[class.name], "tests.support.samples has none of the class")
          local folder <close>, faults, object = fs.tempdir(), {}, make()
          local f = object[method.short]
          walk(faults, method.name, f, { n = 0 }, 1, 1, folder)
          walk(faults, method.name, f, { n = 1, object }, 3, 1, folder)
          close(object)
          nothing_wrong(faults)
        end)
      end
    end)
  end
end

teardown(luapool.http.close)
