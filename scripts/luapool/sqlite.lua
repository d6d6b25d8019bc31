-- luapool.sqlite: databases in files, on SQLite. The calls are in bindings/sqlite/; here: options
-- and transactions.

local core = require "luapool.sqlite.core"
local json = require "luapool.json"
local options = require "luapool.internal.options"
local usage = require "luapool.internal.usage"

--- Databases in files, on SQLite. Every call waits in libuv's threads, so other tasks run
--- meanwhile. The calls of one database run one after the other, in the order in which they
--- were made; the transaction of a task keeps those of others waiting. Statements are compiled
--- once.
---
--- Integers stay exact, in 64 bits. A string is stored as text and `sqlite.blob` of one as a blob;
--- both come back as strings. A boolean is stored as 1 or 0, nil and `sqlite.null` as NULL.
---
--- ```lua
--- local db <close> = sqlite.open ":memory:"
--- db:exec "CREATE TABLE page (url TEXT PRIMARY KEY, size INTEGER)"
--- db:transaction(function()
---   for i = 1, 3 do db:exec("INSERT INTO page VALUES (?, ?)", "/" .. i, i * 100) end
--- end)
--- print(db:first("SELECT sum(size) AS bytes FROM page").bytes) --> 600
--- ```
---@kind sqlite SQLite refused it; fields `code` ("SQLITE_ERROR") and `sql`, of an open `path`
---@kind busy others have locked the database for longer than `timeout`, or a table of it is being
--- read; fields `code`, `sql` and `path` likewise
---@kind constraint the rows would break a constraint; fields `sql` and `code`, such as
--- "SQLITE_CONSTRAINT_UNIQUE"
---@kind closed the database is closed
---@class luapool.sqlite
local M = {}

--- Stands for NULL in parameters. It is `json.null`.
---
--- ```lua
--- local db <close> = sqlite.open ":memory:"
--- print(db:first("SELECT :a IS NULL AS yes", { a = sqlite.null }).yes) --> 1
--- print(sqlite.null == json.null) --> true
--- ```
---@type lightuserdata
M.null = json.null

--- Marks a string, which is then stored as a blob and not as text.
---
--- ```lua
--- local db <close> = sqlite.open ":memory:"
--- print(db:first("SELECT typeof(?) AS t", sqlite.blob "\0\xFF").t) --> blob
--- ```
---@param bytes string
---@return table
function M.blob(bytes) return core.blob(bytes) end

--- A database that is open: see `sqlite.open`.
---@class luapool.sqlite.Db
local Db = core.Db

--- The rows of a query: see `Db:rows`.
---@operator call: table?
---@class luapool.sqlite.Rows
---@within sqlite

local check_open = options.define("sqlite.open", { readonly = "boolean", timeout = "seconds" })

---@class luapool.sqlite.Options
---@field readonly? boolean only read; the file must be there
---@field timeout? number how many seconds a call tries to get a database that another connection
--- has locked; 5 unless said

--- Opens a database. A file that is not there is made; ":memory:" is a database of its own that is
--- nowhere else. It closes by `close`, at the end of the scope of a `<close>` variable, or by the
--- collector.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local db <close> = sqlite.open(dir .. "/pages.db")
--- db:exec "CREATE TABLE page (url)"
--- print(select(2, pcall(sqlite.open, "/no/such/folder/x.db")).code) --> SQLITE_CANTOPEN
--- ```
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local writer <close> = sqlite.open(dir .. "/pages.db")
--- writer:exec "CREATE TABLE page (url)"
--- local reader <close> = sqlite.open(dir .. "/pages.db", { readonly = true, timeout = 0.01 })
--- writer:transaction(function()
---   local other <close> = sqlite.open(dir .. "/pages.db", { timeout = 0.01 })
---   print(select(2, pcall(other.exec, other, "DELETE FROM page")).kind) --> busy
---   print(reader:first("SELECT count(*) AS n FROM page").n) --> 0
--- end)
--- ```
---@async
---@param path string
---@param opts? luapool.sqlite.Options
---@return luapool.sqlite.Db
---@raises sqlite fields `code` and `path`
function M.open(path, opts)
  opts = check_open(opts)
  usage.argument("sqlite.open", 1, path, "string")
  return core.open(path, opts.readonly, opts.timeout or 5)
end

local function commit(transaction, ...)
  core.commit(transaction)
  return ...
end

--- Calls `fn(db)` in a transaction and returns what it returns. When it raises, or its task is
--- cancelled, what it has changed is taken back. The calls of other tasks wait until it has ended,
--- so `fn` must not wait for tasks that use the same database. One inside another takes back only
--- its own changes. A transaction locks the database for writing from its beginning on.
---
--- ```lua
--- local db <close> = sqlite.open ":memory:"
--- db:exec "CREATE TABLE t (n)"
--- print(db:transaction(function() return db:exec "INSERT INTO t VALUES (1)" end)) --> 1 1
--- pcall(db.transaction, db, function()
---   db:exec "INSERT INTO t VALUES (2)"
---   error "no"
--- end)
--- print(db:first("SELECT count(*) AS n FROM t").n) --> 1
--- ```
---@async
---@param fn fun(db: luapool.sqlite.Db): ...
---@return any ...
---@raises sqlite fields `code` and `sql`
---@raises busy fields `code` and `sql`
function Db:transaction(fn)
  core.check(self, "Db:transaction")
  usage.argument("Db:transaction", 1, fn, "callable")
  local transaction <close> = core.begin(self)
  return commit(transaction, fn(self))
end

return M
