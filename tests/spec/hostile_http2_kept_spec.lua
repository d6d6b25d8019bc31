-- HTTP/2 connections that several requests share: tests/support/hostile/http2_kept.py.

local errors = require "luapool.error"
local hostile = require "tests.support.hostile"
local http = require "luapool.http"
local task = require "luapool.task"

describe("a connection of HTTP/2", function()
  local server, client

  setup(function() server = hostile.start() end)
  teardown(function() server:stop() end)
  before_each(function()
    client = http.client { http_version = "2", ca = server.ca, limit = 200 }
  end)
  after_each(function() client:close() end)

  -- Runs n requests at once; returns what each gave.
  local function burst(n, url, opts)
    local gets, results = {}, {}
    for i = 1, n do
      gets[i] = function() results[i] = table.pack(pcall(client.get, client, url, opts)) end
    end
    task.gather(gets)
    return results
  end

  it("is waited for, and shared, by requests that begin while it is opened", function()
    local at <close> = server:open("h2_good", { tls = "h2" })
    for _ = 1, 2 do
      for _, result in ipairs(burst(50, at.url)) do assert.are.equal("ok", result[2].body) end
    end
    assert.is_true(at:stats().connections <= 25) -- one; more in the build of small numbers
  end)

  it("that nobody answers on holds each request up for its connect_timeout", function()
    local at <close> = server:open("silent", { tls = "raw" })
    local began = os.time()
    for _, result in ipairs(burst(10, at.url, { connect_timeout = 0.3 })) do
      assert.is_true(errors.is(result[2], "timeout"), tostring(result[2]))
    end
    assert.is_true(os.difftime(os.time(), began) < 3) -- and not one after another
  end)

  it("that is refused fails each request", function()
    local at = server:open("silent", { tls = "raw" })
    at:close()
    for _, result in ipairs(burst(10, at.url)) do
      assert.is_true(errors.is(result[2], "connect"), tostring(result[2]))
    end
  end)

  it("may be left again while it is waited for", function()
    local at <close> = server:open("silent", { tls = "raw" })
    for _, result in ipairs(burst(10, at.url, { timeout = 0.2 })) do
      assert.is_true(errors.is(result[2], "timeout"), tostring(result[2]))
    end
    local tasks = {}
    for i = 1, 3 do tasks[i] = task.spawn(client.get, client, at.url) end
    task.sleep(0)
    for i = 3, 1, -1 do
      tasks[i]:cancel()
      assert.is_true(errors.is(select(2, tasks[i]:result()), "cancelled"))
    end
  end)

  it("is one a request where the server does not speak HTTP/2", function()
    local at <close> = server:open("good", { tls = true })
    for _, result in ipairs(burst(10, at.url)) do assert.are.equal("ok", result[2].body) end
    assert.is_true(at:stats().connections <= 10)
  end)

  it("that stalls is not used again", function()
    local at <close> = server:open("h2_stalls", { tls = "h2" })
    assert.are.equal("ok", client:get(at.url).body)
    local ok, e = pcall(client.get, client, at.url, { timeout = 0.2 })
    assert.is_true(not ok and e.kind == "timeout", tostring(e))
    assert.are.equal("ok", client:get(at.url).body)
    assert.is_true(at:wait { closed = 1 }) -- the stalled one
  end)

  it("that stalls is not used again, while the others on it may still be answered", function()
    local at <close> = server:open("h2_stalls", { tls = "h2" })
    assert.are.equal("ok", client:get(at.url).body)
    local patient = task.spawn(client.get, client, at.url)
    assert.is_true(at:wait { held = 1 })
    local ok, e = pcall(client.get, client, at.url, { timeout = 0.2 })
    assert.is_true(not ok and e.kind == "timeout", tostring(e))
    for _, result in ipairs(burst(20, at.url)) do assert.are.equal("ok", result[2].body) end
    at:signal()
    assert.are.equal("ok", patient:await().body)
    assert.are.equal("ok", client:get(at.url).body)
    assert.is_true(at:wait { closed = 1 })
  end)
end)
