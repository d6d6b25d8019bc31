-- A real redis-server for specs: local server <close> = redis.start{ password = "secret" }. It
-- listens on a free port of loopback and on a Unix socket in a folder of its own, and ends at
-- the latest with this process.
--
--     server.port, server.url, server.unix_url, server.dir
--     server.tls_url, server.ca        with `tls = true`
--     server:kill()                    as kill -9 does; what it has on disk stays
--     server:restart()                 on the same port
--     server:signal "STOP"
--     redis.sentinel(server, "name")   a real redis-sentinel that watches it

local clock = require "tests.support.clock"
local fs = require "luapool.fs"
local process = require "luapool.process"
local socket = require "socket"
local task = require "luapool.task"

local M = {}

local Server = { __name = "tests.redis" }
Server.__index = Server

local function free_port()
  local server <close> = assert(socket.bind("127.0.0.1", 0))
  return math.tointeger((select(2, server:getsockname())))
end

-- Whether it answers; it may ask for a password.
local function answers(port)
  local client <close> = socket.connect("127.0.0.1", port)
  if not client then return false end
  client:settimeout(1)
  client:send "PING\r\n"
  local line = client:receive()
  return line == "+PONG" or line and line:find "^%-NOAUTH" or line and line:find "^%-DENIED"
end

local function run(self)
  self.process = task.spawn(process.exec, self.command)
  while not answers(self.port) do
    if self.process:status() ~= "running" then
      error(self.program .. " did not start: " .. self.process:await().stdout, 3)
    end
    task.sleep(0.02)
  end
  return self
end

local function certificates(dir)
  local support = debug.getinfo(1, "S").source:match "^@?(.*/)"
  local made = process.exec { "sh", support .. "certificates", dir, "more" }
  assert(made.code == 0, made.stderr)
end

local function new(program, dir, port, config, ahead)
  local lines = {}
  for _, line in ipairs(config) do table.insert(lines, line) end
  fs.write(dir.path .. "/conf", table.concat(lines, "\n") .. "\n")
  return setmetatable({
    dir = dir.path, folder = dir, port = port, program = program,
    command = { "setpriv", "--pdeathsig", "KILL",
      clock.ahead(ahead or 0, program, dir.path .. "/conf") },
  }, Server)
end

--- Starts it; it answers when this returns.
---@param opts? {password?: string, tls?: boolean|string, replica_of?: table, config?: string[],
--- chain?: string, ahead?: integer} `chain`: which certificate it shows; `ahead`: its clock is
--- so many seconds fast; `tls = "clients"`: it demands certificates of its clients
function M.start(opts)
  opts = opts or {}
  local dir, port = fs.tempdir(), free_port()
  local config = { "bind 127.0.0.1", "port " .. port, "dir " .. dir.path, 'save ""',
    "pidfile " .. dir.path .. "/pid", "unixsocket " .. dir.path .. "/socket",
    "repl-diskless-sync-delay 0", "repl-timeout 10" }
  if opts.password then table.insert(config, "requirepass " .. opts.password) end
  if opts.replica_of then
    table.insert(config, "replicaof 127.0.0.1 " .. opts.replica_of.port)
  end
  local tls_port
  if opts.tls then
    certificates(dir.path)
    tls_port = free_port()
    table.insert(config, ("tls-port %d\ntls-cert-file %s/%s.pem\ntls-key-file %s/server.key\n"
      .. "tls-ca-cert-file %s/ca.pem\ntls-auth-clients %s"):format(tls_port, dir.path,
      opts.chain or "server", dir.path, dir.path, opts.tls == "clients" and "yes" or "no"))
  end
  for _, line in ipairs(opts.config or {}) do table.insert(config, line) end
  local self = new("redis-server", dir, port, config, opts.ahead)
  local login = opts.password and ":" .. opts.password .. "@" or ""
  self.url = ("redis://%s127.0.0.1:%d"):format(login, port)
  self.unix_url = "unix://" .. dir.path .. "/socket"
  if tls_port then
    self.tls_url = ("rediss://%slocalhost:%d"):format(login, tls_port)
    self.ca = dir.path .. "/ca.pem"
  end
  return run(self)
end

--- Starts a Sentinel that watches a server and calls it `name`.
---@param server table
---@param name string
function M.sentinel(server, name)
  local dir, port = fs.tempdir(), free_port()
  local self = new("redis-sentinel", dir, port, { "bind 127.0.0.1", "port " .. port,
    "dir " .. dir.path, "pidfile " .. dir.path .. "/pid", "sentinel resolve-hostnames yes",
    ("sentinel monitor %s 127.0.0.1 %d 1"):format(name, server.port),
    ("sentinel down-after-milliseconds %s 300"):format(name),
    ("sentinel failover-timeout %s 3000"):format(name) })
  return run(self)
end

--- Sends it a signal.
---@param name string
function Server:signal(name)
  local pid = fs.read(self.dir .. "/pid"):match "%d+"
  assert(process.exec { "kill", "-" .. name, pid }.code == 0)
end

--- Kills it, and returns when it is gone.
function Server:kill()
  self.process:cancel()
  self.process:result()
end

--- Starts it again where it was.
function Server:restart() return run(self) end

--- The same, and does not wait until it has loaded what it has on disk.
function Server:restart_loading()
  self.process = task.spawn(process.exec, self.command)
  return self
end

--- Stops it. Safe twice.
function Server:stop()
  self:kill()
  self.folder:close()
end

Server.__close = Server.stop

return M
