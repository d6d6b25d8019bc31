-- internal.queue.redis.wait: waiting until something changes in a store on Redis: a channel
-- tells, and a look every five seconds is the net. Methods of the store.

local errors = require "luapool.error.core"
local task = require "luapool.task.core"

local Store = {}

-- Seconds between two looks at what nothing tells, and how far they differ among processes.
local LOOK, JITTER = 5, 0.2

--- Something may have changed: who waits goes on.
function Store:notify()
  self.changed = self.changed + 1
  self.sleepers:wake_all()
end

-- Listens until the store is closed. What was told before the channel is listened to is looked for.
local function listen(self)
  while not self.closed do
    local ok, subscription = pcall(self.client.subscribe, self.client, self.prefix .. "wake",
      { on_reconnect = function() self:notify() end })
    if ok then
      self.subscription = subscription
      self:notify()
      for _ in subscription do self:notify() end
      subscription:close()
      self.subscription = nil
    end
    task.sleep(1)
  end
end

--- Says how much has changed: for `wait`, to be asked before the look whose result is waited on.
---@return integer
function Store:changes() return self.changed end

--- Waits until something may have become due or changed since `changes` returned `since`, at
--- most so many seconds, and no longer than until the next look.
---@param seconds number
---@param since? integer
function Store:wait(seconds, since)
  if not self.listener and not self.closed then
    self.listener = task.spawn(pcall, listen, self)
    self.listener:name "queue: bell"
  end
  if self.closed or since and since ~= self.changed then return end
  local look = LOOK * (1 + JITTER * (2 * math.random() - 1))
  local ok, e = pcall(self.sleepers.wait, self.sleepers, math.min(seconds, look))
  if not ok and not errors.is(e, "timeout") then error(e, 0) end
end

return Store
