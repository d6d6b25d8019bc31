-- A proxy of TCP for specs that can do what networks do:
--
--     local proxy <close> = cut_proxy.start(server.port)
--     proxy.port
--     proxy:cut()                  ends all connections
--     proxy:stall()                lets no byte pass, and keeps the connections open
--     proxy:resume()
--     proxy.refuse = true          ends new connections at once
--     proxy.drop_answers = true    ends a connection at the first answer, which gets lost
--     proxy.connections            how many there were; proxy.writes: how often the client has sent

local socket = require "socket"
local sync = require "luapool.sync"
local task = require "luapool.task"

local M = {}

local Proxy = { __name = "tests.cut_proxy" }
Proxy.__index = Proxy

-- What has come, one byte at least; nil at the end.
local function read(from)
  from:settimeout(nil)
  local first = from:receive(1)
  if not first then return nil end
  from:settimeout(0)
  local all, _, part = from:receive(1 << 16)
  return first .. (all or part or "")
end

local function pump(self, from, to, is_answer)
  for bytes in function() return read(from) end do
    if is_answer and self.drop_answers then break end
    self.flowing:wait()
    if not is_answer then self.writes = self.writes + 1 end
    to:settimeout(nil)
    if not to:send(bytes) then break end
  end
  from:close()
  to:close()
end

local function serve(self, client)
  local server = not self.refuse and socket.connect("127.0.0.1", self.target)
  if not server then client:close() return end
  client:setoption("tcp-nodelay", true)
  server:setoption("tcp-nodelay", true)
  self.connections = self.connections + 1
  self.open[client], self.open[server] = true, true
  task.all(function() pump(self, client, server, false) end,
    function() pump(self, server, client, true) end)
  self.open[client], self.open[server] = nil, nil
end

--- Starts it on a free port of loopback.
---@param target integer port of the server
function M.start(target)
  local listener = assert(socket.bind("127.0.0.1", 0))
  local self = setmetatable({
    target = target, listener = listener, open = {}, tasks = {}, connections = 0, writes = 0,
    port = math.tointeger((select(2, listener:getsockname()))), flowing = sync.event(),
  }, Proxy)
  self.flowing:set()
  self.url = "redis://127.0.0.1:" .. self.port
  self.loop = task.spawn(function()
    for client in function() return (listener:accept()) end do
      table.insert(self.tasks, task.spawn(serve, self, client))
    end
  end)
  return self
end

function Proxy:cut()
  for connection in pairs(self.open) do connection:close() end
end

function Proxy:stall() self.flowing:clear() end

function Proxy:resume() self.flowing:set() end

--- Ends it and its connections. Safe twice.
function Proxy:stop()
  self.loop:cancel()
  self.loop:result()
  self:cut()
  for _, one in ipairs(self.tasks) do
    one:cancel()
    one:result()
  end
  self.listener:close()
end

Proxy.__close = Proxy.stop

return M
