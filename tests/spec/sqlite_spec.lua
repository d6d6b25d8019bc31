-- luapool.sqlite: values both ways, whose turn it is, transactions, locks of others, cancelling.

local lfs = require "lfs"
local fs = require "luapool.fs"
local json = require "luapool.json"
local pool = require "luapool.pool"
local errors = require "luapool.error"
local refused = require "tests.support.refused"
local sqlite = require "luapool.sqlite"
local task = require "luapool.task"

-- Runs until somebody stops it.
local ENDLESS = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) "
  .. "SELECT count(*) AS n FROM t"

-- The numbers from 1 on.
local SERIES = "INSERT INTO t WITH RECURSIVE i(n) AS "
  .. "(SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < ?) SELECT n FROM i"

local function all(db, sql, ...)
  local list = {}
  for row in db:rows(sql, ...) do table.insert(list, row) end
  return list
end

local function count(db) return db:first("SELECT count(*) AS n FROM t").n end

describe("luapool.sqlite", function()
  local dir, db

  before_each(function()
    dir = fs.tempdir()
    db = sqlite.open(dir .. "/a.db")
    db:exec "CREATE TABLE t (n)"
  end)

  after_each(function()
    db:close()
    dir:close()
  end)

  it("keeps values exact", function()
    local values = { math.maxinteger, math.mininteger, 0, -0.0, 0.1, 1e300, math.huge, -math.huge,
      "", "text", "é\0x", 9007199254740993, ("x"):rep(100000) }
    for _, value in ipairs(values) do
      local back = db:first("SELECT ? AS v", value).v
      assert.are.equal(value, back)
      assert.are.equal(math.type(value), math.type(back))
    end
    assert.are.same({ a = 1, b = 0 }, db:first("SELECT ? AS a, ? AS b", true, false))
  end)

  it("has blobs, which differ from text, and NULL", function()
    local sql = "SELECT typeof(?) AS a, typeof(?) AS b, typeof(?) AS c, typeof(?) AS d"
    assert.are.same({ a = "text", b = "blob", c = "null", d = "null" },
      db:first(sql, "x", sqlite.blob "x", sqlite.null, nil))
    assert.are.equal(sqlite.null, json.null)
    local bytes = "\0\xFF" .. ("\xAB"):rep(70000)
    assert.are.equal(bytes, db:first("SELECT ? AS v", sqlite.blob(bytes)).v)
    assert.are.equal("", db:first("SELECT ? AS v", sqlite.blob "").v)
    assert.are.same({}, db:first "SELECT NULL AS v")
  end)

  it("takes parameters by place and by name", function()
    assert.are.same({ a = 1, b = "x" }, db:first("SELECT ?2 AS a, ?1 AS b", "x", 1))
    assert.are.same({ a = 1, b = 1, c = 2, d = 3 },
      db:first("SELECT :n AS a, :n AS b, @m AS c, $k AS d",
        { n = 1, m = 2, k = 3, unused = print }))
    assert.are.equal("blob", db:first("SELECT typeof(:b) AS t", { b = sqlite.blob "x" }).t)
    refused("usage", "Db:first: the SQL has 2 parameters, 1 were given", db.first, db,
      "SELECT ?, ?", 1)
    refused("usage", "the SQL has 0 parameters, 1 were given", db.exec, db, "SELECT 1", nil)
    refused("usage", "no value for ':b' (sqlite.null stands for NULL)", db.first, db,
      "SELECT :a, :b", { a = 1, c = 2 })
    refused("usage", "the value for ':a' stands in a table: { a = … }", db.first, db,
      "SELECT :a", 1)
    refused("usage", "a value for '?' stands behind the SQL", db.first, db, "SELECT ?", { a = 1 })
    refused("usage", "the value for ':a' has no form in SQLite", db.first, db, "SELECT :a",
      { a = {} })
    refused("usage", "parameters of '?' one by one, not in a list", db.exec, db, "SELECT ?", { 1 })
    refused("usage", "bad argument #3 to 'Db:rows' (a string, a number", db.rows, db, "SELECT ?, ?",
      1, print)
    refused("usage", "bad argument #2 to 'Db:exec'", db.exec, db, "SELECT ?", 0 / 0)
    refused("usage", "bad argument #1 to 'Db:exec'", db.exec, db)
    refused("usage", "is it called with ':'", db.exec, "SELECT 1")
    refused("usage", "is it called with ':'", db.transaction, print)
    refused("usage", "bad argument #1 to 'sqlite.open'", sqlite.open, 5)
    refused("usage", "option 'timeout' must be", sqlite.open, ":memory:", { timeout = -1 })
  end)

  it("runs several statements at once, and tells what changed", function()
    assert.are.equal(0, (db:exec "SELECT 1; -- nothing\n;"))
    local changes, key = db:exec [[
      INSERT INTO t VALUES (1), (2); -- two
      CREATE TABLE u (id INTEGER PRIMARY KEY);
      INSERT INTO u VALUES (7);
      UPDATE t SET n = n + 1;
    ]]
    assert.are.same({ 5, 7 }, { changes, key })
    assert.are.equal(0, (db:exec ""))
    assert.are.same({}, all(db, "-- nothing"))
    assert.is_nil(db:first "")
    refused("usage", "several statements in one SQL", db.exec, db, "SELECT ?; SELECT 2", 1)
    refused("usage", "several statements in one SQL", db.first, db, "SELECT 1; SELECT 2")
    refused("usage", "several statements in one SQL", db:rows "SELECT 1; SELECT 2")
    assert.are.equal(1, db:first("SELECT ? AS n; -- one", 1).n)
  end)

  it("tells what is wrong with the SQL and the rows", function()
    local e = refused("sqlite", "Db:exec: near \"SELEC\": syntax error", db.exec, db, "SELEC 1")
    assert.are.same({ "SQLITE_ERROR", "SELEC 1" }, { e.code, e.sql })
    refused("sqlite", "no such table: missing", db:rows "SELECT * FROM missing")
    db:exec "CREATE TABLE u (id INTEGER PRIMARY KEY, k UNIQUE, n NOT NULL CHECK (n > 0))"
    db:exec "INSERT INTO u VALUES (1, 'k', 1)"
    local function broken(code, ...)
      local sql = "INSERT INTO u VALUES (?, ?, ?)"
      assert.are.equal(code, refused("constraint", "constraint failed", db.exec, db, sql, ...).code)
    end
    broken("SQLITE_CONSTRAINT_PRIMARYKEY", 1, "x", 1)
    broken("SQLITE_CONSTRAINT_UNIQUE", 2, "k", 1)
    broken("SQLITE_CONSTRAINT_NOTNULL", 2, "x", nil)
    broken("SQLITE_CONSTRAINT_CHECK", 2, "x", 0)
    fs.write(dir .. "/text", ("no database"):rep(100))
    local other <close> = sqlite.open(dir .. "/text")
    e = refused("sqlite", "", other.exec, other, "CREATE TABLE x (a)")
    assert.are.equal("SQLITE_NOTADB", e.code)
    e = refused("sqlite", "unable to open", sqlite.open, dir .. "/no/x")
    assert.are.equal(dir .. "/no/x", e.path)
  end)

  it("opens a file for reading only", function()
    refused("sqlite", "unable to open", sqlite.open, dir .. "/b.db", { readonly = true })
    assert.is_false(pcall(fs.stat, dir .. "/b.db"))
    db:exec "INSERT INTO t VALUES (5)"
    local reader <close> = sqlite.open(dir .. "/a.db", { readonly = true })
    assert.are.equal(5, reader:transaction(function() return reader:first("SELECT n FROM t").n end))
    assert.are.equal("SQLITE_READONLY",
      refused("sqlite", "readonly", reader.exec, reader, "DELETE FROM t").code)
  end)

  it("streams rows in batches, in step with others", function()
    db:exec(SERIES, 5000)
    local n = 0
    for row in db:rows "SELECT n FROM t ORDER BY n" do
      n = n + 1
      assert.are.equal(n, row.n)
      if n % 1000 == 0 then -- the same SQL, while it is in use
        assert.are.equal(1, all(db, "SELECT n FROM t ORDER BY n")[1].n)
        db:exec("UPDATE t SET n = n WHERE n = ?", n)
      end
    end
    assert.are.equal(5000, n)
    local p <close> = pool.new { processes = 2 }
    local sum = 0
    for _, double in p:map(function(row) return row.n * 2 end, db:rows "SELECT n FROM t") do
      sum = sum + double
    end
    assert.are.equal(5000 * 5001, sum)
  end)

  it("ends a query at the end of its loop, so that others can write", function()
    db:exec(SERIES, 1000)
    local other <close> = sqlite.open(dir .. "/a.db", { timeout = 0 })
    local patient <close> = sqlite.open(dir .. "/a.db", { timeout = 50 }) -- a thread ends the query
    for row in db:rows "SELECT n FROM t" do
      refused("busy", "locked", other.exec, other, "DELETE FROM t")
      if row.n == 2 then break end
    end
    assert.are.equal(1000, (patient:exec "UPDATE t SET n = n + 1"))
    local rows = db:rows "SELECT n FROM t"
    assert.are.equal(2, rows().n)
    refused("busy", "locked", other.exec, other, "DELETE FROM t")
    rows:close()
    assert.is_nil(rows())
    rows:close()
    rows = db:rows "SELECT n FROM t"
    rows()
    rows = nil
    collectgarbage()
    assert.are.equal(1000, (patient:exec "DELETE FROM t"))
    assert.is_nil(rows)
  end)

  it("notices that a table has changed", function()
    db:exec "INSERT INTO t VALUES (1)"
    assert.are.same({ n = 1 }, db:first "SELECT * FROM t")
    db:exec "ALTER TABLE t ADD COLUMN m DEFAULT 2"
    assert.are.same({ n = 1, m = 2 }, db:first "SELECT * FROM t")
    for i = 1, 100 do assert.are.equal(i, db:first("SELECT " .. i .. " AS i").i) end
  end)

  it("runs the calls of many tasks one after the other, while other tasks go on", function()
    local tasks = {}
    for i = 1, 200 do
      tasks[i] = function() db:exec("INSERT INTO t VALUES (?)", i) end
    end
    task.gather(tasks)
    assert.are.equal(200 * 201 // 2, db:first("SELECT sum(n) AS n FROM t").n)
    local order = {}
    for row in db:rows "SELECT n FROM t ORDER BY rowid" do table.insert(order, row.n) end
    assert.are.same({ 1, 2, 200 }, { order[1], order[2], order[200] })
  end)

  it("commits a transaction, and takes back one that fails", function()
    local a, b = db:transaction(function(same)
      assert.are.equal(db, same)
      db:exec "INSERT INTO t VALUES (1)"
      return "a", nil
    end)
    assert.are.same({ "a" }, { a, b })
    local ok, e = pcall(db.transaction, db, function()
      db:exec "INSERT INTO t VALUES (2)"
      error("no", 0)
    end)
    assert.are.same({ false, "no" }, { ok, e })
    assert.are.equal(1, count(db))
    db:exec "CREATE TABLE u (n REFERENCES t(n) DEFERRABLE INITIALLY DEFERRED)"
    db:exec "PRAGMA foreign_keys = on; CREATE UNIQUE INDEX i ON t (n)"
    refused("constraint", "FOREIGN KEY", db.transaction, db, function()
      db:exec "INSERT INTO u VALUES (77)"
    end)
    assert.are.equal(0, db:first("SELECT count(*) AS n FROM u").n)
  end)

  it("takes back only the inner one of two", function()
    db:transaction(function()
      db:exec "INSERT INTO t VALUES (1)"
      pcall(db.transaction, db, function()
        db:exec "INSERT INTO t VALUES (2)"
        db:transaction(function() db:exec "INSERT INTO t VALUES (3)" end)
        error "no"
      end)
      db:transaction(function() db:exec "INSERT INTO t VALUES (4)" end)
    end)
    assert.are.same({ { n = 1 }, { n = 4 } }, all(db, "SELECT n FROM t ORDER BY n"))
    pcall(db.transaction, db, function()
      db:transaction(function() db:exec "INSERT INTO t VALUES (5)" end)
      error "no"
    end)
    assert.are.equal(2, count(db))
  end)

  it("keeps the calls of other tasks out of a transaction", function()
    local inside, go = task.promise(), task.promise()
    local one = task.spawn(function()
      db:transaction(function()
        db:exec "INSERT INTO t VALUES (1)"
        inside:resolve()
        go:await()
        db:exec "INSERT INTO t VALUES (2)"
        error("taken back", 0)
      end)
    end)
    inside:await()
    local seen
    local other = task.spawn(function() seen = count(db) end)
    local second = task.spawn(function()
      db:transaction(function() db:exec "INSERT INTO t VALUES (3)" end)
    end)
    refused("timeout", "", task.timeout, 0.02, count, db)
    assert.is_nil(seen)
    go:resolve()
    assert.is_false((one:result()))
    other:await()
    second:await()
    assert.are.equal(0, seen)
    assert.are.equal(1, count(db))
  end)

  it("takes back the transaction of a task that is cancelled", function()
    local inside = task.promise()
    local one = task.spawn(function()
      db:transaction(function()
        db:exec "INSERT INTO t VALUES (1)"
        inside:resolve()
        task.sleep(1000)
      end)
    end)
    inside:await()
    one:cancel()
    assert.are.equal(0, count(db))
    one = task.spawn(db.transaction, db, function() db:exec("INSERT INTO t " .. ENDLESS) end)
    task.sleep(0.01)
    one:cancel()
    assert.are.equal(0, count(db))
    refused("cancelled", "", one.await, one)
  end)

  it("does not let SQL begin or end a transaction behind its back", function()
    refused("usage", "begins and ends with Db:transaction", db.exec, db, "BEGIN")
    refused("usage", "begins and ends with Db:transaction", db.exec, db,
      "BEGIN; INSERT INTO t VALUES (1)")
    assert.are.equal(0, count(db))
    refused("usage", "begins and ends with Db:transaction", db.transaction, db, function()
      db:exec "INSERT INTO t VALUES (1)"
      db:exec "COMMIT"
    end)
    db:exec "BEGIN; INSERT INTO t VALUES (2); COMMIT"
    assert.are.equal(2, count(db))
  end)

  it("does not go on in a transaction that SQLite has taken back", function()
    local back = "has been rolled back after an error"
    local e = refused("sqlite", back, db.transaction, db, function()
      db:exec "INSERT INTO t VALUES (1)"
      db:exec "CREATE TRIGGER x BEFORE INSERT ON t BEGIN SELECT RAISE(ROLLBACK, 'never'); END"
      refused("constraint", "never", db.exec, db, "INSERT INTO t VALUES (2)")
      db:exec "INSERT INTO t VALUES (3)"
    end)
    assert.are.equal("SQLITE_ABORT_ROLLBACK", e.code)
    assert.are.equal(0, count(db))
  end)

  it("waits for a lock of another connection without holding a thread", function()
    local held, go = task.promise(), task.promise()
    local holder = task.spawn(function()
      db:transaction(function()
        db:exec "INSERT INTO t VALUES (1)"
        held:resolve()
        go:await()
      end)
    end)
    held:await()
    local others, writers = {}, {}
    for i = 1, 8 do -- more than libuv has threads
      others[i] = sqlite.open(dir .. "/a.db", { timeout = 50 })
      writers[i] = task.spawn(others[i].exec, others[i], "INSERT INTO t VALUES (?)", i)
    end
    local impatient <close> = sqlite.open(dir .. "/a.db", { timeout = 0.05 })
    local e = refused("busy", "locked", impatient.exec, impatient, "DELETE FROM t")
    assert.are.equal("SQLITE_BUSY", e.code)
    refused("busy", "locked", impatient.transaction, impatient, print)
    assert.are.equal("directory", fs.stat(dir).type)
    refused("timeout", "", task.timeout, 0.02, others[1].exec, others[1], "DELETE FROM t")
    go:resolve()
    holder:await()
    task.gather(writers)
    assert.are.equal(9, count(db))
    for _, other in ipairs(others) do other:close() end
  end)

  it("stops a query whose task is cancelled, and leaves other queries alone", function()
    db:exec "INSERT INTO t VALUES (1), (2), (3)"
    local rows <close> = db:rows "SELECT n FROM t"
    rows()
    refused("timeout", "", task.timeout, 0.05, db.first, db, ENDLESS)
    assert.are.equal(2, rows().n)
    assert.are.equal(3, count(db))
    refused("timeout", "", task.timeout, 0.05, db:rows(ENDLESS))
    local waiting = task.spawn(db.first, db, ENDLESS)
    local behind = task.spawn(db.exec, db, "DELETE FROM t")
    task.sleep(0.01)
    behind:cancel()
    waiting:cancel()
    assert.are.equal(3, count(db))
  end)

  it("closes behind the calls that were made, once", function()
    local slow = task.spawn(function()
      for i = 1, 3 do db:exec("INSERT INTO t VALUES (?)", i) end
    end)
    local two = task.spawn(db.exec, db, "INSERT INTO t VALUES (10)")
    task.yield()
    task.gather { function() db:close() end, function() db:close() end }
    two:await()
    slow:result()
    refused("closed", "Db:exec: the database is closed", db.exec, db, "SELECT 1")
    refused("closed", "the database is closed", db:rows "SELECT 1")
    refused("closed", "the database is closed", db.transaction, db, print)
    db:close()
    db = sqlite.open(dir .. "/a.db")
    assert.is_true(count(db) >= 2)
    refused("usage", "Db:close: inside a transaction", db.transaction, db, db.close)
  end)

  it("closes in a task whose transaction was cancelled while it began", function()
    local ended = task.spawn(function()
      pcall(db.transaction, db, print)
      db:close()
    end)
    task.yield() -- a thread has begun it
    ended:cancel()
    local ok, e = ended:result()
    assert.is_true(ok or errors.is(e, "cancelled"), e)
    refused("closed", "", db.exec, db, "SELECT 1")
  end)

  it("closes when a transaction has ended, and ends a loop over rows", function()
    local inside, go = task.promise(), task.promise()
    local one = task.spawn(function()
      return db:transaction(function()
        inside:resolve()
        go:await()
        return (db:exec "INSERT INTO t VALUES (1)")
      end)
    end)
    inside:await()
    local closer = task.spawn(db.close, db)
    refused("timeout", "", closer.await, closer, 0.02)
    go:resolve()
    assert.are.equal(1, one:await())
    closer:await()
    db = sqlite.open(dir .. "/a.db")
    assert.are.equal(1, count(db))
    local rows = db:rows "SELECT 1 AS n UNION SELECT 2"
    assert.are.equal(1, rows().n)
    db:close()
    assert.are.equal(2, rows().n) -- it was in the same batch
  end)

  it("is closed by the collector", function()
    local path = dir .. "/lost.db"
    local function held()
      for _, fd in ipairs(fs.list "/proc/self/fd") do
        if lfs.symlinkattributes("/proc/self/fd/" .. fd, "target") == path then return true end
      end
    end
    local lost = sqlite.open(path)
    lost:exec "CREATE TABLE t (n)"
    lost:exec(SERIES, 1000)
    local rows = lost:rows "SELECT n FROM t"
    rows()
    assert.is_true(held())
    lost, rows = nil, nil -- luacheck: ignore
    while held() do
      collectgarbage()
      task.sleep(0.001)
    end
  end)

  it("works in workers, which do not get the object but blobs and NULL", function()
    refused("cannot_send", "luapool.sqlite.Db", function()
      local p <close> = pool.new { processes = 1 }
      p:apply(function() return db end)
    end)
    local path = dir .. "/a.db"
    local p <close> = pool.new { processes = 2 }
    local function insert(value)
      local own <close> = sqlite.open(path, { timeout = 50 })
      own:exec("INSERT INTO t VALUES (?)", value)
    end
    p:map(insert, { 1, 2, 3, 4, sqlite.null, sqlite.blob "x" }):drain()
    assert.are.same({ n = 6, blobs = 1, nulls = 1 }, db:first([[SELECT count(*) AS n,
      sum(typeof(n) = 'blob') AS blobs, sum(n IS NULL) AS nulls FROM t]]))
  end)
end)
