-- luapool.queue on Redis: what the server has to be, leases, calls whose answers are lost, what
-- is kept while the server is away.

local cut_proxy = require "tests.support.cut_proxy"
local digest = require "luapool.digest"
local eventually = require "tests.support.eventually"
local fs = require "luapool.fs"
local process = require "luapool.process"
local queue = require "luapool.queue"
local queue_process = require "tests.support.queue_process"
local redis = require "luapool.redis"
local redis_server = require "tests.support.redis_server"
local refused = require "tests.support.refused"
local task = require "luapool.task"
local worker = require "tests.support.queue_worker"

local take, now, settle = worker.take, worker.now, worker.settle
local done, args, numbers = worker.done, worker.args, worker.numbers

local K = { k = {} }

describe("luapool.queue on Redis", function()
  local server, client, url

  setup(function() server = redis_server.start { config = { "appendonly yes" } } end)
  teardown(function() server:stop() end)

  before_each(function()
    client = redis.connect(server.url)
    client:flushall()
    url = server.url .. "/0?ns=spec&lease=1"
  end)

  after_each(function() client:close() end)

  it("10: refuses a server that may throw jobs away", function()
    client:config_set("maxmemory-policy", "allkeys-lru")
    refused("eviction", "maxmemory-policy allkeys-lru", queue.open, url)
    client:config_set("maxmemory-policy", "noeviction")
    queue.open(url):close()
  end)

  it("refuses addresses and options that are wrong", function()
    refused("address", "lease=SECONDS", queue.open, server.url .. "?name=x")
    refused("address", "ns=NAME", queue.open, server.url .. "?ns=a{b}")
    refused("address", "'h:x' is no host", queue.open, "redis://h:x")
    refused("unknown_scheme", "did you mean 'redis'?", queue.open, "redsi://host")
    refused("usage", "option 'outbox' is for a queue on Redis", queue.open, "sqlite:x.db",
      { outbox = "y.db" })
    refused("usage", "option 'durable' must be \"replica\"", queue.open, url, { durable = "disk" })
    refused("connect", "connection refused", queue.open, "redis://127.0.0.1:1")
  end)

  it("gives the server its functions once, and again when they are gone", function()
    local q <close> = queue.open(url)
    local id = q:put("k", 1)
    client:function_flush()
    assert.are.equal("waiting", q:status(id).state)
    client:function_flush()
    assert.are.equal(id, take(q, 1, K)[1].id)
    assert.are.equal("lp1", client:function_list("LIBRARYNAME", "lp*")[1][2])
  end)

  it("leaves newer functions of its version in place", function()
    local q <close> = queue.open(url)
    local listed = client:function_list("LIBRARYNAME", "lp1", "WITHCODE")[1]
    local code = listed[#listed]
    local newer = code:gsub('REVISION = "%d+"', 'REVISION = "999"')
    client:function_load("REPLACE", newer)
    local other <close> = queue.open(url)
    assert.are.equal("999", client:fcall_ro("lp1_revision", 0))
    assert.is_string(other:put("k", 1))
    client:function_load("REPLACE", (code:gsub('REVISION = "%d+"', 'REVISION = "0"')))
    local third <close> = queue.open(url)
    assert.are.not_equal("0", client:fcall_ro("lp1_revision", 0))
    assert.are.equal(1, third:stats().k.waiting)
    assert.are.equal(1, q:stats().k.waiting)
  end)

  it("keeps namespaces apart, each with one hash tag", function()
    local a <close> = queue.open(server.url .. "/0?ns=a")
    local b <close> = queue.open(server.url .. "/0?ns=b")
    a:put("k", 1)
    assert.are.same({}, now(b, 5, K))
    assert.are.same({ 1 }, args(take(a, 1, K)))
    for _, key in ipairs(client:keys "*") do assert.matches("^lp:{[ab]}:", key) end
  end)

  it("10: leaves nothing but counts of what is done", function()
    local q = queue.open(url)
    q:put_all("k", numbers(1, 50), { key = "a", expires = 100 })
    q:flow { { "k", 1 }, { "k", 2, { unique_for = nil } }, on_done = { "k", 3 } }
    q:put("k", 4, { unique = "u" })
    for _ = 1, 54 do done(q, take(q, 1, K)[1], K, 1) end
    assert.are.equal(54, q:stats().k.done)
    q:close()
    local left = client:keys "*"
    table.sort(left)
    local p = "lp:{spec}:"
    assert.are.same({ p .. "count:k", p .. "kind:k", p .. "kinds", p .. "seq" }, left)
  end)

  it("10: takes no more jobs when its memory is full, and empties itself", function()
    local q <close> = queue.open(url)
    local ids = q:put_all("k", numbers(1, 20))
    local list = take(q, 2, K)
    client:set("of others", ("x"):rep(1000000))
    client:config_set("maxmemory", "500kb")
    finally(function() client:config_set("maxmemory", "0") end)
    refused("OOM", "maxmemory", q.put, q, "k", 21)
    assert.is_true(done(q, list[1], K))
    settle(q, list[2], K, { outcome = "failed", error = { kind = "x", message = "no" } })
    assert.are.equal("failed", q:status(list[2].id).state)
    assert.are.equal(1, q:retry(list[2].id))
    assert.are.equal("cancelled", q:cancel(ids[3]))
    for _ = 1, 18 do done(q, take(q, 1, K)[1], K) end
    assert.are.equal(19, q:stats().k.done)
    client:del "of others"
    client:config_set("maxmemory", "100mb")
    assert.is_string(q:put("k", 21))
  end)

  it("puts, claims and ends once though the answers are lost", function()
    local proxy <close> = cut_proxy.start(server.port)
    local q <close> = queue.open(proxy.url .. "/0?ns=spec&lease=20")
    local function lose(fn, ...)
      proxy.drop_answers = true
      local running = task.spawn(fn, ...)
      local before = proxy.connections
      eventually(function() return proxy.connections > before end)
      proxy.drop_answers = false
      return running:await()
    end
    local id = lose(q.put, q, "k", 1)
    lose(q.put_all, q, "k", { 2, 3 })
    assert.are.equal(3, q:stats().k.waiting)
    local list = lose(now, q, 2, K)
    assert.are.equal(id, list[1].id)
    assert.are.same({ 1, 2 }, args(list))
    assert.are.equal(1, list[1].token)
    assert.is_true(lose(done, q, list[1], K))
    assert.are.equal("retry", lose(q.store.crashed, q.store, list[2].id, list[2].token))
    assert.are.same({ 2, 1, 2, 1 }, { q:stats().k.waiting, q:stats().k.done,
      #now(q, 5, K), take(q, 0, K)[1] and 0 or 1 })
    assert.are.equal("asked", lose(q.cancel, q, list[2].id))
    local tick = { name = "n", minute = 1, job = { id = digest.uuid(7), kind = "t", args = "1" } }
    assert.are.same({ true }, lose(q.store.cron, q.store, { tick }))
    assert.are.equal(1, q:stats().t.waiting)
  end)

  it("is started by one only when the answer of its claim comes after the lease", function()
    local proxy <close> = cut_proxy.start(server.port)
    local first <close> = queue.open(proxy.url .. "/0?ns=spec&lease=3")
    local second <close> = queue.open(url)
    now(first, 1, K) -- it has told of its kinds
    second:put("k", 1)
    proxy.drop_answers = true
    local claim = task.spawn(now, first, 1, K)
    task.sleep(3.3)
    proxy.drop_answers = false
    assert.are.equal(1, #claim:await())
    assert.are.equal(0, #now(second, 1, K))
  end)

  it("6: a call that is made again does not tell of a job that was lost since", function()
    local q <close> = queue.open(url)
    q:put("k", 1)
    local function claim(number)
      local reply = client:fcall("lp1_settle", 1, "lp:{spec}:", "somebody", number, 1, 1, 1, 1,
        "k", "", "", "", 0)
      return reply[4]
    end
    assert.are.equal("1", claim(1))
    q.store:sweep()
    assert.are.equal("2", claim(2))
    assert.is_nil(claim(1))
    assert.are.equal("2", claim(2))
  end)

  it("gives back what was claimed by a call that nobody waited for", function()
    local proxy <close> = cut_proxy.start(server.port)
    local q <close> = queue.open(proxy.url .. "/0?ns=spec&lease=1")
    local id = q:put("k", 1)
    local first = q:put("other", 1)
    assert.are.equal(first, take(q, 1, { other = {} })[1].id) -- it runs: the lease is renewed
    proxy:stall()
    local claiming = task.spawn(now, q, 1, K)
    task.sleep(0.05)
    claiming:cancel "no more"
    claiming:result()
    proxy:resume()
    eventually(function() return q:status(id).attempts > 0 or q:status(id).state == "waiting" end)
    eventually(function() return q:status(id).state == "waiting" end)
    assert.are.equal(0, q:status(id).attempts)
    assert.are.equal(id, take(q, 1, K)[1].id)
  end)

  it("4, 5, 6: renews leases; past its own a process loses its jobs and cannot end them", function()
    local q <close> = queue.open(url)
    local id = q:put("k", 1, { result_ttl = 60 })
    local other = queue_process.start(url, K)
    assert.are.equal(id, other:ask "claim 1")
    local first = q:status(id)
    task.sleep(2.5) -- more than two leases
    q.store:sweep()
    assert.are.equal("running", q:status(id).state)
    process.exec { "kill", "-STOP", other.pid }
    local job = take(q, 1, K)[1]
    assert.are.equal(id, job.id)
    assert.are.equal(2, job.token)
    assert.are.equal(1, q:status(id).losses)
    process.exec { "kill", "-CONT", other.pid }
    assert.are.equal("false", other:ask "done")
    assert.are.equal("running", q:status(id).state)
    assert.is_true(done(q, job, K, "mine"))
    assert.are.equal("mine", q:result(id))
    assert.are.equal(first.started_at < q:status(id).started_at, true)
    other:kill()
  end)

  it("tells what is lost when the lease could not be renewed", function()
    local proxy <close> = cut_proxy.start(server.port)
    local q <close> = queue.open(proxy.url .. "/0?ns=spec&lease=1")
    local id = q:put("k", 1)
    local job = take(q, 1, K)[1]
    proxy:stall()
    local lost = eventually(function()
      local _, list = q.store:renew()
      return list[1]
    end)
    assert.are.equal(id, lost)
    proxy:cut()
    proxy:resume()
    local direct <close> = queue.open(url)
    local again = take(direct, 1, K)[1]
    assert.is_true(again.token > job.token)
    assert.is_false(done(q, job, K))
    assert.is_true(done(direct, again, K))
  end)

  it("9: waits for no answer longer than its lease lasts", function()
    local proxy <close> = cut_proxy.start(server.port)
    local q <close> = queue.open(proxy.url .. "/0?ns=spec&lease=1")
    local id = q:put("k", 1)
    local job = take(q, 1, K)[1]
    local start = task.now()
    proxy:stall()
    local ok, e = pcall(q.store.progress, q.store, { { id = id, token = job.token, share = 0.5 } })
    assert.are.same({ false, "timeout" }, { ok, e.kind })
    local lost = eventually(function()
      q.store:wait(60)
      local _, list = q.store:renew()
      return list[1]
    end)
    assert.are.equal(id, lost)
    assert.is_true(task.now() - start < 4) -- before the client gives up: 5 s
    proxy:resume()
    q.store:sweep()
  end)

  it("9: works on after its connections were cut, again and again", function()
    local proxy <close> = cut_proxy.start(server.port)
    local q <close> = queue.open(proxy.url .. "/0?ns=spec&lease=20")
    local direct <close> = queue.open(url)
    local seen = {}
    local consumer = task.spawn(function()
      while #seen < 200 do
        for _, job in ipairs(take(q, 1, K)) do
          if done(q, job, K) then seen[#seen + 1] = args { job }[1] end
        end
      end
    end)
    for n = 1, 200 do
      direct:put("k", n)
      if n % 10 == 0 then proxy:cut() end
    end
    consumer:await()
    assert.are.same(numbers(1, 200), seen)
    assert.are.equal(200, q:stats().k.done)
  end)

  it("12: no clock counts but that of the server", function()
    local fast <close> = redis_server.start { ahead = 3600 }
    local place = fast.url .. "/0?ns=spec&lease=1"
    local q <close> = queue.open(place)
    local id = q:put("k", 1, { delay = 0.1, expires = 1000 })
    assert.is_true(q:status(id).put_at > os.time() + 3000)
    local ahead <close> = queue_process.start(place, K, 7200)
    local behind <close> = queue_process.start(place, K, -7200)
    assert.are.equal(id, ahead:ask "take")
    local other = q:put("k", 2, { delay = 1000 })
    local expired = q:put("k", 3, { expires = 0.01 })
    task.sleep(2.5) -- more than two leases
    assert.are.equal("", behind:ask "claim 9")
    assert.are.equal("running scheduled expired", table.concat({ q:status(id).state,
      q:status(other).state, q:status(expired).state }, " "))
    assert.are.equal("true", ahead:ask "done")
  end)

  it("tells sleepers when something comes to wait, and only then", function()
    local q <close> = queue.open(url)
    local bell <close> = client:subscribe "lp:{spec}:wake"
    local function rings()
      client:publish("lp:{spec}:wake", "end")
      local n = 0
      while bell:get() ~= "end" do n = n + 1 end
      return n
    end
    q:put("k", 1)
    assert.are.equal(1, rings())
    q:put_all("k", numbers(2, 50))
    q:put("k", 51)
    assert.are.equal(0, rings())
    local list = take(q, 51, K)
    assert.are.equal(0, rings())
    settle(q, list[1], K, { outcome = "back" })
    assert.are.equal(1, rings())
    q:put("k", 52, { delay = 1000 })
    assert.are.equal(1, rings())
    q:put("k", 53, { delay = 2000 })
    assert.are.equal(0, rings())
    q:put("k", 54, { delay = 500 })
    assert.are.equal(1, rings())
    for i = 2, 10 do done(q, list[i], K) end
    assert.are.equal(0, rings())
    q:status(list[11].id)
    done(q, list[11], K)
    assert.are.equal(1, rings())
  end)

  it("sees to a hundred rows in a call, and no more", function()
    local q <close> = queue.open(url)
    q:put_all("k", numbers(1, 250), { delay = 0.01 })
    q:put_all("k", numbers(1, 250), { expires = 0.01 })
    task.sleep(0.05)
    for round = 1, 5 do
      q.store:sweep()
      local stats = q:stats().k
      local left = stats.scheduled + stats.waiting - (250 - stats.scheduled)
      assert.are.equal(500 - round * 100, left)
    end
    assert.are.equal(250, q:stats().k.expired)
    assert.are.equal(250, q:stats().k.waiting)
  end)

  it("keeps puts in a file while the server is away, and puts them when it is back", function()
    local own <close> = redis_server.start { config = { "appendonly yes", "appendfsync always" } }
    local dir <close> = fs.tempdir()
    local place, opts = own.url .. "/0?ns=spec", { outbox = dir.path .. "/out.db" }
    local ids = {}
    do
      local q <close> = queue.open(place, opts)
      ids[1] = q:put("k", 1)
      own:kill()
      ids[2] = q:put("k", 2)
      local rest = q:put_all("k", { 3, 4 }, { priority = 1 })
      table.move(rest, 1, 2, 3, ids)
    end
    do
      local q <close> = queue.open(place, opts) -- the server is still away
      ids[5] = q:put("k", 5)
      own:start()
      eventually(function() return q.store.outbox.size == 0 end)
    end
    local q <close> = queue.open(place)
    assert.are.same({ 3, 4, 1, 2, 5 }, args(take(q, 5, K)))
    for i, id in ipairs(ids) do assert.are.equal(i, q:status(id).args) end
  end)

  it("waits for a replica where that is wanted", function()
    local q <close> = queue.open(url, { durable = "replica" })
    local e = refused("replica", "no replica has confirmed", q.put, q, "k", 1)
    assert.are.equal("queue", e.kind)
    local replica <close> = redis_server.start { replica_of = server }
    local direct <close> = redis.connect(replica.url)
    eventually(function() return direct:info("replication"):find "master_link_status:up" end)
    local id = q:put("k", 2)
    assert.are.equal("k", direct:hget("lp:{spec}:j:" .. id, "k"))
  end)

  it("lists page by page in large stores, and purges in bites", function()
    local q <close> = queue.open(url)
    local ids = q:put_all("k", numbers(1, 3000))
    local last = q:put("other", 1)
    assert.are.equal(last, q:list({ kind = "other" })[1].id)
    local page = q:list { limit = 700, after = ids[1100] }
    assert.are.equal(700, #page)
    assert.are.equal(ids[1101], page[1].id)
    assert.are.equal(ids[1800], page[700].id)
    assert.are.equal(3001, #q:list { limit = 5000 })
    assert.are.equal(3000, q:purge { state = "waiting", kind = "k" })
    assert.are.equal(1, q:stats().other.waiting)
    refused("too_large", "put them in parts", q.put_all, q, "k", setmetatable({}, {
      __len = function() return 100001 end, __index = function() return 1 end }))
  end)
end)
