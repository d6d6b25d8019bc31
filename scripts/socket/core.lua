-- socket.core: the name under which LuaSocket's Lua files look for their C half: a copy of
-- luapool.socket, because socket.lua adds its own functions to the table.

local M = {}
for name, value in pairs(require "luapool.internal.socket") do M[name] = value end
M.dns = {}
for name, value in pairs(require "luapool.internal.socket".dns) do M.dns[name] = value end

return M
