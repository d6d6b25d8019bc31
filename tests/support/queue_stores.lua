-- The stores that the specs of luapool.queue run on: a list of { name, make }. make() returns a
-- fresh place: `url`, by which any process reaches it, and close().

local fs = require "luapool.fs"
local redis_server = require "tests.support.redis_server"

local function file()
  local dir = fs.tempdir()
  return { url = "sqlite:" .. dir.path .. "/work.db", dir = dir, path = dir .. "/work.db",
    close = function() dir:close() end }
end

-- A short lease: the specs wait for the end of those of processes that they kill.
local function redis()
  local server = redis_server.start { config = { "appendonly yes" } }
  return { url = server.url .. "/0?ns=spec&lease=1", server = server,
    close = function() server:stop() end }
end

return { { name = "SQLite", make = file }, { name = "Redis", make = redis } }
