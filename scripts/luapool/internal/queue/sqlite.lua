-- internal.queue.sqlite: the store of a queue in a file, on SQLite. One connection in main; all
-- that tasks want at once is one transaction (sqlite/group.lua). Other processes are woken by
-- the times of the database file, which every commit that they may wait for touches: the WAL
-- file itself changes before its commit can be seen. Once a second a look at the counter of
-- commits, and at the owners, is the net.

local core = require "luapool.fs.core"
local errors = require "luapool.error.core"
local claim = require "luapool.internal.queue.sqlite.claim"
local owners = require "luapool.internal.queue.sqlite.owner"
local put = require "luapool.internal.queue.sqlite.put"
local read = require "luapool.internal.queue.sqlite.read"
local schema = require "luapool.internal.queue.sqlite.schema"
local settle = require "luapool.internal.queue.sqlite.settle"
local sqlite = require "luapool.sqlite"
local sync = require "luapool.sync.core"
local task = require "luapool.task"
local group = require "luapool.internal.queue.sqlite.group"

local M = {}

-- Seconds: how long a transaction tries to get the database; between two looks at what no bell
-- tells.
local PATIENCE, LOOK = 30, 1

---@class luapool.queue.SqliteStore
---@field db luapool.sqlite.Db
---@field path string
---@field raise fun(e: any) raises an error of the engine in words that tell what to do
---@field group luapool.queue.Group
---@field owner luapool.queue.Owner|nil once it has claimed
---@field ids table<string, integer> kinds by name
---@field names table<integer, string> and by number
---@field known table<string, table> the kinds of the latest settles, with their limits
---@field changed integer counts what may interest those who wait
---@field running table<string, table> id -> a job that it has claimed
local Store = { __name = "luapool.queue.SqliteStore" }
Store.__index = Store

-- ---- opening ----

local function fail(where, address, code, text, ...)
  text = ("%s: '%s' "):format(where, address.url) .. text:format(...)
  errors.raise("queue", text, { code = code })
end

local function check_place(address)
  local folder = address.path:match "^(.*)/[^/]*$" or "."
  local type = core.type_of(folder == "" and "/" or folder)
  local network = type and core.network_type(type)
  if network then
    fail("queue.open", address, "network_file_system", "lies on %s, where the locks of one machine "
      .. "do not count on another: use a disk of this machine, or a queue on Redis", network)
  end
end

-- One clear line for what SQLite has no such words for.
local clear = {
  SQLITE_NOTADB = { "not_a_store", "is no database: it is left as it is" },
  SQLITE_CORRUPT = { "corrupt", "is damaged: restore it from a backup, or see sqlite3's .recover" },
  SQLITE_READONLY = { "read_only", "cannot be written" },
  SQLITE_CANTOPEN = { "cannot_open",
    "cannot be opened: is its folder there, and may it be written?" },
}

local function explain(where, address, e)
  local code = errors.is(e, "sqlite") and e.code:match "^SQLITE_%u+"
  local row = code and clear[code]
  if row then fail(where, address, row[1], "%s", row[2]) end
  error(e, 0)
end

local function commits(self, ops)
  for _, op in ipairs(ops) do
    if not op.error and not op.silent then
      self.changed = self.changed + 1
      core.touch(self.path)
      self.sleepers:wake_all()
      return
    end
  end
end

--- Opens the store in a file; makes it when it is not there.
---@param address luapool.queue.Address
---@return luapool.queue.SqliteStore
function M.open(address)
  check_place(address)
  local ok, db = pcall(sqlite.open, address.path, { timeout = PATIENCE })
  if not ok then explain("queue.open", address, db) end
  local made, e = pcall(schema.open, db, address)
  if not made then
    db:close()
    explain("queue.open", address, e)
  end
  local self = setmetatable({
    db = db,
    path = address.path,
    raise = function(problem) explain("luapool.queue", address, problem) end,
    ids = {},
    names = {},
    known = {},
    running = {},
    sqls = setmetatable({}, { __mode = "k" }),
    noted = setmetatable({}, { __mode = "k" }),
    changed = 0,
    looked = task.now(),
    sleepers = sync.waiters "change of a queue",
    closed = false,
  }, Store)
  self.version = db:first("PRAGMA data_version").data_version
  self.group = group.new(db, function(ops) commits(self, ops) end, self.raise)
  return self
end

-- ---- kinds ----

local function learn(self)
  for row in self.db:rows "SELECT id, name FROM kind" do
    self.ids[row.name], self.names[row.id] = row.id, row.name
  end
end

--- Makes sure that these kinds, the keys of a table, have numbers.
---@param names table<string, any>
function Store:ensure(names)
  local new = {}
  for name in pairs(names) do
    if not self.ids[name] then new[#new + 1] = name end
  end
  if #new == 0 then return end
  self.group:run {
    silent = true,
    write = function(_, batch)
      for _, name in ipairs(new) do
        batch:add("INSERT INTO kind (name) VALUES (?) ON CONFLICT DO NOTHING", name)
      end
    end,
    read = function() end,
  }
  learn(self)
end

local function kinds_of(jobs)
  local names = {}
  for i = 1, #jobs do names[jobs[i].kind] = true end
  return names
end

local CHANGED = [[UPDATE kind SET per_key = ?2, strict = ?3, lost_fails = ?4, host_retries = ?5
  WHERE id = ?1 AND (per_key, strict, lost_fails, host_retries) IS NOT (?2, ?3, ?4, ?5)]]
-- The jobs of a kind whose keys have a new limit are parked, then each lane is filled.
local PARK = "UPDATE job SET state = 3 WHERE kind = ? AND state = 2 AND key IS NOT NULL"
local FILL = [[UPDATE job SET state = 2 WHERE seq IN (SELECT seq FROM (SELECT seq, row_number() OVER
  (PARTITION BY key ORDER BY priority DESC, seq) AS place, (SELECT count(*) FROM job r
  WHERE r.kind = job.kind AND r.key = job.key AND r.state = 5) AS taken FROM job
  WHERE kind = ?1 AND state = 3) WHERE place + taken <= ?2)]]

local function note_kind(self, name, kind)
  local id, per_key = self.ids[name], kind.per_key
  local changes = self.db:exec(CHANGED, id, per_key or sqlite.null, kind.strict and 1 or 0,
    kind.lost == "fail" and 1 or 0, kind.host_retries or 3)
  if changes == 0 then return end
  self.db:exec(PARK, id)
  self.db:exec(FILL, id, per_key or math.maxinteger)
end

-- What a consumer says of its kinds is written down, for those who sweep and put.
local function note_kinds(self, kinds)
  self:ensure(kinds)
  self.db:transaction(function()
    for name, kind in pairs(kinds) do note_kind(self, name, kind) end
  end)
  for name, kind in pairs(kinds) do self.known[name] = kind end
end

--- The statements that claim jobs of these kinds; the table stands for what is in it.
---@param kinds table<string, table>
---@return { read: string, claim: string }
function Store:claim_sql(kinds)
  if not self.sqls[kinds] then self.sqls[kinds] = claim.sql(kinds, self.ids) end
  return self.sqls[kinds]
end

local function register(self)
  self.registering = self.registering
    or task.spawn(owners.register, self.db, self.path, self.group:now())
  local ok, owner = self.registering:result()
  self.registering = nil
  if not ok then error(owner, 0) end
  self.owner = owner
end

--- The file by which others see that this process, or a worker of it, is alive: workers that run
--- jobs hold it. Waits.
---@return string
function Store:owner_file()
  if not self.owner then register(self) end
  return self.owner.file
end

local function prepare(self, kinds)
  if not self.noted[kinds] then
    local ok, e = pcall(note_kinds, self, kinds)
    if not ok then self.raise(e) end
    self.noted[kinds] = true
  end
  if not self.owner then register(self) end
  if task.now() - self.looked > LOOK then
    self.looked = task.now()
    owners.look(self)
  end
end

-- ---- jobs in and out ----

--- Puts jobs, all or none.
---@param jobs table[]
---@return table outcomes true, or { duplicate = id }
function Store:put(jobs)
  if #jobs == 0 then return {} end
  self:ensure(kinds_of(jobs))
  return self.group:run(put.new(jobs, self.ids)).outcomes
end

--- Ends jobs that run, and claims others: see QUEUE-INTERFACE.
---@param results table[]
---@param want integer
---@param kinds table<string, table>
---@return boolean[] settled
---@return table[] claimed
---@return number|nil next_due seconds
function Store:settle(results, want, kinds)
  prepare(self, kinds)
  for i = 1, #results do
    local added = results[i].added
    if added then self:ensure(kinds_of(added)) end
  end
  local op = settle.new(self, results, want, kinds)
  op.silent = #results == 0
  self.group:run(op)
  if #op.expired > 0 then self.group:run(settle.expire(self, op.expired)) end
  for _, job in ipairs(op.marked) do read.complete(self.db, job) end
  return op.settled, op.claimed, op.next_due
end

-- What many tasks ask for in a turn is one query: those that wait for results all ask after a
-- commit.
local function look_up(self)
  local asked = self.asked
  self.asked = nil
  return read.get(self.db, asked.ids)
end

---@param id string
---@return table|nil job
function Store:get(id)
  if not id:find "^[%x-]+$" then return nil end
  local asked = self.asked
  if not asked then
    asked = { ids = {} }
    asked.task = task.spawn(look_up, self)
    self.asked = asked
  end
  asked.ids[id] = true
  local ok, jobs = asked.task:result()
  if not ok then error(jobs, 0) end
  return jobs[id]
end

---@param opts? table
---@return table[] jobs
function Store:list(opts) return read.list(self.db, opts or {}) end

---@return table<string, table>
function Store:stats() return read.stats(self.db, self.group:now()) end

--- Promotes, expires, drops and recovers what is due: a hundred of each at most.
function Store:sweep()
  owners.look(self)
  self.group:run {
    silent = true,
    relaxed = true,
    write = function(_, batch, now) settle.sweep(batch, now) end,
    read = function() end,
  }
end

--- Gives back what it has claimed, and closes.
function Store:close()
  if self.closed then return end
  self.closed = true
  self.sleepers:wake_all()
  for _, name in ipairs { "listener", "looker" } do
    if self[name] then
      self[name]:cancel()
      self[name]:result()
    end
  end
  if self.watch then self.watch:close() end
  local ok, e = pcall(owners.leave, self)
  self.db:close()
  if not ok then error(e, 0) end
end

for _, name in ipairs { "run", "steer", "wait" } do
  for method, fn in pairs(require("luapool.internal.queue.sqlite." .. name)) do
    Store[method] = fn
  end
end

return M
