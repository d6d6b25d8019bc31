-- internal.memcached.client: the client of luapool.memcached: what is sent, and what the replies
-- mean.
--@whole

local errors = require "luapool.error.core"
local links = require "luapool.internal.net.link"
local options = require "luapool.internal.options"
local rings = require "luapool.internal.memcached.ring"
local route = require "luapool.internal.memcached.route"
local servers = require "luapool.internal.memcached.server"
local usage = require "luapool.internal.usage"
local values = require "luapool.internal.memcached.value"
local encode, make_key = values.encode, values.key

local M = {}

local MOST_BYTES = 4096 -- of the line of a get
local MOST_SETS = 100 -- in one call
local MOST_NUMBER = math.maxinteger

local SET = { ttl = "above0" }
local checks = {}
for _, name in ipairs { "set", "add", "replace", "cas", "set_many" } do
  checks[name] = options.define("Client:" .. name, SET)
end

--- A client of memcached: see `memcached.client`.
---@within memcached
---@class luapool.memcached.Client
local Client = { __name = "luapool.memcached.Client" }
Client.__index = Client

-- It cannot be sent to a worker.
function Client.__refer() return nil, "a client of memcached: each worker makes its own" end

local function check_self(self, where)
  if getmetatable(self) ~= Client then errors.not_self(where, Client.__name, self) end
  route.check_open(self, where)
end

-- ---- storing ----

local stored = { STORED = true, NOT_STORED = false, EXISTS = false, NOT_FOUND = false }

local function storage(name, key, flags, ttl, data, cas)
  return ("%s %s %d %d %d%s\r\n%s\r\n"):format(name, key, flags, values.time(ttl), #data,
    cas and " " .. cas or "", data)
end

local function store(self, name, key, value, opts)
  local where = "Client:" .. name
  check_self(self, where)
  local full = make_key(where, 1, key, self.prefix)
  local ttl = opts ~= nil and checks[name](opts).ttl or nil
  local flags, data = encode(where, 2, value)
  local bytes = storage(name, full, flags, ttl, data)
  return route.word(where, stored, route.ask(self, where, full, bytes, name == "set"))
end

---@within memcached
---@class luapool.memcached.SetOptions
---@field ttl? number seconds that the value is kept, whole ones: a fraction is rounded up; default:
--- as long as there is room

--- Stores a value: a string, a number, a boolean, or a table as JSON.
---
--- ```lua
--- local client <close> = memcached.client { servers = memcached_servers }
--- client:set("user", { name = "Ada", tags = { "a", "b" } }, { ttl = 60 })
--- print(client:get "user".name) --> Ada
--- ```
---@async
---@param key string
---@param value string|number|boolean|table
---@param opts? luapool.memcached.SetOptions
---@return boolean stored
function Client:set(key, value, opts) return store(self, "set", key, value, opts) end

--- Stores a value if there is none, and tells whether it has.
---
--- ```lua
--- local client <close> = memcached.client { servers = memcached_servers }
--- print(client:add("leader", "a"), client:add("leader", "b")) --> true false
--- ```
---@async
---@param key string
---@param value string|number|boolean|table
---@param opts? luapool.memcached.SetOptions
---@return boolean stored
function Client:add(key, value, opts) return store(self, "add", key, value, opts) end

--- Stores a value if there is one already, and tells whether it has.
---
--- ```lua
--- local client <close> = memcached.client { servers = memcached_servers }
--- print(client:replace("colour", "red")) --> false
--- ```
---@async
---@param key string
---@param value string|number|boolean|table
---@param opts? luapool.memcached.SetOptions
---@return boolean stored
function Client:replace(key, value, opts) return store(self, "replace", key, value, opts) end

local function extend(self, name, key, text)
  local where = "Client:" .. name
  check_self(self, where)
  local full = make_key(where, 1, key, self.prefix)
  usage.argument(where, 2, text, "string")
  local bytes = storage(name, full, 0, nil, text)
  return route.word(where, stored, route.ask(self, where, full, bytes, false))
end

--- Puts a string behind the one that is there; false when there is none.
---
--- ```lua
--- local client <close> = memcached.client { servers = memcached_servers }
--- client:set("log", "one")
--- print(client:append("log", ",two"), client:get "log") --> true one,two
--- ```
---@async
---@param key string
---@param text string
---@return boolean stored
function Client:append(key, text) return extend(self, "append", key, text) end

--- Puts a string before the one that is there; false when there is none.
---
--- ```lua
--- local client <close> = memcached.client { servers = memcached_servers }
--- print(client:prepend("nothing", "text")) --> false
--- ```
---@async
---@param key string
---@param text string
---@return boolean stored
function Client:prepend(key, text) return extend(self, "prepend", key, text) end

-- ---- getting ----

local function get_one(self, where, command, key)
  check_self(self, where)
  local full = make_key(where, 1, key, self.prefix)
  local bytes = ("%s %s\r\n"):format(command, full)
  local reply, server, link = route.ask(self, where, full, bytes, true)
  local value = route.values(where, { [full] = true }, reply, server, link)[1]
  if not value then return nil end
  return values.decode(value.flags, value.data), value.cas, link.id
end

--- Returns the value of a key, or nil.
---
--- ```lua
--- local client <close> = memcached.client { servers = memcached_servers }
--- client:set("n", 7)
--- print(client:get "n" + 1, client:get "nothing") --> 8 nil
--- ```
---@async
---@param key string
---@return any
function Client:get(key) return (get_one(self, "Client:get", "get", key)) end

--- Returns the value of a key and a token that stands for its version, for `cas`; or nil.
---
--- ```lua
--- local client <close> = memcached.client { servers = memcached_servers }
--- client:set("n", 7)
--- local n, token = client:gets "n"
--- print(n, client:cas("n", n + 1, token), client:cas("n", n + 2, token)) --> 7 true false
--- ```
---@async
---@param key string
---@return any
---@return string? token
function Client:gets(key)
  local value, cas, id = get_one(self, "Client:gets", "gets", key)
  return value, cas and id .. ":" .. cas
end

-- A token is of one connection: a server that has died and come back counts its versions anew.
local function read_token(token, link)
  local id, cas = token:match "^(%x+):(%d+)$"
  if not id then usage.expected("Client:cas", 3, "a token that gets has returned", token) end
  return id == link.id and cas
end

--- Stores a value if the one that is there is still the version of the token. False when it is not:
--- it was changed, it is gone, or the connection to the server has been made anew since. Then
--- `gets` it again.
---
--- ```lua
--- local client <close> = memcached.client { servers = memcached_servers }
--- client:set("n", 7)
--- repeat
---   local n, token = client:gets "n"
--- until client:cas("n", n * 2, token)
--- print(client:get "n") --> 14
--- ```
---@async
---@param key string
---@param value string|number|boolean|table
---@param token string
---@param opts? luapool.memcached.SetOptions
---@return boolean stored
function Client:cas(key, value, token, opts)
  local where = "Client:cas"
  check_self(self, where)
  local full = make_key(where, 1, key, self.prefix)
  local flags, data = encode(where, 2, value)
  usage.argument(where, 3, token, "string")
  local ttl = opts ~= nil and checks.cas(opts).ttl or nil
  local server = route.server(self, full)
  local link = server.link
  local cas = read_token(token, link or {})
  if not cas or not link:alive() then return false end
  local call = links.call(where, storage("cas", full, flags, ttl, data, cas), { "cas" })
  link:post(call)
  server:await(call, link)
  if call.replies[2] then values.raise(where, server.place, call.replies[2]) end
  return route.word(where, stored, call.replies[1], server, link)
end

-- ---- one key, one word ----

local function one_word(self, where, key, expected, bytes, repeatable)
  return route.word(where, expected, route.ask(self, where, key, bytes, repeatable))
end

local deleted = { DELETED = true, NOT_FOUND = false }
local touched = { TOUCHED = true, NOT_FOUND = false }

--- Deletes a key, and tells whether it was there.
---
--- ```lua
--- local client <close> = memcached.client { servers = memcached_servers }
--- client:set("n", 7)
--- print(client:delete "n", client:delete "n") --> true false
--- ```
---@async
---@param key string
---@return boolean was_there
function Client:delete(key)
  local where = "Client:delete"
  check_self(self, where)
  local full = make_key(where, 1, key, self.prefix)
  return one_word(self, where, full, deleted, ("delete %s\r\n"):format(full), true)
end

--- Keeps a value for so many seconds from now on; false when there is none.
---
--- ```lua
--- local client <close> = memcached.client { servers = memcached_servers }
--- print(client:touch("nothing", 60)) --> false
--- ```
---@async
---@param key string
---@param ttl number seconds; `math.huge`: as long as there is room
---@return boolean was_there
function Client:touch(key, ttl)
  local where = "Client:touch"
  check_self(self, where)
  local full = make_key(where, 1, key, self.prefix)
  usage.argument(where, 2, ttl, "above0")
  local bytes = ("touch %s %d\r\n"):format(full, values.time(ttl))
  return one_word(self, where, full, touched, bytes, true)
end

local function count(self, name, key, n)
  local where = "Client:" .. name
  check_self(self, where)
  local full = make_key(where, 1, key, self.prefix)
  if n == nil then n = 1 end
  usage.argument(where, 2, n, "integer")
  if n < 0 then usage.expected(where, 2, ("an integer from 0 to %d"):format(MOST_NUMBER), n) end
  local bytes = ("%s %s %d\r\n"):format(name, full, n)
  local reply, server, link = route.ask(self, where, full, bytes, false)
  if reply == "NOT_FOUND" then return nil end
  local number = type(reply) == "string" and reply:find "^%d+ *$" and tonumber(reply)
  if not number then server:confused(link, where, reply) end
  return number
end

--- Adds to a number that is stored, in the server, and returns the sum; nil when there is none.
---
--- ```lua
--- local client <close> = memcached.client { servers = memcached_servers }
--- client:add("hits", 0)
--- print(client:incr "hits", client:incr("hits", 10), client:incr "nothing") --> 1 11 nil
--- ```
---@async
---@param key string
---@param n? integer 0 or more; default 1
---@return number? new
function Client:incr(key, n) return count(self, "incr", key, n) end

--- Takes something from a number that is stored, in the server, and returns what is left, 0 at
--- least; nil when there is none.
---
--- ```lua
--- local client <close> = memcached.client { servers = memcached_servers }
--- client:set("left", 10)
--- print(client:decr "left", client:decr("left", 100)) --> 9 0
--- ```
---@async
---@param key string
---@param n? integer 0 or more; default 1
---@return number? new
function Client:decr(key, n) return count(self, "decr", key, n) end

-- ---- many keys ----

--- Returns the values of many keys: a table, in which those that are not there are missing. Each
--- server is asked once, all at the same time.
---
--- ```lua
--- local client <close> = memcached.client { servers = memcached_servers }
--- client:set_many { a = 1, b = 2 }
--- local found = client:get_many { "a", "b", "c" }
--- print(found.a, found.b, found.c) --> 1 2 nil
--- ```
---@async
---@param keys string[]
---@return table<string, any>
function Client:get_many(keys)
  local where = "Client:get_many"
  check_self(self, where)
  usage.argument(where, 1, keys, "table")
  local plain, list, found = {}, {}, {}
  for _, key in ipairs(keys) do
    local full = make_key(where, 1, key, self.prefix)
    if not plain[full] then
      plain[full] = key
      table.insert(list, full)
    end
  end
  local function fits(one, key) return one.bytes + #key < MOST_BYTES end
  local function send(one)
    return route.post(one.server, where, "get " .. table.concat(one, " ", 1, one.n) .. "\r\n", 1)
  end
  local function take(one, replies, link)
    if replies[2] then values.raise(where, one.server.place, replies[2]) end
    for _, value in ipairs(route.values(where, plain, replies[1], one.server, link)) do
      found[plain[value.key]] = values.decode(value.flags, value.data)
    end
  end
  local function give_up(_, e) error(e, 0) end
  route.ask_many(self, where, list, { fits = fits, send = send, take = take, give_up = give_up })
  return found
end

--- Stores many values, with one call to each server. What could not be stored is told by key, the
--- other values are there.
---
--- ```lua
--- local client <close> = memcached.client { servers = memcached_servers }
--- local errors = client:set_many({ a = 1, b = ("x"):rep(2 << 20) }, { ttl = 60 })
--- print(errors.a, errors.b.kind) --> nil too_large
--- ```
---@async
---@param items table<string, string|number|boolean|table>
---@param opts? luapool.memcached.SetOptions
---@return table<string, any> errors by key, empty when all are stored
function Client:set_many(items, opts)
  local where = "Client:set_many"
  check_self(self, where)
  usage.argument(where, 1, items, "table")
  local ttl = opts ~= nil and checks.set_many(opts).ttl or nil
  local plain, bytes, list, problems = {}, {}, {}, {}
  for key, value in pairs(items) do
    local full = make_key(where, 1, key, self.prefix)
    local flags, data = encode(where, 1, value)
    plain[full], bytes[full] = key, storage("set", full, flags, ttl, data)
    table.insert(list, full)
  end
  local function fits(one) return one.n < MOST_SETS end
  local function send(one)
    local parts = {}
    for i = 1, one.n do parts[i] = bytes[one[i]] end
    return route.post(one.server, where, table.concat(parts), one.n)
  end
  local function take(one, replies, link)
    for i = 1, one.n do
      local text = replies[one.n + i]
      if text then
        local _, e = pcall(values.raise, where, one.server.place, text)
        problems[plain[one[i]]] = e
      else
        route.word(where, stored, replies[i], one.server, link)
      end
    end
  end
  local function give_up(one, e)
    for i = 1, one.n do problems[plain[one[i]]] = e end
  end
  route.ask_many(self, where, list, { fits = fits, send = send, take = take, give_up = give_up })
  return problems
end

-- ---- the rest ----

local function number_of(text) return math.tointeger(tonumber(text)) or tonumber(text) or text end

--- Figures of all servers that answer: by server, then by name.
---
--- ```lua
--- local client <close> = memcached.client { servers = memcached_servers }
--- for server, figures in pairs(client:stats()) do assert(figures.pid > 0, server) end
--- ```
---@async
---@param what? "items"|"slabs"|"sizes"|"settings"|"conns" other figures than the general ones
---@return table<string, table<string, any>>
function Client:stats(what)
  local where = "Client:stats"
  check_self(self, where)
  usage.optional(where, 1, what, { "items", "slabs", "sizes", "settings", "conns" })
  local all = {}
  for _, server in ipairs(self.servers) do
    local bytes = what and ("stats %s\r\n"):format(what) or "stats\r\n"
    local ok, reply, _, link = pcall(route.ask_server, server, where, bytes)
    if not ok and not servers.is_network(reply) then error(reply, 0) end
    if ok then
      if type(reply) ~= "table" or #reply > 0 then server:confused(link, where, reply) end
      local figures = {}
      for name, text in pairs(reply.stats or {}) do figures[name] = number_of(text) end
      all[server.place] = figures
    end
  end
  return all
end

--- Closes the connections. Calls that wait get kind `closed`. Safe twice.
---
--- ```lua
--- local client = memcached.client { servers = memcached_servers }
--- client:close()
--- print(select(2, pcall(client.get, client, "a")).kind) --> closed
--- ```
function Client:close()
  if getmetatable(self) ~= Client then errors.not_self("Client:close", Client.__name, self) end
  self.closed = true
  for _, server in ipairs(self.servers) do server:close() end
end

Client.__close = Client.close

--- A client of servers that have been checked.
---@param places table[]
---@param prefix string
---@param timeout number
---@param tls table|nil what luapool.internal.net.tls has made
---@return luapool.memcached.Client
function M.new(places, prefix, timeout, tls)
  local list = {}
  for i, place in ipairs(places) do list[i] = servers.new(place, timeout, tls) end
  return setmetatable({
    servers = list, ring = rings.new(list), prefix = prefix, timeout = timeout, closed = false,
  }, Client)
end

return M
