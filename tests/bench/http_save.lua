-- The benchmark's download: http_save.lua URL FILE [CHECKSUM].

local http = require "luapool.http"

local url, file, checksum = ...
local res = http.get(url, { save_to = file, checksum = checksum })
assert(res.status == 200)
