-- A real memcached for specs: local server <close> = memcached.start(). It listens on a free port
-- of loopback, or on a Unix socket in a folder of its own, and ends with this process.
--
--     server.address                   for the option `servers`
--     server.dir                       with its certificates, with `tls = true`
--     server:kill()                    as kill -9 does
--     server:restart()                 empty, on the same port
--     server:signal "STOP"

local fs = require "luapool.fs"
local internal = require "tests.support.internal"
local process = require "luapool.process"
local socket = require "socket"
internal "luapool.socket.core" -- makes the classes
local stream = internal "luapool.socket.stream"
local task = require "luapool.task"

local M = {}

local Server = { __name = "tests.memcached" }
Server.__index = Server

-- It has chosen a port and written it to a file.
local function read_port(self)
  local ok, text = pcall(fs.read, self.folder.path .. "/port")
  self.port = ok and math.tointeger(text:match "TCP INET: (%d+)")
end

local function connect(self)
  if self.path then return stream.unix(self.path) end
  if not self.port then read_port(self) end
  return self.port and socket.connect("127.0.0.1", self.port)
end

local function answers(self)
  local client <close> = connect(self)
  if not client then return false end
  if self.tls then return true end
  client:settimeout(1)
  client:send "version\r\n"
  local line = client:receive()
  return line and line:find "^VERSION" ~= nil
end

local function run(self)
  local command = table.move(self.command, 1, #self.command, 1, {})
  if not self.path then
    table.move({ "-l", "127.0.0.1", "-p", self.port or -1 }, 1, 4, #command + 1, command)
  end
  self.process = task.spawn(process.exec, command)
  repeat
    task.sleep(0.02)
    if self.process:status() ~= "running" then
      error("memcached did not start: " .. self.process:await().stderr, 3)
    end
  until answers(self)
  return self
end

--- Starts it; it answers when this returns.
---@param opts? {unix?: boolean, tls?: boolean, args?: string[]}
function M.start(opts)
  opts = opts or {}
  local dir = fs.tempdir()
  local self = setmetatable({ folder = dir, dir = dir.path, tls = opts.tls }, Server)
  -- memcached gives up root for somebody else, where it is started by root.
  self.command = { "setpriv", "--pdeathsig", "KILL", "env",
    "MEMCACHED_PORT_FILENAME=" .. dir.path .. "/port", "memcached", "-u", "root", "-t", "1", "-P",
    dir.path .. "/pid" }
  if opts.unix then
    self.path = dir.path .. "/socket"
    table.move({ "-s", self.path }, 1, 2, #self.command + 1, self.command)
  end
  if opts.tls then
    local support = debug.getinfo(1, "S").source:match "^@?(.*/)"
    assert(process.exec { "sh", support .. "certificates", dir.path, "more" }.code == 0)
    table.move({ "-Z", "-o", ("ssl_chain_cert=%s/server.pem,ssl_key=%s/server.key")
      :format(dir.path, dir.path) }, 1, 3, #self.command + 1, self.command)
  end
  table.move(opts.args or {}, 1, #(opts.args or {}), #self.command + 1, self.command)
  run(self)
  self.address = self.path or "127.0.0.1:" .. self.port
  return self
end

--- Sends it a signal.
---@param name string
function Server:signal(name)
  local pid = fs.read(self.folder.path .. "/pid"):match "%d+"
  assert(process.exec { "kill", "-" .. name, pid }.code == 0)
end

--- Kills it, and returns when it is gone.
function Server:kill()
  self.process:cancel()
  self.process:result()
end

--- Starts it again where it was. It has lost what it had.
function Server:restart() return run(self) end

--- Deletes all that it has.
function Server:flush()
  local client <close> = connect(self)
  client:send "flush_all\r\n"
  assert(client:receive() == "OK")
end

--- Stops it. Safe twice.
function Server:stop()
  self:kill()
  self.folder:close()
end

Server.__close = Server.stop

return M
