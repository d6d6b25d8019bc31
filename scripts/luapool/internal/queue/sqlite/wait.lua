-- internal.queue.sqlite.wait: waiting until something changes in a store on SQLite. Other processes
-- ring by the times of the database file; the WAL file itself changes before its commit can be
-- seen. Once a second a look at the counter of commits, and at the owners, is the net. Methods of
-- the store.

local core = require "luapool.fs.core"
local errors = require "luapool.error.core"
local owners = require "luapool.internal.queue.sqlite.owner"
local task = require "luapool.task"

local Store = {}

-- Seconds between two looks at what no bell tells.
local LOOK = 1

-- Notes when somebody else has committed something since the last look.
local function look_for_changes(self)
  local now = self.db:first("PRAGMA data_version").data_version
  local before = self.version
  self.version = now
  if now == before or not before then return end
  self.changed = self.changed + 1
  self.sleepers:wake_all()
end

-- Both tasks live as long as somebody waits; what they meet that is wrong, the next call meets too.
local function listen(self)
  while #self.sleepers > 0 do
    self.watch:wait()
    look_for_changes(self)
  end
end

local function look(self)
  while #self.sleepers > 0 do
    task.sleep(LOOK)
    self.looked = task.now()
    if owners.look(self) then self.sleepers:wake_all() end
    look_for_changes(self)
  end
end

local function attend(self, name, fn)
  local running = self[name]
  if running and (running:status() == "pending" or running:status() == "running") then return end
  self[name] = task.spawn(pcall, fn, self)
end

--- Says how much has changed: for `wait`, to be asked before the look whose result is waited on.
---@return integer
function Store:changes() return self.changed end

--- Waits until something may have become due or changed since `changes` returned `since`, at
--- most so many seconds.
---@param seconds number
---@param since? integer
function Store:wait(seconds, since)
  if not self.watch then self.watch = core.watch(self.path) end
  look_for_changes(self)
  if self.closed or since and since ~= self.changed then return end
  if self.watch then attend(self, "listener", listen) end
  attend(self, "looker", look)
  local ok, e = pcall(self.sleepers.wait, self.sleepers, seconds)
  if not ok and not errors.is(e, "timeout") then error(e, 0) end
end

return Store
