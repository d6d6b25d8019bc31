-- internal.queue.sqlite.group: group commit. What tasks want of the store in a turn, and while the
-- thread is at work, is done in one transaction, by a task of its own: so a cancelled caller stops
-- nobody else's work.
--
-- An operation is a table with `write(op, batch, now)`, which adds statements to the batch, and
-- `read(op, rows, failed)`, which takes what they have returned, and says whether the operation
-- must be written anew, as one of its guards has changed nothing. `relaxed`: it need not reach the
-- disk before its callers go on.
--@whole

local core = require "luapool.sqlite.core"
local clock = require("luapool.digest.core").clock
local sync = require "luapool.sync.core"
local task = require "luapool.task.core"

local M = {}

---@class luapool.queue.Group
---@field db luapool.sqlite.Db
---@field pending table[] operations that no transaction has begun with
---@field line userdata who waits for them
---@field busy boolean the task runs
---@field latest integer the time of the latest transaction
---@field on_commit fun(ops: table[])
---@field raise fun(e: any)
local Group = {}
Group.__index = Group

--- Microseconds since 1970, always more than before: `started` tells the claims of an owner apart.
---@return integer
function Group:now()
  local ms, part = clock()
  local now = ms * 1000 + part * 1000 // 4096
  self.latest = now > self.latest and now or self.latest + 1
  return self.latest
end

local function run_once(self, ops)
  local batch, now, relaxed = core.batch(self.db), self:now(), true
  for i = 1, #ops do
    local op = ops[i]
    relaxed = relaxed and op.relaxed or false
    op:write(batch, now)
  end
  local rows, failed = batch:run(relaxed)
  local guards
  if failed then
    guards = {}
    for _, number in ipairs(failed) do guards[number] = true end
  end
  return rows, guards, now
end

-- Runs the operations until all guards hold: each time those that have failed are left out.
local function run(self, ops)
  local rows, guards, now
  repeat
    rows, guards, now = run_once(self, ops)
    if guards then
      for _, op in ipairs(ops) do
        if op.refuse then op:refuse(guards) end
      end
    end
  until not guards
  for _, op in ipairs(ops) do
    op:read(rows, now)
    op.done = true
  end
end

-- One operation that cannot be done does not take others with it.
local function run_each(self, ops)
  for _, op in ipairs(ops) do
    local ok, e = pcall(run, self, { op })
    if not ok then op.error = e end
    op.done = true
  end
end

local function work(self)
  while #self.pending > 0 do
    local ops = self.pending
    self.pending = {}
    local ok, e = pcall(run, self, ops)
    if not ok and #ops > 1 then
      run_each(self, ops)
    elseif not ok then
      ops[1].error, ops[1].done = e, true
    end
    self.on_commit(ops)
    self.line:wake_all()
  end
  self.busy = false
end

local function guarded(self)
  local ok, e = pcall(work, self)
  if ok then return end
  self.busy = false
  self.line:wake_all(e)
  error(e, 0)
end

--- Does an operation, and waits for its transaction. Raises what that raises.
---@param op table
---@return table op
function Group:run(op)
  self.pending[#self.pending + 1] = op
  if not self.busy then
    self.busy = true
    task.spawn(guarded, self):name "queue: writer"
  end
  while not op.done do
    local e = self.line:wait()
    if e and not op.done then error(e, 0) end
  end
  if op.error then self.raise(op.error) end
  return op
end

--- Makes the group of a connection. `on_commit(ops)` is called after each transaction, `raise(e)`
--- in a task whose operation has failed.
---@param db luapool.sqlite.Db
---@param on_commit fun(ops: table[])
---@param raise fun(e: any)
---@return luapool.queue.Group
function M.new(db, on_commit, raise)
  return setmetatable({
    db = db,
    pending = {},
    line = sync.waiters "queue transaction",
    busy = false,
    latest = 0,
    on_commit = on_commit,
    raise = raise,
  }, Group)
end

return M
