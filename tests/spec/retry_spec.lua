-- luapool.retry: what is tried again, how long is waited, and what stands in the end.

local retry = require "luapool.retry"
local errors = require "luapool.error"
local json = require "luapool.json"
local pool = require "luapool.pool"
local task = require "luapool.task"

-- Fails `n` times with `err` and then returns its arguments; also its count of calls.
local function failing(n, err)
  local calls = { n = 0 }
  return function(...)
    calls.n = calls.n + 1
    if calls.n <= n then error(err or "fails", 0) end
    return ...
  end, calls
end

local function status_error(status, fields)
  fields = fields or {}
  fields.status = status
  return errors.new("status", "status " .. status, fields)
end

local NOW = retry.fixed(0)

describe("retry.call", function()
  it("takes the function and the policy in either order", function()
    local policy = { wait = NOW, attempts = 2 }
    for i, call in ipairs {
      function(fn) return retry.call(fn, policy, "a", "b") end,
      function(fn) return retry.call(policy, fn, "a", "b") end,
      function(fn) return retry.call(setmetatable({}, { __call = function(_, ...)
        return fn(...)
      end }), policy, "a", "b") end,
    } do
      local fn, calls = failing(1)
      assert.are.same({ "a", "b" }, { call(fn) })
      assert.are.equal(2, calls.n, i)
    end
    assert.are.equal(7, retry.call(nil, function(n) return n end, 7))
    assert.are.equal(7, retry.call(function(n) return n end, nil, 7))
    for text, call in pairs {
      ["retry.call: two functions: the policy"] = function() retry.call(print, print) end,
      ["bad argument #1 to 'retry.call' %(a function expected, got 5%)"] =
        function() retry.call(5, {}) end,
      ["bad argument #2 to 'retry.call' %(a function expected, got nil%)"] =
        function() retry.call {} end,
      ["bad argument #1 to 'retry.wrap' %(a function expected, got 1%)"] =
        function() retry.wrap(1) end,
      ["retry.call: unknown option 'atempts' %(did you mean 'attempts'"] =
        function() retry.call(print, { atempts = 1 }) end,
    } do
      local ok, e = pcall(call)
      assert.is_false(ok)
      assert.are.equal("usage", e.kind)
      assert.matches("^tests/spec/retry_spec.lua:%d+: " .. text, e)
    end
  end)

  it("tries again until it succeeds, and passes arguments and results through", function()
    local fn, calls = failing(2)
    local a, b, c = retry.call({ wait = NOW }, fn, 1, nil, 3)
    assert.are.same({ 1, nil, 3 }, { a, b, c })
    assert.are.equal(3, calls.n)
    assert.are.equal(0, select("#", retry.call({ wait = NOW }, (failing(1)))))
  end)

  it("raises the last error unchanged when it gives up", function()
    local e = status_error(503)
    local fn, calls = failing(9, e)
    local ok, got = pcall(retry.call, { attempts = 4, wait = NOW }, fn)
    assert.is_false(ok)
    assert.are.equal(e, got)
    assert.are.equal(4, calls.n)
    for _, plain in ipairs { "text", 7, false, { 1 } } do
      local _, raised = pcall(retry.call, { attempts = 2, wait = NOW }, function() error(plain,
        0) end)
      assert.are.equal(plain, raised)
    end
  end)

  it("tries three times unless told", function()
    local fn, calls = failing(9)
    pcall(retry.call, { wait = NOW }, fn)
    assert.are.equal(3, calls.n)
  end)

  it("waits in between, so that other tasks run", function()
    local order = {}
    local other = task.spawn(function()
      for i = 1, 3 do
        order[#order + 1] = "other " .. i
        task.sleep(0)
      end
    end)
    retry.call({ wait = 0.05, before = function(n) order[#order + 1] = "try " .. n end },
      failing(1))
    other:await()
    assert.are.same({ "try 1", "other 1", "other 2", "other 3", "try 2" }, order)
  end)
end)

describe("what is retried", function()
  local function is_retried(err, on)
    return retry.policy { on = on, wait = NOW }:delay(1, err) ~= nil
  end

  it("is everything but what will not pass, by default", function()
    for _, kind in ipairs { "connect", "dns", "tls", "timeout", "protocol", "aborted",
      "worker_died" } do
      assert.is_true(is_retried(errors.new(kind, "x")), kind)
    end
    for _, kind in ipairs { "cancelled", "too_large", "redirects" } do
      assert.is_false(is_retried(errors.new(kind, "x")), kind)
    end
    for _, status in ipairs { 408, 425, 429, 500, 502, 503, 504, 599 } do
      assert.is_true(is_retried(status_error(status)), tostring(status))
    end
    for _, status in ipairs { 400, 401, 403, 404, 410, 422, 499 } do
      assert.is_false(is_retried(status_error(status)), tostring(status))
    end
    assert.is_true(is_retried "a string")
    assert.is_true(is_retried { kind = "cancelled" })
    assert.is_true(is_retried(nil))
  end)

  it("is no mistake in the program", function()
    local empty, calls = {}, 0
    for mistake, text in pairs {
      [function() return undefined_name.get() end] = "global 'undefined_name'", -- luacheck: ignore
      [function() return undefined_name() end] = "global 'undefined_name'", -- luacheck: ignore
      [function() return undefined_name + 1 end] = "global 'undefined_name'", -- luacheck: ignore
      [function() return empty.call() end] = "call a nil value",
      [function() return empty.title.text end] = "index a nil value %(field 'title'%)",
      [function() return empty.n + 1 end] = "arithmetic on a nil value",
      [function() return "a" .. empty.n end] = "concatenate a nil value",
      [function() return empty.n < 1 end] = "compare nil with number",
      [function() return #empty.list end] = "length of a nil value",
      [function() return ("x"):rep(empty.n, {}) end] = "bad argument #1 to 'rep'",
      [function() return task.slep(1) end] = "field 'slep'",
      [function() return task.sleep "soon" end] = "bad argument #1 to 'task.sleep'",
    } do
      local ok, e = pcall(retry.call, function()
        calls = calls + 1
        mistake()
      end)
      assert.is_false(ok)
      assert.matches(text, e)
    end
    assert.are.equal(12, calls)
    assert.is_true(is_retried "attempt to call the server failed")
    assert.is_true(is_retried "spec.lua:5: attempt to reach the server failed")
    assert.is_true(is_retried "spec.lua:5: the server said: 5: attempt to index a nil value")
    assert.is_true(is_retried("spec.lua:5: attempt to call a nil value (local 'f')",
      function() return true end))
  end)

  it("is what `on` says", function()
    assert.is_true(is_retried(errors.new("dns", "x"), { "connect", "dns" }))
    assert.is_false(is_retried(errors.new("tls", "x"), { "connect", "dns" }))
    assert.is_false(is_retried("dns", { "dns" }))
    assert.is_true(is_retried(status_error(404), "status"))
    assert.is_true(is_retried("this one", function(e) return e == "this one" end))
    assert.is_false(is_retried("another", function(e) return e == "this one" end))
  end)

  it("is never a cancelled task", function()
    assert.is_false(is_retried(errors.new("cancelled", "x"), { "cancelled" }))
    assert.is_false(is_retried(errors.new("cancelled", "x"), function() return true end))
    local calls, gave_up = 0, false
    local running = task.spawn(retry.call, {
      wait = NOW, attempts = 100, on = function() return true end,
      on_giveup = function() gave_up = true end,
    }, function()
      calls = calls + 1
      task.sleep(1000)
    end)
    task.yield()
    running:cancel()
    local ok, e = running:result()
    assert.is_false(ok)
    assert.is_true(errors.is(e, "cancelled"))
    assert.are.same({ 1, false }, { calls, gave_up })
  end)

  it("can be cancelled while it waits", function()
    local fn, calls = failing(9)
    local running = task.spawn(retry.call, { wait = 1000 }, fn)
    task.yield()
    running:cancel()
    assert.is_false((running:result()))
    assert.are.equal(1, calls.n)
  end)

  it("is a result that on_result refuses; the last one stands", function()
    local n = 0
    local function count()
      n = n + 1
      return n, nil, "more"
    end
    local policy = { wait = NOW, attempts = 5, on_result = function(v, _,
      more) return v < 3 and more == "more" end }
    assert.are.same({ 3, nil, "more" }, { retry.call(policy, count) })
    n = 0
    policy.on_result = function() return true end
    assert.are.equal(5, (retry.call(policy, count)))
  end)
end)

describe("waits", function()
  local function series(wait, n, err)
    local policy = retry.policy { wait = wait, attempts = math.huge }
    local list = {}
    for i = 1, n do list[i] = policy:delay(i, err) end
    return list
  end

  it("follow their rules", function()
    assert.are.same({ 2, 2, 2 }, series(retry.fixed(2), 3))
    assert.are.same({ 1.5, 1.5 }, series(1.5, 2))
    assert.are.same({ 1.0, 2.0, 4.0, 8.0 }, series(retry.exponential(), 4))
    assert.are.same({ 0.5, 1.5, 4, 4 },
      series(retry.exponential { multiplier = 0.5, base = 3, max = 4 }, 4))
    assert.are.same({ 1, 3, 5, 6 }, series(retry.incrementing { start = 1, step = 2, max = 6 },
      4))
    assert.are.same({ 5, 3, 1, 0 }, series(retry.incrementing { start = 5, step = -2 }, 4))
    assert.are.same({ 1, 2, 2 }, series(retry.chain { retry.fixed(1), 2 }, 3))
    assert.are.same({ 10, 20 }, series(function(n) return n * 10 end, 2))
    assert.are.same({ 1e9 }, { series(retry.exponential(), 2000)[2000] })
  end)

  it("are random within their bounds", function()
    for _ = 1, 200 do
      local s = series(retry.random(1, 3), 1)[1]
      assert.is_true(s >= 1 and s <= 3)
      for i, most in ipairs { 0.5, 1, 2, 3, 3 } do
        s = series(retry.random_exponential { multiplier = 0.5, max = 3 }, 5)[i]
        assert.is_true(s >= 0 and s <= most)
      end
      assert.is_true(retry.policy():delay(1, "x") <= 0.5)
    end
  end)

  it("add up", function()
    assert.are.same({ 3.0, 4.0, 6.0 }, series(retry.fixed(2) + retry.exponential(), 3))
    assert.are.same({ 3, 3 }, series(1 + retry.fixed(2), 2))
    local s = series(retry.fixed(1) + retry.random(0, 1) + 1, 1)[1]
    assert.is_true(s >= 2 and s <= 3)
  end)

  it("honour Retry-After, in seconds or as a date", function()
    local function asked(headers)
      return series(retry.fixed(1), 1, status_error(503, { response = { headers = headers } }))[1]
    end
    assert.are.equal(7, asked { ["retry-after"] = "7" })
    assert.are.equal(1, asked { ["retry-after"] = "0" })
    assert.are.equal(1, asked { ["retry-after"] = "soon" })
    assert.are.equal(1, asked {})
    for _, form in ipairs { "!%a, %d %b %Y %H:%M:%S GMT", "!%A, %d-%b-%y %H:%M:%S GMT",
      "!%a %b %d %H:%M:%S %Y" } do
      local s = asked { ["retry-after"] = os.date(form, os.time() + 200) }
      assert.is_true(s > 150 and s <= 200, form)
    end
    assert.are.equal(1, asked { ["retry-after"] = "Wed, 21 Oct 2015 07:28:00 GMT" })
    assert.are.equal(9, series(NOW, 1, status_error(429, { retry_after = 9 }))[1])
  end)

  it("are given up where Retry-After asks for more than max_wait", function()
    local function asked(seconds, max_wait)
      local policy = retry.policy { wait = 0, max_wait = max_wait }
      local headers = { ["Retry-After"] = seconds }
      return policy:delay(1, status_error(503, { response = { headers = headers } }))
    end
    assert.are.equal(300, asked "300")
    assert.is_nil(asked "301")
    assert.is_nil(asked "100000")
    assert.is_nil(asked(os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time() + 86400)))
    assert.are.equal(1000, asked("1000", 1000))
    assert.is_nil(asked("2", 1))
    local n = 0
    local e = select(2, pcall(retry.call, { wait = 0 }, function()
      n = n + 1
      error(status_error(429, { retry_after = 100000 }), 0)
    end))
    assert.are.equal(1, n)
    assert.are.equal(429, e.status)
    assert.are.equal("the server asks to wait 100000 s, longer than max_wait (300 s)",
      retry.statistics(e).gave_up)
  end)

  it("end with attempts and max_elapsed", function()
    local policy = retry.policy { attempts = 3, max_elapsed = 10, wait = 4 }
    assert.are.equal(4, policy:delay(1, "x", 0))
    assert.are.equal(4, policy:delay(2, "x", 6))
    assert.is_nil(policy:delay(2, "x", 6.5))
    assert.is_nil(policy:delay(3, "x", 0))
    local fn, calls = failing(9)
    pcall(retry.call, { attempts = math.huge, max_elapsed = 0.05, wait = 0.02 }, fn)
    assert.is_true(calls.n <= 3)
  end)
end)

describe("callbacks", function()
  it("tell each step", function()
    local seen = {}
    local function note(name)
      return function(...) seen[#seen + 1] = { name, ... } end
    end
    retry.call({ wait = NOW, before = note "before", after = note "after",
      before_sleep = note "sleep" },
      failing(1, "oh"))
    assert.are.same({
      { "before", 1 }, { "after", 1, "oh" }, { "sleep", 1, "oh", 0 }, { "before", 2 },
        { "after", 2 },
    }, seen)
  end)

  it("may give other values when it gives up", function()
    local policy = { wait = NOW, attempts = 2 }
    policy.on_giveup = function(err, statistics) return nil, err, statistics.attempts end
    assert.are.same({ nil, "oh", 2 }, { retry.call(policy, failing(9, "oh")) })
    policy.on_giveup = function() end
    local ok, e = pcall(retry.call, policy, failing(9, "oh"))
    assert.are.same({ false, "oh" }, { ok, e })
  end)
end)

describe("statistics", function()
  it("tell of a wrapped function's last call and of an error", function()
    local e = errors.new("connect", "x")
    local fn = failing(9, e)
    local wrapped = retry.wrap(fn, { wait = 0.01, attempts = 3 })
    assert.is_nil(retry.statistics(wrapped))
    pcall(wrapped)
    local s = retry.statistics(wrapped)
    assert.are.equal(3, s.attempts)
    assert.are.equal(0.02, s.waited)
    assert.is_true(s.elapsed >= 0.02)
    assert.are.same(s, retry.statistics(e))
    pcall(retry.call, { wait = NOW }, failing(9, "plain"))
    assert.are.equal(3, retry.statistics("plain").attempts)
    assert.is_nil(retry.statistics "other")
    assert.is_nil(retry.statistics(nil))
  end)
end)

describe("a policy", function()
  local function refused(policy, what)
    local ok, e = pcall(retry.policy, policy)
    assert.is_false(ok)
    assert.matches(what, tostring(e), 1, true)
  end

  it("is checked", function()
    refused({ atempts = 3 }, "unknown option 'atempts' (did you mean 'attempts'?)")
    refused({ attempts = 0 }, "whole number from 1 to 2147483647 or math.huge, got 0")
    refused({ attempts = 1.5 }, "'attempts' must be a whole number")
    refused({ attempts = "3" }, "option 'attempts' must be a whole number")
    refused({ wait = "1" }, "option 'wait' must be a wait")
    refused({ wait = -1 }, "option 'wait' must be a wait")
    refused({ on = { 503 } }, "'on' lists kinds of errors, item 1 is 503")
    refused({ max_elapsed = -1 }, "'max_elapsed'")
    refused(3, "retry.policy: options must be a table, got 3")
    assert.has_error(function() retry.exponential { multiplyer = 1 } end)
    assert.has_error(function() retry.fixed "1" end)
    assert.has_error(function() retry.chain {} end)
    assert.has_error(function() return retry.fixed(1) + "x" end)
  end)

  it("is made once", function()
    local policy = retry.policy { attempts = 2 }
    assert.are.equal(policy, retry.policy(policy))
  end)
end)

describe("over processes", function()
  it("a wrapped function travels with its policy and its waits", function()
    local p <close> = pool.new { processes = 1 }
    local count = 0
    local wrapped = retry.wrap(function(limit)
      count = count + 1
      if count < limit then error("again", 0) end
      return count
    end, { attempts = 5, wait = retry.fixed(0) + retry.chain { 0,
      retry.exponential { max = 0 } } })
    assert.are.equal(4, p:apply(wrapped, 4))
    local text = p:apply(function(limit)
      local ok, e = pcall(wrapped, limit)
      return json.encode { ok, e, retry.statistics(wrapped).attempts,
        retry.statistics(e).attempts }
    end, 100)
    assert.are.equal('[false,"again",5,5]', text)
  end)
end)
