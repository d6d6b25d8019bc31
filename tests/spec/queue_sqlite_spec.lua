-- What luapool.queue promises of its files: which are refused, what is left beside them, what a
-- claim costs, what happens when the disk is full.

local fs = require "luapool.fs"
local internal = require "tests.support.internal"
local process = require "luapool.process"
local queue = require "luapool.queue"
local queue_process = require "tests.support.queue_process"
local refused = require "tests.support.refused"
local sqlite = require "luapool.sqlite"
local task = require "luapool.task"
local worker = require "tests.support.queue_worker"

local core = internal "luapool.fs.core"
local claim = internal "luapool.internal.queue.sqlite.claim"
local owner_file = internal "luapool.internal.queue.sqlite.owner_file"
local take, now, done = worker.take, worker.now, worker.done
local numbers = worker.numbers

local K = { k = {} }

-- The names of files beside the database that belong to owners.
local function owner_files(dir)
  local list = {}
  for _, name in ipairs(fs.list(tostring(dir))) do
    if name:find "%-owner%-" then list[#list + 1] = name end
  end
  return list
end

describe("luapool.queue in a file", function()
  local dir, path

  before_each(function()
    dir = fs.tempdir()
    path = dir .. "/work.db"
  end)

  after_each(function() dir:close() end)

  it("refuses what is no store, and leaves it as it is", function()
    fs.write(path, ("no database\n"):rep(100))
    refused("not_a_store", "is no database", queue.open, "sqlite:" .. path)
    assert.are.equal(("no database\n"):rep(100), fs.read(path))
    fs.remove(path)
    do
      local db <close> = sqlite.open(path)
      db:exec "CREATE TABLE mine (n)"
    end
    refused("not_a_store", "of another program", queue.open, "sqlite:" .. path)
    do
      local db <close> = sqlite.open(path)
      assert.are.equal(1, db:first("SELECT count(*) AS n FROM sqlite_master").n)
    end
    local nowhere = "sqlite:" .. dir.path .. "/no/such/folder.db"
    refused("cannot_open", "cannot be opened", queue.open, nowhere)
  end)

  it("is made once when many open it for the first time at once", function()
    for n = 1, 12 do
      local url = ("sqlite:%s/%d.db"):format(dir.path, n)
      task.map(numbers(1, 8), function(i)
        local q <close> = queue.open(url)
        q:put("k", i)
      end):drain()
      local q <close> = queue.open(url)
      assert.are.equal(8, q:stats().k.waiting)
    end
  end)

  it("refuses a store of another version", function()
    queue.open("sqlite:" .. path):close()
    do
      local db <close> = sqlite.open(path)
      db:exec "PRAGMA user_version = 99"
    end
    refused("version", "use the newer luapool", queue.open, "sqlite:" .. path)
  end)

  it("refuses URLs that it does not know", function()
    refused("unknown_scheme", "did you mean 'sqlite'?", queue.open, "sqlit:x.db")
    refused("unknown_scheme", "a file is", queue.open, "work.db")
    refused("address", "stands in a file", queue.open, "sqlite::memory:")
    refused("address", "stands in a file", queue.open, "sqlite:")
    refused("unknown_scheme", "amqp://u:***@host", queue.open, "amqp://u:secret@host")
  end)

  it("knows network file systems by their numbers", function()
    assert.are.equal("NFS", core.network_type(0x6969))
    assert.are.equal("CIFS", core.network_type(0xFF534D42))
    assert.are.equal("9P", core.network_type(0x01021997))
    assert.is_nil(core.network_type(0xEF53)) -- ext4
    assert.is_nil(core.network_type(core.type_of "/proc"))
  end)

  it("leaves no file of an owner, killed or not", function()
    do
      local q <close> = queue.open("sqlite:" .. path)
      q:put_all("k", { 1, 2 })
      assert.are.same({}, owner_files(dir)) -- who only puts has none
      take(q, 1, K)
      assert.are.equal(1, #owner_files(dir))
      local other = queue_process.start("sqlite:" .. path, K)
      other:ask "claim 1"
      assert.are.equal(2, #owner_files(dir))
      other:kill()
      take(q, 1, K)
      assert.are.equal(1, #owner_files(dir))
    end
    assert.are.same({}, owner_files(dir))
    local q <close> = queue.open("sqlite:" .. path)
    assert.are.equal(2, q:stats().k.waiting) -- given back at the close
    assert.are.equal(1, #now(q, 1, K))
    assert.are.equal("ok", q.store.db:first("PRAGMA integrity_check").integrity_check)
  end)

  it("gives nothing back of a process that is gone as long as a worker of it lives", function()
    local q <close> = queue.open("sqlite:" .. path)
    local id = q:put("k", 1)
    local other = queue_process.start("sqlite:" .. path, K)
    assert.are.equal(id, other:ask "claim 1")
    local file = dir .. "/" .. owner_files(dir)[1]
    local held = owner_file.hold(file)
    other:kill()
    q.store:sweep()
    assert.are.equal("running", q:status(id).state)
    held:close()
    assert.are.equal(id, take(q, 1, K)[1].id)
    local ok, e = pcall(owner_file.hold, file)
    assert.is_true(not ok and e.code == "owner_file", tostring(e))
    assert.are.equal(1, #owner_files(dir)) -- that of this process
  end)

  it("tidies up after an owner that was killed before it was known", function()
    local q <close> = queue.open("sqlite:" .. path)
    fs.write(path .. "-owner-0123456789abcdef", "")
    fs.write(path .. "-mine", "")
    take(q, 0, K)
    assert.are.same({}, now(q, 1, K))
    assert.are.equal(1, #owner_files(dir))
    assert.is_nil(owner_files(dir)[1]:find "0123456789abcdef")
    assert.are.equal("", fs.read(path .. "-mine"))
  end)

  it("starts no more than a rate allows when many ask at once", function()
    local q <close> = queue.open("sqlite:" .. path)
    local kinds = { k = { rate = { 3, per = 1000 } } }
    local list = {}
    for n = 1, 20 do list[n] = n end
    q:put_all("k", list)
    now(q, 0, kinds)
    local claimed = 0
    for _, n in task.map(function() return #now(q, 1, kinds) end, list, { concurrency = 20 }) do
      claimed = claimed + n
    end
    assert.are.equal(3, claimed)
    assert.are.equal(3, q:stats().k.running)
  end)

  it("looks once for all who wait for results", function()
    local q <close> = queue.open("sqlite:" .. path)
    local list = {}
    for n = 1, 200 do list[n] = n end
    local ids = q:put_all("k", list, { result_ttl = 60 })
    local waiting = {}
    for n, id in ipairs(ids) do waiting[n] = task.spawn(q.result, q, id) end
    local results = {}
    for n, job in ipairs(take(q, 200, K)) do
      results[n] = { id = job.id, token = job.token, outcome = "done", value = job.args }
    end
    q.store:settle(results, 0, K)
    for n, one in ipairs(waiting) do assert.are.equal(n, one:await()) end
  end)

  it("says that a full disk is full, and loses nothing", function()
    local q <close> = queue.open("sqlite:" .. path)
    local db = q.store.db
    q:put_all("k", { 1, 2, 3 }, { result_ttl = 60 })
    local list = take(q, 3, K)
    local pages = db:first("PRAGMA page_count").page_count
    db:exec("PRAGMA max_page_count = " .. pages)
    local big = ("x"):rep(60000)
    local ok, e = pcall(q.put_all, q, "k", { big, big })
    assert.is_false(ok)
    assert.are.equal("SQLITE_FULL", e.code)
    ok, e = pcall(done, q, list[1], K, big)
    assert.is_false(ok)
    assert.are.equal("SQLITE_FULL", e.code)
    assert.are.equal("running", q:status(list[1].id).state)
    db:exec "PRAGMA max_page_count = 1000000"
    for _, job in ipairs(list) do assert.is_true(done(q, job, K, big)) end
    assert.are.equal(big, q:result(list[1].id))
    assert.are.equal(3, q:stats().k.done)
    assert.are.equal(0, q:stats().k.waiting)
  end)

  it("can be looked at where it cannot be written, and says that", function()
    do
      local q <close> = queue.open("sqlite:" .. path)
      q:put("k", 1)
    end
    fs.write(dir .. "/job.lua", [[
      local queue = require "luapool.queue"
      local q <close> = queue.open(...)
      io.write(q:stats().k.waiting, " ", #q:list(), "\n")
      for _, call in ipairs {
        function() q:put("k", 2) end,
        function() q:put("new", 2) end,
        function() q:pause "k" end,
        function() q.store:settle({}, 1, { k = {} }) end,
      } do
        local ok, e = pcall(call)
        io.write(tostring(ok), " ", e.kind, " ", e.code, "\n")
      end
    ]])
    local function set(mode, what)
      assert.are.equal(0, process.exec({ "chmod", mode, what }).code)
    end
    -- The system lets root write everywhere, unless it gives that right up.
    local root = process.exec({ "id", "-u" }).stdout == "0\n"
    local command = root and { "setpriv", "--bounding-set=-dac_override" } or {}
    table.move({ os.getenv "LUAPOOL", "run", dir .. "/job.lua", "--", "sqlite:" .. path }, 1, 5,
      #command + 1, command)
    set("a-w", dir.path)
    local ran = process.exec(command)
    set("u+w", dir.path)
    assert.matches("queue.open: 'sqlite:" .. path .. "' cannot be written", ran.stderr, 1, true)
    set("a-w", path)
    ran = process.exec(command)
    assert.are.equal("1 1\n" .. ("false queue read_only\n"):rep(4), ran.stdout)
  end)

  it("does not let the put of one task fail with that of another", function()
    local q <close> = queue.open("sqlite:" .. path)
    local db = q.store.db
    db:exec("CREATE TRIGGER no BEFORE INSERT ON job WHEN NEW.args = '13' "
      .. "BEGIN SELECT RAISE(ABORT, 'unlucky'); END")
    local failed = 0
    for _, ok in task.map(numbers(1, 20), function(n) return (pcall(q.put, q, "k", n)) end) do
      if not ok then failed = failed + 1 end
    end
    assert.are.equal(1, failed)
    assert.are.equal(19, q:stats().k.waiting)
  end)

  it("claims by its index, and sorts nothing, with one kind and with many", function()
    local q <close> = queue.open("sqlite:" .. path)
    q:put("k", 1)
    q:put("other", 1)
    take(q, 1, K)
    local limited = { k = { concurrency = 3, rate = { 1, per = 60 } }, other = {} }
    local statements = {}
    for _, kinds in ipairs { { k = {} }, limited } do
      for _, sql in pairs(claim.sql(kinds, q.store.ids)) do table.insert(statements, sql) end
    end
    for _, sql in ipairs(statements) do
      local plan = {}
      for row in q.store.db:rows("EXPLAIN QUERY PLAN " .. sql, 1, 1, 10) do
        plan[#plan + 1] = row.detail
      end
      plan = table.concat(plan, "\n")
      assert.matches("SEARCH job USING %u* ?INDEX job_ready %(kind=%?%)", plan)
      assert.is_nil(plan:find "SCAN job")
      assert.is_nil(plan:find "SCAN c%f[%W]")
    end
  end)
end)
