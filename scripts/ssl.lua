-- ssl: the name under which libraries written for LuaSec look for it.

return require "luapool.internal.ssl"
