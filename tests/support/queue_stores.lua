-- The stores that the specs of luapool.queue run on: a list of { name, make, open }. make() returns
-- a fresh place: `url`, by which any process reaches it, `away()`, from when on nobody reaches it
-- until `back()`, and close(). open() returns a place and a queue there, which close() ends, too.

local fs = require "luapool.fs"
local queue = require "luapool.queue"
local redis_server = require "tests.support.redis_server"
local sqlite = require "luapool.sqlite"
local sync = require "luapool.sync"
local task = require "luapool.task"

local function file()
  local dir = fs.tempdir()
  local path, writer, over = dir .. "/work.db", nil, nil
  return {
    url = "sqlite:" .. path, dir = dir, path = path,
    away = function() -- somebody writes for long
      local begun = sync.event()
      over = sync.event()
      writer = task.spawn(function()
        local db <close> = sqlite.open(path)
        db:transaction(function()
          begun:set()
          over:wait()
        end)
      end)
      begun:wait()
    end,
    back = function()
      over:set()
      writer:await()
    end,
    close = function() dir:close() end,
  }
end

-- A short lease: the specs wait for the end of those of processes that they kill.
local function redis()
  local server = redis_server.start { config = { "appendonly yes" } }
  return {
    url = server.url .. "/0?ns=spec&lease=1", server = server,
    away = function() server:kill() end,
    back = function() server:start() end,
    close = function() server:stop() end,
  }
end

local function store(name, make)
  local function open()
    local place = make()
    local q, close = queue.open(place.url), place.close
    place.close = function()
      q:close()
      close()
    end
    return place, q
  end
  return { name = name, make = make, open = open }
end

return { store("SQLite", file), store("Redis", redis) }
