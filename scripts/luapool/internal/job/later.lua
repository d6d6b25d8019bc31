-- internal.job.later: something is done within a second: what an output has gathered is written.
-- Runs in main only.
--@whole

local task = require "luapool.task"

local M = {}

local DELAY = 1

---@class luapool.job.later
---@field fn function
---@field waiting luapool.Task|nil
---@field failed any|nil  what fn has raised
local Later = { __name = "luapool.job.later" }
Later.__index = Later

--- Has the function called within a second, unless that is asked for already. Raises what its last
--- call has raised.
function Later:arm()
  if self.failed then error(self.failed, 0) end
  if self.waiting then return end
  self.waiting = task.spawn(function()
    task.sleep(DELAY)
    if self.waiting ~= task.current() then return end -- it was taken back when its time had come
    self.waiting = nil
    local ok, e = pcall(self.fn)
    if not ok then self.failed = e end
  end)
end

--- Takes it back.
function Later:stop()
  if self.waiting then self.waiting:cancel() end
  self.waiting = nil
end

---@param fn function
---@return luapool.job.later
function M.new(fn) return setmetatable({ fn = fn }, Later) end

return M
