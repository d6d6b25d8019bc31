-- http.cache: answers in a folder, against a real nginx; the rules of freshness as pure logic.

local internal = require "tests.support.internal"
local digest = require "luapool.digest"
local errors = require "luapool.error"
local freshness = internal "luapool.internal.http.freshness"
local fs = require "luapool.fs"
local http = require "luapool.http"
local http_date = internal "luapool.internal.http.date"
local nginx = require "tests.support.nginx"
local pool = require "luapool.pool"
local task = require "luapool.task"

describe("dates of HTTP", function()
  it("are read in three forms", function()
    local day = 1445412480
    assert.are.equal(day, http_date.parse "Wed, 21 Oct 2015 07:28:00 GMT")
    assert.are.equal(day, http_date.parse "Wednesday, 21-Oct-15 07:28:00 GMT")
    assert.are.equal(day, http_date.parse "Wed Oct 21 07:28:00 2015")
    assert.are.equal(784111777, http_date.parse "Sun Nov  6 08:49:37 1994")
    assert.are.equal(784111777, http_date.parse "Sunday, 06-Nov-94 08:49:37 GMT")
    for _, text in ipairs { "", "0", "soon", "Wed, 21 Okt 2015 07:28:00 GMT", "2015-10-21" } do
      assert.is_nil(http_date.parse(text))
    end
  end)
end)

describe("freshness", function()
  it("reads directives", function()
    assert.are.same({ ["no-cache"] = "a, b", ["max-age"] = "3", private = true, x = "" },
      freshness.directives 'no-cache="a, b", Max-Age=3,, private, x="", max-age=9')
    assert.are.same({}, freshness.directives(nil))
    assert.are.same({}, freshness.directives "=")
  end)

  it("stores what may be stored", function()
    local function storable(status, headers) return freshness.storable(status, headers) end
    local fresh = { ["cache-control"] = "max-age=1" }
    assert.is_true(storable(200, fresh))
    assert.is_true(storable(404, fresh))
    assert.is_true(storable(500, fresh))
    assert.is_true(storable(200, { etag = '"x"' }))
    assert.is_true(storable(200, { expires = "0" , etag = '"x"' }))
    assert.is_false(storable(200, {}))
    assert.is_false(storable(500, { etag = '"x"' }))
    assert.is_false(storable(206, fresh))
    assert.is_false(storable(200, { ["cache-control"] = "no-store, max-age=1" }))
    assert.is_false(storable(200, { ["cache-control"] = "max-age=1", vary = "a, *" }))
  end)

  it("is told by max-age, Expires, Age and Date", function()
    local function fresh(headers, now, wanted, asked, received)
      return freshness.is_fresh(headers, asked or 1000, received or 1000, now, wanted or {})
    end
    local aged = { ["cache-control"] = "max-age=60", age = "50" }
    assert.is_true(fresh(aged, 1009))
    assert.is_false(fresh(aged, 1010))
    assert.is_false(fresh(aged, 1008, nil, 998)) -- the answer took two seconds
    local day = "Thu, 01 Jan 1970 00:16:40 GMT" -- 1000
    assert.is_false(fresh({ ["cache-control"] = "max-age=60", date = day }, 1061, nil, 1060, 1060))
    assert.is_true(fresh({ date = day, expires = "Thu, 01 Jan 1970 00:16:50 GMT" }, 1009))
    assert.is_false(fresh({ date = day, expires = "Thu, 01 Jan 1970 00:16:50 GMT" }, 1010))
    assert.is_false(fresh({ expires = "0" }, 1000))
    assert.is_false(fresh({ etag = "x" }, 1000))
    assert.is_false(fresh({ ["cache-control"] = "max-age=60, no-cache" }, 1000))
    assert.is_false(fresh({ ["cache-control"] = "max-age=x" }, 1000))
    assert.is_true(fresh({ ["cache-control"] = "max-age=99999999999999999999" }, 1e9))
  end)

  it("minds what the request wants", function()
    local headers = { ["cache-control"] = "max-age=60" }
    local function fresh(now, text)
      return freshness.is_fresh(headers, 1000, 1000, now, freshness.directives(text))
    end
    assert.is_false(fresh(1000, "no-cache"))
    assert.is_false(fresh(1005, "max-age=4"))
    assert.is_true(fresh(1005, "max-age=5"))
    assert.is_false(fresh(1005, "min-fresh=56"))
    assert.is_true(fresh(1070, "max-stale"))
    assert.is_true(fresh(1070, "max-stale=10"))
    assert.is_false(fresh(1071, "max-stale=10"))
    headers["cache-control"] = "max-age=60, must-revalidate"
    assert.is_false(fresh(1070, "max-stale"))
  end)

  it("takes the fields of a 304 into the stored header", function()
    local stored = "HTTP/1.1 200 OK\r\nDate: a\r\nContent-Length: 5\r\nX-Old: 1\r\n\r\n"
    local news = "HTTP/1.1 304 Not Modified\r\nDate: b\r\nContent-Length: 0\r\nX-New: 2\r\n\r\n"
    assert.are.equal(
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Old: 1\r\nDate: b\r\nX-New: 2\r\n\r\n",
      freshness.merge(stored, news))
  end)
end)

describe("http.cache", function()
  local server, url, dir, cache, client

  setup(function()
    server = nginx.start()
    url = server.url
  end)
  teardown(function() server:stop() end)
  before_each(function()
    dir = fs.tempdir()
    cache = http.cache(dir.path)
    client = http.client { base_url = url, cache = cache }
  end)
  after_each(function()
    client:close()
    dir:close()
  end)

  local function get(path, opts)
    local res = client:get(path, opts)
    return res.body, res.cached, res.status
  end

  it("answers without asking while the answer is fresh", function()
    local body = get "/cacheable/60/a"
    local again = client:get "/cacheable/60/a#part"
    assert.are.equal(body, again.body)
    assert.is_true(again.cached)
    assert.are.equal(200, again.status)
    assert.are.equal("max-age=60", again.headers["Cache-Control"])
    assert.are.equal(url .. "/cacheable/60/a", again.url)
    assert.are.same({ hits = 1, misses = 1, revalidated = 0, stored = 1 }, cache:stats())
  end)

  it("asks for what is stale, and takes a 304", function()
    local first, second = client:get "/cacheable/0/b?etag=v1", client:get "/cacheable/0/b?etag=v1"
    assert.are.equal(first.body, second.body)
    assert.are.equal(200, second.status)
    assert.is_true(second.cached)
    assert.are.same({ hits = 0, misses = 1, revalidated = 1, stored = 2 }, cache:stats())
  end)

  it("does not keep what may not be kept", function()
    for _, path in ipairs { "/count/nothing-said", "/cacheable/60/c?cache-control=no-store",
      "/cacheable/60/d?vary=*" } do
      get(path)
      assert.is_nil(select(2, get(path)))
    end
    assert.are.equal(0, cache:stats().stored)
  end)

  it("asks again when the request differs in what the answer varies with", function()
    local function lang(code) return get("/cacheable/60/e?vary=Accept-Language", {
      headers = { ["Accept-Language"] = code } }) end
    local german = lang "de"
    assert.are.equal(german, lang "de")
    assert.are_not.equal(german, lang "fr")
    local _, cached = lang "fr"
    assert.is_true(cached)
  end)

  it("gives nobody the answer of somebody else", function()
    local mine = get("/cacheable/60/f", { bearer = "mine" })
    assert.are.equal(mine, (get("/cacheable/60/f", { bearer = "mine" })))
    assert.are_not.equal(mine, (get("/cacheable/60/f", { bearer = "yours" })))
    assert.is_nil(select(2, get("/cacheable/60/f", { auth = "mine" })))
    assert.is_nil(select(2, get "/cacheable/60/f"))
    for _, folder in ipairs(fs.list(dir)) do
      for _, name in ipairs(fs.list(dir .. "/" .. folder)) do
        assert.is_nil(fs.read(dir .. "/" .. folder .. "/" .. name):find("mine", 1, true))
      end
    end
  end)

  it("is told by the request", function()
    local body = get "/cacheable/60/g"
    assert.are_not.equal(body, (get("/cacheable/60/g", { refresh = true })))
    local no_cache = { headers = { ["Cache-Control"] = "no-cache" } }
    assert.is_nil(select(2, get("/cacheable/60/g", no_cache)))
    local _, cached = get("/cacheable/60/g", { only_if_cached = true })
    assert.is_true(cached)
    local ok, e = pcall(client.get, client, "/cacheable/60/never", { only_if_cached = true })
    assert.is_false(ok)
    assert.is_true(errors.is(e, "not_cached"))
    get "/cacheable/0/stale?etag=v1"
    assert.is_true(select(2, get("/cacheable/0/stale?etag=v1", { only_if_cached = true })))
    assert.is_nil(select(2, get("/cacheable/60/g", { cache = http.cache(dir .. "/other") })))
  end)

  it("leaves streams, files, bodies and conditions of the caller alone", function()
    get "/cacheable/60/h?etag=v1"
    client:get("/cacheable/60/h?etag=v1", { stream = true }):read()
    client:get("/cacheable/60/h?etag=v1", { save_to = dir .. "/saved" })
    local status = client:get("/cacheable/60/h?etag=v1",
      { headers = { ["If-None-Match"] = '"v1"' } }).status
    assert.are.equal(304, status)
    assert.is_nil(client:get("/cacheable/60/h?etag=v1", { body = "a question" }).cached)
    assert.are.same({ hits = 0, misses = 1, revalidated = 0, stored = 1 }, cache:stats())
  end)

  it("follows redirections, each hop for itself", function()
    local target = "/cacheable/60/i"
    local path = ("/goto?url=%s&code=301"):format(target)
    local first, second = client:get(path), client:get(path)
    assert.are.equal(first.body, second.body)
    assert.is_true(second.cached)
    assert.are.equal(url .. target, second.url)
    local moved = "/cacheable/60/j?location=" .. target -- with status 200 it is no redirection
    assert.are.equal(url .. moved, client:get(moved).url)
    assert.are.equal(url .. moved, client:get(moved).url)
  end)

  it("forgets what is changed", function()
    get "/cacheable/60/k"
    client:post("/cacheable/60/k", { body = "x" })
    assert.is_nil(select(2, get "/cacheable/60/k"))
  end)

  it("minds no file that is broken, and no folder that cannot be written", function()
    local body = get "/cacheable/60/l"
    local name = digest.sha256(url .. "/cacheable/60/l")
    local path = dir .. "/" .. name:sub(1, 2) .. "/" .. name:sub(3)
    local right = fs.read(path)
    for _, bytes in ipairs { "", "{}\n", "[1]\nx", '{"url":1}\n', right:sub(1, 40), "\0\n" } do
      fs.write(path, bytes)
      assert.is_nil(select(2, get "/cacheable/60/l"))
    end
    assert.are_not.equal(body, (get "/cacheable/60/l"))
    fs.remove(dir.path, { recursive = true })
    fs.write(dir.path, "no folder")
    assert.are.equal(200, select(3, get "/cacheable/60/m"))
    fs.remove(dir.path)
    assert.are.equal(200, select(3, get "/cacheable/60/m"))
  end)

  it("removes the oldest beyond its size", function()
    local small = http.cache(dir .. "/small", { max_size = 4000 })
    for i = 1, 40 do
      client:get("/cacheable/60/n" .. i, { cache = small })
    end
    local size = 0
    for _, folder in ipairs(fs.list(dir .. "/small")) do
      for _, name in ipairs(fs.list(dir .. "/small/" .. folder)) do
        size = size + fs.stat(dir .. "/small/" .. folder .. "/" .. name).size
      end
    end
    assert.is_true(size <= 4000, size)
    assert.is_true(small:stats().stored >= 40)
    local big = client:get("/cacheable/60/big?x=" .. ("x"):rep(1000), { cache = small })
    assert.are.equal(200, big.status)
    small:clear()
    local _, cached = get("/cacheable/60/n40", { cache = small })
    assert.is_nil(cached)
  end)

  it("serves several processes", function()
    local p <close> = pool.new { processes = 2, concurrency = 8 }
    local base, folder = url, dir.path
    local function fetch(i)
      local page = base .. "/cacheable/60/o" .. i % 5
      return require("luapool.http").get(page, { cache = folder }).status
    end
    local items = {}
    for i = 1, 60 do items[i] = i end
    for _, status in p:map(fetch, items) do assert.are.equal(200, status) end
    assert.is_true(select(2, get "/cacheable/60/o1"))
  end)

  it("keeps the answer of a request that many make at once", function()
    local tasks = {}
    for i = 1, 20 do tasks[i] = function() return (get "/cacheable/60/p") end end
    task.gather(tasks)
    assert.is_true(select(2, get "/cacheable/60/p"))
  end)

  it("refuses what is no cache", function()
    for _, wrong in ipairs { 1, true, {}, print } do
      local ok, e = pcall(http.client, { cache = wrong })
      assert.is_false(ok)
      assert.is_true(errors.is(e, "usage"))
    end
    assert.is_false(pcall(http.cache, 1))
    assert.is_false(pcall(http.cache, dir.path, { max_sise = 1 }))
  end)
end)
