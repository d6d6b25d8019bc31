-- internal.lock.redis: locks on Redis. The key `lock:{name}` holds who has the lock, and ends with
-- the lease; `lock:{name}:token` holds the latest fencing token. `lock:{name}:free` is a list, by
-- which one of those who wait is told that the lock was given back.

local digest = require "luapool.digest.core"
local errors = require "luapool.error.core"
local lease = require "luapool.internal.lock.lease"
local task = require "luapool.task.core"

local M = {}

local Engine = { title = "lock.redis" }
Engine.__index = Engine

-- Somebody who was told may have died since: nobody waits longer than this without a look.
local LOOK = 5

-- KEYS: owner, token. ARGV: who, milliseconds. Replies {1, token} or {0, milliseconds left}. Asked
-- twice by the same one, it replies the same. The token is above the latest and not below the time,
-- in microseconds: a server that has lost its data gives out no old one.
local TAKE = [[
local ttl = tonumber(ARGV[2])
local owner = redis.call('GET', KEYS[1])
if owner == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ttl)
  return {1, tonumber(redis.call('GET', KEYS[2]))}
end
if owner then return {0, redis.call('PTTL', KEYS[1])} end
local now = redis.call('TIME')
local token = math.max(tonumber(redis.call('GET', KEYS[2]) or '0') + 1, now[1] * 1000000 + now[2])
redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ttl)
redis.call('SET', KEYS[2], string.format('%.0f', token))
return {1, token}]]

-- KEYS: owner. ARGV: who, milliseconds. Replies 1 when it has the lock.
local RENEW = [[
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])]]

-- KEYS: owner, free. ARGV: who, milliseconds. Replies 1 when it had the lock. When the lock is free
-- then, the first who waits is told.
local GIVE_BACK = [[
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('RPUSH', KEYS[2], 1)
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return owner and 1 or 0]]

-- Until somebody gives the lock back, or its lease may have run out.
local function wait(self, seconds)
  local ok, e = pcall(self.client.blpop, self.client, self.free, ("%.3f"):format(seconds))
  -- When the server is gone, the next attempt says so.
  if not ok and not errors.is(e, "aborted") then error(e, 0) end
end

--- See class.lua.
function Engine:take(grant, due, try)
  grant.id = digest.random(16)
  repeat
    local began = task.now()
    grant.asked = true
    local reply = self.scripts.take({ self.key, self.key .. ":token" }, grant.id, self.ms)
    if reply[1] == 1 then
      grant.token = reply[2]
      return lease.keep(grant, self.ms / 1000, began)
    end
    grant.asked = nil
    local left = due and due - task.now() or math.huge
    if try or left <= 0 then return end
    local seconds = math.min(reply[2] / 1000 * (1 + math.random() / 20), LOOK, left)
    grant.asked = true -- it may be told and not know it
    wait(self, math.max(seconds, 0.002))
  until false
end

--- See class.lua.
function Engine:give_back(grant)
  return self.scripts.give_back({ self.key, self.free }, grant.id, self.ms) == 1
end

--- See class.lua.
function Engine:renew(grant)
  return self.scripts.renew({ self.key }, grant.id, self.ms) == 1
end

--- See class.lua.
function Engine.refer()
  return nil, "a lock on Redis: each worker makes one, with a client of its own"
end

--- The engine of a lock on Redis.
---@param client luapool.redis.Client
---@param name string
---@param ttl number seconds
---@return table
function M.new(client, name, ttl)
  local key = ("lock:{%s}"):format(name)
  local self = { client = client, key = key, free = key .. ":free", scripts = {} }
  self.name = ("the lock '%s' on Redis"):format(name)
  self.ms = math.max(1, math.ceil(ttl * 1000))
  for verb, text in pairs { take = TAKE, renew = RENEW, give_back = GIVE_BACK } do
    self.scripts[verb] = client:script(text)
  end
  return setmetatable(self, Engine)
end

return M
