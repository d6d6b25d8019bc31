-- Limits of luapool.http: places in a queue, times, streams that hold places.

local errors = require "luapool.error"
local hostile = require "tests.support.hostile"
local http = require "luapool.http"
local nginx = require "tests.support.nginx"
local task = require "luapool.task"

describe("a limit of luapool.http", function()
  local server, url, broken

  setup(function()
    server = nginx.start()
    url = server.url
    broken = hostile.start()
  end)
  teardown(function()
    server:stop()
    broken:stop()
  end)

  -- Runs fn, which has to raise kind timeout; returns the text.
  local function times_out(fn, ...)
    local ok, e = pcall(fn, ...)
    assert.is_false(ok)
    assert.is_true(errors.is(e, "timeout"), tostring(e))
    return tostring(e)
  end

  describe("of places", function()
    it("does not count the time in the queue", function()
      for _, limits in ipairs { { limit = 1 }, { limit_per_host = 1 } } do
        limits.timeout = 1.5
        local client <close> = http.client(limits)
        local list = {}
        for i = 1, 8 do list[i] = function() return client:get(url .. "/delay/0.3") end end
        for _, res in ipairs(task.gather(list)) do
          assert.are.equal("ok", res.body)
          assert.is_true(res.elapsed < 1.5)
        end
      end
    end)

    it("is told when none becomes free in time", function()
      local client <close> = http.client { limit = 1, queue_timeout = 0.2 }
      local first = task.spawn(client.get, client, url .. "/delay/30")
      task.yield()
      local text = times_out(client.get, client, url .. "/bytes/1")
      assert.is_truthy(text:find("waiting for a place: all 1 are taken, see limit", 1, true))
      assert.is_nil(text:find "stream")
      first:cancel()
      first:result()
      assert.are.equal(200, client:get(url .. "/bytes/1").status)
    end)

    it("is told of a host, too", function()
      local client <close> = http.client { limit_per_host = 1 }
      local first = task.spawn(client.get, client, url .. "/delay/30")
      task.yield()
      local text = times_out(client.get, client, url .. "/bytes/1", { queue_timeout = 0.1 })
      assert.is_truthy(text:find("see limit_per_host", 1, true))
      first:cancel()
      first:result()
    end)

    it("is not held by a stream that was dropped", function()
      for _, limits in ipairs { { limit = 1 }, { limit = 5, limit_per_host = 1 } } do
        local client <close> = http.client(limits)
        collectgarbage "generational" -- whatever the collector does by itself
        for _ = 1, 3 do
          assert.are.equal(200, client:get(url .. "/bytes/2000000", { stream = true }).status)
        end
        collectgarbage "incremental"
      end
    end)

    it("is told to be held by streams that nobody reads", function()
      local client <close> = http.client { limit = 2, queue_timeout = 0.4 }
      local one <close> = client:get(url .. "/bytes/2000000", { stream = true })
      local two <close> = client:get(url .. "/bytes/2000000", { stream = true })
      local text = times_out(client.get, client, url .. "/bytes/1")
      assert.is_truthy(text:find("all 2 are taken, see limit; 2 by streams that nobody reads"))
      one:close()
      assert.are.equal(200, client:get(url .. "/bytes/1").status)
      assert.are.equal(2000000, #two:read())
    end)
  end)

  describe("of time without a byte", function()
    it("ends a body that stalls", function()
      local at <close> = broken:open "stall"
      local client <close> = http.client { stall_timeout = 0.2 }
      assert.is_truthy(times_out(client.get, client, at.url):find "no byte for 0.2 s %(receiving")
      local res = client:get(at.url, { stream = true })
      assert.are.equal("xxxxxxxxxx", res:read(10))
      assert.is_truthy(times_out(res.read, res):find "no byte for 0.2 s")
    end)

    it("ends a wait for the answer, and an upload that nobody takes", function()
      local client <close> = http.client { stall_timeout = 0.3 }
      local text = times_out(client.get, client, url .. "/delay/30")
      assert.is_truthy(text:find "no byte for 0.3 s %(waiting for the answer")
      local at <close> = broken:open "deaf"
      times_out(client.post, client, at.url, { body = ("x"):rep(20000000) })
    end)

    it("does not end what goes on slowly, or is read slowly", function()
      local client <close> = http.client { stall_timeout = 1.5, timeout = 60 }
      local body = client:get(url .. "/chunks/10?delay=0.25").body
      assert.are.equal(10, select(2, body:gsub("\n", "")))
      local res = client:get(url .. "/bytes/8000000", { stream = true, stall_timeout = 0.3 })
      task.sleep(0.5)
      local size = 0
      for piece in res:chunks() do
        if size == 0 then task.sleep(0.5) end
        size = size + #piece
      end
      assert.are.equal(8000000, size)
    end)
  end)
end)
