-- A real redis-server for specs: local server <close> = redis.start(). It listens on a free port of
-- loopback, keeps nothing on disk, and ends at the latest with this process.

local process = require "luapool.process"
local socket = require "socket"
local task = require "luapool.task"

local M = {}

local Server = { __name = "tests.redis" }
Server.__index = Server

local function free_port()
  local server <close> = assert(socket.bind("127.0.0.1", 0))
  return math.tointeger((select(2, server:getsockname())))
end

local function answers(port)
  local client <close> = socket.connect("127.0.0.1", port)
  return client and client:send "PING\r\n" and client:receive() == "+PONG"
end

--- Starts it; it answers when this returns.
function M.start()
  local port = free_port()
  local run = task.spawn(process.exec, { "setpriv", "--pdeathsig", "KILL", "redis-server",
    "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", "/tmp" })
  while not answers(port) do
    if run:status() ~= "running" then
      error("redis-server did not start: " .. run:await().stdout, 2)
    end
    task.sleep(0.02)
  end
  return setmetatable({ port = port, run = run }, Server)
end

--- Stops it. Safe twice.
function Server:stop()
  self.run:cancel()
  self.run:result()
end

Server.__close = Server.stop

return M
