-- A real memcached for specs: local server <close> = memcached.start(). It listens on a free port
-- of loopback, or on a Unix socket in a folder of its own, and ends with this process.
--
--     server.address                   for the option `servers`
--     server.dir                       with its certificates, with `tls = true`
--     server:kill(), :start(), :signal "STOP"     see tests/support/server.lua; it starts empty,
--                                      on the same port

local fs = require "luapool.fs"
local internal = require "tests.support.internal"
local server = require "tests.support.server"
local socket = require "socket"
internal "luapool.socket.core" -- makes the classes
local stream = internal "luapool.socket.stream"

local M = {}

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

local Server = server.class("memcached", answers)

--- Starts it; it answers when this returns.
---@param opts? {unix?: boolean, tls?: boolean, args?: string[]}
function M.start(opts)
  opts = opts or {}
  local dir = fs.tempdir()
  local self = setmetatable({ folder = dir, dir = dir.path, tls = opts.tls }, Server)
  -- memcached gives up root for somebody else, where it is started by root.
  self.command = { "env", "MEMCACHED_PORT_FILENAME=" .. dir.path .. "/port", "memcached", "-u",
    "root", "-t", "1", "-P", dir.path .. "/pid" }
  if opts.unix then self.path = dir.path .. "/socket" end
  if opts.tls then
    server.certificates(dir.path)
    table.move({ "-Z", "-o", ("ssl_chain_cert=%s/server.pem,ssl_key=%s/server.key")
      :format(dir.path, dir.path) }, 1, 3, #self.command + 1, self.command)
  end
  table.move(opts.args or {}, 1, #(opts.args or {}), #self.command + 1, self.command)
  local listen = self.path and { "-s", self.path } or { "-l", "127.0.0.1", "-p", -1 }
  table.move(listen, 1, #listen, #self.command + 1, self.command)
  self:start()
  if self.port then self.command[#self.command] = self.port end -- the same from now on
  self.address = self.path or "127.0.0.1:" .. self.port
  return self
end

--- Deletes all that it has.
function Server:flush()
  local client <close> = connect(self)
  client:send "flush_all\r\n"
  assert(client:receive() == "OK")
end

return M
