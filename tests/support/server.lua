-- What the real servers of specs have in common: a folder of their own with the file `pid`, a
-- process that ends at the latest with this one, and answers before a spec goes on.
--
--     local Server = server.class("tests.etcd", answers)
--     return setmetatable({ folder = dir, dir = dir.path, command = {...} }, Server):start()
--
--     one:kill()       as kill -9 does; what it has on disk stays
--     one:start()      again, where it was
--     one:signal "STOP"
--     one:stop()       also at the end of a `<close>` variable; safe twice

local fs = require "luapool.fs"
local process = require "luapool.process"
local socket = require "socket"
local task = require "luapool.task"

local M = {}

--- A port of loopback that nobody uses.
---@return integer
function M.free_port()
  local server <close> = assert(socket.bind("127.0.0.1", 0))
  return math.tointeger((select(2, server:getsockname())))
end

--- Makes certificates in a folder: see tests/support/certificates.
---@param dir string
function M.certificates(dir)
  local support = debug.getinfo(1, "S").source:match "^@?(.*/)"
  local made = process.exec { "sh", support .. "certificates", dir, "more" }
  assert(made.code == 0, made.stderr)
end

local Server = {}

--- Starts it, again where it was after a kill. It answers when this returns.
function Server:start()
  self:launch()
  repeat
    task.sleep(0.02)
    if self.process:status() ~= "running" then
      local ended = self.process:await()
      error(self.name .. " did not start: " .. ended.stdout .. ended.stderr, 3)
    end
  until self.answers(self)
  return self
end

--- The same, and does not wait until it answers.
function Server:launch()
  local command = { "setpriv", "--pdeathsig", "KILL", table.unpack(self.command) }
  self.process = task.spawn(process.exec, command)
  return self
end

--- Sends it a signal.
---@param name string
function Server:signal(name)
  local pid = fs.read(self.dir .. "/pid"):match "%d+"
  assert(process.exec { "kill", "-" .. name, pid }.code == 0)
end

--- Kills it, and returns when it is gone.
function Server:kill()
  self.process:cancel()
  self.process:result()
end

--- Stops it. Safe twice.
function Server:stop()
  self:kill()
  self.folder:close()
end

--- A class of servers. `answers(self)` says whether it can be asked.
---@param name string of the program
---@param answers fun(self: table): boolean
---@return table
function M.class(name, answers)
  local class = { __name = "tests." .. name, name = name, answers = answers, __close = Server.stop }
  class.__index = class
  return setmetatable(class, { __index = Server })
end

return M
