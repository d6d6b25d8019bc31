-- luapool serve at a Redis that cannot be reached for a while, or that is reached over TLS.

local cut_proxy = require "tests.support.cut_proxy"
local eventually = require "tests.support.eventually"
local fs = require "luapool.fs"
local process = require "luapool.process"
local queue = require "luapool.queue"
local redis_server = require "tests.support.redis_server"
local task = require "luapool.task"

-- Each run of `stays` notes its begin; a cancelled one stays until the file "go" is there.
local FILE = [[
local fs, task = require "luapool.fs", require "luapool.task"
local url, folder = ...
local function note(text)
  local file <close> = io.open(folder .. "/notes", "a")
  file:write(text, "\n")
end
return { queue = url, kinds = {
  stays = { process = function()
    note "begin"
    local _ <close> = setmetatable({}, { __close = function()
      task.shield(function()
        while not io.open(folder .. "/go") do task.sleep(0.02) end
        note "end"
      end)
    end })
    task.sleep(600)
  end, host_retries = 100 },
  double = { process = function(n) return 2 * n end, result_ttl = 600 },
} }
]]

-- Waits until the notes have a word so often: on a busy machine a lease may be lost once more.
local function await_notes(dir, word, n)
  eventually(function()
    local ok, text = pcall(fs.read, dir .. "/notes")
    return ok and select(2, text:gsub(word, "")) >= n
  end)
end

-- Starts `luapool serve`; returns a task that is its run, and its folder.
local function serve(dir, url, env)
  fs.write(dir .. "/jobs.lua", FILE)
  return task.spawn(process.exec, { "setpriv", "--pdeathsig", "KILL", os.getenv "LUAPOOL", "serve",
    dir .. "/jobs.lua", "-p", "1", "-c", "2", "--pid-file", dir .. "/pid", "--grace", "0", "--",
    url, dir.path, env = env })
end

local function stop(dir, running)
  process.exec { "kill", "-TERM", (fs.read(dir .. "/pid"):match "%d+") }
  local ended = running:await()
  assert.are.equal(0, ended.code)
  return ended.stderr
end

describe("luapool serve on Redis", function()
  it("17: cancels a job that was lost and claimed again while its older run ends", function()
    local server <close> = redis_server.start { config = { "appendonly yes" } }
    local proxy <close> = cut_proxy.start(server.port)
    local dir <close> = fs.tempdir()
    local q <close> = queue.open(server.url .. "/0?ns=spec")
    local running = serve(dir, proxy.url .. "/0?ns=spec&lease=2")
    local id = q:put("stays", 1)
    await_notes(dir, "begin", 1)
    proxy:stall() -- until its lease is over
    eventually(function()
      q.store:sweep()
      return q:status(id).state == "waiting"
    end)
    proxy:resume()
    await_notes(dir, "begin", 2) -- claimed again, beside the older run
    fs.write(dir .. "/go", "")
    await_notes(dir, "end", 1)
    -- A place is free when the end of the older run has come to main.
    assert.are.equal(14, q:result(q:put("double", 7), { timeout = 60 }))
    assert.are.equal("asked", q:cancel(id))
    local ok, e = pcall(q.result, q, id, { timeout = 30 })
    assert.are.same({ false, "cancelled" }, { ok, e.code or e.kind })
    assert.matches("is somebody else's by now: it is stopped here", stop(dir, running), 1, true)
  end)

  it("works over TLS, with an authority of one's own; another one is refused", function()
    local server <close> = redis_server.start { tls = true, password = "secret",
      config = { "appendonly yes" } }
    local dir <close> = fs.tempdir()
    local url = server.tls_url .. "/0?ns=tls"
    local env = { SSL_CERT_FILE = server.ca }
    local command = os.getenv "LUAPOOL"
    local running = serve(dir, url, env)
    local put = process.exec { command, "queue", "put", url, "double", "21", env = env }
    assert.are.equal("", put.stderr)
    local id = put.stdout:match "%S+"
    local q <close> = queue.open(server.url .. "/0?ns=tls")
    assert.are.equal(42, q:result(id, { timeout = 60 }))
    local asked = process.exec { command, "queue", "show", url, id, env = env }
    assert.matches("result +42", asked.stdout)
    stop(dir, running)
    local refused = process.exec { command, "queue", "stats", url }
    assert.are.equal(1, refused.code)
    assert.matches("^luapool queue: [^\n]*certificate verify failed[^\n]*\n$", refused.stderr)
    assert.is_nil(refused.stderr:find("secret", 1, true))
    refused = serve(dir, url):await()
    assert.are.equal(1, refused.code)
    assert.matches("certificate verify failed", refused.stderr, 1, true)
  end)
end)
