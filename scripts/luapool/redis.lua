-- luapool.redis: a client of Redis and Valkey, over luapool's own sockets. The protocol is read by
-- hiredis (bindings/redis/); the client stands in luapool.internal.redis.

local addresses = require "luapool.internal.redis.address"
local clients = require "luapool.internal.redis.client"
local options = require "luapool.internal.options"
local usage = require "luapool.internal.usage"

--- A client of Redis and Valkey. Every command is a method: `client:set("a", 1)`,
--- `client:config_get "maxmemory"`; so are those of modules and of servers to come.
---
--- All tasks share one connection. What they send in one turn of the loop goes out in one
--- write, and the replies come back in one read: a hundred tasks cost hardly more round trips
--- than one. Commands that wait in the server (BLPOP, XREAD with BLOCK …) have connections of
--- their own.
---
--- A connection that ends is made anew when the next command needs it. What was sent and has no
--- answer by then fails with kind `aborted`, because the server may have run it or not;
--- commands that only read are sent again. A server that has become a replica (READONLY) or
--- that is still loading is left: the address is resolved again, Sentinel asked again. No call
--- waits longer than its `timeout`, for the connection and the answer together.
---
--- Replies: strings, integers, lists. What is missing is nil, within a list `false`. Commands take
--- strings and numbers; a list stands for its items.
---
--- ```lua
--- local client <close> = redis.connect(redis_url)
--- client:set("greeting", "hello", "EX", 60)
--- print(client:get "greeting", client:incr "visits", client:get "nothing") --> hello 1 nil
--- print(table.unpack(client:mget { "greeting", "nothing" })) --> hello false
--- print(select(2, pcall(client.lpush, client, "greeting", 1)).code) --> WRONGTYPE
--- ```
---
--- ```lua
--- local client <close> = redis.connect(redis_url)
--- local waiting = task.spawn(client.blpop, client, "list", 0)
--- repeat task.sleep(0.01) until client:info("clients"):find "blocked_clients:1"
--- client:client_kill("TYPE", "normal") -- but its own
--- print(select(2, waiting:result()).kind) --> aborted
--- ```
---@kind redis the server has answered with an error; fields `code` ("WRONGTYPE") and `command`
---@kind connect there is no connection, and none could be made in time
---@kind dns the host has no address
---@kind tls the server's certificate, or the encryption, is not accepted
---@kind timeout the server has not answered in time; field `sent`: it may have run the command
---@kind aborted the connection has ended before the answer: the server may have run the command
---@kind protocol what the server sends is no reply of Redis
---@kind conflict what a transaction watches was changed in all its attempts
---@kind closed the client is closed
---@class luapool.redis
local M = {}

local check_connect = options.define("redis.connect", {
  timeout = "positive", connect_timeout = "positive", username = "string", password = "string",
  db = "count0", name = "string", lazy = "boolean", sentinel_username = "string",
  sentinel_password = "string", tls = "table",
})

---@class luapool.redis.Options
---@field timeout? number how many seconds a command may take, with the time that it waits for a
--- connection; 5 unless said
---@field connect_timeout? number how many seconds an attempt to connect may take; 5 unless said
---@field username? string in place of the one in the URL
---@field password? string in place of the one in the URL
---@field db? integer the number of the database, in place of the one in the URL
---@field name? string by which CLIENT LIST shows the connections
---@field lazy? boolean connects when the first command needs it, and not at once
---@field sentinel_username? string for the Sentinels
---@field sentinel_password? string for the Sentinels
---@field tls? luapool.redis.TLSOptions what to demand of encryption; for `rediss://` and
--- `rediss+sentinel://`, where it is verified without it, too

--- Connects to a server. Addresses:
---
--- | URL | server |
--- |---|---|
--- | `redis://user:password@host:6379/0` | over TCP; all but the host may be left out |
--- | `unix:///path/of/socket?db=0` | a Unix socket |
--- | `redis+sentinel://host:26379,host2/master/0` | the master of that name |
--- | `rediss://host`, `rediss+sentinel://host/master` | the same over TLS |
---
--- It closes by `close`, at the end of the scope of a `<close>` variable, or by the collector. A
--- client does not travel to workers: each makes its own.
---
--- ```lua
--- local client <close> = redis.connect(redis_url, { timeout = 2, name = "example" })
--- print(client:ping()) --> PONG
--- print(select(2, pcall(redis.connect, "redis://127.0.0.1:1")).kind) --> connect
--- print(select(2, pcall(redis.connect, "redis://no-such-host.invalid")).kind) --> dns
--- local website = "redis://" .. url:match "//(.*)"
--- print(select(2, pcall(redis.connect, website)).kind) --> protocol
--- ```
---
--- ```lua
--- local opts = { lazy = true, connect_timeout = 1, username = "ann", password = "secret", db = 1 }
--- local client <close> = redis.connect("redis://cache.example", opts) -- connects to nobody yet
--- local sentinels = { lazy = true, sentinel_username = "ann", sentinel_password = "secret" }
--- local master <close> = redis.connect("redis+sentinel://one.example,two.example/shop", sentinels)
--- ```
---
--- Over TLS, the certificate must be of an authority that the system trusts, or of those in a file
--- of your own, and for the host that the URL names:
---
--- ```lua
--- local website = "rediss://" .. url:match "//(.*)"
--- local opts = { tls = { min = "1.3", server_name = "cache.example" } }
--- print(select(2, pcall(redis.connect, website, opts)).kind) --> tls
--- ```
---@async
---@param url string
---@param opts? luapool.redis.Options
---@return luapool.redis.Client
---@raises connect
---@raises dns
---@raises tls
---@raises redis the server refuses the password, or the database; fields `code` and `command`
function M.connect(url, opts)
  opts = check_connect(opts)
  local address = addresses.parse("redis.connect", url)
  local unknown = next(address.query)
  if unknown then
    usage.raise("redis.connect", "unknown parameter '%s' in the URL%s", unknown,
      options.hint(unknown, { "db" }))
  end
  if opts.tls and not address.tls then
    usage.raise("redis.connect", "option 'tls' is for addresses that begin with rediss://")
  end
  return clients.new(address, opts)
end

return M
