-- Bodies that are saved: with a digest, broken off and resumed, read while they come.

local digest = require "luapool.digest"
local errors = require "luapool.error"
local fs = require "luapool.fs"
local hostile = require "tests.support.hostile"
local http = require "luapool.http"
local nginx = require "tests.support.nginx"
local task = require "luapool.task"

describe("save_to of luapool.http", function()
  local server, url, broken, client, dir

  setup(function()
    server = nginx.start()
    url = server.url
    broken = hostile.start()
  end)
  teardown(function()
    server:stop()
    broken:stop()
  end)
  before_each(function()
    client = http.client { timeout = 60 }
    dir = fs.tempdir()
  end)
  after_each(function()
    client:close()
    dir:close()
  end)

  -- What tests/support/hostile/downloads.py serves.
  local function content(size, seed)
    local block = {}
    for i = 0, 65535 do block[i + 1] = string.char((i * 7 + i // 256 + (seed or 0)) % 256) end
    return table.concat(block):rep(size // 65536 + 1):sub(1, size)
  end

  local SIZE = 300000
  local WHOLE = content(SIZE)

  local function raises(kind, fn, ...)
    local ok, e = pcall(fn, ...)
    assert.is_false(ok)
    assert.is_true(errors.is(e, kind), tostring(e))
    return tostring(e)
  end

  -- The names in the folder.
  local function names()
    local list = {}
    for i, entry in ipairs(fs.list(dir.path)) do
      list[i] = type(entry) == "table" and entry.name or entry
    end
    table.sort(list)
    return list
  end

  -- The ranges that were asked for, "" for a request without one.
  local function asked(at)
    local list = {}
    for head in at:stats().received:gmatch("GET.-\r\n\r\n") do
      list[#list + 1] = head:match "\r\nRange: bytes=(%S+)" or ""
    end
    return list
  end

  local function download(at, opts)
    local all = { save_to = dir.path .. "/file", resume = true }
    for name, value in pairs(opts or {}) do all[name] = value end
    return client:get(at.url .. "/file", all)
  end

  local function is_whole(res, want)
    assert.are.equal(dir.path .. "/file", res.saved_to)
    assert.is_nil(res.body)
    assert.is_true(fs.read(res.saved_to) == (want or WHOLE))
    assert.are.same({ "file" }, names())
  end

  describe("with a checksum", function()
    local function get(checksum, page)
      return client:get(page or server:file("sum.txt", "hello"),
        { save_to = dir.path .. "/file", checksum = checksum })
    end

    it("keeps what has it", function()
      for _, name in ipairs { "md5", "sha1", "sha256", "sha512", "blake2b512" } do
        local sum = digest.new(name):update("hello"):hex()
        assert.are.equal("hello", fs.read(get(name .. ":" .. sum:upper()).saved_to))
      end
      local empty = "sha256:" .. digest.sha256 ""
      assert.are.equal("", fs.read(get(empty, url .. "/bytes/0").saved_to))
    end)

    it("keeps nothing else", function()
      local text = raises("checksum", get, "sha256:" .. digest.sha256 "other")
      assert.is_truthy(text:find "checksum")
      assert.are.same({}, names())
      raises("checksum", get, "md5:" .. digest.md5 "x", url .. "/bytes/0")
      assert.are.same({}, names())
    end)

    it("counts what was decoded", function()
      server:file("zip.txt", ("a"):rep(10000))
      local res = get("sha1:" .. digest.sha1(("a"):rep(10000)), url .. "/gzip/zip.txt")
      assert.are.equal(10000, fs.stat(res.saved_to).size)
    end)

    it("takes that of a large body in a thread", function()
      local page, sum = url .. "/bytes/20000000", "sha256:" .. digest.sha256(("x"):rep(20000000))
      assert.are.equal(20000000, fs.stat(get(sum, page).saved_to).size)
      assert.are.same({ "file" }, names())
      fs.remove(dir.path .. "/file")
      raises("checksum", get, "sha256:" .. digest.sha256 "other", page)
      assert.are.same({}, names())
    end)

    it("leaves nothing when it is given up, at whatever time", function()
      local page, sum = url .. "/bytes/20000000", "sha256:" .. digest.sha256 "other"
      for i = 1, 10 do
        local waiting = task.spawn(get, sum, page)
        repeat
          task.sleep(0.001)
          local ok, stat = pcall(fs.stat, dir.path .. "/" .. (names()[1] or "none"))
        until ok and stat.size >= i * 2000000 or waiting:status() ~= "pending"
        waiting:cancel()
        assert.is_false((waiting:result()))
        assert.are.same({}, names())
      end
    end)

    it("wants one that can be", function()
      local no_digits = "md5:" .. ("x"):rep(32)
      for _, wrong in ipairs { "sha256", "sha256:12", "crc32:00000000", ":aa", no_digits } do
        raises("usage", get, wrong)
      end
      raises("usage", client.get, client, url, { checksum = "md5:" .. digest.md5 "" })
      raises("usage", client.get, client, url, { resume = true })
      raises("usage", client.get, client, url, { resume = true, save_to = "x", range = "0-1" })
    end)
  end)

  describe("with resume", function()
    local sum = "sha256:" .. digest.sha256(WHOLE)

    it("goes on where it was broken off", function()
      local at <close> = broken:open("ranges", { args = { cuts = { 100000, 50000 } } })
      for _, size in ipairs { 100000, 150000 } do
        raises("aborted", download, at)
        assert.are.same({ "file.part", "file.part.info" }, names())
        assert.are.equal(size, fs.stat(dir.path .. "/file.part").size)
      end
      local res = download(at, { checksum = sum })
      assert.are.equal(206, res.status)
      is_whole(res)
      assert.are.same({ "", "100000-", "150000-" }, asked(at))
    end)

    it("goes on by the date, where there is no strong ETag", function()
      for _, etag in ipairs { 'W/"weak"', "" } do
        local at <close> = broken:open("ranges", { args = { cuts = { 100000 }, etag = etag,
          modified = "Wed, 21 Oct 2015 07:28:00 GMT" } })
        raises("aborted", download, at)
        is_whole(download(at, { checksum = sum }))
        assert.are.same({ "", "100000-" }, asked(at))
      end
    end)

    it("goes on under a retry policy", function()
      local at <close> = broken:open("ranges", { args = { cuts = { 100000, 0, 50000 } } })
      local wait = require("luapool.retry").fixed(0.01)
      is_whole(download(at, { checksum = sum, retry = { attempts = 5, wait = wait } }))
      assert.are.same({ "", "100000-", "100000-", "150000-" }, asked(at))
    end)

    it("begins anew when the server has something else", function()
      local at <close> = broken:open("ranges", { args = { cuts = { 100000 }, seeds = { 1, 0 },
        etags = { '"one"', '"two"' } } })
      raises("aborted", download, at)
      local res = download(at, { checksum = sum })
      assert.are.equal(200, res.status)
      is_whole(res)
    end)

    it("begins anew where nothing tells that it is the same", function()
      local at <close> = broken:open("ranges", { args = { cuts = { 100000 }, etag = "" } })
      raises("aborted", download, at)
      assert.are.same({}, names())
      is_whole(download(at))
      assert.are.same({ "", "" }, asked(at))
    end)

    it("begins anew for another URL", function()
      local at <close> = broken:open("ranges", { args = { cuts = { 100000 } } })
      raises("aborted", download, at)
      is_whole(client:get(at.url .. "/other", { save_to = dir.path .. "/file", resume = true }))
      assert.are.same({ "", "" }, asked(at))
    end)

    it("believes no other part", function()
      for _, how in ipairs { "other", "longer", "no range" } do
        local at <close> = broken:open("ranges", { args = { cuts = { 100000 }, how = how } })
        raises("aborted", download, at)
        raises("protocol", download, at)
        assert.are.same({}, names())
        is_whole(download(at))
        fs.remove(dir.path .. "/file")
      end
    end)

    it("asks for the whole when the server has no such part", function()
      local at <close> = broken:open("ranges", { args = { cuts = { 100000 }, how = "416" } })
      raises("aborted", download, at)
      is_whole(download(at, { checksum = sum }))
      assert.are.same({ "", "100000-", "" }, asked(at))
    end)

    it("takes the rest in pieces", function()
      local at <close> = broken:open("ranges", { args = { cuts = { 100000 }, how = "short" } })
      raises("aborted", download, at)
      raises("aborted", download, at)
      is_whole(download(at, { checksum = sum }))
      assert.are.same({ "", "100000-", "200000-" }, asked(at))
    end)

    it("finds damage in what was there, and forgets it", function()
      local at <close> = broken:open("ranges", { args = { cuts = { 100000 } } })
      raises("aborted", download, at)
      local part = dir.path .. "/file.part"
      fs.write(part, ("?"):rep(100000))
      raises("checksum", download, at, { checksum = sum })
      assert.are.same({}, names())
      is_whole(download(at, { checksum = sum }))
    end)

    it("goes on when all was there already", function()
      local at <close> = broken:open("ranges", { args = { cuts = { 100000 } } })
      raises("aborted", download, at)
      fs.write(dir.path .. "/file.part", WHOLE) -- killed before it got its name
      is_whole(download(at, { checksum = sum }))
      assert.are.same({ "", "299999-" }, asked(at))
    end)

    it("does not trust notes that are cut", function()
      local at <close> = broken:open("ranges", { args = { cuts = { 100000 } } })
      raises("aborted", download, at)
      local notes = dir.path .. "/file.part.info"
      fs.write(notes, fs.read(notes):sub(1, -3))
      is_whole(download(at))
      assert.are.same({ "", "" }, asked(at))
    end)

    it("lets one at a time write", function()
      local at <close> = broken:open "stall"
      local first = task.spawn(pcall, download, at)
      assert.is_true(at:wait { requests = 1 })
      local page = server:file("busy.txt", "hello")
      local text = raises("system", client.get, client, page,
        { save_to = dir.path .. "/file", resume = true })
      assert.is_truthy(text:find "busy")
      first:cancel()
      first:result()
      assert.are.equal("hello", fs.read(client:get(page,
        { save_to = dir.path .. "/file", resume = true }).saved_to))
    end)

    it("follows redirections", function()
      local at <close> = broken:open("ranges", { args = { cuts = { 100000 } } })
      local opts = { save_to = dir.path .. "/file", resume = true, checksum = sum,
        params = { url = at.url .. "/signed" } }
      raises("aborted", client.get, client, url .. "/goto", opts)
      is_whole(client:get(url .. "/goto", opts))
      assert.are.same({ "", "100000-" }, asked(at))
    end)

    it("leaves the part alone when the answer is an error", function()
      local at <close> = broken:open("ranges", { args = { cuts = { 100000 } } })
      raises("aborted", download, at)
      local notes = fs.read(dir.path .. "/file.part.info")
      local gone = notes:gsub(at.url .. "/file", url .. "/status/503")
      fs.write(dir.path .. "/file.part.info", gone)
      assert.are.equal(503, client:get(url .. "/status/503",
        { save_to = dir.path .. "/file", resume = true }).status)
      fs.write(dir.path .. "/file.part.info", notes)
      is_whole(download(at))
      assert.are.same({ "", "100000-" }, asked(at))
    end)

    it("decodes what comes encoded all the same, and does not resume it", function()
      local at <close> = broken:open("encoded", { args = { what = "members", coding = "gzip",
        header = 'Content-Encoding: gzip\r\nETag: "x"\r\n' } })
      local res = download(at)
      assert.are.equal("hello world", fs.read(res.saved_to))
      assert.are.same({ "file" }, names())
    end)
  end)

  it("has no limit of its own, and obeys max_body", function()
    local path = dir.path .. "/large"
    local res = client:get(url .. "/bytes/80000000", { save_to = path })
    assert.are.equal(80000000, fs.stat(res.saved_to).size)
    raises("too_large", client.get, client, url .. "/bytes/2000",
      { save_to = path, max_body = 1000 })
    assert.are.equal(80000000, fs.stat(path).size)
  end)

  it("with stream gives the body to read, too", function()
    local path = dir.path .. "/both"
    local res = client:get(url .. "/bytes/2000000", { save_to = path, stream = true })
    local size = 0
    for piece in res:chunks() do size = size + #piece end
    assert.are.equal(2000000, size)
    assert.are.equal(2000000, fs.stat(path).size)
    local left <close> = client:get(url .. "/bytes/2000000",
      { save_to = path .. "2", stream = true })
    left:read(10)
    left:close()
    assert.are.same({ "both" }, names())
  end)
end)
