-- internal.queue.redis.outbox: puts that are made while Redis is away are kept in a file, on
-- SQLite, and are put when it is back, in their order, also by the next process that opens the
-- file. An id is put once, whatever is repeated. What a unique value has decided is not known
-- before that.

local calls = require "luapool.internal.queue.redis.call"
local json = require "luapool.json.core"
local sqlite = require "luapool.sqlite"
local task = require "luapool.task.core"

local M = {}

-- Seconds: how long a put waits for the server before it goes into the file; between two looks
-- whether the server is back.
local PATIENCE, LOOK = 1, 1
-- So many puts of the file go to the server at once.
local MANY = 100

---@class luapool.queue.Outbox
---@field store luapool.queue.RedisStore
---@field db luapool.sqlite.Db
---@field size integer how many puts wait in the file
local Outbox = {}
Outbox.__index = Outbox

local function send_some(self)
  local rows = {}
  for row in self.db:rows("SELECT number, jobs FROM put ORDER BY number LIMIT ?", MANY) do
    rows[#rows + 1] = row
  end
  for _, row in ipairs(rows) do
    self.store:put_now(json.decode(row.jobs), 0)
    self.db:exec("DELETE FROM put WHERE number = ?", row.number)
    self.size = self.size - 1
  end
end

local function send(self)
  while self.size > 0 and not self.closed do
    local ok, e = pcall(send_some, self)
    if not ok and not calls.is_away(e) then error(e, 0) end
    if not ok then task.sleep(LOOK) end
  end
end

-- Begins to send what is in the file, unless somebody does.
local function attend(self)
  if self.sender or self.size == 0 then return end
  self.sender = task.spawn(function()
    local ok, e = pcall(send, self)
    self.sender = nil
    if not ok and not self.closed then error(e, 0) end
  end)
  self.sender:name "queue: outbox"
end

local function keep(self, jobs)
  self.db:exec("INSERT INTO put (jobs) VALUES (?)", json.encode(jobs))
  self.size = self.size + 1
  attend(self)
  local outcomes = {}
  for i = 1, #jobs do outcomes[i] = true end
  return outcomes
end

--- Puts jobs, or keeps them. While some are kept, later ones go behind them.
---@param jobs table[]
---@return table outcomes
function Outbox:put(jobs)
  if self.size > 0 then return keep(self, jobs) end
  local ok, outcomes = pcall(self.store.put_now, self.store, jobs, PATIENCE)
  if ok then return outcomes end
  if not calls.is_away(outcomes) then error(outcomes, 0) end
  return keep(self, jobs)
end

--- Stops sending; what is in the file stays there.
function Outbox:close()
  self.closed = true
  if self.sender then
    self.sender:cancel()
    self.sender:result()
  end
  self.db:close()
end

--- Opens the file.
---@param store luapool.queue.RedisStore
---@param path string
---@return luapool.queue.Outbox
function M.open(store, path)
  local db = sqlite.open(path)
  local self = setmetatable({ store = store, db = db }, Outbox)
  local ok, e = pcall(function()
    db:exec "PRAGMA journal_mode = WAL"
    db:exec "PRAGMA synchronous = FULL"
    db:exec "CREATE TABLE IF NOT EXISTS put (number INTEGER PRIMARY KEY AUTOINCREMENT, jobs TEXT)"
    self.size = db:first("SELECT count(*) AS n FROM put").n
  end)
  if not ok then
    db:close()
    error(e, 0)
  end
  attend(self)
  return self
end

return M
