-- internal.job.context: what `items` and `done` of a job get. What fetch and process get stands in
-- internal.job.worker. Runs in main only.

local line_of_user = require("luapool.error.core").where
local log = require "luapool.log"

local M = {}

---@class luapool.job.main_ctx: what `items` and `done` get, in main
---@field config table the settings
---@field args string[] the arguments after `--`
---@field source luapool.job.source
local Ctx = { __name = "luapool.job.ctx" }
Ctx.__index = Ctx

--- Adds an item. Its kind is the one that the job's `start` names, unless `kind` is given. Returns
--- false when the item was seen before and is dropped.
function Ctx:add(item, kind) return self.source:add(item, kind) end

-- Warns of a field that the job's functions set in main, because workers do not get it.
function Ctx:__newindex(key, value)
  rawset(self, key, value)
  log.warn("%sctx.%s is set in main: fetch and process run in workers, which do "
    .. "not see it; what they need is set in 'init'", line_of_user(), tostring(key))
end

---@param config table
---@param args string[]
---@return luapool.job.main_ctx
function M.new(config, args) return setmetatable({ config = config, args = args }, Ctx) end

return M
