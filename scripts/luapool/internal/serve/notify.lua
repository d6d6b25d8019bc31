-- internal.serve.notify: what a service manager is told, as systemd's sd_notify(3) has it: lines in
-- a datagram to the socket that $NOTIFY_SOCKET names. Without one nothing is sent.

local core = require "luapool.core"
local log = require "luapool.log"
local task = require "luapool.task.core"

require "luapool.socket.core"
local stream = require "luapool.socket.stream"

local M = {}

---@class luapool.serve.Notify
---@field path string|nil
---@field watchdog number|nil seconds within which the manager wants to hear that all is well
local Notify = {}
Notify.__index = Notify

---@return luapool.serve.Notify
function M.new()
  local path = os.getenv "NOTIFY_SOCKET"
  if path and not path:find "^[/@]" then path = nil end
  local usec, pid = tonumber(os.getenv "WATCHDOG_USEC"), tonumber(os.getenv "WATCHDOG_PID")
  local mine = path and usec and usec > 0 and (not pid or pid == core.pid())
  return setmetatable({ path = path, watchdog = mine and usec / 1e6 or nil }, Notify)
end

--- Sends lines such as "READY=1".
---@param ... string
function Notify:send(...)
  if not self.path then return end
  local ok, message = stream.notify(self.path, table.concat({ ... }, "\n") .. "\n")
  if not ok then log.warn("the service manager at %s cannot be told: %s", self.path, message) end
end

--- Says that it loads its file again, and since when: with that systemd knows the end of it.
function Notify:reloading()
  local file <close> = io.open "/proc/uptime"
  local seconds = file and file:read "n" or 0
  self:send("RELOADING=1", ("MONOTONIC_USEC=%d"):format(math.floor(seconds * 1e6)))
end

--- Tells the watchdog twice in its time that all is well, as long as `is_well` says so, and what
--- `status` says once a second at most when that has changed. Until it is cancelled.
---@param is_well fun(): boolean
---@param status fun(): string
function Notify:keep(is_well, status)
  if not self.path then return end
  local told, beat
  while true do
    local text, now = status(), task.now()
    if text ~= told then
      told = text
      self:send("STATUS=" .. text)
    end
    if self.watchdog and (not beat or now - beat >= self.watchdog / 2 - 0.01) and is_well() then
      beat = now
      self:send "WATCHDOG=1"
    end
    task.sleep(math.min(1, (self.watchdog or 4) / 4))
  end
end

return M
