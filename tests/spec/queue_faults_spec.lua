-- What users of other queues suffered, and must be impossible here: the table of numbered
-- faults, as far as it belongs to the store. Each test names its number.

local digest = require "luapool.digest"
local json = require "luapool.json"
local queue = require "luapool.queue"
local queue_process = require "tests.support.queue_process"
local task = require "luapool.task"
local worker = require "tests.support.queue_worker"

local take, now, settle = worker.take, worker.now, worker.settle
local done, args, numbers = worker.done, worker.args, worker.numbers

for _, store in ipairs(require "tests.support.queue_stores") do
  describe("faults of others, on " .. store.name, function()
    local place, q
    local K = { k = {} }

    before_each(function() place, q = store.open() end)
    after_each(function() place:close() end)

    it("1: a delayed job runs once, however many look for it", function()
      local id = q:put("k", 1, { delay = 0.2 })
      local a <close> = queue_process.start(place.url, K)
      local b <close> = queue_process.start(place.url, K)
      local first = task.spawn(a.ask, a, "take")
      local other = task.spawn(b.ask, b, "take")
      local ended = task.wait({ first, other }, { return_when = "first_completed" })
      assert.are.equal(id, ended[1]:await())
      q:put("k", 2)
      local ids = { first:await(), other:await() }
      assert.are_not.equal(ids[1], ids[2])
    end)

    it("2, 3: what a killed process had runs again, at once and with its lock gone", function()
      local ids = q:put_all("k", numbers(1, 20))
      local other = queue_process.start(place.url, K)
      assert.are.equal(table.concat(ids, " ", 1, 7), other:ask "claim 7")
      assert.are.equal(7, q:stats().k.running)
      other:kill()
      local list = take(q, 20, K)
      assert.are.same(numbers(1, 20), (function()
        local all = args(list)
        table.sort(all)
        return all
      end)())
      for _, job in ipairs(list) do assert.is_true(done(q, job, K)) end
      assert.are.equal(20, q:stats().k.done)
    end)

    it("4, 5: a process that does nothing for long keeps its jobs as long as it lives", function()
      local id = q:put("k", 1)
      local other <close> = queue_process.start(place.url, K)
      assert.are.equal(id, other:ask "claim 1")
      for _ = 1, 5 do q.store:sweep() end
      assert.are.same({}, now(q, 1, K))
      assert.are.equal("true", other:ask "done")
    end)

    it("6: an owner that has lost a job cannot settle it", function()
      q:put("k", 1, { result_ttl = 60 })
      local job = take(q, 1, K)[1]
      settle(q, job, K, { outcome = "back" })
      local again = now(q, 1, K)[1]
      assert.is_true(again.token > job.token)
      assert.is_false(settle(q, job, K, { outcome = "done", value = "old",
        added = { { id = digest.uuid(7), kind = "k", args = "2" } } }))
      assert.are.equal("running", q:status(job.id).state)
      local settled = q.store:settle({
        { id = job.id, token = job.token, outcome = "done" },
        { id = again.id, token = again.token, outcome = "done", value = '"new"' },
      }, 0, K)
      assert.are.same({ false, true }, settled)
      assert.are.equal("new", q:result(job.id))
      assert.are.equal(0, q:stats().k.waiting)
      assert.are.equal(1, q:stats().k.done)
    end)

    it("7: a job that kills its workers ends", function()
      local kinds = { k = { crash_retries = 2 } }
      local id = q:put("k", 1)
      local answers = {}
      for i = 1, 3 do
        local job = take(q, 1, kinds)[1]
        assert.are.equal(i - 1, job.crashes)
        answers[i] = q.store:crashed(id, job.token)
      end
      assert.are.same({ "retry", "retry", "failed" }, answers)
      assert.are.equal("worker_died", q:status(id).error.kind)
      assert.are.equal(1, q:retry(id))
      assert.are.equal(0, take(q, 1, kinds)[1].crashes)
    end)

    it("7: a job that takes whole processes with it ends; at most once means once", function()
      local kinds = { k = { host_retries = 1 }, once = { lost = "fail" } }
      local id, once = q:put("k", 1), q:put("once", 2)
      for round = 1, 2 do
        local other = queue_process.start(place.url, kinds)
        while #other:ask "claim 2" == 0 do q.store:sweep() end
        other:kill()
        while q:status(id).state == "running" do q.store:sweep() end
        assert.are.equal(round == 1 and "waiting" or "failed", q:status(id).state)
        assert.are.equal("failed", q:status(once).state)
      end
      assert.are.equal("worker_died", q:status(id).error.kind)
    end)

    it("8: a flow ends whatever becomes of its jobs", function()
      local ids, last = q:flow { { "k", 1 }, { "k", 2 }, { "k", 3, { expires = 0.05 } },
        on_done = { "k", "end" }, on_failure = "continue" }
      assert.are.equal("blocked", q:status(last).state)
      q:cancel(ids[1])
      while not q:status(ids[3]).ended_at do q.store:sweep() end
      local job = take(q, 1, K)[1]
      assert.are.equal(ids[2], job.id)
      done(q, job, K, "two")
      local merge = take(q, 1, K)[1]
      assert.are.equal(last, merge.id)
      local seen = {}
      for i, child in ipairs(merge.children) do seen[i] = child.state end
      assert.are.same({ "cancelled", "done", "expired" }, seen)
      assert.are.equal("two", merge.children[2].result)
      assert.is_true(done(q, merge, K))
    end)

    it("8: a flow fails with one of its jobs, and goes on when that is put back", function()
      local ids, last = q:flow { { "k", 1 }, { "k", 2 },
        on_done = { "k", "end", { result_ttl = 60 } } }
      local list = take(q, 2, K)
      settle(q, list[1], K, { outcome = "failed", error = { kind = "x", message = "no" } })
      assert.are.equal("failed", q:status(last).state)
      assert.are.equal("child_failed", q:status(last).error.kind)
      done(q, list[2], K, 2)
      assert.are.equal(1, q:retry(ids[1]))
      assert.are.equal("blocked", q:status(last).state)
      done(q, take(q, 1, K)[1], K, 1)
      local merge = take(q, 1, K)[1]
      assert.are.same({ 1, 2 }, { merge.children[1].result, merge.children[2].result })
      done(q, merge, K, "all")
      assert.are.equal("all", q:result(last))
      assert.are.equal(3, q:stats().k.done)
      assert.are.equal(0, q:stats().k.failed)
    end)

    it("8: chains go step by step, flows stand in flows, and a cancel takes all", function()
      local ids = q:flow { chain = true, { "k", 1 }, { "k", 2 }, { "k", 3 } }
      for i = 1, 3 do
        local job = take(q, 1, K)[1]
        assert.are.equal(ids[i], job.id)
        assert.are.equal(i > 1 and i - 1 or nil, job.children and job.children[1].result)
        done(q, job, K, i)
      end
      local _, last = q:flow { { "k", 1 }, { { "k", 2 }, { "k", 3 }, on_done = { "k", 4 } },
        on_done = { "k", 5 } }
      assert.are.equal(3, q:stats().k.waiting)
      assert.are.equal("cancelled", q:cancel(last))
      assert.are.equal(0, q:stats().k.waiting + q:stats().k.blocked)
      assert.are.equal(5, q:stats().k.cancelled)
    end)

    it("8: a thousand parts are merged once", function()
      local parts = { on_done = { "merge", {}, { result_ttl = 60 } } }
      for n = 1, 1000 do parts[n] = { "k", n } end
      local _, last = q:flow(parts)
      local results = {}
      for i, job in ipairs(take(q, 1000, K)) do
        results[i] = { id = job.id, token = job.token, outcome = "done", value = job.args }
      end
      q.store:settle(results, 0, K)
      local merge = take(q, 1, { merge = {} })
      local sum = 0
      for _, child in ipairs(merge[1].children) do sum = sum + child.result end
      assert.are.equal(500500, sum)
      done(q, merge[1], { merge = {} }, sum)
      assert.are.equal(500500, q:result(last))
      assert.are.same({}, now(q, 1, { merge = {} }))
    end)

    it("9: a process that waited while the store was away goes on", function()
      local other <close> = queue_process.start(place.url, K)
      for n = 1, 3 do
        local taken = task.spawn(other.ask, other, "take")
        place.away()
        local id = digest.uuid(7)
        local putting = task.spawn(function()
          while not pcall(q.put, q, "k", n, { id = id }) do end
        end)
        place.back()
        assert.are.equal(id, taken:await())
        putting:await()
        assert.are.equal("true", other:ask "done")
      end
      assert.are.equal(3, q:stats().k.done)
    end)

    it("10: nothing is left of what is done", function()
      q:put_all("k", numbers(1, 300))
      for _, job in ipairs(take(q, 300, K)) do done(q, job, K, { result = ("x"):rep(100) }) end
      assert.are.same({}, q:list())
      assert.are.equal(300, q:stats().k.done)
    end)

    it("11: what is too large is refused by the call that puts it, and nothing is put", function()
      local small <close> = queue.open(place.url, { max_args = 10 })
      local fits, large = ("x"):rep(8), ("x"):rep(9) -- and two quotes
      small:put("k", fits)
      for _, call in ipairs {
        function() small:put("k", large) end,
        function() small:put_all("k", { fits, large }) end,
        function() small:flow { { "k", fits }, { "k", large }, on_done = { "k" } } end,
        function() q:put("k", ("x"):rep(64 * 1024 - 1)) end,
      } do
        local ok, e = pcall(call)
        assert.are.same({ false, "queue", "too_large" }, { ok, e.kind, e.code })
        assert.are.equal(1, q:stats().k.waiting + q:stats().k.blocked)
      end
      q:put("k", ("x"):rep(64 * 1024 - 2))
      assert.are.same({ 10, 64 * 1024 }, { #now(q, 1, K)[1].args, #now(q, 1, K)[1].args })
    end)

    it("12: processes whose clocks differ by an hour harm no order and no job", function()
      for _, ahead in ipairs { 3600, -3600 } do
        local other <close> = queue_process.start(place.url, K, ahead)
        local ids = { q:put("k", 1), other:ask "put k 2", q:put("k", 3), other:ask "put k 4" }
        assert.are.equal(ids[1], other:ask "claim 1")
        for _ = 1, 5 do q.store:sweep() end
        assert.are.same({ 2, 3, 4 }, args(now(q, 9, K)))
        other:kill()
        assert.are.equal(ids[1], take(q, 1, K)[1].id)
      end
    end)

    it("13: a tick of cron is put once by all processes, whoever dies", function()
      local function tick() return { name = "n", minute = 7,
        job = { id = digest.uuid(7), kind = "k", args = "1" } } end
      local queues = {}
      for i = 1, 5 do queues[i] = queue.open(place.url) end
      task.map(numbers(1, 50), function(n) queues[n % 5 + 1].store:cron { tick() } end):drain()
      for i = 1, 5 do queues[i]:close() end
      assert.are.equal(1, q:stats().k.waiting)
    end)

    it("14: a unique value is free as soon as its job has ended, however", function()
      local ends = {
        function(id) q:cancel(id) end,
        function() done(q, take(q, 1, K)[1], K) end,
        function() settle(q, take(q, 1, K)[1], K, { outcome = "failed" }) end,
        function(id)
          local other = queue_process.start(place.url, { k = { lost = "fail" } })
          assert.are.equal(id, other:ask "claim 1")
          other:kill()
          while not q:status(id).ended_at do q.store:sweep() end
        end,
      }
      local seen = {}
      for _, finish in ipairs(ends) do
        local id = q:put("k", 1, { unique = "u" })
        assert.is_nil(seen[id])
        seen[id] = true
        finish(id)
      end
      assert.is_true(worker.is_new(q, "k", 1, { unique = "u" }))
    end)

    it("15: one tenant with many jobs does not keep others waiting", function()
      local kinds = { k = { per_key = 1 } }
      now(q, 1, kinds)
      q:put_all("k", numbers(1, 2000), { key = "large" })
      q:put("k", 2001, { key = "small" })
      assert.are.same({ 1, 2001 }, args(now(q, 50, kinds)))
    end)

    it("16: kinds that a process does not know stay where they are", function()
      q:put("new", 1)
      q:put("k", 2)
      local other <close> = queue_process.start(place.url, K)
      local id = other:ask "claim 10"
      assert.are.equal(2, q:status(id).args)
      assert.are.equal(1, q:stats().new.waiting)
      assert.are.same({ 1 }, args(now(q, 5, { new = {} })))
    end)

    it("17: a cancel reaches a job that runs elsewhere, and is kept when it fails", function()
      local id = q:put("k", 1)
      local other <close> = queue_process.start(place.url, K)
      other:ask "claim 1"
      assert.are.equal("asked", q:cancel(id))
      assert.are.equal(id, other:ask "cancelled")
      other:kill()
      while not q:status(id).ended_at do q.store:sweep() end
      assert.are.equal("cancelled", q:status(id).state)
      id = q:put("k", 2)
      local job = take(q, 1, K)[1]
      q:cancel(id)
      settle(q, job, K, { outcome = "again", delay = 0 })
      assert.are.equal("cancelled", q:status(id).state)
    end)

    it("18: a process that waits is woken by a put of another one", function()
      local other <close> = queue_process.start(place.url, K)
      for n = 1, 5 do
        local taken = task.spawn(other.ask, other, "take")
        local id = q:put("k", n)
        assert.are.equal(id, taken:await())
      end
    end)

    it("18: a process that waits does not look for jobs all the time", function()
      local other <close> = queue_process.start(place.url, K)
      local waited = task.spawn(other.ask, other, "wait")
      task.sleep(2)
      q:put("k", 1)
      assert.is_true(tonumber(waited:await()) < 0.1)
    end)

    it("19: many processes that write at once wait for one another", function()
      local others = {}
      for i = 1, 4 do others[i] = queue_process.start(place.url, K) end
      task.map(numbers(1, 4), function(i)
        for n = 1, 50 do
          others[i]:ask("put k " .. json.encode { i, n })
          others[i]:ask "claim 1"
          others[i]:ask "done"
        end
      end):drain()
      for i = 1, 4 do others[i]:kill() end
      local stats = q:stats().k
      assert.are.equal(200, stats.done + stats.waiting)
      assert.are.equal(0, stats.running)
    end)
  end)
end
