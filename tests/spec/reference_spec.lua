-- The reference holds what there is: it is compared with the live tables of all public modules and
-- classes, and with the tables that options are checked by. Nothing public is undocumented, nothing
-- documented is missing; the types for editors have the parameters that the functions have.

local internal = require "tests.support.internal"
package.path = "docs/generator/?.lua;" .. package.path
local books = require "book"
local render = require "render"
local types = require "types"

local luapool = require "luapool"
local options = internal "luapool.internal.options"
local cache = luapool.cache
local fs, html, http, json = luapool.fs, luapool.html, luapool.http, luapool.json
local pool, process, progress = luapool.pool, luapool.process, luapool.progress
local retry, sync, task, yaml = luapool.retry, luapool.sync, luapool.task, luapool.yaml
local memcached_server = require "tests.support.memcached_server"
local redis_server = require "tests.support.redis_server"
local samples = require "tests.support.samples"
local job_spec = internal "luapool.internal.job.spec"
local serve_spec = internal "luapool.internal.serve.spec"

local book = books.read(books.sources())

local function sorted(set)
  local list = {}
  for name in pairs(set) do table.insert(list, name) end
  table.sort(list)
  return list
end

-- ---- modules ----

local function module_table(name) return require(books.class_of(name)) end

local function is_module(name) return name ~= "job" and name ~= "serve" and name ~= "cli" end

local function live_names(name)
  local names = {}
  for key in pairs(module_table(name)) do
    local is_part = name == "luapool" and package.loaded["luapool." .. key]
    local private = key:find("^_") or book.private[name .. "." .. key]
    if not (is_part or private) then names[key] = true end
  end
  return names
end

local function documented_names(name)
  local names = {}
  for _, item in ipairs(book.modules[name].items) do names[item.short] = true end
  if name == "luapool" then names.worker = nil end -- nil in main
  return names
end

-- ---- classes ----

local function close(object)
  local class = getmetatable(object)
  if type(class) == "table" and class.__close then class.__close(object) end
end

local function add_names(names, t)
  for key in pairs(t) do
    if type(key) == "string" and not key:find("^_") then names[key] = true end
  end
end

-- What can be asked of an object by name: its metatable's functions, what __index gives, or what
-- a function __index holds.
local function class_names(object)
  local names, class = {}, debug.getmetatable(object) or { __index = object }
  local index, modules = class.__index, {}
  for _, module in pairs(package.loaded) do modules[module] = true end
  if type(index) == "table" then add_names(names, index) end
  for i = 1, type(index) == "function" and math.huge or 0 do
    local name, value = debug.getupvalue(index, i)
    if not name then break end
    local ours = name == "_ENV" or modules[value]
    if type(value) == "table" and not ours then add_names(names, value) end
  end
  return names
end

-- ---- options ----

local function check_crawl(crawl)
  return function() job_spec.check { items = {}, process = print, crawl = crawl } end
end

local function with_queue(fn)
  return function(opts)
    local q <close> = samples["luapool.queue.Queue"]()
    fn(q, opts)
  end
end

-- How each table of options comes to be checked; the number says which check it is, when not the
-- first.
local checked = {
  ["luapool.task.GatherOptions"] = { function(opts) task.gather({}, opts) end },
  ["luapool.task.WaitOptions"] = { function(opts) task.wait({}, opts) end },
  ["luapool.task.CompletedOptions"] = { function(opts) task.as_completed({}, opts) end },
  ["luapool.task.MapOptions"] = { function(opts) task.map({}, print, opts) end },
  ["luapool.task.EveryOptions"] = { function(opts) task.every(60, print, opts) end },
  ["luapool.pool.Options"] = { pool.new },
  ["luapool.pool.MapOptions"] = { function(opts)
    local p <close> = pool.new { processes = 1 }
    p:map(print, {}, opts)
  end, 2 },
  ["luapool.process.Options"] = { function(opts) process.new(print, opts) end },
  ["luapool.process.Command"] = { function() process.exec { "true" } end },
  ["luapool.sync.QueueOptions"] = { sync.queue },
  ["luapool.sync.PutOptions"] = { function(opts) sync.queue():put(1, opts) end },
  ["luapool.sync.TryPutOptions"] = { function(opts) sync.queue():try_put(1, opts) end },
  ["luapool.sync.LimiterOptions"] = { sync.limiter },
  ["luapool.cache.Options"] = { cache.new },
  ["luapool.cache.SetOptions"] = { function(opts) cache.new():set("a", 1, opts) end },
  ["luapool.cache.FetchOptions"] = { function(opts) cache.new():fetch("a", print, opts) end },
  ["luapool.cache.MemoizeOptions"] = { function(opts) cache.memoize(print, opts) end },
  ["luapool.lock.FileOptions"] = { function(opts) luapool.lock.file("/tmp/a", opts) end },
  ["luapool.lock.RedisOptions"] = { function(opts)
    luapool.lock.redis(samples["luapool.redis.Client"](), "a", opts)
  end, 2 },
  ["luapool.lock.EtcdOptions"] = { luapool.lock.etcd },
  ["luapool.http.Options"] = { function(opts) http.get("http://127.0.0.1:1/", opts) end },
  ["luapool.http.ClientOptions"] = { http.client },
  ["luapool.http.CookieOptions"] = { function(opts) http.client().cookies:set(opts) end },
  ["luapool.http.ProxyOptions"] = { function(opts)
    http.get("http://127.0.0.1:1/", { proxy = opts })
  end, 2 },
  ["luapool.http.TLSOptions"] = { function(opts)
    http.get("http://127.0.0.1:1/", { tls = opts })
  end, 2 },
  ["luapool.http.CacheOptions"] = { function(opts) http.cache("/tmp", opts) end },
  ["luapool.html.ParseOptions"] = { function(opts) html.parse("", opts) end },
  ["luapool.xml.ParseOptions"] = { function(opts) luapool.xml.parse("<a/>", opts) end },
  ["luapool.json.DecodeOptions"] = { function(opts) json.decode("1", opts) end },
  ["luapool.html.LinksOptions"] = { function(opts) html.parse(""):links(opts) end },
  ["luapool.html.TableOptions"] = { function(opts) html.parse(""):table(opts) end },
  ["luapool.html.TextOptions"] = { function(opts) html.parse(""):text(opts) end },
  ["luapool.html.QueryOptions"] = { function(opts) html.parse(""):css("a", opts) end },
  ["luapool.json.EncodeOptions"] = { function(opts) json.encode(1, opts) end },
  ["luapool.yaml.LoadOptions"] = { function(opts) yaml.load("1", opts) end },
  ["luapool.fs.MkdirOptions"] = { function(opts) fs.mkdir("/", opts) end },
  ["luapool.fs.RemoveOptions"] = { function(opts) fs.remove("/no/such/file", opts) end },
  ["luapool.log.SinkOptions"] = { luapool.log.add },
  ["luapool.csv.RowsOptions"] = { function(opts) luapool.csv.rows({}, opts) end },
  ["luapool.csv.WriterOptions"] = { function(opts) luapool.csv.writer("/dev/null", opts) end },
  ["luapool.sqlite.Options"] = { function(opts) luapool.sqlite.open(":memory:", opts) end },
  ["luapool.memcached.Options"] = { luapool.memcached.client },
  ["luapool.redis.TLSOptions"] = { function(opts)
    luapool.memcached.client { servers = { "localhost" }, tls = opts }
  end, 2 },
  ["luapool.memcached.ServerOptions"] = { function(opts)
    luapool.memcached.client { servers = { opts } }
  end, 2 },
  ["luapool.memcached.SetOptions"] = { function(opts)
    samples["luapool.memcached.Client"]():set("a", 1, opts)
  end, 3 },
  ["luapool.redis.Options"] = { function(opts) luapool.redis.connect("redis://h", opts) end },
  ["luapool.redis.PipelineOptions"] = { function(opts)
    samples["luapool.redis.Client"]():pipeline(print, opts)
  end, 2 },
  ["luapool.redis.TransactionOptions"] = { function(opts)
    samples["luapool.redis.Client"]():transaction(print, opts)
  end, 2 },
  ["luapool.redis.SubscribeOptions"] = { function(opts)
    samples["luapool.redis.Client"]():subscribe("a", opts)
  end, 2 },
  ["luapool.queue.OpenOptions"] = { function(opts) luapool.queue.open("sqlite:x", opts) end },
  ["luapool.queue.PutOptions"] = { with_queue(function(q, opts) q:put("k", 1, opts) end), 2 },
  ["luapool.queue.ResultOptions"] = { with_queue(function(q, opts) q:result("id", opts) end), 2 },
  ["luapool.queue.ListOptions"] = { with_queue(function(q, opts) q:list(opts) end), 2 },
  ["luapool.queue.PurgeOptions"] = { with_queue(function(q, opts) q:purge(opts) end), 2 },
  ["luapool.retry.Options"] = { function(opts) retry.wrap(print, opts) end },
  ["luapool.retry.GrowingOptions"] = { retry.exponential },
  ["luapool.retry.IncrementingOptions"] = { retry.incrementing },
  ["luapool.progress.Options"] = { progress.bar },
  ["luapool.Job"] = { job_spec.check },
  ["luapool.job.Kind"] = { function() job_spec.check { items = {}, kinds = { a = {} } } end, 2 },
  ["luapool.job.Crawl"] = { check_crawl {}, 3 },
  ["luapool.ServeFile"] = { serve_spec.check },
  ["luapool.serve.Kind"] = { function() serve_spec.check { kinds = { a = {} } } end, 2 },
  ["luapool.serve.CronEntry"] = { function() serve_spec.check { cron = { a = {} } } end, 2 },
  ["luapool.serve.Service"] = { function() serve_spec.check { services = { a = {} } } end, 2 },
  ["luapool.job.Rate"] = { check_crawl { rate = {} }, 4 },
  ["luapool.job.Autothrottle"] = { check_crawl { autothrottle = {} }, 4 },
  ["luapool.job.FollowOptions"] = { function(opts)
    internal("luapool.internal.job.follow").follow({}, {}, "", opts)
  end },
}

-- The table of known names that a call checks its options by; nothing else happens in it.
local function known_names(call, which)
  local plain, known, n = options.problem, nil, 0
  function options.problem(opts, names, noun)
    n = n + 1
    if n < (which or 1) then return plain(opts, names, noun) end
    known = names
    return "stop here"
  end
  pcall(call, {})
  options.problem = plain
  return known
end

-- The classes that a function takes as its options.
local function option_classes()
  local set = { ["luapool.Job"] = true, ["luapool.ServeFile"] = true }
  for _, part in ipairs { "Kind", "CronEntry", "Service" } do
    set["luapool.serve." .. part] = true
  end
  for _, part in ipairs { "Kind", "Crawl", "Rate", "Autothrottle" } do
    set["luapool.job." .. part] = true
  end
  -- options within options
  set["luapool.http.ProxyOptions"], set["luapool.http.TLSOptions"] = true, true
  set["luapool.redis.TLSOptions"] = true
  for _, item in ipairs(book.items) do
    for _, param in ipairs(item.params) do
      local class = book.classes[(param.type:gsub("%?$", ""))]
      if class and class.form == "record" then set[class.name] = true end
    end
  end
  return set
end

-- ---- results ----

-- A table of each record that luapool gives to its callers.
local results = {
  ["luapool.html.Metadata"] = function() return html.parse("<title>x"):metadata() end,
  ["luapool.job.Host"] = function()
    local list = internal("luapool.internal.job.hosts").new()
    list:take({}, { requests = { "h", 200, 5, 0.1 } }, { frontier = { answered = function() end } })
    return list:figures().h
  end,
  ["luapool.serve.Job"] = function()
    local job = internal("luapool.internal.serve.consumer").more_of {
      crashes = 0, priority = 0, put_at = 0,
    }
    job.id, job.kind, job.attempts = "id", "kind", 1 -- which the worker adds
    return job
  end,
  ["luapool.WorkerInfo"] = function()
    local p <close> = pool.new { processes = 1 }
    return p:apply(function() return require("luapool").worker end)
  end,
  ["luapool.Error"] = function()
    local _, e = pcall(sync.queue().get, sync.queue(), 0)
    return e
  end,
  ["luapool.cache.Stats"] = function() return cache.new({ max_bytes = 1 }):stats() end,
  ["luapool.pool.Stats"] = function()
    local p <close> = pool.new { processes = 1 }
    return p:stats()
  end,
  ["luapool.pool.WorkerStats"] = function()
    local p <close> = pool.new { processes = 1 }
    p:apply(math.abs, 1)
    return p:stats().workers[1]
  end,
  ["luapool.retry.Statistics"] = function()
    local wrapped = retry.wrap(math.abs)
    wrapped(1)
    return retry.statistics(wrapped)
  end,
  ["luapool.process.Result"] = function() return process.exec { "true" } end,
  ["luapool.digest.Encoding"] = function() return luapool.digest.hex end,
  ["luapool.http.ClientStats"] = function() return http.client():stats() end,
  ["luapool.http.Cookie"] = function()
    local jar = http.client().cookies
    jar:set { name = "a", value = 1, domain = "example.com", max_age = 60 }
    return jar:list()[1]
  end,
  ["luapool.http.CacheStats"] = function()
    local dir <close> = fs.tempdir()
    return http.cache(dir.path):stats()
  end,
  ["luapool.queue.Job"] = function()
    local q <close> = samples["luapool.queue.Queue"]()
    return q:status(q:put("k", 1))
  end,
  ["luapool.queue.KindStats"] = function()
    local q <close> = samples["luapool.queue.Queue"]()
    q:put("k", 1)
    return q:stats().k
  end,
  ["luapool.fs.Stat"] = function() return fs.stat "/" end,
  ["luapool.log.Logger"] = function() return luapool.log.with {} end,
}

-- ---- errors ----

local function in_pool(opts, fn, ...)
  opts.processes = 1
  local p <close> = pool.new(opts)
  return p:apply(fn, ...)
end

local function with_db(sql)
  local db <close> = luapool.sqlite.open ":memory:"
  db:exec(sql)
end

-- A function that makes a call of a client; where no server is given, of one that has the text "a".
local function with_memcached(address)
  return function(method, ...)
    local server <close> = not address and memcached_server.start()
    local client <close> = luapool.memcached.client {
      servers = { address or server.address }, timeout = 30,
    }
    if not address then client:set("a", "text") end
    client[method or "get"](client, method ~= "close" and "a" or nil, ...)
    client:get "a"
  end
end

local function with_redis(fn)
  local server <close> = redis_server.start()
  local client <close> = luapool.redis.connect(server.url)
  fn(client)
end

-- Calls that fail: module, kind, function and its arguments.
local failures = {
  { "pool", "worker_died", in_pool, { crash_retries = 0 }, function()
    io.stderr:write "its last line\n"
    os.execute("kill -9 " .. require("luapool").worker.pid)
  end },
  { "pool", "worker_died", in_pool, { crash_retries = 0 }, os.exit, 3 },
  { "pool", "cannot_send", in_pool, {}, print, coroutine.create(print) },
  { "task", "timeout", task.timeout, 0.01, task.sleep, 60 },
  { "task", "cancelled", function()
    local one = task.spawn(task.sleep, 60)
    one:cancel "not needed"
    one:await()
  end },
  { "sync", "timeout", function() sync.event():wait(0) end },
  { "sync", "not_held", function() sync.lock():release() end },
  { "process", "timeout", process.exec, { "sleep", "60", timeout = 0.01 } },
  { "process", "process", process.exec, { "no-such-program" } },
  { "http", "connect", http.get, "http://127.0.0.1:1/" },
  { "http", "dns", http.get, "http://no-such-host.invalid/" },
  { "http", "not_cached", function()
    local dir <close> = fs.tempdir()
    http.get("http://127.0.0.1:1/", { cache = dir.path, only_if_cached = true })
  end },
  { "http", "status", function()
    local answer = samples["luapool.http.Response"]()
    answer.status = 404
    answer:raise_for_status()
  end },
  { "html", "query", function() html.parse(""):css "a[" end },
  { "html", "query", function() html.parse(""):xpath "a[" end },
  { "xml", "xml", luapool.xml.parse, "no XML" },
  { "xml", "xml", luapool.xml.parse, "" },
  { "json", "json", json.decode, "[" },
  { "json", "json", json.encode, { print } },
  { "yaml", "yaml", yaml.load, "a: [" },
  { "yaml", "yaml", yaml.dump, { print } },
  { "fs", "fs", fs.read, "/no/such/file" },
  { "fs", "fs", fs.rename, "/no/such/file", "/no/such/place" },
  { "csv", "csv", luapool.csv.parse, 'a,"b' },
  { "sqlite", "sqlite", luapool.sqlite.open, "/no/such/folder/file" },
  { "sqlite", "sqlite", with_db, "SELECT" },
  { "sqlite", "constraint", with_db, "CREATE TABLE t (n NOT NULL); INSERT INTO t VALUES (NULL)" },
  { "sqlite", "closed", function()
    local db = luapool.sqlite.open ":memory:"
    db:close()
    db:exec "SELECT 1"
  end },
  { "memcached", "connect", with_memcached "127.0.0.1:1" },
  { "memcached", "dns", with_memcached "no-such-host.invalid" },
  { "memcached", "memcached", with_memcached(), "incr" },
  { "memcached", "too_large", with_memcached(), "set", ("x"):rep(2 << 20) },
  { "memcached", "closed", with_memcached(), "close" },
  { "redis", "connect", luapool.redis.connect, "redis://127.0.0.1:1" },
  { "redis", "dns", luapool.redis.connect, "redis://no-such-host.invalid" },
  { "redis", "redis", with_redis, function(client) client:set "a" end },
  { "redis", "redis", with_redis, function(client) client:transaction(function(t) t:no() end) end },
  { "redis", "closed", with_redis, function(client)
    client:close()
    client:get "a"
  end },
  { "redis", "conflict", with_redis, function(client)
    client:transaction(function(t)
      client:incr "n"
      t:incr "n"
    end, { watch = "n", attempts = 1 })
  end },
  { "queue", "queue", luapool.queue.open, "no such scheme" },
  { "queue", "timeout", function()
    local q <close> = samples["luapool.queue.Queue"]()
    q:result(q:put "k", { timeout = 0 })
  end },
  { "queue", "queue", function()
    local q <close> = samples["luapool.queue.Queue"]()
    local id = q:put "k"
    q:cancel(id)
    q:result(id)
  end },
  { "queue", "closed", function()
    local q = samples["luapool.queue.Queue"]()
    q:close()
    q:put "k"
  end },
  { "lock", "lock", function() luapool.lock.file("/no/such/folder/lock"):acquire() end },
  { "lock", "not_held", function() luapool.lock.file("/tmp/luapool-none"):release() end },
  { "lock", "timeout", function()
    local dir <close> = fs.tempdir()
    local one, other = luapool.lock.file(dir .. "/a"), luapool.lock.file(dir .. "/a")
    local _ <close> = one:hold()
    other:acquire(0)
  end },
  { "lock", "lost", with_redis, function(client)
    local _ <close> = luapool.lock.redis(client, "a"):hold()
    client:flushall()
  end },
  { "lock", "connect", function()
    luapool.lock.etcd({ endpoints = "http://127.0.0.1:1", name = "a" }):acquire()
  end },
  { "lock", "etcd", function()
    local server <close> = require("tests.support.nginx").start()
    luapool.lock.etcd({ endpoints = server.url, name = "a" }):acquire()
  end },
  { "digest", "digest", luapool.digest.hex.decode, "x" },
  { "dns", "dns", luapool.dns.lookup, "no-such-host.invalid" },
  { "signal", "timeout", luapool.signal.wait, "WINCH", 0 },
  { "signal", "denied", in_pool, {}, function() require("luapool.signal").wait "WINCH" end },
  { "error", "usage", task.sleep, "long" },
}

local OF_ALL = { kind = true, message = true, traceback = true }

-- What the reference says of a kind of a module, with what it says of all its errors.
local function kind_text(module, name)
  for _, kind in ipairs(book.modules[module].kinds) do
    if kind.name == name then return kind.text .. " " .. book.modules[module].text end
  end
end

-- The alternatives of a documented type: "a|fun(): b" -> "a", "fun(): b".
local function alternatives(type)
  local list, depth, from = {}, 0, 1
  for at = 1, #type + 1 do
    local c = type:sub(at, at)
    if c:find("[%(%[{<]") then depth = depth + 1 end
    if c:find("[%)%]}>]") then depth = depth - 1 end
    if c == "" or c == "|" and depth == 0 then
      table.insert(list, type:sub(from, at - 1))
      from = at + 1
    end
  end
  return list
end

-- A value of each sort, by what a documented type may say.
local PROBES = { boolean = { true }, integer = { 2 }, number = { 2.5 }, string = { "x", "1M" },
  table = { {} }, ["function"] = { print } }

-- The sort of a documented type, and values of it.
local function sort_of(type)
  local word = type:match '^"(.*)"$'
  if word then return "word", { word } end
  if type == "false" then return "boolean", { false } end
  if type:find "^fun" then return "function", PROBES["function"] end
  if PROBES[type] then return type, PROBES[type] end
  return "table", PROBES.table
end

local function fits_one(fits, values)
  for _, value in ipairs(values) do
    if fits(value) then return true end
  end
  return false
end

-- What is wrong with the documented type of an option that is checked by this rule, or nil.
local function type_problem(type, rule)
  local _, fits = options.rule(rule)
  local said = {}
  for _, alternative in ipairs(alternatives(type)) do
    if alternative == "any" then return nil end
    local sort, values = sort_of(alternative)
    said[sort] = true
    if not fits_one(fits, values) then return "is no " .. alternative end
  end
  said.integer = said.integer or said.number
  said.string = said.string or said.word -- which words, is asked behind this rule
  for sort, values in pairs(rule == "any" and {} or PROBES) do
    if not said[sort] and fits(values[1]) then return "may be a " .. sort .. " too" end
  end
end

-- ---- types ----

-- The functions of a module as its file of types declares them.
local function declared(name)
  return assert(load(types.page(book, name), "=types/" .. name, "t", {}))()
end

describe("the reference", function()
  for _, name in ipairs(books.modules) do
    if is_module(name) then
      it("has every name of the module " .. name .. " and no other", function()
        assert.are.same(sorted(live_names(name)), sorted(documented_names(name)))
      end)

      it("declares the functions of " .. name .. " with their parameters", function()
        local live, typed = module_table(name), declared(name)
        for _, item in ipairs(book.modules[name].items) do
          if item.form == "function" then
            local is = debug.getinfo(live[item.short], "u")
            local said = debug.getinfo(typed[item.short], "u")
            local more = item.name == "process.exec" and 1 or 0 -- a second argument, to refuse it
            local same = is.nparams == said.nparams + more and is.isvararg == said.isvararg
            local in_c = debug.getinfo(live[item.short], "S").what == "C"
            assert.is_true(in_c or same, item.name)
          end
        end
      end)
    end
  end

  it("is written for editors in the annotations that they know", function()
    local known = { meta = true, class = true, field = true, operator = true, generic = true,
      param = true, ["return"] = true, async = true }
    for _, name in ipairs(books.modules) do
      local page = types.page(book, name)
      assert.are.equal("---@meta " .. books.class_of(name), page:match("^[^\n]*"))
      for tag, rest in page:gmatch("\n%-%-%-@(%w+)([^\n]*)") do
        assert.is_true(known[tag] and (rest ~= "" or tag == "async"), name .. ": @" .. tag .. rest)
      end
    end
  end)

  for _, class in ipairs(book.class_list) do
    if class.form == "class" then
      it("has every name of the class " .. class.name .. " and no other", function()
        local make = assert(samples[class.name], "no object of the class to compare with")
        local object = make()
        local live, said = class_names(object), {}
        for _, field in ipairs(class.fields) do
          said[field.name] = true
          live[field.name] = live[field.name] or field.optional or object[field.name] ~= nil or nil
        end
        for _, method in ipairs(class.methods) do
          said[method.short] = true
          live[method.short] = live[method.short] or object[method.short] ~= nil or nil
        end
        for key in pairs(live) do
          if book.private[class.name .. ":" .. key] then live[key] = nil end
        end
        said["[string]"], live["[string]"] = nil, nil
        close(object)
        assert.are.same(sorted(live), sorted(said))
      end)
    end
  end

  for _, class in ipairs(book.class_list) do
    local is_result = class.form == "record" and not checked[class.name]
    -- Others inherit from it.
    if is_result and class.name ~= "luapool.http.CommonOptions" then
      it("has every field of " .. class.name .. " and no other", function()
        local live = assert(results[class.name], "no such table to compare with")()
        local said = {}
        for _, field in ipairs(class.fields) do
          local may_lack = field.optional or field.type:find("%?$")
          if live[field.name] ~= nil or not may_lack then said[field.name] = true end
        end
        assert.are.same(sorted(live), sorted(said))
      end)
    end
  end

  for _, failure in ipairs(failures) do
    local module, kind = failure[1], failure[2]
    it(("tells the fields of an error of %s: %s"):format(module, kind), function()
      local ok, e = pcall(table.unpack(failure, 3))
      http.close()
      assert.is_false(ok)
      assert.are.equal(kind, e.kind)
      local text = assert(kind_text(module, kind), "the kind is not told")
      for field in pairs(e) do
        local told = OF_ALL[field] or text:find("`" .. field .. "`", 1, true)
        assert.is_truthy(told, "field " .. field)
      end
    end)
  end

  for name in pairs(option_classes()) do
    it("has every option of " .. name .. " and no other", function()
      local how = assert(checked[name], "how these options are checked is not said here")
      local said = {}
      for _, field in ipairs(render.fields(book, book.classes[name])) do said[field.name] = true end
      said["[integer]"] = nil
      local known = assert(known_names(how[1], how[2]), "they are not checked")
      assert.are.same(sorted(known), sorted(said))
      for _, field in ipairs(render.fields(book, book.classes[name])) do
        local wrong = known[field.name] and type_problem(field.type, known[field.name])
        assert.is_nil(wrong, field.name .. " " .. tostring(wrong))
      end
    end)
  end
end)
