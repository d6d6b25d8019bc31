-- luapool.lock: what is special of each engine, and what a call says that is wrong.

local errors = require "luapool.error"
local etcd_server = require "tests.support.etcd_server"
local eventually = require "tests.support.eventually"
local fails = require "tests.support.fails"
local fs = require "luapool.fs"
local internal = require "tests.support.internal"
local lock = require "luapool.lock"
local pool = require "luapool.pool"
local process = require "luapool.process"
local redis = require "luapool.redis"
local redis_server = require "tests.support.redis_server"
local sync = require "luapool.sync"
local task = require "luapool.task"

local servers = {}

setup(function()
  servers.redis, servers.etcd = redis_server.start(), etcd_server.start()
end)

teardown(function()
  servers.redis:stop()
  servers.etcd:stop()
end)

-- A task that has begun to wait for the lock.
local function waiting(one, timeout)
  local t = task.spawn(function()
    local held <close> = one:hold(timeout)
    return held.token
  end)
  task.sleep(0.05)
  return t
end

describe("lock.file", function()
  local dir
  before_each(function() dir = fs.tempdir() end)
  after_each(function() dir:close() end)

  it("is shared by those who only read", function()
    local path = dir .. "/lock"
    local writer = lock.file(path)
    local readers = lock.file(path, { shared = true })
    writer:acquire()
    fails("timeout", readers.acquire, readers, 0.01)
    writer:release()
    local one = readers:acquire()
    assert.equal(1, one)
    local second = task.spawn(function()
      local held <close> = readers:hold(60) -- beside this one
      return held.token
    end)
    assert.equal(1, second:await())
    assert.is_nil(writer:try_acquire())
    local t = waiting(writer)
    readers:release()
    assert.equal(2, t:await())
  end)

  it("is one lock in all workers", function()
    local one, counter = lock.file(dir .. "/lock"), dir .. "/n"
    fs.write(counter, "0")
    local p <close> = pool.new { processes = 3 }
    local function count()
      for _ = 1, 20 do
        local held <close> = one:hold()
        local n = math.tointeger(fs.read(counter)) + 1
        assert(held.token == n)
        fs.write(counter, tostring(n))
      end
      return one
    end
    local list = p:map(count, { 1, 2, 3, 4, 5, 6 }):collect()
    assert.equal("120", fs.read(counter))
    assert.equal(121, one:acquire())
    assert.is_nil(list[1]:try_acquire()) -- it came back as one on the same file
    one:release()
  end)

  it("is free at once when its process is killed", function()
    local path = dir .. "/lock"
    local one = lock.file(path)
    local p <close> = pool.new { processes = 1 }
    local call = p:submit(function()
      if task.current().attempt > 1 then return "again" end
      lock.file(path):acquire()
      fs.write(path .. ".held", tostring(require("luapool").worker.pid))
      task.sleep(60)
    end)
    local pid = eventually(function()
      local ok, text = pcall(fs.read, path .. ".held")
      return ok and text ~= "" and text
    end)
    assert.is_nil(one:try_acquire())
    local t = waiting(one)
    process.exec { "kill", "-9", pid }
    assert.equal(2, t:await())
    assert.equal("again", call:await())
  end)

  it("gives out no token twice after a failure of power", function()
    local path = dir .. "/lock"
    local one = lock.file(path)
    one:acquire()
    one:release()
    local synced = fs.read(path) -- what is on the disk for certain
    local latest
    for _ = 1, 5 do
      latest = one:acquire()
      one:release()
    end
    fs.write(path, (synced:gsub("boot .*\n", "boot another-start-of-the-machine            \n")))
    local token = one:acquire()
    one:release()
    assert.is_true(token > latest)
    assert.equal(token + 1, one:acquire())
    one:release()
  end)

  it("raises the limit of its tokens", function()
    local path = dir .. "/lock"
    local one = lock.file(path)
    one:acquire()
    one:release()
    local text = fs.read(path)
    fs.write(path, (text:gsub("token %d+", ("token %019d"):format(1001))))
    assert.equal(1002, one:acquire())
    one:release()
    assert.matches("limit 0*2002\n", fs.read(path))
  end)

  it("locks what has the name, when somebody has replaced the file", function()
    local path = dir .. "/lock"
    local one, other = lock.file(path), lock.file(path)
    one:acquire()
    local t = waiting(other)
    fs.remove(path)
    local third = lock.file(path)
    assert.equal(1, third:acquire())
    one:release()
    task.sleep(0.05)
    assert.equal("running", t:status())
    third:release()
    assert.equal(2, t:await())
  end)

  it("says what is wrong with the file, and leaves it as it is", function()
    local function code_of(path, opts)
      local one = lock.file(path, opts)
      local e = fails("lock", one.acquire, one)
      assert.equal(path, e.path)
      return e.code, e.message
    end
    assert.equal("ENOENT", code_of(dir .. "/no/lock"))
    assert.equal("EISDIR", code_of(dir.path))
    process.exec { "mkfifo", dir .. "/pipe" }
    assert.equal("EINVAL", code_of(dir .. "/pipe"))
    fs.write(dir .. "/text", "something else")
    local before = fs.stat(dir .. "/text").mtime
    assert.equal("not_a_lock", code_of(dir .. "/text"))
    assert.equal("not_a_lock", code_of(dir .. "/text", { shared = true }))
    assert.equal("something else", fs.read(dir .. "/text"))
    assert.equal(before, fs.stat(dir .. "/text").mtime)
    local ok = pcall(lock.file(dir .. "/text").try_acquire, lock.file(dir .. "/text"))
    assert.is_false(ok)
  end)

  it("refuses network file systems", function()
    local file = internal "luapool.internal.lock.file"
    local e = fails("lock", file.check_place, "/mnt/x", 0x6969)
    assert.equal("network_file_system", e.code)
    assert.matches("lies on NFS", e.message, 1, true)
    file.check_place("/mnt/x", 0xEF53)
  end)

  it("closes its file, whatever happens", function()
    local function count() return #fs.list "/proc/self/fd" end
    local path = dir .. "/lock"
    local one, other = lock.file(path), lock.file(path)
    one:acquire()
    one:release()
    local before = count()
    for _ = 1, 20 do
      one:acquire()
      other:try_acquire()
      pcall(other.acquire, other, 0)
      local t = task.spawn(other.acquire, other)
      task.sleep(0)
      t:cancel()
      t:result()
      one:release()
      pcall(function()
        local _ <close> = one:hold()
        error "x"
      end)
    end
    assert.equal(before, count())
  end)
end)

describe("lock.redis", function()
  it("is free after its lease when its process is killed", function()
    local url = servers.redis.url
    local client <close> = redis.connect(url)
    local p <close> = pool.new { processes = 1 }
    local call = p:submit(function()
      if task.current().attempt > 1 then return "again" end
      local held = lock.redis(redis.connect(url), "killed", { ttl = 1 }):hold()
      redis.connect(url):set("pid", require("luapool").worker.pid)
      task.sleep(60)
      return held
    end)
    local pid = eventually(function() return client:get "pid" end)
    local one = lock.redis(client, "killed", { ttl = 1 })
    assert.is_nil(one:try_acquire())
    process.exec { "kill", "-9", pid }
    assert(one:acquire(60))
    one:release()
    assert.equal("again", call:await())
  end)

  it("loses a lease that the server does not renew in time", function()
    local server <close> = redis_server.start()
    local client <close> = redis.connect(server.url)
    local one = lock.redis(client, "a", { ttl = 1 })
    local e = fails("lost", function()
      local _ <close> = one:hold()
      task.shield(server.signal, server, "STOP")
      task.sleep(60)
    end)
    assert.matches("its server has not renewed it within 0.9 s", e.message, 1, true)
    server:signal "CONT"
  end)

  it("cancels the scope of a lease that is lost while it is handed over", function()
    local client <close> = redis.connect(servers.redis.url)
    local one = lock.redis(client, "late", { ttl = 60 })
    local take = one.engine.take
    one.engine.take = function(engine, grant, ...)
      take(engine, grant, ...)
      internal("luapool.internal.lock.class").lose(grant, "its process stood still")
    end
    local holding = task.spawn(function()
      local _ <close> = one:hold(60)
      task.sleep(60)
    end)
    local began = task.now()
    local ok, e = holding:result()
    assert.same({ false, "lost" }, { ok, e.kind })
    assert.matches("late.* is lost: its process stood still", e.message)
    assert.is_true(task.now() - began < 50) -- it was cancelled
    one.engine.take = take
    client:del "lock:{late}"
    assert(one:acquire(60))
    one:release()
  end)

  it("does not wait longer than its timeout for a server that stands still", function()
    local server <close> = redis_server.start()
    local client <close> = redis.connect(server.url, { timeout = 60 })
    local one = lock.redis(client, "a")
    server:signal "STOP"
    local began = task.now()
    fails("timeout", one.acquire, one, 0.2)
    assert.is_true(task.now() - began < 30)
    server:signal "CONT"
  end)

  it("has a token that rises when the server has lost its data", function()
    local client <close> = redis.connect(servers.redis.url)
    local one = lock.redis(client, "lost")
    local token = one:acquire()
    one:release()
    client:flushall()
    assert.is_true(one:acquire() > token)
    one:release()
  end)

  it("asks the server once for a turn, however many wait", function()
    local client <close> = redis.connect(servers.redis.url)
    local clients, locks = {}, {}
    local held = lock.redis(client, "herd", { ttl = 60 })
    held:acquire()
    local set = {}
    for i = 1, 10 do
      clients[i] = redis.connect(servers.redis.url)
      locks[i] = lock.redis(clients[i], "herd", { ttl = 60 })
      set[i] = task.spawn(function()
        local _ <close> = locks[i]:hold()
      end)
    end
    eventually(function() return client:info("clients"):find "blocked_clients:10" end)
    local function calls()
      return math.tointeger(client:info("stats"):match "total_commands_processed:(%d+)")
    end
    local before = calls()
    held:release()
    task.gather(set)
    -- A turn: BLPOP has its reply, take, give back. Each of the two scripts has at most six calls.
    assert.is_true(calls() - before < 10 * 30, calls() - before)
    for i = 1, 10 do clients[i]:close() end
  end)

  it("passes on what the client says of the server", function()
    local lazy <close> = redis.connect("redis://127.0.0.1:1", { lazy = true, timeout = 0.2 })
    local one = lock.redis(lazy, "a")
    fails("connect", one.try_acquire, one)
    local server <close> = redis_server.start { password = "secret" }
    local e = fails("redis", redis.connect, (server.url:gsub("secret", "wrong")))
    assert.equal("WRONGPASS", e.code)
  end)

  it("does not travel", function()
    local client <close> = redis.connect(servers.redis.url)
    local one = lock.redis(client, "a")
    local p <close> = pool.new { processes = 1 }
    local e = fails("cannot_send", p.apply, p, function() return one end)
    assert.matches("each worker makes one, with a client of its own", e.message, 1, true)
  end)
end)

describe("lock.etcd", function()
  local function make(name, more)
    local opts = { endpoints = servers.etcd.url, name = name, ttl = 2 }
    for key, value in pairs(more or {}) do opts[key] = value end
    return lock.etcd(opts)
  end

  -- Waits until so many hold or want the lock.
  local function await_keys(name, n)
    local encode = require("luapool.digest").base64.encode
    local range = { key = encode(name .. "/"), range_end = encode(name .. "0") }
    eventually(function()
      return servers.etcd:call("/v3/kv/range", range).count == tostring(n)
    end)
  end

  it("is the lock of etcdctl, too", function()
    local one, url = make "both", servers.etcd.url
    local command = { "etcdctl", "--endpoints", url, "lock", "both", "echo", "got it",
      env = { ETCDCTL_API = "3" } }
    local token = one:acquire()
    local t = task.spawn(process.exec, command)
    await_keys("both", 2)
    assert.equal("running", t:status())
    one:release()
    assert.matches("got it", t:await().stdout)
    assert.is_true(one:acquire(60) > token + 1)
    one:release()
  end)

  it("is had by who came first", function()
    local one, order, set = make "order", {}, {}
    one:acquire()
    for i = 1, 5 do
      local other = make "order"
      set[i] = task.spawn(function()
        local _ <close> = other:hold()
        order[#order + 1] = i
      end)
      await_keys("order", i + 1)
    end
    one:release()
    task.gather(set)
    assert.same({ 1, 2, 3, 4, 5 }, order)
  end)

  it("lines up anew when its lease runs out while it waits", function()
    local one, other = make "anew", make "anew"
    one:acquire()
    local known, other_id = {}, nil
    local function leases() return servers.etcd:call("/v3/lease/leases", { _ = 0 }).leases end
    for _, lease in ipairs(leases()) do known[lease.ID] = true end
    local t = waiting(other)
    await_keys("anew", 2)
    for _, lease in ipairs(leases()) do other_id = not known[lease.ID] and lease.ID or other_id end
    servers.etcd:call("/v3/lease/revoke", { ID = other_id })
    one:release()
    assert(t:await())
  end)

  it("is free after its lease when its process is killed, and travels", function()
    local one, flag = make "killed", sync.event()
    local pids = sync.queue()
    local p <close> = pool.new { processes = 1 }
    local call = p:submit(function()
      if task.current().attempt > 1 then return "again" end
      one:acquire()
      pids:put(require("luapool").worker.pid)
      flag:set()
      task.sleep(60)
    end)
    flag:wait()
    assert.is_nil(one:try_acquire())
    process.exec { "kill", "-9", tostring(pids:get()) }
    assert(one:acquire(60))
    one:release()
    assert.equal("again", call:await())
  end)

  it("loses a lease that the server does not renew in time, and finds it again", function()
    local server <close> = etcd_server.start()
    local endpoints = { "http://127.0.0.1:1", server.url .. "/" }
    local one = lock.etcd { endpoints = endpoints, name = "a", ttl = 2 }
    local e = fails("lost", function()
      local _ <close> = one:hold()
      task.shield(server.kill, server)
      task.sleep(60)
    end)
    assert.matches("its server has not renewed it within 1.8 s", e.message, 1, true)
    local message = fails("connect", one.acquire, one).message
    assert.matches("no server answers: " .. server.url .. " (POST ", message, 1, true)
    assert.matches(", http://127.0.0.1:1 (POST ", message, 1, true)
    server:start()
    assert.is_true(one:acquire(60) > e.token) -- the lease is on its disk still
    one:release()
  end)

  it("logs in, and again when the ticket is stale", function()
    local server <close> = etcd_server.start()
    server:protect "secret"
    local function with(user, password)
      return lock.etcd { endpoints = server.url, name = "a", user = user, password = password }
    end
    local one = with("root", "secret")
    assert(one:acquire())
    one:release()
    one.engine.gateway.ticket = "stale"
    assert(one:acquire())
    one:release()
    local wrong, nobody = with("root", "wrong"), with()
    local e = fails("etcd", wrong.acquire, wrong)
    assert.matches("authentication failed, invalid user ID or password", e.message, 1, true)
    e = fails("etcd", nobody.acquire, nobody)
    assert.matches("it wants the options user and password", e.message, 1, true)
  end)

  it("speaks TLS", function()
    local server <close> = etcd_server.start { tls = true }
    local one = lock.etcd { endpoints = server.url, name = "a", ca = server.ca }
    assert(one:acquire())
    one:release()
    local none = lock.etcd { endpoints = server.url, name = "a" }
    fails("tls", none.acquire, none)
    collectgarbage()
  end)

  it("tells what is no etcd", function()
    local nginx = require "tests.support.nginx"
    local server <close> = nginx.start()
    local one = lock.etcd { endpoints = server.url, name = "a" }
    local e = fails("etcd", one.acquire, one)
    assert.equal("not_etcd", e.code)
  end)
end)

describe("a lock", function()
  it("says what is wrong with a call", function()
    local function text(fn, ...) return fails("usage", fn, ...).message end
    assert.matches("bad argument #1 to 'lock.file' %(a string expected, got nil%)", text(lock.file))
    assert.matches("is no path", text(lock.file, ""))
    assert.matches("did you mean 'shared'", text(lock.file, "/a", { share = true }))
    assert.matches("a client of redis.connect", text(lock.redis, "redis://h", "a"))
    local client <close> = redis.connect(servers.redis.url)
    assert.matches("the name is empty", text(lock.redis, client, ""))
    assert.matches("option 'ttl' must be", text(lock.redis, client, "a", { ttl = 0 }))
    assert.matches("the option 'name' is missing", text(lock.etcd, {}))
    assert.matches("a table of options", text(lock.etcd))
    assert.matches("item 1 must be a URL", text(lock.etcd, { name = "a", endpoints = "h:2379" }))
    assert.matches("is empty", text(lock.etcd, { name = "a", endpoints = {} }))
    assert.matches("needs 'user'", text(lock.etcd, { name = "a", password = "x" }))
    local one = lock.file "/tmp/never-made"
    assert.matches("a number of seconds", text(one.acquire, one, -1))
    assert.matches("Lock:acquire", text(one.acquire, {}))
    assert.is_false(errors.is(select(2, pcall(fs.stat, "/tmp/never-made")), "lock"))
  end)
end)
