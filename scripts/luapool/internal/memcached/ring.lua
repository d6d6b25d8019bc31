-- internal.memcached.ring: which server has a key: consistent hashing as libmemcached does it with
-- MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, so that clients on it (PHP's, pylibmc) find the same one. A
-- server has points on a ring by the MD5 of its name and a number; a key belongs to the first point
-- at or behind its own MD5, or, where that server is left out, to the next one's.
--@whole

local digest = require "luapool.digest.core"

local M = {}

local POINTS = 40 -- times 4, of a server of average weight

local function md5(text) return digest.hex_decode(digest.md5(text)) end

---@class luapool.internal.memcached.Ring
---@field hashes integer[] in order
---@field servers table[] the server of each
local Ring = {}
Ring.__index = Ring

-- The first point at or behind a hash.
local function find(hashes, hash)
  local low, high = 1, #hashes + 1
  while low < high do
    local middle = (low + high) // 2
    if hashes[middle] < hash then low = middle + 1 else high = middle end
  end
  return low <= #hashes and low or 1
end

--- The server of a key: the first one on the ring that `fits`; nil when none does.
---@param key string
---@param fits fun(server: table): boolean
---@return table|nil
function Ring:server(key, fits)
  local servers = self.servers
  if #self.all == 1 then return fits(self.all[1]) and self.all[1] or nil end
  local first, asked = find(self.hashes, (("<I4"):unpack(md5(key)))), {}
  for i = first, first + #servers - 1 do
    local server = servers[(i - 1) % #servers + 1]
    if asked[server] == nil then
      if fits(server) then return server end
      asked[server] = true
    end
  end
  return nil
end

-- By which name libmemcached places a server on the ring.
local function name_of(server)
  if server.port == 11211 then return server.host end
  return ("%s:%d"):format(server.unix or server.host, server.port or 0)
end

local function add_points(points, server, share, count)
  local name = name_of(server)
  for i = 0, math.floor(share * POINTS * count + 1e-10) - 1 do
    local hashes = { ("<I4I4I4I4"):unpack(md5(("%s-%d"):format(name, i))) }
    for n = 1, 4 do
      table.insert(points, { hashes[n], server })
    end
  end
end

--- A ring of servers with the fields host and port, or unix, and weight.
---@param servers table[]
---@return luapool.internal.memcached.Ring
function M.new(servers)
  local total, points = 0, {}
  for _, server in ipairs(servers) do total = total + server.weight end
  for _, server in ipairs(servers) do
    add_points(points, server, server.weight / total, #servers)
  end
  table.sort(points, function(a, b) return a[1] < b[1] end)
  local self = { hashes = {}, servers = {}, all = servers }
  for i, point in ipairs(points) do self.hashes[i], self.servers[i] = point[1], point[2] end
  return setmetatable(self, Ring)
end

return M
