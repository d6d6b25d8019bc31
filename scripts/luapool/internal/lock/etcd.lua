-- internal.lock.etcd: locks on etcd, as its own `etcdctl lock` makes them: each who wants the
-- lock writes a key NAME/LEASE, tied to a lease. Whose key is the oldest holds the lock, and the
-- revision that made the key is the fencing token. Who waits watches the key just before its own,
-- so that the end of one wakes one.

local digest = require "luapool.digest.core"
local encoding = require("luapool.digest").base64
local errors = require "luapool.error.core"
local gateway = require "luapool.internal.lock.gateway"
local lease = require "luapool.internal.lock.lease"
local task = require "luapool.task.core"

local M = {}

local Engine = { title = "lock.etcd" }
Engine.__index = Engine

-- Nobody waits longer than this without a look whether its own key is still there.
local LOOK = 10

-- The number of a new lease: 63 bits. The client chooses it, so that a lease whose reply is lost
-- can be given back.
local function new_lease()
  local id = string.unpack("<i8", digest.random(8)) & math.maxinteger
  return id > 0 and id or 1
end

-- The first key behind all that begin with the prefix.
local function behind(prefix)
  return prefix:sub(1, -2) .. string.char(prefix:byte(-1) + 1)
end

local function ask_for(self, grant)
  local began = task.now()
  grant.lease, grant.asked = new_lease(), true
  grant.key = encoding.encode(("%s%x"):format(self.prefix, grant.lease))
  local id = tostring(grant.lease)
  local reply = self.gateway:call("/v3/lease/grant", { ID = id, TTL = tostring(self.ttl) })
  lease.keep(grant, math.tointeger(reply.TTL), began)
  reply = self.gateway:call("/v3/kv/txn", {
    compare = { { key = grant.key, target = "CREATE", create_revision = "0" } },
    success = { { request_put = { key = grant.key, lease = id } } },
    failure = { { request_range = { key = grant.key } } },
  })
  if reply.succeeded then
    grant.revision = math.tointeger(reply.header.revision)
  else -- asked twice: the first reply was lost
    grant.revision = math.tointeger(reply.responses[1].response_range.kvs[1].create_revision)
  end
end

-- The key just before that of the grant, and the revision at which it was seen; nil when there is
-- none. Raises nothing but returns false when the own key is gone.
local function look(self, grant)
  local reply = self.gateway:call("/v3/kv/txn", {
    compare = { { key = grant.key, target = "CREATE",
      create_revision = tostring(grant.revision) } },
    success = { { request_range = {
      key = self.from, range_end = self.to, limit = "1", keys_only = true, sort_order = "DESCEND",
      sort_target = "CREATE", max_create_revision = tostring(grant.revision - 1),
    } } },
  })
  if not reply.succeeded then return false end
  local before = reply.responses[1].response_range.kvs
  return before and before[1].key, math.tointeger(reply.header.revision)
end

local function give_up(self, grant)
  grant.keeper:cancel()
  grant.keeper, grant.lost = nil, nil
  pcall(self.gateway.call, self.gateway, "/v3/lease/revoke", { ID = tostring(grant.lease) })
  grant.asked = nil
end

--- See class.lua.
function Engine:take(grant, due, try)
  repeat
    if not grant.asked then ask_for(self, grant) end
    local before, revision = look(self, grant)
    if before == false or grant.lost then
      give_up(self, grant) -- the lease ran out while it waited: it lines up anew
    elseif not before then
      grant.token = grant.revision
      return
    else
      local left = due and due - task.now() or math.huge
      if try or left <= 0 then return end
      self.gateway:wait_deleted(before, revision + 1, math.min(left, LOOK))
    end
  until false
end

--- See class.lua.
function Engine:give_back(grant)
  local ok, e = pcall(self.gateway.call, self.gateway, "/v3/lease/revoke",
    { ID = tostring(grant.lease) })
  if ok then return true end
  if errors.is(e, "etcd") and e.code == "not_found" then return false end
  error(e, 0)
end

--- See class.lua.
function Engine:renew(grant)
  local reply = self.gateway:call("/v3/lease/keepalive", { ID = tostring(grant.lease) })
  return (math.tointeger(reply.TTL) or 0) > 0
end

--- See class.lua.
function Engine:refer() return "etcd", self.opts end

--- The engine of a lock on etcd.
---@param opts table as of lock.etcd, `endpoints` a list
---@return table
function M.new(opts)
  local prefix = opts.name .. "/"
  return setmetatable({
    opts = opts, prefix = prefix, ttl = math.ceil(opts.ttl),
    from = encoding.encode(prefix), to = encoding.encode(behind(prefix)),
    name = ("the lock '%s' on etcd"):format(opts.name), gateway = gateway.new(opts, opts.endpoints),
  }, Engine)
end

M.receive = M.new

return M
