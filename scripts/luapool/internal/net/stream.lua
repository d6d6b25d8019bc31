-- internal.net.stream: a socket that is connected to a server, over TLS where that is wanted.
-- Failures are error objects of kind `dns`, `connect`, `timeout` or `tls`, whose text names the
-- server.
--@whole

local errors = require "luapool.error.core"
local sockets = require "luapool.socket.core"
local stream = require "luapool.socket.stream"
local task = require "luapool.task.core"

local M = {}

local dns_words = { "host or service not provided", "name resolution" }

local function kind_of(message)
  for _, words in ipairs(dns_words) do
    if message:find(words, 1, true) then return "dns" end
  end
  return message == "timeout" and "timeout" or "connect"
end

local function refuse(place, message)
  error(errors.new(kind_of(message), ("cannot connect to %s: %s"):format(place, message)), 0)
end

local function open_tcp(host, port, deadline)
  local socket, message = sockets.tcp()
  if not socket then return nil, message end
  socket:settimeout(math.max(0, deadline - task.now()), "t")
  local ok
  ok, message = socket:connect(host, port)
  if not ok then
    socket:close()
    return nil, message
  end
  socket:setoption("tcp-nodelay", true)
  socket:setoption("keepalive", true)
  return socket
end

--- Connects. Raises where that fails, or takes longer than until `deadline`.
---@param place { unix: string?, host: string?, port: integer?, place: string }
---@param tls table|nil what luapool.internal.net.tls has made; nil: without TLS
---@param deadline number of task.now
---@return userdata socket
function M.open(place, tls, deadline)
  local socket, message
  if place.unix then
    socket, message = stream.unix(place.unix)
  else
    socket, message = open_tcp(place.host, place.port, deadline)
  end
  if not socket then refuse(place.place, message) end
  if tls then return require "luapool.internal.net.tls".wrap(tls, socket, place, deadline) end
  return socket
end

M.read, M.write = stream.read, stream.write

return M
