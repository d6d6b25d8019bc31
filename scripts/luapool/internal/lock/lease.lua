-- internal.lock.lease: a lease is renewed in the background as long as it is wanted. When a server
-- has not confirmed it until nine tenths of its time are over, it counts as lost: what the lock
-- guards has stopped before somebody else can have it.

local class = require "luapool.internal.lock.class"
local core = require "luapool.task.core"
local task = require "luapool.task"

local M = {}

-- How much of a lease may pass before it is renewed, and until it counts as lost.
local RENEW, LOST = 0.3, 0.9

local function keep(grant, ttl, began)
  local due = began + LOST * ttl
  local pause = RENEW * ttl
  while not grant.over do
    task.sleep(math.max(0, math.min(pause, due - task.now())))
    began = task.now()
    if began >= due then
      return class.lose(grant, ("its server has not renewed it within %g s"):format(LOST * ttl))
    end
    local ok, alive = pcall(task.timeout, due - began, grant.engine.renew, grant.engine, grant)
    if ok and not alive then
      return class.lose(grant, "it ran out, or somebody else has ended it")
    end
    if ok then due = began + LOST * ttl end
    pause = (ok and RENEW or RENEW / 6) * ttl
  end
end

--- Renews the lease of a grant from now on.
---@param grant table
---@param ttl number seconds
---@param began number when it was asked for, by task.now
function M.keep(grant, ttl, began)
  grant.keeper = core.spawn(keep, grant, ttl, began)
  grant.keeper:name(grant.engine.title)
  core.mark_awaited(grant.keeper)
end

return M
