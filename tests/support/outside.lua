-- What reaches outside, for test_allow.c: each row is a call and the permission that it wants. The
-- modules below have no other functions but those of rows and those that are named as harmless, so
-- that whoever adds one says what it does. It runs in an environment
--   "bits"     without any permission,
--   "host"     with all of them, whose host refuses everything,
--   "options"  with all of them, whose host refuses all but URL.
local phase, home = ...

local csv = require "luapool.csv"
local dns = require "luapool.dns"
local fs = require "luapool.fs"
local http = require "luapool.http"
local lock = require "luapool.lock"
local memcached = require "luapool.memcached"
local pool = require "luapool.pool"
local process = require "luapool.process"
local redis = require "luapool.redis"
local signal = require "luapool.signal"
local socket = require "socket.core"
local sqlite = require "luapool.sqlite"
local ssl = require "ssl"

local URL = "http://127.0.0.1:9/"
local LOOPBACK = "127.0.0.1"

local function get(opts)
  return function() return http.get(URL, opts) end
end

local function get_cached(address)
  return function()
    local client <close> = memcached.client { servers = { address } }
    client:get "a"
  end
end

-- name, permission, call, subject as the host is told it (without one it is not asked)
local rows = {
  { "fs.read", "read", function() fs.read "/etc/../etc/./passwd" end, "/etc/passwd" },
  { "fs.lines", "read", function() fs.lines "/etc/passwd" end, "/etc/passwd" },
  { "fs.list", "read", function() fs.list "/etc" end, "/etc" },
  { "fs.stat", "read", function() fs.stat "/etc" end, "/etc" },
  { "fs.write", "write", function() fs.write("/no/such", "") end, "/no/such" },
  { "fs.append", "write", function() fs.append("/no/such", "") end, "/no/such" },
  { "fs.mkdir", "write", function() fs.mkdir "/no/such" end, "/no/such" },
  { "fs.remove", "write", function() fs.remove "/no/such" end, "/no/such" },
  { "fs.rename", "write", function() fs.rename("/no/such", "/no/other") end, "/no/such" },
  { "fs.tempdir", "write", function() fs.tempdir() end, "/tmp/luapool-XXXXXX" },

  { "csv.rows", "read", function() csv.rows("/etc/passwd")() end, "/etc/passwd" },
  { "csv.writer", "write", function() csv.writer "/no/such" end, "/no/such" },

  { "io.open", "read", function() io.open "/etc/passwd" end, "/etc/passwd" },
  { "io.open", "write", function() io.open("/no/such", "w") end, "/no/such" },
  { "io.open", "write", function() io.open("/no/such", "ab") end, "/no/such" },
  { "io.open", "read", function() io.open("/no/such", "r+") end, "/no/such" },
  { "io.lines", "read", function() io.lines "/etc/passwd" end, "/etc/passwd" },
  { "io.lines", "process", function() io.lines() end, "io.lines" },
  { "io.input", "process", function() io.input "/etc/passwd" end, "io.input" },
  { "io.output", "process", function() io.output "/no/such" end, "io.output" },
  { "io.read", "process", function() io.read() end, "io.read" },
  { "io.close", "process", function() io.close() end, "io.close" },
  { "io.tmpfile", "write", function() io.tmpfile() end, "io.tmpfile" },
  { "io.popen", "exec", function() io.popen "true" end, "true" },

  { "os.remove", "write", function() os.remove "/no/such" end, "/no/such" },
  { "os.rename", "write", function() os.rename("/no/such", "/no/other") end, "/no/such" },
  { "os.tmpname", "write", function() os.tmpname() end, "os.tmpname" },
  { "os.execute", "exec", function() os.execute "true" end, "true" },
  { "os.execute", "exec", function() os.execute() end, "sh" },
  { "os.exit", "process", function() os.exit(77) end, "os.exit" },
  { "os.getenv", "process", function() os.getenv "PATH" end, "os.getenv" },
  { "os.setlocale", "process", function() os.setlocale "C" end, "os.setlocale" },

  { "process.exec", "exec", function() process.exec { "true" } end, "true" },
  { "process.new", "pools", function() process.new(function() end):start() end, "pool.new" },
  { "signal.on", "process", function() signal.on("TERM", print) end, "signal TERM" },
  { "signal.wait", "process", function() signal.wait "SIGHUP" end, "signal HUP" },
  { "pool.new", "pools", function() pool.new { processes = 1 } end, "pool.new" },

  { "dns.lookup", "net", function() dns.lookup "no-such-host.invalid" end,
    "dns://no-such-host.invalid" },

  { "http.request", "net", function() http.request("GET", "http://u:p@LOCALHOST:9/a/../b?q") end,
    "http://localhost:9/b?q" },
  { "http.get", "net", get(), URL },
  { "http.head", "net", function() http.head(URL) end, URL },
  { "http.delete", "net", function() http.delete(URL) end, URL },
  { "http.options", "net", function() http.options(URL) end, URL },
  { "http.post", "net", function() http.post(URL, { body = "x" }) end, URL },
  { "http.put", "net", function() http.put(URL, { body = "x" }) end, URL },
  { "http.patch", "net", function() http.patch(URL, { body = "x" }) end, URL },
  { "http.client", "net", function()
    local client <close> = http.client { base_url = URL }
    client:get "a"
  end, URL .. "a" },
  { "http.cache", "write", function() http.cache "/no/such" end, "/no/such" },
  { "http.post", "read", function() http.post(URL, { body = { file = "/etc/passwd" } }) end,
    "/etc/passwd" },
  { "http.post", "read", function()
    http.post(URL, { body = { file = "/etc/passwd" }, compress = "gzip" })
  end, "/etc/passwd" },
  { "http.post", "read", function()
    http.post(URL, { multipart = { a = { file = "/etc/passwd" } } })
  end, "/etc/passwd" },

  { "ssl.wrap", "net", function()
    local context = ssl.newcontext { mode = "client", protocol = "any" }
    ssl.wrap(assert(socket.connect(LOOPBACK, 9)), context)
  end, "tcp://127.0.0.1:9" },
  { "ssl.newcontext", "read", function()
    ssl.newcontext { mode = "client", protocol = "any", cafile = "/etc/passwd" }
  end, "/etc/passwd" },
  { "ssl.newcontext", "read", function()
    ssl.newcontext { mode = "client", protocol = "any", key = "/no/key" }
  end, "/no/key" },
  { "redis.connect", "read", function()
    redis.connect("rediss://127.0.0.1:9", { tls = { cert = "/no/cert" } })
  end, "/no/cert" },

  { "sqlite.open", "read", function() sqlite.open "/no/such" end, "/no/such" },
  { "sqlite.open", "read", function() sqlite.open("/no", { readonly = true }) end, "/no" },

  { "lock.file", "write", function() lock.file("/no/such"):acquire() end, "/no/such" },
  { "lock.redis", "net", function()
    local client <close> = redis.connect("redis://127.0.0.1:9", { lazy = true })
    lock.redis(client, "a"):acquire()
  end, "tcp://127.0.0.1:9" },
  { "lock.etcd", "net", function()
    lock.etcd({ endpoints = "http://127.0.0.1:9", name = "a" }):acquire()
  end, "http://127.0.0.1:9/v3/lease/grant" },

  { "memcached.client", "net", get_cached "127.0.0.1:9", "tcp://127.0.0.1:9" },
  { "memcached.client", "net", get_cached "no-such-host.invalid", "dns://no-such-host.invalid" },
  { "memcached.client", "net", get_cached "/no/socket", "/no/socket" },

  { "redis.connect", "net", function() redis.connect "redis://127.0.0.1:9" end,
    "tcp://127.0.0.1:9" },
  { "redis.connect", "net", function() redis.connect "redis://no-such-host.invalid" end,
    "dns://no-such-host.invalid" },
  { "redis.connect", "net", function() redis.connect "unix:///no/socket" end, "/no/socket" },

  { "socket.tcp", "net", function() socket.tcp():connect(LOOPBACK, 9) end, "tcp://127.0.0.1:9" },
  { "socket.tcp4", "net", function() socket.tcp4():bind("*", 0) end, "bind://0.0.0.0:0" },
  { "socket.tcp6", "net", function() socket.tcp6():bind("::1", 0) end, "bind://[::1]:0" },
  { "socket.tcp4", "net", function() socket.tcp4():listen() end, "bind://0.0.0.0:0" },
  { "socket.tcp", "net", function() socket.tcp():connect("no-such-host.invalid", 9) end,
    "dns://no-such-host.invalid" },
  { "socket.connect", "net", function() socket.connect(LOOPBACK, 9) end, "tcp://127.0.0.1:9" },
  { "socket.udp", "net", function() socket.udp():sendto("x", LOOPBACK, 9) end,
    "udp://127.0.0.1:9" },
  { "socket.udp4", "net", function() socket.udp4():setpeername(LOOPBACK, 9) end,
    "udp://127.0.0.1:9" },
  { "socket.udp6", "net", function() socket.udp6():setsockname("::1", 0) end, "bind://[::1]:0" },
  { "socket.dns.toip", "net", function() socket.dns.toip "no-such-host.invalid" end,
    "dns://no-such-host.invalid" },
  { "socket.dns.tohostname", "net", function() socket.dns.tohostname "127.0.0.1" end,
    "dns://127.0.0.1" },
  { "socket.dns.getaddrinfo", "net", function() socket.dns.getaddrinfo "no-such-host.invalid" end,
    "dns://no-such-host.invalid" },
  { "socket.dns.getnameinfo", "net", function() socket.dns.getnameinfo "127.0.0.1" end,
    "dns://127.0.0.1" },
}

local harmless = {
  ["csv.parse"] = true, ["csv.encode"] = true, ["csv.record"] = true,
  ["io.flush"] = true, ["io.type"] = true, ["io.write"] = true,
  ["os.clock"] = true, ["os.date"] = true, ["os.difftime"] = true, ["os.time"] = true,
  ["http.close"] = true, ["http.watch"] = true, ["http.jar"] = true, ["http.link"] = true,
  ["sqlite.blob"] = true,
  ["socket.__unload"] = true, ["socket.newtry"] = true, ["socket.protect"] = true,
  ["socket.skip"] = true, ["socket.sleep"] = true, ["socket.gettime"] = true,
  ["socket.select"] = true, ["socket.dns.gethostname"] = true,
}

local function check_complete()
  local known = {}
  for _, row in ipairs(rows) do known[row[1]] = true end
  local modules = { csv = csv, dns = dns, fs = fs, http = http, io = io,
    lock = lock, memcached = memcached, os = os, pool = pool,
    process = process, redis = redis, signal = signal, socket = socket, ["socket.dns"] = socket.dns,
    sqlite = sqlite }
  for name, module in pairs(modules) do
    for field, value in pairs(module) do
      local full = name .. "." .. field
      if type(value) == "function" and not known[full] and not harmless[full] then
        error(full .. " is in no row, and not among the harmless", 0)
      end
    end
  end
end

-- An option is what is refused; the URL may be asked for.
local options = {
  { "save_to", "write", "/no/such" }, { "ca", "read", "/no/ca" }, { "netrc", "read", "/no/netrc" },
  { "unix_socket", "net", "/no/socket" }, { "proxy", "net", "http://localhost:3128/" },
}

local function check_row(row)
  local name, what, call, subject = table.unpack(row)
  local ok, e = pcall(call)
  if ok or type(e) ~= "table" or e.kind ~= "denied" or e.what ~= what then
    error(("%s: kind denied of '%s' expected, got %s"):format(name, what, ok and "success" or e), 0)
  end
  if phase ~= "bits" and e.subject ~= subject then
    error(("%s: the host was told '%s' and not '%s'"):format(name, e.subject, subject), 0)
  end
end

local function check_options()
  for _, row in ipairs(options) do
    local name, what, subject = table.unpack(row)
    local value = name == "proxy" and "http://u:p@LOCALHOST:3128" or subject
    check_row { "http.get " .. name, what, get { [name] = value }, subject }
  end
  check_row { "http.get netrc", "read", get { netrc = true }, home .. "/.netrc" }
  check_row { "http.get cert", "read", get { cert = "/no/cert", key = "/no/key" }, "/no/cert" }
  local ok, e = pcall(get())
  assert(not ok and e.kind == "denied" and e.message:find "the host has refused the address", e)
end

if phase == "options" then return check_options() end
check_complete()
for _, row in ipairs(rows) do check_row(row) end
return #rows
