-- luapool: the root module. Its parts are loaded when they are first used: luapool.task,
-- luapool.http …

local core = require "luapool.core"

local M = {
  version = core.version,
  worker = core.worker,
}

local parts = {}
local names = "dns error fs html http json log pool process progress retry sync task yaml"
for name in names:gmatch "%a+" do
  parts[name] = true
end

--- The number of processors that this process may use: affinity and the control group's quota.
---@return integer
function M.cpus() return core.cpus() end

return setmetatable(M, {
  __index = function(self, name)
    if not parts[name] then return nil end
    local part = require("luapool." .. name)
    self[name] = part
    return part
  end,
})
