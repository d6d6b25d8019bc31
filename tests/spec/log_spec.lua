-- luapool.log: loggers, and the files that lines go to. What is seen on stderr is in
-- tests/cli/progress.sh and tests/cli/log.sh, processes that are killed in tests/cli/log_storm.sh.

local errors = require "luapool.error"
local eventually = require "tests.support.eventually"
local fs = require "luapool.fs"
local json = require "luapool.json"
local log = require "luapool.log"
local pool = require "luapool.pool"
local process = require "luapool.process"
local refused = require "tests.support.refused"
local task = require "luapool.task"

local STAMP = "%d%d%d%d%-%d%d%-%d%d_%d%d%-%d%d%-%d%d_%d%d%d%d%d%d"

local dir, path

before_each(function()
  dir = fs.tempdir()
  path = dir .. "/app.log"
end)

after_each(function() dir:close() end)

-- The lines of a file without their times.
local function lines(name)
  local list = {}
  for line in fs.read(name or path):gmatch "([^\n]*)\n" do
    table.insert(list, (line:gsub("^[%d-]+ [%d:]+ ", "")))
  end
  return list
end

local function records(name)
  local list = {}
  for line in fs.read(name or path):gmatch "[^\n]+" do table.insert(list, json.decode(line)) end
  return list
end

-- The names of rotated files, the oldest first.
local function rotated(ending)
  local list = {}
  for _, name in ipairs(fs.list(dir)) do
    if name:find("^app%." .. STAMP .. "%.log" .. (ending or "") .. "$") then
      table.insert(list, name)
    end
  end
  return list
end

local function shell(command)
  local done = process.exec { "sh", "-c", command, cwd = dir.path }
  assert.are.equal(0, done.code, done.stderr)
  return done.stdout
end

describe("a sink", function()
  it("has the lines of its level and above, whatever stderr has", function()
    local _ <close> = log.add { path = path }
    local _ <close> = log.add { path = dir .. "/errors", level = "error" }
    log.debug "hidden %d"
    log.debug("shown %d", 1)
    local named = task.spawn(function()
      task.current():name "fetcher"
      log.debug "of a task"
    end)
    named:await()
    log.with { a = 1 }.debug "bound"
    assert.are.same({
      "debug: hidden %d", "debug: shown 1", "debug fetcher: of a task", "debug: bound a=1",
    }, lines())
    assert.are.equal("", fs.read(dir .. "/errors"))
    assert.matches("^%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d debug: hidden", fs.read(path))
  end)

  it("ends with its scope, by close, and in the middle of others", function()
    local first, second, third = log.add { path = path }, log.add { path = dir .. "/b" },
      log.add { path = dir .. "/c" }
    log.debug "one"
    second:close()
    second:close()
    log.debug "two"
    first:close()
    third:close()
    log.debug "three"
    assert.are.same({ "debug: one", "debug: two" }, lines())
    assert.are.same({ "debug: one" }, lines(dir .. "/b"))
    assert.are.same(lines(), lines(dir .. "/c"))
    refused("usage", "Sink:close", first.close)
  end)

  it("adds to what a file holds, behind a line that was not finished", function()
    fs.write(path, "older\nhalf a li")
    local _ <close> = log.add { path = path }
    log.debug "whole"
    log.debug "again"
    assert.are.same({ "older", "half a li", "debug: whole", "debug: again" }, lines())
    fs.append(path, "another")
    log.debug "mended"
    assert.are.same({ "another", "debug: mended" }, table.move(lines(), 5, 6, 1, {}))
  end)

  it("takes the place of one with the same path", function()
    local text = log.add { path = path }
    log.debug "first"
    local _ <close> = log.add { path = path, format = "json" }
    log.debug "second"
    text:close()
    log.debug "third"
    local list = lines()
    assert.are.equal(3, #list)
    assert.are.equal("third", json.decode(list[3]).message)
  end)

  it("indents further lines", function()
    local _ <close> = log.add { path = path }
    log.with { a = "b" }.debug "one\ntwo\n2026-11-28 10:00:00 error: forged\n"
    assert.are.same({
      "debug: one a=b", "  two", "  2026-11-28 10:00:00 error: forged", "",
    }, lines())
  end)
end)

describe("a sink refuses", function()
  it("wrong options, and those that say nothing", function()
    refused("usage", "'path' is missing", log.add)
    refused("usage", "unknown option 'rotat' (did you mean 'rotate'?)",
      log.add, { path = path, rotat = 5 })
    for _, rotate in ipairs { "weekly", 0, -1, "0K", true } do
      refused("usage", 'a size above 0 as "100M", or "daily"',
        log.add, { path = path, rotate = rotate })
    end
    refused("usage", "'keep' must be", log.add, { path = path, rotate = "daily", keep = 0 })
    refused("usage", "'keep' is of rotated files", log.add, { path = path, keep = 1 })
    refused("usage", "'compress' is of", log.add, { path = path, compress = true })
    refused("usage", "'level' must be", log.add, { path = path, level = "loud" })
    assert.are.same({}, fs.list(dir))
  end)

  it("what cannot be written", function()
    local e = refused("fs", ("cannot write the log '%s/no/app.log': No such file or directory (is "
      .. "its folder there?"):format(dir), log.add, { path = dir .. "/no/app.log" })
    assert.are.same({ "ENOENT", dir .. "/no/app.log" }, { e.code, e.path })
    refused("fs", "Is a directory", log.add, { path = dir.path })
    shell "mkfifo pipe"
    refused("fs", "no regular file", log.add, { path = dir .. "/pipe" })
  end)
end)

describe("bound fields", function()
  it("stand behind the message, in the order of their names", function()
    local _ <close> = log.add { path = path }
    local shop = log.with { shop = "north", run = 7, ok = true }
    shop.debug("%d pages", 3)
    shop:debug("%d pages", 3)
    shop.with { run = 8, page = "a b" }.warn "nested"
    shop:with { quote = 'say "hi"', empty = "", list = { 1, 2 } }:error "odd"
    log.with {}.debug "none"
    assert.are.same({
      "debug: 3 pages ok=true run=7 shop=north", "debug: 3 pages ok=true run=7 shop=north",
      'warn: nested ok=true page="a b" run=8 shop=north',
      'error: odd empty="" list=[1,2] ok=true quote="say \\"hi\\"" run=7 shop=north',
      "debug: none",
    }, lines())
  end)

  it("are fields of a line of JSON", function()
    local _ <close> = log.add { path = path, format = "json" }
    local values = { list = { 1, 2 }, n = 0 / 0, f = print, s = "\xff", big = math.maxinteger }
    local bound = log.with(values)
    values.list[1] = 5
    bound.info "text"
    local record = records()[1]
    assert.are.same({ 1, 2 }, record.list)
    assert.are.equal(math.maxinteger, record.big)
    assert.are.same({ "string", "string", "?" }, { type(record.n), type(record.f), record.s })
    assert.are.same({ "info", "text" }, { record.level, record.message })
  end)

  it("have names of their own", function()
    refused("usage", "has a field 'level' of its own", log.with, { level = 1 })
    refused("usage", "a field's name is a word, got 1", log.with, { "x" })
    refused("usage", "a field's name is a word, got \"a b\"", log.with, { ["a b"] = 1 })
    refused("usage", "bad argument #1 to 'log.with'", log.with, "x")
    refused("usage", "bad argument #1 to 'log.with'", log.with {}.with)
    refused("usage", "called with '.'", log.with, log)
  end)

  it("travel to workers with their logger", function()
    local _ <close> = log.add { path = path }
    local p <close> = pool.new { processes = 1 }
    local shop = log.with { shop = "north" }
    p:apply(function(n)
      shop.debug("item %d", n)
      shop:with { n = n }:info "done"
    end, 5)
    assert.are.same({
      "debug worker 1: item 5 shop=north", "info worker 1: done n=5 shop=north",
    }, lines())
  end)
end)

describe("log.exception", function()
  it("has the kind, the traceback and the causes", function()
    local _ <close> = log.add { path = path }
    local ok, e = pcall(function() errors.raise("stale", "too old") end)
    assert.is_false(ok)
    log.exception(e, "page %d", 7)
    local list = lines()
    assert.matches("^error: page 7: .*too old %(stale%)$", list[1])
    assert.are.equal("  stack traceback:", list[2])
    assert.matches("log_spec.lua:%d+: in", list[3])
    fs.write(path, "")
    log.with { a = 1 }.exception { message = "outer", cause = "inner" }
    log:exception "a text"
    list = lines()
    assert.matches("outer.* a=1$", list[1])
    assert.are.equal("  caused by: inner", list[2])
    assert.are.equal("error: a text", list[3])
  end)

  it("is a field of a line of JSON", function()
    local _ <close> = log.add { path = path, format = "json" }
    local inner = errors.new("connect", "refused")
    local outer = errors.new("fetch", "no page", { cause = inner })
    inner.cause = outer -- a circle
    log.exception(outer, "page %d", 7)
    log.exception(nil)
    local first, second = table.unpack(records())
    assert.matches("^page 7: .*no page$", first.message)
    assert.are.equal("fetch", first.exception.kind)
    assert.are.equal(1, #first.exception.causes)
    assert.are.equal("connect", first.exception.causes[1].kind)
    assert.are.equal("nil", second.exception.message)
  end)

  it("has the worker's part of the traceback", function()
    local _ <close> = log.add { path = path }
    local p <close> = pool.new { processes = 1 }
    local ok, e = pcall(p.apply, p, function()
      return (nil).x
    end)
    assert.is_false(ok)
    log.exception(e)
    local text = fs.read(path)
    assert.matches("attempt to index a nil value", text)
    assert.matches("\n  stack traceback:\n", text)
    assert.matches("log_spec.lua:%d+: in ", text)
  end)
end)

describe("rotation by size", function()
  it("keeps all lines, in files that are not larger", function()
    local _ <close> = log.add { path = path, rotate = 1000 }
    for i = 1, 200 do log.debug("line %03d", i) end
    log.debug(("x"):rep(3000)) -- is in a file of its own
    local all, files = {}, rotated()
    assert.is_true(#files > 5)
    table.insert(files, "app.log")
    for i, name in ipairs(files) do
      local size = fs.stat(dir .. "/" .. name).size
      assert.is_true(size <= 1000 or i == #files)
      for _, line in ipairs(lines(dir .. "/" .. name)) do table.insert(all, line) end
    end
    for i = 1, 200 do assert.are.equal(("debug: line %03d"):format(i), all[i]) end
    assert.are.equal(201, #all)
  end)

  it("keeps the newest, and nothing but rotated files is removed", function()
    local others = { "app.2026-01-01.log", "app.log.1", "apple.log",
      "xapp.2020-01-01_00-00-00_000000.log", "app.2020-01-01_00-00-00_000000.txt" }
    for _, name in ipairs(others) do fs.write(dir .. "/" .. name, "") end
    local sink = log.add { path = path, rotate = "1K", keep = 3 }
    for i = 1, 300 do log.debug("line %03d", i) end
    sink:close()
    local files = rotated()
    assert.are.equal(3, #files)
    local last = lines(dir .. "/" .. files[3])
    local first = lines()[1]
    local before = tonumber(last[#last]:match "%d+")
    assert.are.equal(("debug: line %03d"):format(before + 1), first)
    assert.are.equal("debug: line 300", lines()[#lines()])
    for _, name in ipairs(others) do assert.is_table(fs.stat(dir .. "/" .. name)) end
  end)

  it("compresses, also what others have left", function()
    local left = "app.2020-01-01_00-00-00_000000.log"
    local half = "app.2020-01-02_00-00-00_000000.log"
    fs.write(dir .. "/" .. left, "left\n")
    fs.write(dir .. "/" .. half, "half\n")
    fs.write(dir .. "/" .. half .. ".gz.part", "what somebody who was killed began, and longer")
    fs.write(dir .. "/app.2020-01-03_00-00-00_000000.log.gz.part", "")
    local sink = log.add { path = path, rotate = "2K", keep = 100, compress = true }
    for i = 1, 300 do log.debug("line %03d", i) end
    sink:close()
    eventually(function() return #rotated() == 0 end)
    assert.are.equal("left\n", shell("zcat " .. left .. ".gz"))
    assert.are.equal("half\n", shell("zcat " .. half .. ".gz"))
    local text = shell "zcat app.20[2-9][1-9]*.log.gz; cat app.log"
    local n = 0
    for i in text:gmatch "debug: line (%d+)\n" do
      n = n + 1
      assert.are.equal(n, tonumber(i))
    end
    assert.are.equal(300, n)
    assert.are.equal("", shell "ls | grep part || true")
  end)

  it("keeps the rights of the file", function()
    local sink = log.add { path = path, rotate = 100, compress = true }
    shell "chmod 640 app.log"
    for _ = 1, 10 do log.debug(("x"):rep(50)) end
    sink:close()
    eventually(function() return #rotated() == 0 end)
    local files = rotated "%.gz"
    assert.is_true(#files > 2)
    for _, name in ipairs { path, dir .. "/" .. files[#files] } do
      assert.are.equal(tonumber("640", 8), fs.stat(name).mode)
    end
  end)

  it("goes through a link to the file that it leads to", function()
    fs.mkdir(dir .. "/real")
    shell "ln -s real/app.log app.log"
    local _ <close> = log.add { path = path, rotate = 100 }
    for _ = 1, 5 do log.debug(("x"):rep(60)) end
    assert.are.equal(5, #fs.list(dir .. "/real"))
    assert.are.same({ "app.log", "real" }, fs.list(dir))
  end)

  it("names files without an extension", function()
    local _ <close> = log.add { path = dir .. "/.log", rotate = 60 }
    log.debug(("x"):rep(40))
    log.debug(("x"):rep(40))
    assert.matches("^%.log%." .. STAMP .. "$", fs.list(dir)[2])
  end)
end)

describe("rotation by days", function()
  it("gives the lines of another day a file with its name", function()
    local _ <close> = log.add { path = path, rotate = "daily" }
    log.debug "old"
    log.debug "old too"
    shell "touch -d '2 days ago 12:34:56' app.log"
    log.debug "new"
    log.debug "new too"
    local files = rotated()
    local day = os.date("%Y-%m-%d", os.time() - 2 * 24 * 3600)
    assert.are.equal(1, #files)
    assert.are.equal(("app.%s_12-34-56_000000.log"):format(day), files[1])
    assert.are.same({ "debug: old", "debug: old too" }, lines(dir .. "/" .. files[1]))
    assert.are.same({ "debug: new", "debug: new too" }, lines())
  end)
end)

describe("another tool", function()
  it("may rename, remove or empty the file", function()
    local _ <close> = log.add { path = path }
    log.debug "one"
    fs.rename(path, path .. ".1")
    log.debug "two"
    assert.are.same({ "debug: two" }, lines())
    assert.are.same({ "debug: one" }, lines(path .. ".1"))
    fs.remove(path)
    log.debug "three"
    assert.are.same({ "debug: three" }, lines())
    shell ": > app.log"
    log.debug "four"
    assert.are.same({ "debug: four" }, lines())
  end)
end)

describe("sinks in workers", function()
  local function count(i) require("luapool.log").info("item %d", i) end

  it("are those of main when the pool was made", function()
    local before <close> = log.add { path = path, format = "json" }
    local p <close> = pool.new { processes = 2 }
    local _ <close> = log.add { path = dir .. "/after" }
    p:map(count, { 1, 2, 3, 4, 5, 6 }):drain()
    local seen = {}
    for _, record in ipairs(records()) do
      seen[record.message] = (seen[record.message] or 0) + 1
      assert.is_true(record.worker == 1 or record.worker == 2)
    end
    for i = 1, 6 do assert.are.equal(1, seen["item " .. i]) end
    assert.are.equal("", fs.read(dir .. "/after"))
    before:close()
    p:apply(count, 7)
    assert.are.equal(7, #records())
  end)

  it("may be added there", function()
    local p <close> = pool.new {
      processes = 2, init_args = { path },
      init = function(name) require("luapool.log").add { path = name, rotate = "1K" } end,
    }
    p:map(count, (function()
      local list = {}
      for i = 1, 100 do list[i] = i end
      return list
    end)()):drain()
    local all = 0
    for _, name in ipairs(fs.list(dir)) do all = all + #lines(dir .. "/" .. name) end
    assert.are.equal(100, all)
    assert.is_true(#rotated() > 0)
  end)

  it("that cannot be opened stop no work", function()
    local sink = log.add { path = path }
    local p <close> = pool.new { processes = 1 }
    sink:close()
    dir:close()
    assert.are.equal(5, p:apply(function()
      require("luapool.log").debug "lost"
      return 5
    end))
  end)
end)
