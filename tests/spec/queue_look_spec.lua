-- luapool.queue on each store: what is seen of jobs in each state, what is put back or purged, and
-- the shapes of flows.

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

    it("starts again what was cancelled or has expired, but nothing else", function()
      local cancelled, expired = q:put("k", 1), q:put("k", 2, { expires = 0.05 })
      q:cancel(cancelled)
      while not q:status(expired).ended_at do q.store:sweep() end
      assert.are.same({ 1, 1 }, { q:retry(cancelled), q:retry(expired) })
      local list = now(q, 5, K)
      assert.are.same({ 1, 2 }, args(list))
      assert.are.equal(0, q:retry(cancelled)) -- it runs
      assert.is_true(done(q, list[1], K))
      assert.are.equal(0, q:retry(cancelled)) -- it is gone
      refused("usage", "an id or { kind = NAME }", q.retry, q)
      refused("usage", "unknown option 'kinds' (did you mean 'kind'?)", q.retry, q, { kinds = "k" })
    end)

    it("says how a job has not ended well", function()
      local id = q:put("k", 1)
      settle(q, take(q, 1, K)[1], K,
        { outcome = "failed", error = { kind = "x", message = "no" } })
      local e = refused("failed", "no", q.result, q, id)
      assert.are.same({ id, "x", "queue" }, { e.id, e.error.kind, e.kind })
      e = refused("unknown", "never was", q.result, q, "01890a5d-ac96-774b-bcce-b302099a8057")
      assert.are.equal("01890a5d-ac96-774b-bcce-b302099a8057", e.id)
    end)

    it("shows all that is known of a job", function()
      local _, last = q:flow { { "k", "part", { key = "tenant", priority = 7, delay = 500,
        expires = 1000 } }, on_done = { "k", "end" } }
      local job = q:list({ state = "scheduled" })[1]
      assert.are.same({ "k", "scheduled", "part", 7, 0, 0, 0, "tenant", last },
        { job.kind, job.state, job.args, job.priority, job.attempts, job.crashes, job.losses,
          job.key, job.parent })
      assert.is_true(math.abs(job.due_at - job.put_at - 500) < 1)
      assert.is_true(math.abs(job.expires_at - job.put_at - 1000) < 1)
      local id = q:put("k", 2, { unique = "u" })
      assert.are.equal("u", q:status(id).unique)
      assert.is_true(q:status(id).seq > job.seq)
      take(q, 1, K)
      q:cancel(id)
      assert.is_true(q:status(id).cancel)
      assert.is_true(q:status(id).started_at >= job.put_at)
    end)

    it("tells how many there are in which state, and how old the oldest is", function()
      local ids = q:put_all("k", numbers(1, 4))
      q:put("k", 5, { delay = 100 })
      q:flow { { "other", 1 }, on_done = { "k", 6 } }
      local list = take(q, 2, K)
      settle(q, list[1], K, { outcome = "failed" })
      q:cancel(ids[3])
      local of = q:stats().k
      assert.is_true(of.oldest >= 0 and of.oldest < 300)
      of.oldest = nil
      assert.are.same({ waiting = 1, scheduled = 1, blocked = 1, running = 1, dead = 1, done = 0,
        failed = 1, cancelled = 1, expired = 0, paused = false }, of)
      q:cancel(ids[4])
      assert.is_nil(q:stats().k.oldest)
    end)

    it("lists jobs of each state", function()
      local ids = {
        failed = q:put("k", 1, { priority = 9 }), done = q:put("k", 2, { priority = 8,
          result_ttl = 600 }), running = q:put("k", 3, { priority = 7 }), waiting = q:put("k", 4),
        cancelled = q:put("k", 5), scheduled = q:put("k", 6, { delay = 100 }),
        expired = q:put("other", 7, { expires = 0.05 }),
      }
      ids.blocked = select(2, q:flow { { "other", 8 }, on_done = { "k", 9 } })
      local list = take(q, 3, K)
      settle(q, list[1], K, { outcome = "failed" })
      done(q, list[2], K)
      q:cancel(ids.cancelled)
      while not q:status(ids.expired).ended_at do q.store:sweep() end
      for state, id in pairs(ids) do
        local of = q:list { state = state, kind = state == "expired" and "other" or "k" }
        assert.are.same({ 1, id, state }, { #of, of[1].id, of[1].state })
      end
    end)

    it("refuses flows that are none, and puts nothing of them", function()
      for text, spec in pairs {
        ["a flow is a list of jobs"] = {},
        ["a list of jobs"] = 7,
        ["unknown field 'on_don' (did you mean 'on_done'?)"] = { { "k" }, on_don = { "k" } },
        ["'on_failure' needs 'on_done'"] = { { "k" }, on_failure = "continue" },
        ["field 'on_failure' must be"] = { { "k" }, on_done = { "k" }, on_failure = "stop" },
        ["'on_done' is a job"] = { { "k" }, on_done = { { "k" } } },
        ["a flow inside another one needs"] = { { { "k" }, { "k" } }, on_done = { "k" } },
        ["a chain is of jobs"] = { chain = true, { "k" }, { { "k" } } },
        ["has no 'unique'"] = { { "k", 1, { unique = "u" } } },
        ["did you mean 'priority'?"] = { { "k", 1, { prioritty = 1 } } },
        ["the name of a kind"] = { { "a kind" } },
      } do
        refused("usage", text, q.flow, q, spec)
      end
      refused("no_json", "JSON", q.flow, q, { { "k" }, { "k", print } })
      assert.is_nil(q:stats().k)
      assert.are.same({}, q:put_all("k", {}))
    end)

    it("goes on or fails with a chain, as it is told", function()
      for _, how in ipairs { "fail", "continue" } do
        local ids, last = q:flow { chain = true, { "k", 1 }, { "k", 2 }, on_done = { "k", 3 },
          on_failure = how }
        assert.are.equal(last, ids[3])
        settle(q, take(q, 1, K)[1], K, { outcome = "failed" })
        if how == "fail" then
          assert.are.equal("failed", q:status(ids[2]).state)
          assert.are.equal("failed", q:status(last).state)
        else
          local second = take(q, 1, K)[1]
          assert.are.same({ ids[2], "failed" }, { second.id, second.children[1].state })
          done(q, second, K)
          assert.are.equal(last, take(q, 1, K)[1].id)
        end
      end
    end)

    it("purges what has not begun by its age since the put", function()
      local old = q:put("k", 4, { delay = 1000 })
      local _, last = q:flow { { "k", 5, { delay = 1000 } }, on_done = { "other", 6 } }
      assert.are.equal(0, q:purge { state = "scheduled", older = 1000 })
      while os.time() <= q:status(old).put_at do task.sleep(0.05) end
      assert.are.equal(0, q:purge { state = "scheduled", kind = "other", older = 0.001 })
      assert.are.equal(1, q:purge { state = "blocked", older = 0 })
      assert.are.equal("cancelled", q:status(last).state)
      assert.are.equal(2, q:purge { state = "scheduled", kind = "k", older = 0.001 })
      assert.are.equal("cancelled", q:status(old).state)
    end)
  end)
end
