-- What a client adds to its requests: params, hooks, rates, retries; and what it counts.

local internal = require "tests.support.internal"
local fails = require "tests.support.fails"
local fs = require "luapool.fs"
local http = require "luapool.http"
local nginx = require "tests.support.nginx"
local pool = require "luapool.pool"
local raw_server = require "tests.support.raw_server"
local retry = require "luapool.retry"
local sync = require "luapool.sync"
local task = require "luapool.task"

local answer = raw_server.answer

describe("a client", function()
  local server, url

  setup(function()
    server = nginx.start()
    url = server.url
  end)
  teardown(function()
    http.close()
    server:stop()
  end)

  it("adds its params to each URL", function()
    local client <close> = http.client { base_url = url, params = { key = "k", n = 1 } }
    assert.are.equal("/echo?key=k&n=1", client:get("/echo"):json().uri)
    assert.are.equal("/echo?key=k&n=2&q=x", client:get("/echo", { params = { n = 2, q = "x" } })
      :json().uri)
    assert.are.equal("/echo?a=b&key=k&n=1", client:post("/echo?a=b"):json().uri)
    fails("usage", http.client, { params = { a = {} , b = { {} } } })
  end)

  describe("with hooks", function()
    it("shows them each request, which they may change", function()
      local seen
      local client <close> = http.client {
        base_url = url, headers = { ["X-Client"] = "c" }, params = { key = "k" },
        on_request = function(req)
          seen = req
          req.headers["X-Signature"] = #req.body
          req.headers["X-Gone"] = nil
          req.url = req.url .. "&more=1"
          req.timeout = 7
        end,
      }
      local opts = { json = { 1, 2 }, headers = { ["x-client"] = "r", ["X-Gone"] = "g" } }
      local got = client:post("/echo", opts):json()
      assert.are.equal("POST", seen.method)
      assert.are.equal(url .. "/echo?key=k&more=1", seen.url)
      assert.are.equal("[1,2]", seen.body)
      assert.are.equal("/echo?key=k&more=1", got.uri)
      assert.are.equal("5", got.headers["x-signature"])
      assert.are.equal("r", got.headers["x-client"])
      assert.are.equal("application/json", got.headers["content-type"])
      assert.is_nil(got.headers["x-gone"])
      assert.are.same({ ["x-client"] = "r", ["X-Gone"] = "g" }, opts.headers)
      opts = { form = { a = 1 }, headers = { ["content-type"] = "x/y" } }
      got = client:post("/echo", opts):json()
      assert.are.equal("a=1", got.body)
      assert.are.equal("x/y", got.headers["content-type"])
    end)

    it("takes another method, and refuses what is no request", function()
      local change
      local client <close> = http.client { base_url = url, on_request = function(req)
        change(req)
      end }
      change = function(req) req.method = "put" req.body = "new" end
      local got = client:post("/echo", { body = "old" }):json()
      assert.are.equal("PUT new", got.method .. " " .. got.body)
      change = function(req) req.url = nil end
      fails("usage", client.get, client, "/echo")
      change = function(req) req.timout = 1 end
      fails("usage", client.get, client, "/echo")
      change = function(req) req.headers.a = "b\r\nc: d" end
      fails("usage", client.get, client, "/echo")
      change = function() error("mine", 0) end
      assert.are.same({ false, "mine" }, { pcall(client.get, client, "/echo") })
    end)

    it("shows them each response, and takes another in its place", function()
      local tokens, asked = { "old", "new" }, 0
      local client
      client = http.client {
        base_url = url,
        on_request = function(req)
          req.headers.Authorization = req.headers.Authorization or "Bearer " .. tokens[1]
        end,
        on_response = function(res, req) -- logs in again when the token is too old
          if res.status ~= 401 or req.again then return end
          asked = asked + 1
          task.sleep(0.01)
          table.remove(tokens, 1)
          return http.get(req.url, { bearer = tokens[1] })
        end,
      }
      local _ <close> = client
      assert.are.equal(200, client:get("/auth/bearer/new").status)
      assert.are.equal(200, client:get("/auth/bearer/new").status)
      assert.are.equal(1, asked)
      local odd <close> = http.client { on_response = function(res)
        res.extra = 7
        return 8 -- no response
      end }
      assert.are.equal(7, odd:get(url .. "/echo").extra)
    end)

    it("may be answered by one of them, without a request", function()
      local kept = http.get(url .. "/bytes/3")
      local client <close> = http.client { on_request = function() return kept end }
      assert.are.equal("xxx", client:get("http://nobody.invalid/").body)
      assert.are.equal(0, client:stats().requests)
    end)

    it("calls them for the whole chain of redirections, and for each attempt", function()
      local log = {}
      local client <close> = http.client {
        base_url = url, retry = { attempts = 3, wait = 0 },
        on_request = function(req) log[#log + 1] = req.url:match("/%a+/[%w-]+") end,
        on_response = function(res) log[#log + 1] = res.status end,
      }
      client:get("/redirect/3")
      client:get("/flaky/hooks?fail=1")
      assert.are.same({ "/redirect/3", 200, "/flaky/hooks", 503, "/flaky/hooks", 200 }, log)
    end)
  end)

  describe("with a rate", function()
    -- The seconds that n requests at once take.
    local function time(client, pages)
      local began, jobs = task.now(), {}
      for i, page in ipairs(pages) do jobs[i] = function() return client:get(page).status end end
      task.gather(jobs)
      return task.now() - began
    end

    it("asks one host no faster, and others meanwhile", function()
      local other = url:gsub("127%.0%.0%.1", "localhost")
      local client <close> = http.client { rate = { per_host = 20 } }
      local pages = {}
      for i = 1, 5 do pages[i] = url .. "/bytes/1" end
      assert.is_true(time(client, pages) >= 0.19)
      local began = task.now()
      client:get(other .. "/bytes/1")
      assert.is_true(task.now() - began < 0.15)
      local bursts <close> = http.client { rate = { per_host = 0.01, burst = 5 } }
      assert.is_true(time(bursts, pages) < 10)
    end)

    it("counts each hop of a redirection", function()
      local client <close> = http.client { rate = { per_host = 20 } }
      assert.is_true(time(client, { url .. "/redirect/4" }) >= 0.19)
    end)

    it("may have a limiter of all processes", function()
      local workers <close> = pool.new { processes = 2 }
      local limiter, page = sync.limiter { rate = 20 }, url .. "/bytes/1"
      local began = task.now()
      local n = workers:map(function()
        local c <close> = require("luapool.http").client { rate = limiter }
        return c:get(page).status
      end, { 1, 2, 3, 4, 5 }):drain()
      assert.are.equal(5, n)
      assert.is_true(task.now() - began >= 0.19)
    end)

    it("forgets hosts that it has not asked for long", function()
      local rate = internal("luapool.internal.http.rate").new({ per_host = 1000 }, "test")
      for i = 1, 1000 do rate:wait("http://h" .. i .. "/") end
      for _, entry in pairs(rate.hosts) do entry.used = entry.used - 100 end
      rate:wait "http://new/"
      local n = 0
      for _ in pairs(rate.hosts) do n = n + 1 end
      assert.are.equal(1, n)
      fails("usage", http.client, { rate = {} })
      fails("usage", http.client, { rate = { per_host = 0 } })
      fails("usage", http.client, { rate = { per_hosts = 1 } })
    end)
  end)

  describe("or a request, with a policy of retries", function()
    it("repeats what may be repeated without harm", function()
      local policy = { attempts = 3, wait = retry.fixed(0.01) }
      local c <close> = http.client { base_url = url, retry = policy }
      assert.are.equal("ok", c:get("/flaky/a").body)
      assert.are.equal(503, c:get("/flaky/b?fail=9").status)
      assert.are.equal(503, c:post("/flaky/c").status)
      assert.are.equal(404, c:get("/status/404").status)
      assert.are.equal(503, c:get("/flaky/d", { retry = false }).status)
      fails("connect", c.get, c, "http://127.0.0.1:1/")
    end)

    it("repeats any method where the request says so", function()
      local policy = { attempts = 3, wait = 0.01 }
      assert.are.equal("ok", http.get(url .. "/flaky/e", { retry = policy }).body)
      assert.are.equal("ok", http.post(url .. "/flaky/f", { body = "x", retry = policy }).body)
      assert.are.equal(503, http.get(url .. "/flaky/g?fail=3", { retry = policy }).status)
      local tried = 0
      policy.before = function() tried = tried + 1 end
      fails("connect", http.get, "http://127.0.0.1:1/", { retry = policy })
      assert.are.equal(3, tried)
      fails("usage", http.get, url, { retry = { attemps = 2 } })
      fails("usage", http.get, url, { retry = true })
    end)

    it("closes the streams of the answers that it does not take", function()
      local c <close>, running = http.client(), {}
      local spy <close> = raw_server.start(function(request)
        running[#running + 1] = c:stats().running
        local size = request.target == "/late" and #running > 2 and 1 or 10000000
        return answer(("x"):rep(size), size > 1 and "503 X" or nil)
      end)
      local opts = { stream = true, retry = { attempts = 3, wait = 0 } }
      local res <close> = c:get(spy.url .. "/late", opts)
      assert.are.equal("x", res:read())
      local last <close> = c:get(spy.url .. "/never", opts)
      assert.are.equal(10000000, #last:read())
      assert.are.same({ 1, 1, 1, 1, 1, 1 }, running)
    end)

    it("does not repeat a body that can be had only once", function()
      local policy = { attempts = 3, wait = 0 }
      local function body() return nil end
      fails("usage", http.post, url, { body = body, retry = policy })
      fails("usage", http.post, url, { multipart = { a = { body = body } }, retry = policy })
      local c <close> = http.client { base_url = url, retry = policy }
      assert.are.equal(503, c:put("/flaky/h", { body = body }).status)
    end)

    it("gives up at once where the server asks for too long a wait", function()
      local spy <close> = raw_server.start(function()
        return answer("later", "503 X", "Retry-After: 100000\r\n")
      end)
      local began = task.now()
      local res = http.get(spy.url, { retry = { attempts = 3, wait = 0 } })
      assert.are.equal("later", res.body)
      assert.are.equal(1, #spy.requests)
      assert.is_true(task.now() - began < 10)
    end)
  end)

  it("counts what it does", function()
    local dir <close> = fs.tempdir()
    local c <close> = http.client { base_url = url, limit = 1 }
    assert.are.equal(0, c:stats().requests)
    c:get("/redirect/1")
    c:post("/body", { body = ("x"):rep(10000) })
    c:get("/status/404")
    c:get("/bytes/5000", { save_to = dir .. "/file" })
    fails("connect", c.get, c, "http://127.0.0.1:1/")
    local stats = c:stats()
    assert.are.equal(6, stats.requests)
    assert.are.equal(1, stats.failed)
    assert.are.equal(1, stats.connections)
    assert.are.same({ [200] = 3, [302] = 1, [404] = 1 }, stats.statuses)
    assert.is_true(stats.sent == 10000, tostring(stats.sent))
    assert.is_true(stats.received >= 15000 and stats.received < 17000, tostring(stats.received))
    local first = task.spawn(c.get, c, "/delay/0.3")
    local second = task.spawn(c.get, c, "/bytes/1")
    task.yield()
    stats = c:stats()
    assert.are.equal("1 1", stats.running .. " " .. stats.queued)
    task.gather { first, second }
    assert.are.equal(0, c:stats().running)
  end)
end)
