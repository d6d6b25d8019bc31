-- internal.lock.remote: locks that were sent to another process. They are found by what they are
-- named there, too: each process has a lock of its own on the same file or server.

local class = require "luapool.internal.lock.class"
local json = require "luapool.json"

local M = {}

local received = setmetatable({}, { __mode = "v" })

--- The lock that stands here for one of another process.
---@param key string
---@return luapool.lock.Lock
function M.receive(key)
  local found = received[key]
  if not found then
    local engine, about = key:match "^(%a+) (.*)$"
    local module = engine == "etcd" and "luapool.internal.lock.etcd" or "luapool.internal.lock.file"
    found = class.new(require(module).receive(json.decode(about)))
    received[key] = found
  end
  return found
end

return M
