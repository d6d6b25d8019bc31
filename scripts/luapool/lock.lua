-- luapool.lock: locks that processes and machines share: on a file, on Redis, on etcd. The class is
-- in luapool/internal/lock/class.lua, its engines beside it.

local class = require "luapool.internal.lock.class"
local options = require "luapool.internal.options"
local usage = require "luapool.internal.usage"

--- Locks that processes share: on a file, those of one machine; on Redis or etcd, those of many.
---
--- A task holds the lock from `acquire` to `release`, or for the scope of
--- `local held <close> = lock:hold()`. Other tasks of its process wait as other processes do. A
--- process that dies holds nothing any more: a lock on a file is free at once; one on a server when
--- its lease has run out, after `ttl` seconds at most. A lease is renewed in the background as long
--- as the lock is held. When it is lost all the same, because the server has not answered in time
--- or the process stood still for longer than `ttl`, then the task that holds it is cancelled up
--- to the end of its scope, which raises kind `lost`.
---
--- Each holder gets a fencing token, an integer that is above those of all holders before. A
--- process that stood still does not know that it has lost its lease: hand the token to what the
--- lock guards, and refuse there what comes with a lower token than was seen last.
---
--- A lock on a file or on etcd may be sent to a worker, where it is one on the same file or server.
--- For tasks of one program `sync.lock` is lighter.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local nightly = lock.file(dir .. "/nightly.lock")
--- do
---   local held <close> = nightly:hold(10) -- waits 10 s at most
---   print(held.token) --> 1
--- end
--- local p <close> = pool.new { processes = 2 }
--- local function turn() return nightly:wrap(function() return nightly.token end)() end
--- print(p:apply(turn), p:apply(turn)) --> 2 3
--- ```
---@kind timeout the lock was not free in time
---@kind lost a lease ran out while the lock was held: somebody else may have held it meanwhile;
--- field `token`
---@kind not_held the task that releases it does not hold it
---@kind lock the file cannot be used; fields `path` and `code`: "network_file_system",
--- "not_a_lock", or that of the system, such as "EACCES"
---@kind etcd the server has refused; field `code` ("unauthenticated", "permission_denied", …)
---@kind connect no server of etcd can be reached
---@class luapool.lock
local M = {}

local check_file = options.define("lock.file", { shared = "boolean" })

---@class luapool.lock.FileOptions
---@field shared? boolean many may hold it at once, while nobody holds it without this option: for
--- those who only read. The file may then be one that they cannot write

--- Makes a lock on a file. The file is made when the lock is first taken and holds the latest
--- token; it stays for ever, as a lock whose file is removed would be two. Nothing else may
--- stand in it. The kernel frees the lock when its process ends, however it ends. Network file
--- systems are refused.
---
--- A shared lock gets the token of the latest exclusive one. Who waits for an exclusive one may
--- wait as long as others share it.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local reader = lock.file(dir .. "/lock", { shared = true })
--- local other = lock.file(dir .. "/lock", { shared = true })
--- local writer = lock.file(dir .. "/lock")
--- reader:acquire()
--- print(other:try_acquire(), writer:try_acquire()) --> 0 nil
--- local nowhere = lock.file "/no/such/folder/lock"
--- print(select(2, pcall(nowhere.acquire, nowhere)).code) --> ENOENT
--- ```
---@param path string
---@param opts? luapool.lock.FileOptions
---@return luapool.lock.Lock
function M.file(path, opts)
  if getmetatable(path) then path = tostring(path) end -- of fs.tempdir
  usage.argument("lock.file", 1, path, "string")
  if path == "" or path:find("\0", 1, true) then
    usage.raise("lock.file", "%s is no path", usage.describe(path))
  end
  opts = check_file(opts)
  return class.new(require("luapool.internal.lock.file").new(path, opts.shared or false))
end

local check_redis = options.define("lock.redis", { ttl = "positive" })

-- Seconds of a lease, where nothing else is said.
local TTL = 10

---@class luapool.lock.RedisOptions
---@field ttl? number seconds until the lock of a process that died is free; 10 unless said

--- Makes a lock on Redis or Valkey. All who use the same name on the same server share it. One who
--- waits is told by the server, and does not ask again and again.
---
--- The token rises even when the server has lost its data. Two may hold the lock after a failover
--- to a replica that did not yet know of it; only the token tells them apart. What the client
--- raises of a server that is not there or refuses, `acquire` raises, too.
---
--- ```lua
--- local client <close> = redis.connect(redis_url)
--- local shop = lock.redis(client, "shop", { ttl = 10 })
--- local held <close> = shop:hold()
--- print(lock.redis(client, "shop"):try_acquire()) --> nil
--- ```
---@param client luapool.redis.Client
---@param name string
---@param opts? luapool.lock.RedisOptions
---@return luapool.lock.Lock
function M.redis(client, name, opts)
  local meta = getmetatable(client)
  if type(meta) ~= "table" or meta.__name ~= "luapool.redis.Client" then
    usage.expected("lock.redis", 1, "a client of redis.connect", client)
  end
  usage.argument("lock.redis", 2, name, "string")
  if name == "" then usage.raise("lock.redis", "the name is empty") end
  opts = check_redis(opts)
  return class.new(require("luapool.internal.lock.redis").new(client, name, opts.ttl or TTL))
end


local check_etcd = options.define("lock.etcd", {
  endpoints = "string|table", name = "string", ttl = "positive", user = "string",
  password = "string", ca = "string", cert = "string", key = "string", verify = "boolean",
})

---@class luapool.lock.EtcdOptions
---@field endpoints? string|string[] URLs of the servers; "http://127.0.0.1:2379" unless said
---@field name string
---@field ttl? number seconds until the lock of a process that died is free, rounded up; 10 unless
--- said. The server may demand more, 2 say
---@field user? string
---@field password? string
---@field ca? string a file with the certificates of the authorities that are trusted
---@field cert? string a file with the certificate of this client
---@field key? string a file with its key
---@field verify? boolean false: the certificate of the server may be any

local function endpoints_of(value)
  local list = {}
  for i, url in ipairs(type(value) == "table" and value or { value or "http://127.0.0.1:2379" }) do
    if type(url) ~= "string" or not url:find "^https?://[^/]+/*$" then
      local text = "option 'endpoints': item %d must be a URL such as %q, got %s"
      local got = type(url) == "string" and ("%q"):format(url) or usage.describe(url)
      usage.raise("lock.etcd", text, i, "http://127.0.0.1:2379", got)
    end
    list[i] = url:gsub("/+$", "")
  end
  if #list == 0 then usage.raise("lock.etcd", "the option 'endpoints' is empty") end
  return list
end

--- Makes a lock on etcd (3.4 or later). Who comes first gets it first. It is the lock of `etcdctl
--- lock NAME`, so that shell scripts can take part. The fencing token is the revision of the key
--- `NAME/LEASE`.
---
--- ```lua
--- local nobody = lock.etcd { endpoints = "http://127.0.0.1:1", name = "shop", ttl = 10 }
--- print(select(2, pcall(nobody.try_acquire, nobody)).kind) --> connect
--- ```
---
--- ```lua
--- local opts = { endpoints = { "https://one.example:2379", "https://two.example:2379" },
---   name = "shop", user = "ann", password = "secret", ca = "/etc/etcd/ca.pem",
---   cert = "/etc/etcd/me.pem", key = "/etc/etcd/me.key", verify = true }
--- local shop = lock.etcd(opts) -- connects to nobody yet
--- ```
---@param opts luapool.lock.EtcdOptions
---@return luapool.lock.Lock
function M.etcd(opts)
  if opts == nil then usage.expected("lock.etcd", 1, "a table of options", opts) end
  opts = check_etcd(opts)
  if opts.name == nil then usage.raise("lock.etcd", "the option 'name' is missing") end
  if opts.name == "" then usage.raise("lock.etcd", "the name is empty") end
  if opts.password and not opts.user then
    usage.raise("lock.etcd", "the option 'password' needs 'user'")
  end
  local given = {}
  for name, value in pairs(opts) do given[name] = value end
  given.ttl, given.endpoints = opts.ttl or TTL, endpoints_of(opts.endpoints)
  return class.new(require("luapool.internal.lock.etcd").new(given))
end

return M
