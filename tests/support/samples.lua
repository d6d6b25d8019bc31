-- An object of each public class, for specs that walk over all of them: class -> a function that
-- makes one; what it returns behind that closes it.

local internal = require "tests.support.internal"
local http_core = internal "luapool.http.core"
local luapool = require "luapool"
local fs, html, http = luapool.fs, luapool.html, luapool.http
local pool, process, progress = luapool.pool, luapool.process, luapool.progress
local retry, sync, task = luapool.retry, luapool.sync, luapool.task

-- One that connects to nobody.
local function idle_client()
  return luapool.redis.connect("redis://127.0.0.1:1", { lazy = true, timeout = 0.01 })
end

-- A queue in a folder of its own, which goes when the queue is closed.
local function new_queue()
  local folder, q = fs.tempdir(), nil
  local _ <close> = setmetatable({}, { __close = function() if not q then folder:close() end end })
  q = luapool.queue.open("sqlite:" .. folder.path .. "/work.db")
  local close = q.store.close
  function q.store.close(store)
    local _ <close> = folder
    close(store)
  end
  return q
end

return {
  ["luapool.Task"] = function() return task.spawn(function() end) end,
  ["luapool.Group"] = task.group,
  ["luapool.Periodic"] = function() return task.every(60, print) end,
  ["luapool.Map"] = function() return (task.map(print, {})) end,
  ["luapool.Pool"] = function() return pool.new { processes = 1 } end,
  ["luapool.Process"] = function() return process.new(print) end,
  ["luapool.sync.Lock"] = sync.lock,
  ["luapool.sync.Held"] = function() return sync.lock():hold() end,
  ["luapool.sync.Semaphore"] = function() return sync.semaphore(1) end,
  ["luapool.sync.Event"] = sync.event,
  ["luapool.sync.Condition"] = sync.condition,
  ["luapool.sync.Barrier"] = function() return sync.barrier(1) end,
  ["luapool.sync.Counter"] = sync.counter,
  ["luapool.sync.Map"] = sync.map,
  ["luapool.sync.Queue"] = sync.queue,
  ["luapool.sync.Limiter"] = function() return sync.limiter { rate = 1 } end,
  ["luapool.http.Client"] = http.client,
  ["luapool.http.Jar"] = function() return http.client().cookies end,
  ["luapool.http.Cache"] = function()
    local dir = fs.tempdir()
    return http.cache(dir.path), function() dir:close() end
  end,
  ["luapool.http.Response"] = function()
    return setmetatable({ status = 200, head = "HTTP/1.1 200 OK\r\n\r\n", url = "http://h/",
      elapsed = 0 }, http_core.Response)
  end,
  ["luapool.http.Headers"] = function()
    return setmetatable({ {}, {} }, http_core.Headers)
  end,
  ["luapool.signal.Handler"] = function() return luapool.signal.on("WINCH", print) end,
  ["luapool.lock.Lock"] = function() return luapool.lock.file "/tmp/luapool-sample-lock" end,
  ["luapool.lock.Held"] = function()
    local folder = fs.tempdir()
    local held = luapool.lock.file(folder .. "/lock"):hold()
    return held, function() folder:close() end
  end,
  ["luapool.Cache"] = function() return luapool.cache.new() end,
  ["luapool.digest.Hash"] = function() return luapool.digest.new "md5" end,
  ["luapool.csv.Writer"] = function() return luapool.csv.writer "/dev/null" end,
  ["luapool.sqlite.Db"] = function() return luapool.sqlite.open ":memory:" end,
  ["luapool.sqlite.Rows"] = function()
    local db <close> = luapool.sqlite.open ":memory:"
    return (db:rows "SELECT 1")
  end,
  ["luapool.redis.Client"] = idle_client,
  ["luapool.redis.Pipeline"] = function()
    local kept
    idle_client():pipeline(function(p) kept = p end)
    return kept
  end,
  ["luapool.redis.Script"] = function() return idle_client():script "return 1" end,
  ["luapool.redis.Subscription"] = function()
    local engine = idle_client()[1]
    return setmetatable({ engine = engine, bytes = "", count = 0, confirmed = 0, messages = {},
      at = 1, heard = 0 }, internal("luapool.internal.redis.subscription").class)
  end,
  ["luapool.memcached.Client"] = function()
    return luapool.memcached.client { servers = { "127.0.0.1:1" }, timeout = 0.01 }
  end,
  ["luapool.queue.Queue"] = new_queue,
  ["luapool.html.Form"] = function() return html.parse("<form>"):form() end,
  ["luapool.html.Node"] = function() return html.parse "" end,
  ["luapool.retry.Wait"] = function() return retry.fixed(1) end,
  ["luapool.progress.Bar"] = progress.bar,
  ["luapool.Tempdir"] = fs.tempdir,
  ["luapool.log.Sink"] = function()
    local dir = fs.tempdir()
    return luapool.log.add { path = dir .. "/app.log" }, function() dir:close() end
  end,
  ["luapool.job.Context"] = function()
    local plan = { kinds = {}, config = {}, args = {} }
    return internal("luapool.internal.job.worker").open(plan).shared
  end,
  ["luapool.serve.Context"] = function()
    local _, class = internal("luapool.internal.serve.context").class({}, 1)
    return setmetatable({ job = {}, listeners = {} }, class)
  end,
  ["luapool.job.Summary"] = function()
    local summary = internal("luapool.internal.job.summary").new {}
    summary:finish({}, 1)
    return summary
  end,
}
