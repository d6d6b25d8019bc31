-- internal.memcached.server: one server and the connection to it, which all tasks of the process
-- share. States:
--   idle        there is no connection, and nothing against making one: when a call needs it
--   connecting  a task makes one, and calls wait for it
--   ready
--   out         the last attempt has failed: calls go elsewhere until `again`
--   trying      the first call after that has begun an attempt, and went elsewhere as well
--   closed
-- So no call waits for a server that is known to be dead, unless all are, and nothing happens while
-- nobody calls.
--@whole

local digest = require "luapool.digest.core"
local errors = require "luapool.error.core"
local links = require "luapool.internal.net.link"
local readers = require "luapool.internal.memcached.reader"
local stream = require "luapool.internal.net.stream"
local sync = require "luapool.sync.core"
local task = require "luapool.task.core"
local tools = require "luapool.task"

local M = {}

local FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10 -- seconds that a dead server is left out

---@class luapool.internal.memcached.Server
---@field place string "10.0.0.1:11211"
---@field host string?
---@field port integer?
---@field unix string?
---@field weight number
---@field timeout number
---@field tls table|nil
---@field state string as said above
---@field link luapool.internal.net.Link|nil
---@field trouble any why it is out
---@field failures integer attempts in a row
---@field again number when the next one may be made
---@field line userdata the calls that wait for the connection
---@field connecting luapool.Task|nil
local Server = {}
Server.__index = Server

-- Errors of the network; any other one is no fault of the server.
local network = {
  connect = true, dns = true, timeout = true, aborted = true, protocol = true, tls = true,
}

--- Whether an error is one of the connection, after which another server may be asked.
---@param e any
---@return boolean
function M.is_network(e) return errors.is(e) and network[e.kind] or false end

-- ---- connecting ----

local fail

local function on_end(link, e, again)
  local self = link.server
  for _, call in ipairs(again) do links.finish(call, e) end
  if self.link ~= link then return end
  self.link = nil
  if self.state ~= "ready" then return end
  self.state = "idle"
  if link.silent then fail(self, e) end
end

-- Only a memcached that works answers this.
local function greet(link, timeout)
  local call = links.call("version", "version\r\n", { "version" })
  link:post(call)
  links.await(call, timeout)
  local reply = call.replies and call.replies[1]
  if call.err then error(call.err, 0) end
  if type(reply) ~= "string" or not reply:find "^VERSION " then
    local what = call.replies[2] or tostring(reply)
    local text = "%s is no memcached: it answers %q"
    errors.raise("protocol", text:format(link.place, what:sub(1, 60)))
  end
end

local function open(self)
  local deadline = task.now() + self.timeout
  local socket = stream.open(self, self.tls, deadline)
  local link = links.new(socket, self.place, {
    timeout = self.timeout, reader = readers.new(), name = "memcached",
  })
  local ok, e = pcall(greet, link, math.max(0, deadline - task.now()))
  if ok then return link end
  link:close(e)
  error(e, 0)
end

local function succeed(self, link)
  link.server, link.on_end = self, on_end
  link.id = digest.hex_encode(digest.random(8))
  self.link, self.state, self.failures, self.trouble = link, "ready", 0, nil
  self.line:wake_all()
end

function fail(self, e)
  if errors.is(e, "timeout") then
    e = errors.new("connect", ("no connection to %s within %g s"):format(self.place, self.timeout))
  end
  if M.is_network(e) then e = errors.new(e.kind, e.message, { server = self.place }) end
  self.trouble = e
  if M.is_network(e) then
    local pause = math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ^ self.failures)
    self.failures = self.failures + 1
    self.state, self.again = "out", task.now() + pause * (0.5 + math.random() / 2)
  else
    self.state = "idle"
  end
  self.line:wake_all(e)
end

local function connect(self)
  local ok, link = pcall(tools.timeout, self.timeout, open, self)
  self.connecting = nil
  if self.state == "closed" then
    if ok then link:close(self.trouble) end
  elseif ok then
    succeed(self, link)
  else
    fail(self, link)
  end
end

local function start(self, state)
  self.state = state
  self.connecting = task.spawn(connect, self)
  self.connecting:name "memcached"
end

-- ---- for the client ----

--- Whether calls may go to it. One that is out is tried again when its time has come.
---@return boolean
function Server:is_in()
  if self.state == "out" and task.now() >= self.again then start(self, "trying") end
  return self.state ~= "out" and self.state ~= "trying"
end

--- Begins to connect where that is the next thing to do.
function Server:prepare()
  if self.state == "idle" or self.state == "out" then start(self, "connecting") end
end

--- The connection, which is made where there is none. Raises when that fails.
---@return luapool.internal.net.Link
function Server:connect()
  if self.state == "ready" and self.link:alive() then return self.link end
  if self.state == "closed" then error(self.trouble, 0) end
  self:prepare()
  local e = self.line:wait(nil)
  if e then error(e, 0) end
  if self.link then return self.link end
  errors.raise("aborted", ("the connection to %s has ended"):format(self.place))
end

--- Waits for the replies of a call. Raises when there are none; the error has a field `sent` when
--- the server may have done what was asked.
---@param call luapool.internal.net.Call
---@param link luapool.internal.net.Link
function Server:await(call, link)
  local ok, e = pcall(links.await, call, self.timeout)
  if ok then
    e = call.err
  elseif errors.is(e, "timeout") then
    local text = "%s: no answer from %s within %g s"
    e = errors.new("timeout", text:format(call.where, self.place, self.timeout))
    link:close(e)
    if self.state == "idle" then fail(self, e) end
  end
  if not e then return end
  if M.is_network(e) then
    e = errors.new(e.kind, e.message, { sent = call.sent and true or nil, server = self.place })
  end
  error(e, 0)
end

--- Something that cannot be was answered: nobody can tell any more which reply belongs to what.
---@param link luapool.internal.net.Link
---@param where string
---@param reply any
function Server:confused(link, where, reply)
  local text = type(reply) == "string" and ("%q"):format(reply:sub(1, 60)) or "another reply"
  local e = errors.new("protocol", ("%s: %s answers %s"):format(where, self.place, text))
  link:close(e)
  error(e, 0)
end

--- Ends the connection. Safe twice.
function Server:close()
  if self.state == "closed" then return end
  self.trouble = errors.new("closed", "the client is closed")
  self.state = "closed"
  if self.connecting then self.connecting:cancel "the client is closed" end
  self.line:wake_all(self.trouble)
  if self.link then self.link:close(self.trouble) end
end

--- A server that nobody has asked yet.
---@param place { place: string, host: string?, port: integer?, unix: string?, weight: number }
---@param timeout number
---@param tls table|nil what luapool.internal.net.tls has made
---@return luapool.internal.memcached.Server
function M.new(place, timeout, tls)
  return setmetatable({
    place = place.place, host = place.host, port = place.port, unix = place.unix,
    weight = place.weight, timeout = timeout, tls = tls, state = "idle", failures = 0, again = 0,
    line = sync.waiters "connection to memcached",
  }, Server)
end

return M
