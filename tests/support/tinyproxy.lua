-- A real tinyproxy for specs: local proxy <close> = tinyproxy.start{ auth = "user password" }. It
-- listens on a free port of loopback, and ends at the latest with this process.

local fs = require "luapool.fs"
local process = require "luapool.process"
local socket = require "socket"
local task = require "luapool.task"

local M = {}

---@class tests.tinyproxy
---@field url string
---@field port integer
local Proxy = { __name = "tests.tinyproxy" }
Proxy.__index = Proxy

local function free_port()
  local server <close> = assert(socket.bind("127.0.0.1", 0))
  return math.tointeger((select(2, server:getsockname())))
end

local function listens(port)
  local client <close> = socket.connect("127.0.0.1", port)
  return client ~= nil
end

--- Starts it; it answers when this returns.
---@param opts? {auth?: string, lines?: string} auth: "user password"; lines: more of its settings
---@return tests.tinyproxy
function M.start(opts)
  opts = opts or {}
  local port, dir = free_port(), fs.tempdir()
  fs.write(dir .. "/conf", ("Port %d\nListen 127.0.0.1\nTimeout 60\nMaxClients 50\n%s%s"):format(
    port, opts.auth and "BasicAuth " .. opts.auth .. "\n" or "", opts.lines or ""))
  local run = task.spawn(process.exec, { "setpriv", "--pdeathsig", "KILL", "tinyproxy", "-d", "-c",
    dir .. "/conf" })
  while not listens(port) do
    if run:status() ~= "running" then
      error("tinyproxy did not start: " .. run:await().stdout, 2)
    end
    task.sleep(0.02)
  end
  local self = { port = port, url = "http://127.0.0.1:" .. port, run = run, dir = dir }
  return setmetatable(self, Proxy)
end

--- Stops it. Safe twice.
function Proxy:stop()
  self.run:cancel()
  self.run:result()
  self.dir:close()
end

Proxy.__close = Proxy.stop

return M
