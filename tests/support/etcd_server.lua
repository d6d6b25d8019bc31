-- A real etcd for specs: local server <close> = etcd.start(). It listens on free ports of loopback,
-- has its data in a folder of its own, and ends at the latest with this process.
--
--     server.url, server.port
--     server:kill()                    as kill -9 does; what it has on disk stays
--     server:restart()                 on the same port
--     server:signal "STOP"
--     server:call("/v3/kv/range", {…}) a call of its gateway, past luapool.lock
--     server:protect("secret")         from now on it wants the user root with this password
--
-- With `tls = true` it speaks https: server.ca.

local fs = require "luapool.fs"
local http = require "luapool.http"
local process = require "luapool.process"
local socket = require "socket"
local task = require "luapool.task"

local M = {}

local Server = { __name = "tests.etcd" }
Server.__index = Server

local function free_port()
  local server <close> = assert(socket.bind("127.0.0.1", 0))
  return math.tointeger((select(2, server:getsockname())))
end

local function run(self)
  self.process = task.spawn(process.exec, self.command)
  local client <close> = http.client { ca = self.ca }
  repeat
    task.sleep(0.02)
    if self.process:status() ~= "running" then
      error("etcd did not start: " .. self.process:await().stderr, 3)
    end
    local ok, res = pcall(client.get, client, self.url .. "/health", { timeout = 5 })
  until ok and res.status == 200 and res.body:find "true"
  return self
end

-- Writes what it says into a file, so that no pipe fills.
local SCRIPT = [[echo $$ > "$1/pid"; out=$1/log; shift; exec "$@" > "$out" 2>&1]]

--- Starts it; it answers when this returns.
---@param opts? {tls?: boolean}
function M.start(opts)
  local tls = opts and opts.tls
  local dir, port, peer = fs.tempdir(), free_port(), free_port()
  local url = (tls and "https://localhost:" or "http://127.0.0.1:") .. port
  local listen = (tls and "https" or "http") .. "://127.0.0.1:" .. port
  local self = setmetatable({ folder = dir, dir = dir.path, port = port, url = url }, Server)
  local peer_url = "http://127.0.0.1:" .. peer
  self.command = { "setpriv", "--pdeathsig", "KILL", "sh", "-c", SCRIPT, "sh", dir.path,
    "etcd", "--data-dir", dir.path .. "/data", "--listen-client-urls", listen,
    "--advertise-client-urls", url, "--listen-peer-urls", peer_url,
    "--initial-advertise-peer-urls", peer_url, "--initial-cluster", "default=" .. peer_url,
    "--heartbeat-interval", "100", "--election-timeout", "1000" }
  if tls then
    local support = debug.getinfo(1, "S").source:match "^@?(.*/)"
    local made = process.exec { "sh", support .. "certificates", dir.path }
    assert(made.code == 0, made.stderr)
    self.ca = dir.path .. "/ca.pem"
    for _, word in ipairs { "--cert-file", dir.path .. "/server.pem", "--key-file",
      dir.path .. "/server.key" } do
      table.insert(self.command, word)
    end
  end
  return run(self)
end

--- A call of its gateway.
---@param path string
---@param body table
---@return table
function Server:call(path, body)
  local client <close> = http.client { ca = self.ca }
  local headers = { Authorization = self.ticket }
  local res = client:post(self.url .. path, { json = body, headers = headers })
  assert(res.status == 200, res.body)
  return res:json()
end

--- From now on it wants a password.
---@param password string of the user root
function Server:protect(password)
  self:call("/v3/auth/user/add", { name = "root", password = password })
  self:call("/v3/auth/role/add", { name = "root" })
  self:call("/v3/auth/user/grant", { user = "root", role = "root" })
  self:call("/v3/auth/enable", { _ = 0 })
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

--- Stops it. Safe twice.
function Server:stop()
  self:kill()
  self.folder:close()
end

Server.__close = Server.stop

return M
