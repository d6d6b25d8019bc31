-- Shows large files fetched as a download manager does it: each straight to the disk, a few at a
-- time; a transfer that was cut, or a run that was killed, is gone on with where it stopped; and no
-- file gets its name before its checksum is right. The list has a checksum and a URL on each line,
-- as sha256sum prints them.
--
--     luapool run downloads.lua -- list.txt downloads

local fs = require "luapool.fs"
local http = require "luapool.http"

local client = nil -- made in each worker when it is first used: clients do not travel

local function exists(path) return (pcall(fs.stat, path)) end

return {
  items = function(ctx)
    fs.mkdir(ctx.args[2], { parents = true })
    local lines = fs.lines(ctx.args[1])
    return function()
      local line = lines()
      if not line then return nil end
      local sum, url = line:match "^(%x+) [ *](%S+)$"
      return { sum = sum, url = url, path = ctx.args[2] .. "/" .. url:match "([^/?#]+)[^/]*$" }
    end
  end,
  fetch = function(item)
    client = client or http.client {
      limit_per_host = 4,
      timeout = 3600,
      stall_timeout = 60, -- seconds without a byte
      max_body = 2 ^ 40,
    }
    if not exists(item.path) then
      client:get(item.url, {
        save_to = item.path,
        resume = true, -- goes on with PATH.part, unless the file has changed since
        checksum = "sha256:" .. item.sum,
      }):raise_for_status()
    end
    return { url = item.url, path = item.path, bytes = fs.stat(item.path).size }
  end,
  process = function(file) return file end,
  retry = { attempts = 5 },
}
