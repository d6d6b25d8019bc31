-- internal.redis.address: where a server of Redis is, out of a URL and options:
--
--     redis://[user[:password]@]host[:port][/db]          rediss:// over TLS
--     unix:///path/of/socket[?db=1]                       redis+unix:// likewise
--     redis+sentinel://[user[:password]@]host[:port][,host[:port]…]/master[/db]
--                                                         rediss+sentinel:// over TLS
--
-- A URL may hold a password: no message shows more than its place without it.
--@whole

local options = require "luapool.internal.options"
local usage = require "luapool.internal.usage"

local M = {}

---@class luapool.redis.Address
---@field tls boolean
---@field unix? string the path of a socket
---@field host? string
---@field port? integer
---@field username? string
---@field password? string
---@field db integer
---@field sentinels? { host: string, port: integer }[]
---@field master? string the name by which Sentinel knows it
---@field place string what messages call it
---@field query table<string, string>

local PORT, SENTINEL_PORT = 6379, 26379

local schemes = {
  redis = {}, rediss = { tls = true },
  unix = { unix = true }, ["redis+unix"] = { unix = true },
  ["redis+sentinel"] = { sentinel = true }, ["rediss+sentinel"] = { sentinel = true, tls = true },
}

local function unescape(text)
  return text and (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

--- Reads "host", "host:7000", "[::1]:7000"; nil when it is none.
---@param text string
---@param port integer where none is given
---@return { host: string, port: integer }?
function M.read_host(text, port)
  local host, rest = text:match "^%[([%x:.%%]+)%](.*)$"
  if not host then host, rest = text:match "^([^:%[%]%s/]*)(.*)$" end
  if not host or rest == ":" then return nil end
  local given = rest:match "^:(%d+)$"
  if rest ~= "" and not given then return nil end
  port = math.tointeger(tonumber(given or port))
  if not port or port < 1 or port > 65535 then return nil end
  return { host = host == "" and "localhost" or host, port = port }
end

local read_host = M.read_host

local function read_query(text)
  local query = {}
  for name, value in text:gmatch "([^&=]+)=?([^&]*)" do query[unescape(name)] = unescape(value) end
  return query
end

local function read_db(text)
  local db = math.tointeger(tonumber(text))
  return db and db >= 0 and db or nil
end

local function read_sentinels(address, hosts)
  address.sentinels = {}
  for text in hosts:gmatch "[^,]+" do
    local sentinel = read_host(text, SENTINEL_PORT)
    if not sentinel then return nil, ("'%s' is no host"):format(text) end
    table.insert(address.sentinels, sentinel)
  end
  if #address.sentinels == 0 then return nil, "it names no Sentinel" end
  return true
end

local function read_server(address, authority, path)
  local server = read_host(authority, PORT)
  if not server then return nil, ("'%s' is no host"):format(authority) end
  address.host, address.port = server.host, server.port
  address.db = read_db(path == "" and "0" or path)
  if not address.db then return nil, ("'%s' is no number of a database"):format(path) end
  return true
end

local function read_sentinel_path(address, path)
  local master, db = path:match "^([^/]+)/?(.*)$"
  if not master then return nil, "it lacks the name of the master: redis+sentinel://host/name" end
  address.master, address.db = unescape(master), read_db(db == "" and "0" or db)
  if not address.db then return nil, ("'%s' is no number of a database"):format(db) end
  return true
end

local function place_of(address)
  if address.unix then return address.unix end
  if address.master then return "master '" .. address.master .. "'" end
  local six = address.host:find(":", 1, true)
  return (six and "[%s]:%d" or "%s:%d"):format(address.host, address.port)
end

M.place_of = place_of

--- Reads a URL; nil and what is wrong with it when it is none.
---@param url string
---@return luapool.redis.Address?
---@return string? problem
function M.read(url)
  local name, rest = url:match "^([%a][%w+.-]*)://(.*)$"
  local scheme = name and schemes[name:lower()]
  if not name then return nil, "no URL such as redis://host:6379/0" end
  if not scheme then
    local hint = options.hint(name, schemes)
    return nil, ("unknown scheme '%s'%s"):format(name, hint)
  end
  local before, query = rest:match "^([^?]*)%??(.*)$"
  local address = { tls = scheme.tls or false, db = 0, query = read_query(query) }
  local authority, path = before:match "^([^/]*)/?(.*)$"
  local user, hosts = authority:match "^(.*)@([^@]*)$"
  hosts = hosts or authority
  if user then
    local username, password = user:match "^([^:]*):?(.*)$"
    if username ~= "" then address.username = unescape(username) end
    if password ~= "" then address.password = unescape(password) end
  end
  local ok, problem
  if scheme.unix then
    address.unix = unescape("/" .. path)
    ok = hosts == "" and path ~= ""
    problem = "it lacks the path of the socket: unix:///path"
  elseif scheme.sentinel then
    ok, problem = read_sentinels(address, hosts)
    if ok then ok, problem = read_sentinel_path(address, path) end
  else
    ok, problem = read_server(address, hosts, path)
  end
  if not ok then return nil, problem end
  if query.db or address.query.db then
    address.db = read_db(address.query.db)
    if not address.db then return nil, "'db' is no number of a database" end
    address.query.db = nil
  end
  address.place = place_of(address)
  return address
end

--- Reads a URL. A name in its query other than `db` stays in `query`.
---@param where string the call, for errors
---@param url string
---@return luapool.redis.Address
function M.parse(where, url)
  usage.argument(where, 1, url, "string")
  local address, problem = M.read(url)
  if not address then usage.raise(where, "bad URL: %s", problem) end
  return address
end

return M
