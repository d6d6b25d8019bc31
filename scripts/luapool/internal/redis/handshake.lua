-- internal.redis.handshake: a new connection is made and greeted: whom to ask (Sentinel knows the
-- master), TLS, AUTH, SELECT, and whether the server is ready, and the master where that matters.
--@whole

local refusal = require("luapool.internal.redis.commands").refusal
local core = require "luapool.redis.core"
local errors = require "luapool.error.core"
local links = require "luapool.internal.net.link"
local places = require "luapool.internal.redis.address"
local stream = require "luapool.internal.net.stream"
local task = require "luapool.task.core"
local tools = require "luapool.task"

local M = {}

-- Errors that another attempt does not mend.
local final_kinds = { denied = true, usage = true, tls = true, cancelled = true, memory = true }
local final_codes = { WRONGPASS = true, NOAUTH = true, NOPERM = true, ERR = true }

--- Whether it makes no sense to try again.
---@param e any
---@return boolean
function M.is_final(e)
  if not errors.is(e) then return true end
  if e.kind == "redis" and e.message:find("max number of clients", 1, true) then return false end
  return final_kinds[e.kind] or e.kind == "redis" and final_codes[e.code] or false
end

local function ask(link, commands, deadline)
  local bytes, names = {}, {}
  for i, words in ipairs(commands) do
    bytes[i], names[i] = core.encode("redis.connect", 0, table.unpack(words)), words[1]
  end
  local call = links.call("redis.connect", table.concat(bytes), names)
  link:post(call)
  links.await(call, math.max(0, deadline - task.now()))
  if call.err then error(call.err, 0) end
  return call.replies, call.n
end

local function auth(username, password)
  if not password then return nil end
  return username and { "AUTH", username, password } or { "AUTH", password }
end

local function raise(link, name, text)
  local code = text:match "^%S+"
  error(errors.new("redis", ("%s: %s: %s"):format(link.place, name, text),
    { code = code, command = name }), 0)
end

local function check(link, commands, replies, n)
  for i, words in ipairs(commands) do
    local text, name = replies[n + i], words[1]
    -- Who may not use PING or ROLE need not.
    local optional = name == "PING" or name == "CLIENT" or name == "ROLE"
    if text and not (optional and text:find "^NOPERM") then raise(link, name, text) end
    if name == "ROLE" and replies[i] and replies[i][1] ~= "master" then
      raise(link, name, "READONLY it is no master")
    end
  end
end

-- What is said on a new connection to a server.
local function greeting(engine, wants_master)
  local address, opts, commands = engine.address, engine.opts, {}
  table.insert(commands, auth(opts.username or address.username, opts.password or address.password))
  local db = opts.db or address.db
  if db ~= 0 then table.insert(commands, { "SELECT", db }) end
  if opts.name then table.insert(commands, { "CLIENT", "SETNAME", opts.name }) end
  table.insert(commands, { "PING" })
  if wants_master then table.insert(commands, { "ROLE" }) end
  return commands
end

local function open_link(engine, place, deadline, commands)
  local link = links.new(stream.open(place, engine.opts.secure, deadline), place.place, {
    timeout = engine.opts.timeout, reader = core.reader(), name = "redis",
    refuses = refusal,
  })
  local ok, replies, n = pcall(ask, link, commands, deadline)
  if not ok then link:close(replies) error(replies, 0) end
  return link, replies, n
end

-- Asks one Sentinel where the master is.
local function ask_sentinel(engine, sentinel, deadline)
  local opts = engine.opts
  local place = { host = sentinel.host, port = sentinel.port, place = places.place_of(sentinel) }
  local commands = { { "SENTINEL", "GET-MASTER-ADDR-BY-NAME", engine.address.master } }
  local login = auth(opts.sentinel_username, opts.sentinel_password)
  if login then table.insert(commands, 1, login) end
  local link, replies, n = open_link(engine, place, deadline, commands)
  link:close(errors.new("aborted", "it is not used any more"))
  check(link, commands, replies, n)
  local found = replies[n]
  if not found then
    local text = "the Sentinel at %s does not know the master '%s'"
    error(errors.new("connect", text:format(place.place, engine.address.master)), 0)
  end
  local master = { host = found[1], port = math.tointeger(tonumber(found[2])) }
  master.place = places.place_of(master)
  return master
end

-- Asks one after the other; the one that has answered is the first next time.
local function find_master(engine, deadline)
  local sentinels, last = engine.address.sentinels, nil
  for i, sentinel in ipairs(sentinels) do
    local part = task.now() + (deadline - task.now()) / (#sentinels - i + 1)
    local ok, master = pcall(ask_sentinel, engine, sentinel, part)
    if ok then
      table.insert(sentinels, 1, table.remove(sentinels, i))
      return master
    end
    if M.is_final(master) then error(master, 0) end
    last = master
  end
  local text = "no Sentinel knows where %s is: %s"
  error(errors.new("connect", text:format(engine.address.place, tostring(last))), 0)
end

local function open(engine, wants_master, deadline)
  local address = engine.address
  local place = address
  if address.sentinels then place = find_master(engine, deadline) end
  local commands = greeting(engine, wants_master or address.sentinels ~= nil)
  local link, replies, n = open_link(engine, place, deadline, commands)
  local ok, e = pcall(check, link, commands, replies, n)
  if not ok then link:close(e) error(e, 0) end
  return link
end

--- Makes a connection and greets the server. Raises when that fails or takes too long.
---@param engine luapool.redis.Engine
---@param wants_master boolean the server must be a master
---@return luapool.internal.net.Link
function M.open(engine, wants_master)
  local limit = engine.opts.connect_timeout
  local deadline = task.now() + limit
  local ok, link = pcall(tools.timeout, limit, open, engine, wants_master, deadline)
  if ok then return link end
  if errors.is(link, "timeout") then
    local text = "no connection to %s within %g s"
    error(errors.new("connect", text:format(engine.address.place, limit)), 0)
  end
  error(link, 0)
end

return M
