-- The benchmark's client: http_client.lua URL N C [CAFILE]: N requests by C tasks.

local http = require "luapool.http"
local task = require "luapool.task"

local url, n, c, ca = ...
local left = tonumber(n)
local opts = ca and { ca = ca } or nil

local function client()
  while left > 0 do
    left = left - 1
    local res = http.get(url, opts)
    assert(res.status == 200 and #res.body == 1024)
  end
end

local clients = {}
for i = 1, tonumber(c) do clients[i] = client end
task.gather(clients)
