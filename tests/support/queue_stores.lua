-- The stores that the specs of luapool.queue run on: a list of { name, make }. make() returns a
-- fresh place: `url`, by which any process reaches it, and close().

local fs = require "luapool.fs"

local function file()
  local dir = fs.tempdir()
  return { url = "sqlite:" .. dir.path .. "/work.db", dir = dir, path = dir .. "/work.db",
    close = function() dir:close() end }
end

return { { name = "SQLite", make = file } }
