-- internal.memcached.route: which server a call goes to, and to which next when that one is gone.
--@whole

local errors = require "luapool.error.core"
local links = require "luapool.internal.net.link"
local servers = require "luapool.internal.memcached.server"
local values = require "luapool.internal.memcached.value"

local M = {}

local MOST_TRIES = 4 -- so many servers are asked one after the other when they fail

local function is_in(server) return server:is_in() end
local function any() return true end

--- The server of a key that is not out; when all are, the one that the key belongs to.
---@param client table
---@param key string
---@return luapool.internal.memcached.Server
function M.server(client, key)
  return client.ring:server(key, is_in) or client.ring:server(key, any)
end

--- Raises where the client is closed.
---@param client table
---@param where string
function M.check_open(client, where)
  if client.closed then errors.raise("closed", where .. ": the client is closed") end
end

-- Whether a call that has failed may go to another server: what the dead one has done of it harms
-- nobody, or it has done nothing.
local function may_go_on(e, repeatable)
  return servers.is_network(e) and (repeatable or not e.sent)
end

--- Sends requests to a server over its connection. Each has one reply.
---@param server luapool.internal.memcached.Server
---@param where string
---@param bytes string
---@param n integer how many requests
---@return luapool.internal.net.Call
---@return luapool.internal.net.Link
function M.post(server, where, bytes, n)
  local link = server:connect()
  local names = {}
  for i = 1, n do names[i] = where end
  local call = links.call(where, bytes, names)
  link:post(call)
  return call, link
end

--- Asks one server. Raises what it answers when that is an error.
---@param server luapool.internal.memcached.Server
---@param where string
---@param bytes string
---@return any reply
---@return luapool.internal.memcached.Server
---@return luapool.internal.net.Link
function M.ask_server(server, where, bytes)
  local call, link = M.post(server, where, bytes, 1)
  server:await(call, link)
  if call.replies[2] then values.raise(where, server.place, call.replies[2]) end
  return call.replies[1], server, link
end

--- Asks the server of a key, and the next one when that fails.
---@param client table
---@param where string
---@param key string
---@param bytes string
---@param repeatable boolean whether it may be done twice
---@return any reply
---@return luapool.internal.memcached.Server
---@return luapool.internal.net.Link
function M.ask(client, where, key, bytes, repeatable)
  local e
  for _ = 1, MOST_TRIES do
    local ok, reply, server, link = pcall(M.ask_server, M.server(client, key), where, bytes)
    if ok then return reply, server, link end
    e = reply
    M.check_open(client, where)
    if not may_go_on(e, repeatable) then break end
  end
  error(e, 0)
end

--- What one of some words means; any other reply ends the connection.
---@param where string
---@param expected table<string, any>
---@param reply any
---@param server luapool.internal.memcached.Server
---@param link luapool.internal.net.Link
---@return any
function M.word(where, expected, reply, server, link)
  local meaning = expected[reply]
  if meaning == nil then server:confused(link, where, reply) end
  return meaning
end

--- The values of a reply, which are some of those that were asked for.
---@param where string
---@param keys table<string, any> these
---@param reply any
---@param server luapool.internal.memcached.Server
---@param link luapool.internal.net.Link
---@return table[]
function M.values(where, keys, reply, server, link)
  if type(reply) ~= "table" or reply.stats then server:confused(link, where, reply) end
  for _, value in ipairs(reply) do
    if not keys[value.key] then server:confused(link, where, value.key) end
  end
  return reply
end

-- ---- many keys ----

-- The keys by server. A group is a list of keys with the fields server, n and bytes.
local function group(client, keys, fits)
  local groups, open = {}, {}
  for _, key in ipairs(keys) do
    local server = M.server(client, key)
    local one = open[server]
    if not one or not fits(one, key) then
      one = { server = server, n = 0, bytes = 0 }
      open[server] = one
      table.insert(groups, one)
    end
    one.n, one.bytes = one.n + 1, one.bytes + #key + 1
    one[one.n] = key
  end
  return groups
end

local function collect(client, where, one, call, link, take)
  one.server:await(call, link)
  M.check_open(client, where)
  take(one, call.replies, link)
end

--- Asks for many keys in groups, all at the same time, and for those whose server fails again at
--- the next one.
---@param client table
---@param where string
---@param keys string[]
---@param how { fits: function, send: function, take: function, give_up: function } fits(group,
--- key): there is room for it; send(group) -> call, link; take(group, replies, link);
--- give_up(group, error)
function M.ask_many(client, where, keys, how)
  for try = 1, MOST_TRIES do
    local waiting, failed = {}, {}
    local function on_error(one, e)
      if client.closed or try == MOST_TRIES or not may_go_on(e, true) then
        return how.give_up(one, e)
      end
      table.move(one, 1, one.n, #failed + 1, failed)
    end
    local groups = group(client, keys, how.fits)
    for _, one in ipairs(groups) do one.server:prepare() end -- all at once
    for _, one in ipairs(groups) do
      local ok, call, link = pcall(how.send, one)
      if ok then table.insert(waiting, { one, call, link }) else on_error(one, call) end
    end
    for _, row in ipairs(waiting) do
      local ok, e = pcall(collect, client, where, row[1], row[2], row[3], how.take)
      if not ok then on_error(row[1], e) end
    end
    if #failed == 0 then return end
    keys = failed
  end
end

return M
