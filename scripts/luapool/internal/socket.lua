-- internal.socket: what `require "socket.core"` is built of: sockets whose calls suspend only
-- their task (bindings/ socket*.c), and LuaSocket's exceptions, through which waits pass.
-- LuaSocket's own Lua files (socket.lua, socket/http.lua, ltn12.lua, ...) and libraries written
-- for it stand on socket.core. Results, error strings and patterns are those of LuaSocket 3.
-- TLS is in luapool.internal.ssl; socket.unix is not there.

local core = require "luapool.socket.core"
local task = require "luapool.task.core"

local M = {}
for name, value in pairs(core) do M[name] = value end

M._VERSION = "LuaSocket 3.1.0"
M._SETSIZE = 1 << 20 -- how many select takes: as many as there can be descriptors
M._SOCKETINVALID = -1

--- LuaSocket unloads its library with this; there is nothing to unload.
function M.__unload() end

--- Waits for so many seconds; a negative number is 0.
---@param seconds number
function M.sleep(seconds)
  task.sleep(math.max(seconds, 0))
end

--- Drops the first `n` of the other arguments.
---@param n integer
---@return any ...
function M.skip(n, ...)
  return select(n + 1, ...)
end

-- What `try` raises: a table that holds the message. It is known by its name, since a copy of it
-- may have come from another process.
local EXCEPTION = { __name = "luapool.socket.exception" }
EXCEPTION.__tostring = function(e) return tostring(e[1]) end

local function is_exception(e)
  local meta = type(e) == "table" and getmetatable(e)
  return type(meta) == "table" and rawget(meta, "__name") == EXCEPTION.__name
end

--- A function that returns its arguments, unless the first is nil or false: then it calls the
--- finalizer and raises the second as an exception, for `protect`.
---@param finalizer? function
---@return function
function M.newtry(finalizer)
  return function(...)
    local ok, message = ...
    if ok then return ... end
    if finalizer then finalizer() end
    error(setmetatable({ message }, EXCEPTION), 0)
  end
end

local function finish(ok, ...)
  if ok then return ... end
  local e = ...
  if is_exception(e) then return nil, e[1] end
  error(e, 0)
end

--- A function that calls fn and returns nil and the message of an exception that `try` has
--- raised; other errors pass.
---@param fn function
---@return function
function M.protect(fn)
  return function(...) return finish(pcall(fn, ...)) end
end

local makers = { inet = core.tcp4, inet6 = core.tcp6, unspec = core.tcp }

--- Makes a TCP client, bound to laddress and lport when they are given.
---@param address string
---@param port integer
---@param laddress? string
---@param lport? integer
---@param family? string "inet", "inet6" or "unspec"
---@return userdata|nil client, string? message
function M.connect(address, port, laddress, lport, family)
  local make = makers[family or "unspec"]
  if type(address) ~= "string" then
    error(("bad argument #1 to 'connect' (string expected, got %s)"):format(type(address)), 2)
  end
  if type(port) ~= "string" and type(port) ~= "number" then
    error(("bad argument #2 to 'connect' (string expected, got %s)"):format(type(port)), 2)
  end
  if not make then
    error(("bad argument #5 to 'connect' (invalid option '%s')"):format(family), 2)
  end
  local client, ok, message = make(), true, nil
  if laddress then ok, message = client:bind(laddress, lport or 0) end
  if ok then ok, message = client:connect(address, port) end
  if ok then return client end
  client:close()
  return nil, message
end

return M
