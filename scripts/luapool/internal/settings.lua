-- internal.settings: what the command line has said, as defaults for the parts. cli.run sets it
-- before the file is loaded; a part reads the fields that it obeys when it needs them. An absent
-- field was not given. A pool hands those of `for_worker` to its workers, which set them first.

local core = require "luapool.core"

---@class luapool.settings
---@field processes? integer of pools and jobs
---@field concurrency? integer of pools and jobs
---@field memory_limit? integer bytes, of the workers of pools and jobs
---@field max_tasks? integer of pools and jobs
---@field progress? "auto"|"on"|"off" of bars
---@field log_level? "debug"|"info"|"warn"|"error"
---@field log_format? "text"|"json"
---@field log_sinks? luapool.log.SinkOptions[] that this process has, with absolute paths
---@field log_journal? boolean is stderr journald's, so that lines begin with their priority?
---@field slice? number seconds of CPU after which others run; 0: no limit
local M = {}

--- Takes over what is given, and leaves the rest as it was.
---@param given luapool.settings
function M.set(given)
  for name, value in pairs(given) do M[name] = value end
  if given.slice then core.slice(given.slice) end
end

--- What a worker obeys too. The slice is that of this runtime, whoever has set it.
---@return luapool.settings
function M.for_worker()
  return {
    log_level = M.log_level,
    log_format = M.log_format,
    log_sinks = M.log_sinks,
    log_journal = M.log_journal,
    progress = M.progress,
    slice = core.slice(),
  }
end

return M
