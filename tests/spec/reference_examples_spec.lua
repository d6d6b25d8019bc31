-- The examples of the reference run. Each is a block of Lua in a comment of a source file; it may
-- use the modules by their names (`task` is require "luapool.task"), `url`, the address of a test
-- server, `redis_url`, that of a Redis, and `memcached_servers`. What it prints is what its `-->`
-- comments say, in their order, whatever the spaces. One that returns a table is a job file, which
-- the program runs; one with a queue is a file for `luapool serve`, which runs until the jobs have
-- ended that lines such as `-- q:put("add", 1)` put.

package.path = "docs/generator/?.lua;" .. package.path
local books = require "book"
local fs = require "luapool.fs"
local http = require "luapool.http"
local memcached_server = require "tests.support.memcached_server"
local nginx = require "tests.support.nginx"
local process = require "luapool.process"
local queue = require "luapool.queue"
local redis = require "luapool.redis"
local redis_server = require "tests.support.redis_server"
local task = require "luapool.task"

local PROGRAM = assert(os.getenv "LUAPOOL")

-- The line before an example: a local for each module that it names.
local function prelude(code, servers)
  local text = "local url, redis_url, memcached_servers = %q, %q, { %q } "
  local memcached = servers.memcached.address
  local parts = { text:format(servers.nginx.url, servers.redis.url, memcached) }
  for _, name in ipairs(books.modules) do
    local used = code:find("%f[%w_]" .. name .. "%f[^%w_]")
    local page = name == "error" or name == "job" or name == "serve" or name == "cli"
    if used and not page then
      local module = books.class_of(name)
      table.insert(parts, ("local %s = require %q "):format(name, module))
    end
  end
  return table.concat(parts)
end

local function squeeze(text) return (text:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", "")) end

local function expected(code)
  local list = {}
  for text in code:gmatch("%-%->([^\n]*)") do table.insert(list, squeeze(text)) end
  return list
end

-- Runs a script; its lines of output. Its errors name the lines of the source file.
local function run_script(item, example, servers)
  local code = ("\n"):rep(example.line - 1) .. prelude(example.code, servers) .. example.code
  local chunk = assert(load(code, "@" .. item.path, "t"))
  local plain, lines = print, {}
  function _G.print(...)
    local words = table.pack(...)
    for i = 1, words.n do words[i] = tostring(words[i]) end
    table.insert(lines, squeeze(table.concat(words, " ")))
  end
  local ok, e = xpcall(chunk, debug.traceback)
  _G.print = plain
  http.close()
  if not ok then error(e, 0) end
  return lines
end

-- Runs a job; its lines of output.
local function run_job(_, example, servers)
  local folder <close> = fs.tempdir()
  fs.write(folder .. "/job.lua", prelude(example.code, servers) .. example.code)
  local done = process.exec { PROGRAM, "run", "job.lua", cwd = folder.path, timeout = 60 }
  if done.code ~= 0 and done.code ~= 3 then error(done.stderr, 0) end
  local lines = {}
  for line in done.stdout:gmatch("[^\n]+") do table.insert(lines, squeeze(line)) end
  return lines
end

-- Serves a file until what was put has ended; its lines of output.
local function run_serve(_, example, servers)
  local folder <close> = fs.tempdir()
  fs.write(folder .. "/jobs.lua", prelude(example.code, servers) .. example.code)
  local q <close> = queue.open("sqlite:" .. folder .. "/work.db")
  local puts = {}
  for put in example.code:gmatch "%-%- (q:put[^\n]*)" do
    puts[#puts + 1] = assert(load("local q = ... return " .. put))(q)
  end
  local serving = task.spawn(process.exec, { "timeout", "60", PROGRAM, "serve", "jobs.lua", "-p",
    "1", "--control", "ctl.sock", cwd = folder.path })
  for _, id in ipairs(puts) do
    repeat task.sleep(0.02)
      local job = q:status(id)
    until not job or job.ended_at or serving:status() == "done"
  end
  process.exec { PROGRAM, "ctl", "stop", "ctl.sock", cwd = folder.path }
  local done = serving:await()
  if done.code ~= 0 then error(done.stderr, 0) end
  local lines = {}
  for line in done.stdout:gmatch("[^\n]+") do table.insert(lines, squeeze(line)) end
  return lines
end

local function runner(code)
  if not code:find "^return {" then return run_script end
  return code:find "queue = " and run_serve or run_job
end

describe("an example of the reference", function()
  local servers

  setup(function()
    servers = {
      nginx = nginx.start(), redis = redis_server.start(), memcached = memcached_server.start(),
    }
  end)

  teardown(function()
    servers.nginx:stop()
    servers.redis:stop()
    servers.memcached:stop()
    servers = nil
  end)

  for _, item in ipairs(books.read(books.sources()):everything()) do
    for _, example in ipairs(item.examples) do
      it(("runs: %s, %s:%d"):format(item.name, item.path, example.line), function()
        if example.code:find("redis_url", 1, true) then
          local client <close> = redis.connect(servers.redis.url)
          client:flushall()
        end
        if example.code:find("memcached_servers", 1, true) then servers.memcached:flush() end
        local run = runner(example.code)
        assert.are.same(expected(example.code), run(item, example, servers))
      end)
    end
  end
end)
