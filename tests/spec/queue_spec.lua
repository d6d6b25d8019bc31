-- luapool.queue on each store: every call, every option. What a consumer does is done by hand here.

local json = require "luapool.json"
local pool = require "luapool.pool"
local queue = require "luapool.queue"
local refused = require "tests.support.refused"
local task = require "luapool.task"
local worker = require "tests.support.queue_worker"

local take, now, settle = worker.take, worker.now, worker.settle
local done, args, numbers = worker.done, worker.args, worker.numbers

for _, store in ipairs(require "tests.support.queue_stores") do
  describe("luapool.queue on " .. store.name, function()
    local place, q
    local K = { k = {} }

    before_each(function() place, q = store.open() end)
    after_each(function() place:close() end)

    it("puts a job, which is claimed and ends", function()
      local id = q:put("k", { a = { 1, "x" } }, { result_ttl = 60 })
      assert.matches("^%x+%-%x+%-7%x+%-[89ab]%x+%-%x+$", id)
      assert.are.equal("waiting", q:status(id).state)
      local job = take(q, 1, K)[1]
      assert.are.equal(id, job.id)
      assert.are.same({ a = { 1, "x" } }, json.decode(job.args))
      assert.are.equal(1, job.attempts)
      assert.are.equal("running", q:status(id).state)
      assert.is_true(done(q, job, K, { 1, 2 }))
      assert.are.same({ 1, 2 }, q:result(id))
      local status = q:status(id)
      assert.are.equal("done", status.state)
      assert.is_true(status.put_at <= status.started_at and status.started_at <= status.ended_at)
    end)

    it("keeps the order of puts, and starts the largest priority first", function()
      q:put_all("k", { 1, 2, 3 })
      q:put("k", 4, { priority = 5 })
      q:put_all("k", numbers(5, 40))
      q:put("k", 41, { priority = -1 })
      local wanted = { 4, 1, 2, 3 }
      for n = 5, 41 do wanted[#wanted + 1] = n end
      local list = now(q, 20, K)
      table.move(now(q, 100, K), 1, 21, 21, list)
      assert.are.same(wanted, args(list))
    end)

    it("keeps the order among kinds", function()
      for n = 1, 6 do q:put(n % 2 == 0 and "even" or "odd", n, { priority = n == 5 and 1 or 0 }) end
      assert.are.same({ 5, 1, 2, 3 }, args(now(q, 4, { even = {}, odd = {} })))
      assert.are.same({ 4, 6 }, args(now(q, 4, { even = {}, odd = {} })))
    end)

    it("claims of a thousand kinds", function()
      local kinds = {}
      for n = 1, 1000 do kinds["k" .. n] = {} end
      for n = 1000, 1, -200 do q:put("k" .. n, n) end
      assert.are.same({ 1000, 800, 600 }, args(now(q, 3, kinds)))
      assert.are.same({ 400, 200 }, args(now(q, 3, kinds)))
    end)

    it("puts many from many tasks", function()
      task.map(numbers(1, 200), function(n) return q:put("k", n) end, { concurrency = 100 }):drain()
      local seen = {}
      for _, n in ipairs(args(take(q, 200, K))) do seen[n] = (seen[n] or 0) + 1 end
      for n = 1, 200 do assert.are.equal(1, seen[n]) end
    end)

    it("takes any value of JSON as arguments", function()
      local values = { "x", 1, 2.5, true, json.null, json.array {}, { x = { y = { 1 } } } }
      for _, value in ipairs(values) do
        q:put("k", value)
        assert.are.same(value, args(now(q, 1, K))[1])
      end
      q:put "k"
      assert.are.equal(json.null, args(now(q, 1, K))[1])
    end)

    it("takes a put that is repeated as one", function()
      local id = q:put("k", 1)
      assert.are.equal(id, q:put("k", 1, { id = id }))
      assert.are.equal(1, q:stats().k.waiting)
      q:put("k", 1, { id = "01890a5d-ac96-774b-bcce-b302099a8057", key = "a" })
      q:put("k", 1, { id = "01890a5d-ac96-774b-bcce-b302099a8057", key = "a" })
      assert.are.equal(2, q:stats().k.waiting)
    end)

    it("starts a delayed job when it is due", function()
      local id = q:put("k", 1, { delay = 0.3 })
      q:put("k", 2, { delay = 1000 })
      local status = q:status(id)
      assert.are.equal("scheduled", status.state)
      local _, claimed, due = q.store:settle({}, 5, K)
      assert.are.same({}, claimed)
      assert.is_true(due > 0 and due <= 0.3)
      local job = take(q, 1, K)[1]
      assert.are.equal(id, job.id)
      assert.is_true(q:status(id).started_at >= status.due_at)
    end)

    it("ends what has expired, and starts it no more", function()
      local id = q:put("k", 1, { expires = 0.05 })
      local late = q:put("k", 2, { expires = 0.05, delay = 0.1 })
      q:put("k", 3, { expires = 1000 })
      refused("expired", "has expired", function()
        while not q:status(id).ended_at do q.store:sweep() end
        q:result(id)
      end)
      assert.are.same({ 3 }, args(take(q, 1, K)))
      while not q:status(late).ended_at do q.store:sweep() end
      assert.are.equal("expired", q:status(late).state)
      assert.are.equal(2, q:stats().k.expired)
    end)

    it("has one live job of a unique value", function()
      local id = q:put("k", 1, { unique = "u", result_ttl = 60 })
      assert.are.equal(id, q:put("k", 2, { unique = "u" }))
      assert.is_true(worker.is_new(q, "other", 2, { unique = "u" }))
      local job = take(q, 1, K)[1]
      assert.is_false(worker.is_new(q, "k", 2, { unique = "u" }))
      settle(q, job, K, { outcome = "again", delay = 0 })
      assert.is_false(worker.is_new(q, "k", 2, { unique = "u" }))
      done(q, take(q, 1, K)[1], K)
      local third = q:put("k", 3, { unique = "u" })
      assert.are_not.equal(id, third)
      q:cancel(third)
      assert.is_true(worker.is_new(q, "k", 4, { unique = "u" }))
    end)

    it("keeps a unique value for longer with unique_for", function()
      q:put("k", 1, { unique = "long", unique_for = 1000 })
      q:put("k", 2, { unique = "short", unique_for = 0.05 })
      for _, job in ipairs(take(q, 2, K)) do done(q, job, K) end
      assert.is_false(worker.is_new(q, "k", 1, { unique = "long" }))
      local late = task.now() + 30
      while not worker.is_new(q, "k", 2, { unique = "short" }) do assert(task.now() < late) end
    end)

    it("runs so many of a key at once, and others beside them", function()
      local kinds = { k = { per_key = 1 } }
      now(q, 1, kinds)
      q:put_all("k", { 1, 2, 3 }, { key = "a" })
      q:put("k", 4, { key = "b" })
      q:put_all("k", { 5, 6 })
      local list = now(q, 10, kinds)
      assert.are.same({ 1, 4, 5, 6 }, args(list))
      assert.are.equal(2, q:stats().k.waiting)
      assert.are.same({}, now(q, 10, kinds))
      done(q, list[1], kinds)
      local second = now(q, 10, kinds)
      assert.are.same({ 2 }, args(second))
      settle(q, second[1], kinds, { outcome = "failed", error = { message = "x" } })
      q:put("k", 7, { key = "a", priority = 9 })
      assert.are.same({ 7 }, args(now(q, 10, kinds)))
    end)

    it("knows the limit of a key for what was put before", function()
      q:put_all("k", { 1, 2, 3, 4 }, { key = "a" })
      q:put_all("k", { 5, 6 }, { key = "b" })
      local kinds = { k = { per_key = 2 } }
      assert.are.same({ 1, 2, 5, 6 }, args(now(q, 10, kinds)))
      assert.are.same({ 3, 4 }, args(now(q, 10, { k = {} })))
    end)

    it("lets others of the key pass a retry, unless it is strict", function()
      for _, strict in ipairs { false, true } do
        local kinds = { k = { per_key = 1, strict = strict } }
        now(q, 1, kinds)
        q:put_all("k", { 1, 2 }, { key = tostring(strict) })
        local first = now(q, 1, kinds)[1]
        settle(q, first, kinds, { outcome = "again", delay = strict and 0.2 or 1000 })
        local nexts = strict and take(q, 1, kinds) or now(q, 10, kinds)
        assert.are.same({ strict and 1 or 2 }, args(nexts))
        done(q, nexts[1], kinds)
        if strict then assert.are.same({ 2 }, args(now(q, 10, kinds))) end
      end
    end)

    it("runs so many of a kind at once in all processes", function()
      local kinds = { k = { concurrency = 2 }, free = {} }
      q:put_all("k", { 1, 2, 3 })
      q:put_all("free", { 4, 5 })
      local list = now(q, 10, kinds)
      assert.are.same({ 1, 2, 4, 5 }, args(list))
      local other <close> = queue.open(place.url)
      assert.are.same({}, now(other, 10, kinds))
      done(q, list[1], kinds)
      assert.are.same({ 3 }, args(now(other, 10, kinds)))
    end)

    it("starts no more than its rate in any period", function()
      local kinds = { k = { rate = { 2, per = 0.5 } } }
      q:put_all("k", numbers(1, 6))
      local starts = {}
      for i, job in ipairs(take(q, 6, kinds)) do starts[i] = q:status(job.id).started_at end
      table.sort(starts)
      for i = 3, 6 do assert.is_true(starts[i] - starts[i - 2] >= 0.5) end
    end)

    it("puts back what failed, later or at once, and counts attempts", function()
      local id = q:put("k", 1)
      local job = take(q, 1, K)[1]
      settle(q, job, K, { outcome = "again", delay = 0.05, error = { kind = "x", message = "no" } })
      assert.are.equal("scheduled", q:status(id).state)
      assert.are.equal("no", q:status(id).error.message)
      job = take(q, 1, K)[1]
      assert.are.equal(2, job.attempts)
      settle(q, job, K, { outcome = "again", delay = 0, charge = false })
      job = now(q, 1, K)[1]
      assert.are.equal(2, job.attempts)
      settle(q, job, K, { outcome = "back" })
      job = now(q, 1, K)[1]
      assert.are.equal(2, job.attempts)
      assert.is_true(done(q, job, K))
    end)

    it("keeps failed jobs, and puts them back", function()
      local ids = q:put_all("k", { 1, 2, 3 })
      for _, job in ipairs(take(q, 3, K)) do
        settle(q, job, K, { outcome = "failed", error = { kind = "odd", message = "no luck" } })
      end
      local e = refused("failed", "no luck", q.result, q, ids[1])
      assert.are.equal("odd", e.error.kind)
      assert.are.equal(3, #q:list { state = "failed" })
      assert.are.equal(3, q:stats().k.dead)
      assert.are.equal(1, q:retry(ids[2]))
      assert.are.equal(0, q:retry(ids[2]))
      assert.are.equal(2, q:retry { kind = "k" })
      assert.are.equal(0, q:stats().k.dead)
      assert.are.equal(0, q:stats().k.failed)
      local list = now(q, 5, K)
      assert.are.same({ 1, 2, 3 }, args(list))
      assert.are.equal(1, list[1].attempts)
    end)

    it("keeps results for their time: of the job, else of its kind", function()
      local kinds = { k = { result_ttl = 1000 } }
      local ids = { q:put("k", 1), q:put("k", 2, { result_ttl = 0 }) }
      for _, job in ipairs(take(q, 2, kinds)) do done(q, job, kinds, "r") end
      assert.are.equal("r", q:result(ids[1]))
      refused("unknown", "not to be kept", q.result, q, ids[2])
      assert.are.equal(2, q:stats().k.done)
      local short = q:put("k", 3, { result_ttl = 0.05 })
      done(q, take(q, 1, kinds)[1], kinds)
      local late = task.now() + 30
      while q:status(short) do
        q.store:sweep()
        assert(task.now() < late)
      end
    end)

    it("waits for a result, or as long as it is told", function()
      local id = q:put("k", 1, { result_ttl = 60 })
      refused("timeout", "has not ended within 0.05 s", q.result, q, id, { timeout = 0.05 })
      local waiting = task.spawn(q.result, q, id)
      local job = take(q, 1, K)[1]
      done(q, job, K, 42)
      assert.are.equal(42, waiting:await())
    end)

    it("cancels what waits at once, and asks what runs", function()
      local ids = { q:put("k", 1), q:put("k", 2, { delay = 100 }), q:put("k", 3) }
      assert.are.equal("cancelled", q:cancel(ids[1]))
      assert.are.equal("cancelled", q:cancel(ids[2]))
      refused("cancelled", "has been cancelled", q.result, q, ids[2])
      local job = take(q, 1, K)[1]
      assert.are.same({}, (q.store:renew()))
      assert.are.equal("asked", q:cancel(ids[3]))
      assert.are.same({ ids[3] }, (q.store:renew()))
      settle(q, job, K, { outcome = "cancelled" })
      assert.are.equal("cancelled", q:status(ids[3]).state)
      assert.is_nil(q:cancel(ids[3]))
      assert.is_nil(q:cancel "01890a5d-ac96-774b-bcce-b302099a8057")
      assert.are.equal(3, q:stats().k.cancelled)
    end)

    it("pauses a kind, and resumes it", function()
      q:pause "k"
      local id = q:put("k", 1)
      q:put("other", 2)
      assert.is_true(q:stats().k.paused)
      assert.are.same({ 2 }, args(now(q, 5, { k = {}, other = {} })))
      local waiting = task.spawn(take, q, 1, K)
      q:resume "k"
      assert.are.equal(id, waiting:await()[1].id)
    end)

    it("tells how far a job is", function()
      local id = q:put("k", 1)
      local job = take(q, 1, K)[1]
      q.store:progress { { id = id, token = job.token, share = 0.4, text = "page 3" } }
      assert.are.same({ share = 0.4, text = "page 3" }, q:status(id).progress)
      q.store:progress { { id = id, token = job.token + 1, share = 0.9 } }
      assert.are.equal(0.4, q:status(id).progress.share)
      settle(q, job, K, { outcome = "again" })
      assert.are.same({ share = 0.4, text = "page 3" }, now(q, 1, K)[1].progress)
    end)

    it("puts what a job adds when it settles", function()
      q:put("k", 1)
      local job = take(q, 1, K)[1]
      local added = { { id = "01890a5d-ac96-774b-bcce-b302099a8057", kind = "new", args = "7" } }
      assert.is_true(settle(q, job, K, { outcome = "done", added = added }))
      assert.are.same({ 7 }, args(now(q, 5, { new = {} })))
    end)

    it("lists jobs by state and kind, page by page", function()
      local ids = q:put_all("k", numbers(1, 5))
      q:put("other", 6, { delay = 100 })
      assert.are.equal(6, #q:list())
      assert.are.equal(1, #q:list { state = "scheduled" })
      assert.are.equal(5, #q:list { kind = "k", state = "waiting" })
      local page = q:list { limit = 2, after = ids[2] }
      assert.are.same({ ids[3], ids[4] }, { page[1].id, page[2].id })
      assert.are.same({}, q:list { kind = "nobody" })
      assert.is_nil(q:status "nobody")
      assert.is_nil(q:status "\xFF")
    end)

    it("purges what has ended, and cancels what has not begun", function()
      q:put_all("k", numbers(1, 3))
      settle(q, take(q, 1, K)[1], K, { outcome = "failed" })
      assert.are.equal(0, q:purge { older = 1000 })
      assert.are.equal(0, q:purge { kind = "other" })
      assert.are.equal(1, q:purge { state = "failed", kind = "k" })
      assert.are.equal(2, q:purge { state = "waiting" })
      assert.are.equal(0, q:stats().k.waiting)
      assert.are.equal(2, q:stats().k.cancelled)
      refused("usage", "can be cancelled only", q.purge, q, { state = "running" })
    end)

    it("does the ticks of cron once", function()
      local function tick(minute)
        return { name = "nightly", minute = minute,
          job = { id = require("luapool.digest").uuid(7), kind = "report", args = "{}" } }
      end
      local other <close> = queue.open(place.url)
      assert.are.same({ true }, q.store:cron { tick(100) })
      assert.are.same({ false }, other.store:cron { tick(100) })
      assert.are.same({ false, true }, other.store:cron { tick(99), tick(101) })
      assert.are.equal(101, q.store:cron_last "nightly")
      assert.is_nil(q.store:cron_last "other")
      assert.are.equal(2, q:stats().report.waiting)
    end)

    it("refuses what it could not carry", function()
      refused("no_json", "cannot be carried as JSON", q.put, q, "k", { f = print })
      refused("too_large", "at most 65536 are taken", q.put, q, "k", ("x"):rep(70000))
      local small <close> = queue.open(place.url, { max_args = 10 })
      refused("too_large", "at most 10 are taken", small.put, small, "k", "123456789")
      refused("no_json", "JSON", q.put_all, q, "k", { 1, print })
      assert.is_nil(q:stats().k)
      refused("usage", "did you mean 'priority'?", q.put, q, "k", 1, { prioritty = 1 })
      refused("usage", "the name of a kind", q.put, q, "a kind", 1)
      refused("usage", "'unique_for' needs 'unique'", q.put, q, "k", 1, { unique_for = 1 })
      refused("usage", "UUID of version 7", q.put, q, "k", 1, { id = "x" })
      refused("usage", "is of one job", q.put_all, q, "k", { 1, 2 }, { unique = "u" })
    end)

    it("is closed once, and refuses calls then", function()
      local other = queue.open(place.url)
      other:close()
      other:close()
      for name in ("put put_all flow status result list stats cancel pause resume retry purge")
        :gmatch "%S+" do
        refused("closed", "the queue is closed", other[name], other, "k", {})
      end
    end)

    it("goes to workers", function()
      local p <close> = pool.new { processes = 2 }
      local id = p:apply(function() return q:put("k", { from = "worker" }, { result_ttl = 60 }) end)
      local result = p:submit(function() return q:result(id) end)
      local job = take(q, 1, K)[1]
      assert.are.equal("worker", json.decode(job.args).from)
      done(q, job, K, "there")
      assert.are.equal("there", result:await())
      local e = p:apply(function()
        local _, e = pcall(q.put, q, "k", ("x"):rep(70000))
        return { e.kind, e.code }
      end)
      assert.are.same({ "queue", "too_large" }, e)
      local seen = p:apply(function()
        local ids = q:put_all("k", { 1, 2 }, { priority = 1 })
        local _, last = q:flow { { "other", 1 }, on_done = { "other", 2 } }
        q:pause "k"
        local paused = q:stats().k.paused
        q:resume "k"
        local gone = q:cancel(ids[1])
        local states = { q:status(last).state, gone, q:retry(ids[1]), #q:list { kind = "k" },
          q:purge { kind = "k", state = "waiting" }, paused, q:stats().k.paused }
        q:close() -- the main process's stays open
        return states
      end)
      assert.are.same({ "blocked", "cancelled", 1, 3, 2, true, false }, seen)
      assert.are.equal(1, q:stats().other.blocked)
    end)
  end)
end
