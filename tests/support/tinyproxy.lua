-- A real tinyproxy for specs: local proxy <close> = tinyproxy.start{ auth = "user password" }. It
-- listens on a free port of loopback, and ends at the latest with this process.

local fs = require "luapool.fs"
local server = require "tests.support.server"
local socket = require "socket"

local M = {}

local function listens(self)
  local client <close> = socket.connect("127.0.0.1", self.port)
  return client ~= nil
end

---@class tests.tinyproxy
---@field url string
---@field port integer
local Proxy = server.class("tinyproxy", listens)

--- Starts it; it answers when this returns.
---@param opts? {auth?: string, lines?: string} auth: "user password"; lines: more of its settings
---@return tests.tinyproxy
function M.start(opts)
  opts = opts or {}
  local port, dir = server.free_port(), fs.tempdir()
  fs.write(dir .. "/conf", ("Port %d\nListen 127.0.0.1\nTimeout 60\nMaxClients 50\n%s%s"):format(
    port, opts.auth and "BasicAuth " .. opts.auth .. "\n" or "", opts.lines or ""))
  return setmetatable({ port = port, url = "http://127.0.0.1:" .. port, folder = dir,
    dir = dir.path, command = { "tinyproxy", "-d", "-c", dir.path .. "/conf" } }, Proxy):start()
end

return M
