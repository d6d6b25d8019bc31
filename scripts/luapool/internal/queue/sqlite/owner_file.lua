-- internal.queue.sqlite.owner_file: the shared locks on the file of an owner, which say that it
-- lives: main has one, and each worker that runs its jobs. See luapool.internal.queue.sqlite.owner.

local core = require "luapool.fs.core"
local errors = require "luapool.error.core"

local M = {}

--- Locks the file. Returns nil when somebody takes it for one that was left, and why when it cannot
--- be locked at all.
---@param path string
---@param existing? boolean it is not made
---@return userdata|nil lock
---@return string|nil why
function M.share(path, existing)
  local lock, why = core.file_lock(path, true, existing)
  if not lock then return nil, why end
  local held, message = lock:try(path)
  if held == true then return lock end
  lock:close()
  return nil, message
end

--- In a worker: locks the file as long as the worker lives. Raises when the owner is gone.
---@param path string
---@return userdata lock
function M.hold(path)
  local lock, why = M.share(path, true)
  if lock then return lock end
  local text = ("queue: cannot lock '%s': %s"):format(path, why or "its process is gone")
  errors.raise("queue", text, { code = "owner_file" })
end

return M
