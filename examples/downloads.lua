-- Shows large files fetched as a download manager does it: each straight to the disk, a few at a
-- time; a transfer that was cut, or a run that was killed, is gone on with where it stopped; and no
-- file gets its name before its checksum is right. The list has a checksum and a URL on each line,
-- as sha256sum prints them.
--
--     luapool run downloads.lua -- list.txt downloads

local digest = require "luapool.digest"
local errors = require "luapool.error"
local fs = require "luapool.fs"
local http = require "luapool.http"

local function exists(path) return (pcall(fs.stat, path)) end

-- What a part on the disk holds: its digest so far, and its size. What identified the file on the
-- server when the part was begun stands beside it.
local function begun(part)
  local hash, size = digest.new "sha256", 0
  if not exists(part) or not exists(part .. ".tag") then return hash, 0, nil end
  for bytes in io.lines(part, 1 << 20) do
    hash:update(bytes)
    size = size + #bytes
  end
  return hash, size, fs.read(part .. ".tag")
end

local function give_up(part)
  for _, path in ipairs { part, part .. ".tag" } do
    if exists(path) then fs.remove(path) end
  end
end

local client = nil -- made in each worker when it is first used: clients do not travel

local function download(url, path, sum)
  client = client or http.client { limit_per_host = 4, timeout = 3600, max_body = "1T" }
  local part = path .. ".part"
  local hash, size, tag = begun(part)
  local headers = { ["Accept-Encoding"] = "identity" }
  if size > 0 then headers.Range, headers["If-Range"] = ("bytes=%d-"):format(size), tag end
  local res <close> = client:get(url, { headers = headers, stream = true })
  if res.status == 416 then give_up(part) end -- the part is longer than the file
  res:raise_for_status()
  if res.status ~= 206 then -- from its beginning: it is new, or it has changed since
    hash = digest.new "sha256"
    fs.write(part, "")
    fs.write(part .. ".tag", res.headers.etag or "")
  end
  for bytes in res:chunks() do
    fs.append(part, bytes)
    hash:update(bytes)
  end
  if hash:hex() ~= sum then
    give_up(part)
    errors.raise("checksum", ("%s: %s came, %s was expected"):format(url, hash:hex(), sum))
  end
  fs.rename(part, path)
  give_up(part)
end

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
    if not exists(item.path) then download(item.url, item.path, item.sum) end
    return { url = item.url, path = item.path, bytes = fs.stat(item.path).size }
  end,
  process = function(file) return file end,
  retry = { attempts = 5 },
}
