-- A real etcd for specs: local server <close> = etcd.start(). It listens on free ports of loopback,
-- has its data in a folder of its own, and ends at the latest with this process.
--
--     server.url, server.port
--     server:kill(), :start(), :signal "STOP"     see tests/support/server.lua
--     server:call("/v3/kv/range", {…}) a call of its gateway, past luapool.lock
--     server:protect("secret")         from now on it wants the user root with this password
--
-- With `tls = true` it speaks https: server.ca.

local fs = require "luapool.fs"
local http = require "luapool.http"
local server = require "tests.support.server"

local M = {}

local function answers(self)
  local client <close> = http.client { ca = self.ca }
  local ok, res = pcall(client.get, client, self.url .. "/health", { timeout = 5 })
  return ok and res.status == 200 and res.body:find "true" ~= nil
end

local Server = server.class("etcd", answers)

-- Writes what it says into a file, so that no pipe fills.
local SCRIPT = [[echo $$ > "$1/pid"; out=$1/log; shift; exec "$@" > "$out" 2>&1]]

--- Starts it; it answers when this returns.
---@param opts? {tls?: boolean}
function M.start(opts)
  local tls = opts and opts.tls
  local dir, port, peer = fs.tempdir(), server.free_port(), server.free_port()
  local url = (tls and "https://localhost:" or "http://127.0.0.1:") .. port
  local listen = (tls and "https" or "http") .. "://127.0.0.1:" .. port
  local self = setmetatable({ folder = dir, dir = dir.path, port = port, url = url }, Server)
  local peer_url = "http://127.0.0.1:" .. peer
  self.command = { "sh", "-c", SCRIPT, "sh", dir.path, "etcd", "--data-dir", dir.path .. "/data",
    "--listen-client-urls", listen, "--advertise-client-urls", url, "--listen-peer-urls", peer_url,
    "--initial-advertise-peer-urls", peer_url, "--initial-cluster", "default=" .. peer_url,
    "--heartbeat-interval", "100", "--election-timeout", "1000" }
  if tls then
    server.certificates(dir.path)
    self.ca = dir.path .. "/ca.pem"
    for _, word in ipairs { "--cert-file", dir.path .. "/server.pem", "--key-file",
      dir.path .. "/server.key" } do
      table.insert(self.command, word)
    end
  end
  return self:start()
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

return M
