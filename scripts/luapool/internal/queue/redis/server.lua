-- internal.queue.redis.server: what a server has to be for a queue, and the library of
-- functions that it is given: of version 1 of what they agree on (lp1), in the newest revision
-- that came by.

local errors = require "luapool.error.core"
local log = require "luapool.log"

local M = {}

local parts = { "base", "state", "put", "settle", "steer", "read" }

local function source()
  local texts = { "#!lua name=lp1" }
  for i, name in ipairs(parts) do
    texts[i + 1] = require("luapool.internal.queue.redis.functions." .. name)
  end
  return table.concat(texts, "\n")
end

local function fail(self, code, text, ...)
  text = ("queue.open: '%s' "):format(self.url) .. text:format(...)
  errors.raise("queue", text, { code = code })
end

--- Gives the server the library, unless it has it as new or newer.
---@param self luapool.queue.RedisStore
function M.load(self)
  local text = source()
  local ours = tonumber(text:match 'REVISION = "(%d+)"')
  local ok, revision = pcall(self.client.command, self.client, "FCALL_RO", "lp1_revision", 0)
  if ok and tonumber(revision) >= ours then return end
  local unknown = tostring(revision):find("Function not found", 1, true)
  if not ok and not unknown then error(revision, 0) end
  self.client:command("FUNCTION", "LOAD", "REPLACE", text)
end

local function check_version(self, info)
  local version = info:match "redis_version:([%d.]+)" or "?"
  local major = tonumber(version:match "^%d+")
  if not major or major < 7 then
    fail(self, "version", "is Redis %s: a queue needs Redis 7 or Valkey, which have functions",
      version)
  end
end

local function check_memory(self, info)
  local policy = info:match "maxmemory_policy:(%S+)"
  if policy and policy ~= "noeviction" then
    fail(self, "eviction", "may throw jobs away when its memory is full (maxmemory-policy %s): set "
      .. "'maxmemory-policy noeviction'", policy)
  end
end

local warned = {} -- once a server

local function warn_of_loss(self, info)
  if not info:find "aof_enabled:0" or warned[self.url] then return end
  warned[self.url] = true
  log.warn("queue: '%s' keeps no append-only file: what was put since it last saved is lost when "
    .. "it ends; set 'appendonly yes'", self.url)
end

--- Checks the server, and gives it the library.
---@param self luapool.queue.RedisStore
function M.check(self)
  local client = self.client
  check_version(self, client:info "server")
  check_memory(self, client:info "memory")
  warn_of_loss(self, client:info "persistence")
  M.load(self)
end

return M
