-- internal.serve.restart: when a worker that has ended is started again: after 0.1 s, then longer,
-- at most 30 s, with jitter. Ten that end early within a minute are too many: then it gives up,
-- instead of looping.

local task = require "luapool.task.core"

local M = {}

local FIRST, MOST, MANY, WINDOW = 0.1, 30, 10, 60

---@class luapool.serve.Restarts
---@field early number[] when the latest ones have ended early
local Restarts = {}
Restarts.__index = Restarts

---@return luapool.serve.Restarts
function M.new() return setmetatable({ early = {}, wait = FIRST }, Restarts) end

--- One has ended. `useful`: it had done something, so that it does not count.
---@param useful boolean
---@return number|nil seconds until the next one is started; nil: no more
function Restarts:next(useful)
  if useful then
    self.early, self.wait = {}, FIRST
    return FIRST * (0.5 + math.random() / 2)
  end
  local now = task.now()
  table.insert(self.early, now)
  if #self.early > MANY then table.remove(self.early, 1) end
  if #self.early == MANY and now - self.early[1] <= WINDOW then return nil end
  local seconds = self.wait * (0.5 + math.random() / 2)
  self.wait = math.min(self.wait * 2, MOST)
  return seconds
end

return M
