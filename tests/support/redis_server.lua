-- A real redis-server for specs: local server <close> = redis.start{ password = "secret" }. It
-- listens on a free port of loopback and on a Unix socket in a folder of its own, and ends at
-- the latest with this process.
--
--     server.port, server.url, server.unix_url, server.dir
--     server.tls_url, server.ca        with `tls = true`
--     server:kill(), :start(), :signal "STOP"     see tests/support/server.lua
--     redis.sentinel(server, "name")   a real redis-sentinel that watches it

local clock = require "tests.support.clock"
local fs = require "luapool.fs"
local servers = require "tests.support.server"
local socket = require "socket"

local M = {}

-- Whether it answers; it may ask for a password.
local function answers(self)
  local client <close> = socket.connect("127.0.0.1", self.port)
  if not client then return false end
  client:settimeout(1)
  client:send "PING\r\n"
  local line = client:receive()
  return line == "+PONG" or line and line:find "^%-NOAUTH" or line and line:find "^%-DENIED"
end

local Server = servers.class("redis-server", answers)
local Sentinel = servers.class("redis-sentinel", answers)

local function new(class, dir, port, config, ahead)
  local lines = {}
  for _, line in ipairs(config) do table.insert(lines, line) end
  fs.write(dir.path .. "/conf", table.concat(lines, "\n") .. "\n")
  return setmetatable({
    dir = dir.path, folder = dir, port = port,
    command = { clock.ahead(ahead or 0, class.name, dir.path .. "/conf") },
  }, class)
end

--- Starts it; it answers when this returns.
---@param opts? {password?: string, tls?: boolean|string, replica_of?: table, config?: string[],
--- chain?: string, ahead?: integer} `chain`: which certificate it shows; `ahead`: its clock is
--- so many seconds fast; `tls = "clients"`: it demands certificates of its clients
function M.start(opts)
  opts = opts or {}
  local dir, port = fs.tempdir(), servers.free_port()
  local config = { "bind 127.0.0.1", "port " .. port, "dir " .. dir.path, 'save ""',
    "pidfile " .. dir.path .. "/pid", "unixsocket " .. dir.path .. "/socket",
    "repl-diskless-sync-delay 0", "repl-timeout 10" }
  if opts.password then table.insert(config, "requirepass " .. opts.password) end
  if opts.replica_of then
    table.insert(config, "replicaof 127.0.0.1 " .. opts.replica_of.port)
  end
  local tls_port
  if opts.tls then
    servers.certificates(dir.path)
    tls_port = servers.free_port()
    table.insert(config, ("tls-port %d\ntls-cert-file %s/%s.pem\ntls-key-file %s/server.key\n"
      .. "tls-ca-cert-file %s/ca.pem\ntls-auth-clients %s"):format(tls_port, dir.path,
      opts.chain or "server", dir.path, dir.path, opts.tls == "clients" and "yes" or "no"))
  end
  for _, line in ipairs(opts.config or {}) do table.insert(config, line) end
  local self = new(Server, dir, port, config, opts.ahead)
  local login = opts.password and ":" .. opts.password .. "@" or ""
  self.url = ("redis://%s127.0.0.1:%d"):format(login, port)
  self.unix_url = "unix://" .. dir.path .. "/socket"
  if tls_port then
    self.tls_url = ("rediss://%slocalhost:%d"):format(login, tls_port)
    self.ca = dir.path .. "/ca.pem"
  end
  return self:start()
end

--- Starts a Sentinel that watches a server and calls it `name`.
---@param server table
---@param name string
function M.sentinel(server, name)
  local dir, port = fs.tempdir(), servers.free_port()
  local self = new(Sentinel, dir, port, { "bind 127.0.0.1", "port " .. port,
    "dir " .. dir.path, "pidfile " .. dir.path .. "/pid", "sentinel resolve-hostnames yes",
    ("sentinel monitor %s 127.0.0.1 %d 1"):format(name, server.port),
    ("sentinel down-after-milliseconds %s 300"):format(name),
    ("sentinel failover-timeout %s 3000"):format(name) })
  return self:start()
end

return M
