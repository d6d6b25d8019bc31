-- ssl: the name under which libraries written for LuaSec look for it: a copy of internal.ssl, which
-- they may change.

local M = {}
for name, value in pairs(require "luapool.internal.ssl") do M[name] = value end

return M
