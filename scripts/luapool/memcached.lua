-- luapool.memcached: a client of memcached, over luapool's own sockets. It stands in
-- luapool.internal.memcached.

local addresses = require "luapool.internal.redis.address"
local clients = require "luapool.internal.memcached.client"
local options = require "luapool.internal.options"
local usage = require "luapool.internal.usage"
local values = require "luapool.internal.memcached.value"

--- A client of memcached: values that many machines share as long as there is room for them.
---
--- Keys are spread over the servers by consistent hashing, as libmemcached does it with "ketama
--- weighted", so that PHP's client and pylibmc find the same ones. All tasks of a process share one
--- connection to each server; what they send in one turn of the loop goes out in one write.
---
--- A server that fails is left out: its keys go to the next one on the ring, where they are missing
--- at first. It is tried again after half a second, later after ten at most, when somebody
--- calls. So a server that dies costs values, and no call waits for it again. A call waits for
--- `timeout` seconds at most for each server that it asks, mostly one, at most four. What was sent
--- to a server that dies then, and could do harm when it was done twice (`add`, `incr`, `cas` and
--- their like), raises the error, whose field `sent` says so. One that was cut off from you, and
--- not dead, comes back with values of before: give them a `ttl`.
---
--- Strings are stored as they are, integers as digits, which `incr` counts with and other clients
--- read, tables and booleans as JSON; flags tell what it was: 0 a string, 2 an integer, 256 another
--- number, 512 JSON. A key has 250 bytes at most, with its prefix, and no spaces or control
--- characters.
---
--- ```lua
--- local client <close> = memcached.client { servers = memcached_servers, prefix = "shop:" }
--- client:set("greeting", "hello", { ttl = 60 })
--- print(client:get "greeting", client:get "nothing") --> hello nil
--- ```
---
--- ```lua
--- local client <close> = memcached.client { servers = { "127.0.0.1:1" }, timeout = 1 }
--- print(select(2, pcall(client.get, client, "a")).kind) --> connect
--- client:close()
--- print(select(2, pcall(client.get, client, "a")).kind) --> closed
--- local website <close> = memcached.client { servers = { url:match "//(.*)" } }
--- print(select(2, pcall(website.get, website, "a")).kind) --> protocol
--- local nobody <close> = memcached.client { servers = { "no-such-host.invalid" } }
--- print(select(2, pcall(nobody.get, nobody, "a")).kind) --> dns
--- ```
---
--- ```lua
--- local listener = require("socket").bind("127.0.0.1", 0)
--- local dying = task.spawn(function() -- a server that greets, and dies at the first request
---   local peer = listener:accept()
---   peer:receive()
---   peer:send "VERSION 1.6\r\n"
---   peer:receive()
---   peer:close()
---   listener:close()
--- end)
--- local address = "127.0.0.1:" .. select(2, listener:getsockname())
--- local client <close> = memcached.client { servers = { address } }
--- local ok, e = pcall(client.incr, client, "hits")
--- print(e.kind, e.sent) --> aborted true
--- dying:await()
--- ```
---
--- ```lua
--- local client <close> = memcached.client { servers = memcached_servers }
--- client:set("name", "Ada")
--- print(select(2, pcall(client.incr, client, "name")).code) --> CLIENT_ERROR
--- print(select(2, pcall(client.set, client, "big", ("x"):rep(2 << 20))).kind) --> too_large
--- ```
---@kind memcached a server has answered with an error; fields `code` ("CLIENT_ERROR") and `server`
---@kind too_large a server takes no value of that size; fields `code` and `server`
---@kind connect no server of the key can be had; field `server`
---@kind dns the host has no address; field `server`
---@kind tls a server's certificate, or the encryption, is not accepted; field `server`
---@kind timeout the server has not answered in time; fields `server` and `sent`
---@kind aborted the connection has ended before the answer; fields `server` and `sent`
---@kind protocol what answers is no memcached; field `server`
---@kind closed the client is closed
---@class luapool.memcached
local M = {}

local PORT = 11211

local check_client = options.define("memcached.client", {
  servers = "table", prefix = "string", timeout = "positive", tls = "boolean|table",
})

local check_server = options.define("servers of memcached.client", {
  address = "string", weight = "positive",
})

-- "host", "host:port", "[::1]:port", "/path/of/socket".
local function read_address(text)
  if text:find "^/" then return { unix = text, place = text } end
  local place = addresses.read_host(text, PORT)
  if not place or text == "" then
    usage.raise("memcached.client", "'%s' is no server: give \"host\", \"host:port\" or \"/path\"",
      text)
  end
  place.place = addresses.place_of(place)
  return place
end

local function read_servers(list)
  local places, seen = {}, {}
  for _, server in ipairs(list) do
    if type(server) == "string" then server = { address = server } end
    server = check_server(server, "memcached.client")
    if not server.address then usage.raise("memcached.client", "a server lacks its `address`") end
    local place = read_address(server.address)
    if seen[place.place] then
      usage.raise("memcached.client", "the server %s is there twice", place.place)
    end
    seen[place.place], place.weight = true, server.weight or 1
    table.insert(places, place)
  end
  if #places == 0 then
    usage.raise("memcached.client", "option 'servers' must be a list of servers")
  end
  return places
end

---@class luapool.memcached.ServerOptions
---@field address string "host", "host:port", "[::1]:port" or "/path/of/a/socket"
---@field weight? number its share of the keys; default 1

---@class luapool.memcached.Options
---@field servers table a list of addresses, as strings or `luapool.memcached.ServerOptions`; the
--- port is 11211 unless said
---@field prefix? string stands before every key
---@field timeout? number how many seconds to wait for a connection, and for an answer; 2 unless
--- said
---@field tls? boolean|luapool.redis.TLSOptions whether TLS is spoken, and what to demand of it

--- A client of some servers, which connects when it is first used. It closes by `close`, at the end
--- of the scope of a `<close>` variable, or by the collector. A client does not travel to
--- workers: each makes its own.
---
--- ```lua
--- local client <close> = memcached.client {
---   servers = { "cache1", "cache2:11212", { address = "/run/memcached.sock", weight = 2 } },
---   prefix = "shop:", timeout = 1,
--- }
--- ```
---
--- Over TLS, the certificate must be of an authority that the system trusts, or of those in a file
--- of your own, and for the host of the server:
---
--- ```lua
--- local client <close> = memcached.client { servers = memcached_servers, tls = { min = "1.3" } }
--- print(select(2, pcall(client.get, client, "a")).kind) --> tls
--- ```
---@param opts luapool.memcached.Options
---@return luapool.memcached.Client
function M.client(opts)
  opts = check_client(opts)
  if not opts.servers then usage.raise("memcached.client", "option 'servers' is missing") end
  local prefix = opts.prefix or ""
  if prefix ~= "" then values.key("memcached.client", 1, "x", prefix) end
  if prefix:find "[%c ]" then
    usage.raise("memcached.client", "option 'prefix' must have no spaces and no control characters")
  end
  local tls = opts.tls == true and {} or opts.tls or nil
  if tls then tls = require "luapool.internal.net.tls".new("memcached.client", tls) end
  return clients.new(read_servers(opts.servers), prefix, opts.timeout or 2, tls)
end

return M
