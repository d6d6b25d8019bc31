-- internal.lock.gateway: calls of etcd, over its JSON gateway (v3, of etcd 3.4 and later). Each
-- call may be made twice. Of several servers the one that has answered last is asked first.

local errors = require "luapool.error.core"
local http = require "luapool.http"
local json = require "luapool.json"

local M = {}

local Gateway = {}
Gateway.__index = Gateway

-- Codes of gRPC that have a meaning here.
local NAMES = {
  [3] = "invalid_argument", [5] = "not_found", [7] = "permission_denied", [8] = "exhausted",
  [9] = "failed_precondition", [13] = "internal", [14] = "unavailable", [16] = "unauthenticated",
}

local PATIENCE = 5 -- seconds for a call of one server

local function refuse(res, status, reply)
  local text = reply.message or reply.error or "status " .. status
  local code = NAMES[reply.code] or reply.code and tostring(reply.code) or "status_" .. status
  local hint = ""
  if text:find "user name is empty" or text:find "invalid auth token" then
    hint = ": it wants the options user and password"
  end
  text = ("lock.etcd: %s refuses: %s%s"):format(res, text, hint)
  return errors.new("etcd", text, { code = code })
end

-- The reply of one server as a table; nil and the error.
local function read(endpoint, res)
  local ok, reply = pcall(json.decode, res.body)
  if not ok or type(reply) ~= "table" then
    local text = ("lock.etcd: %s is no etcd: status %d"):format(endpoint, res.status)
    return nil, errors.new("etcd", text, { code = "not_etcd" })
  end
  if res.status == 200 and not reply.error then return reply.result or reply end
  if type(reply.error) == "table" then reply = reply.error end
  return nil, refuse(endpoint, res.status, reply)
end

local GONE = { connect = true, dns = true, timeout = true, aborted = true }

-- Asks one server after the other until one has answered.
local function ask(self, path, body, opts)
  local first, refusals = self.first, {}
  local request = {
    body = body, headers = { ["Content-Type"] = "application/json", Authorization = self.ticket },
    timeout = PATIENCE, connect_timeout = PATIENCE, redirects = 0, netrc = false,
  }
  for name, value in pairs(opts or {}) do request[name] = value end
  for i = 0, #self.endpoints - 1 do
    local place = (first + i - 1) % #self.endpoints + 1
    local endpoint = self.endpoints[place]
    local ok, res = pcall(self.client.post, self.client, endpoint .. path, request)
    if ok and (res.status ~= 503 or i == #self.endpoints - 1) then
      self.first = place
      return endpoint, res
    end
    if not ok and not GONE[res.kind] then error(res, 0) end
    local why = ok and "status 503" or res.message:gsub("^[^%s:]+:%d+: ", "") -- without its line
    refusals[#refusals + 1] = ("%s (%s)"):format(endpoint, why)
  end
  errors.raise("connect", "lock.etcd: no server answers: " .. table.concat(refusals, ", "))
end

local function log_in(self)
  self.ticket = nil
  local endpoint, res = ask(self, "/v3/auth/authenticate",
    json.encode { name = self.user, password = self.password })
  local reply, e = read(endpoint, res)
  if e and e.message:find "authentication is not enabled" then return end
  if not reply then error(e, 0) end
  self.ticket = reply.token
end

-- A ticket is good for some minutes.
local function is_stale(self, e)
  local m = e.message
  return self.user and (e.code == "unauthenticated" or m:find "user name is empty"
    or m:find "invalid auth token")
end

local function perform(self, path, body, opts)
  if self.user and not self.ticket then log_in(self) end
  body = json.encode(body)
  for attempt = 1, 2 do
    local endpoint, res = ask(self, path, body, opts)
    if opts and opts.stream and res.status == 200 then return res end
    if opts and opts.stream then res:read_all() end
    local reply, e = read(endpoint, res)
    if reply then return reply end
    if attempt == 2 or not is_stale(self, e) then error(e, 0) end
    log_in(self)
  end
end

--- Makes a call and returns its reply.
---@async
---@param path string "/v3/kv/txn"
---@param body table
---@return table reply
---@raises connect
---@raises etcd field `code`
function Gateway:call(path, body) return perform(self, path, body) end

--- Waits until a key is deleted, at most so many seconds; may return before.
---@async
---@param key string in Base64
---@param revision integer the first whose changes count
---@param seconds number
function Gateway:wait_deleted(key, revision, seconds)
  local request = { create_request = { key = key, start_revision = tostring(revision),
    filters = { "NOPUT" } } }
  local opts = { stream = true, timeout = seconds }
  local ok, e = pcall(function()
    local res <close> = perform(self, "/v3/watch", request, opts)
    for line in res:lines() do
      local message = json.decode(line)
      local result = message.result or {}
      if message.error or result.canceled or result.events then return end
    end
  end)
  -- A server that is gone is met by the next call.
  if not ok and not GONE[e.kind] then error(e, 0) end
end

--- Calls of these servers.
---@param opts table as of lock.etcd
---@param endpoints string[]
---@return table
function M.new(opts, endpoints)
  return setmetatable({
    client = http.client {
      limit = 1000, cookies = false, ca = opts.ca, cert = opts.cert, key = opts.key,
      verify = opts.verify, proxy = "",
    },
    endpoints = endpoints, first = 1, user = opts.user, password = opts.password,
  }, Gateway)
end

return M
