-- internal.redis.engine: what stands behind a client: which connection its calls take, and what is
-- done when there is none. States: "idle" (no connection, and nobody wants one), "connecting" (a
-- task tries, again and again as long as calls wait), "ready", "draining" (the server refuses: it
-- has become a replica, say; its last answers come in, then the connection is made anew),
-- "closed". A call waits for a connection until its own deadline and no longer.
--@whole

local errors = require "luapool.error.core"
local handshake = require "luapool.internal.redis.handshake"
local links = require "luapool.internal.net.link"
local task = require "luapool.task.core"

local M = {}

---@class luapool.redis.Engine
---@field state "idle"|"connecting"|"ready"|"draining"|"closed"
---@field queue luapool.internal.net.Call[] calls that wait for a connection
---@field connecting luapool.Task|nil
---@field link luapool.internal.net.Link|nil
---@field trouble any why there is no connection
---@field wants_master boolean a server has said that it is a replica: the next one has to be none
local Engine = {}
Engine.__index = Engine

local FIRST_PAUSE, LONGEST_PAUSE = 0.02, 1 -- between two attempts to connect
local MOST_REFUSALS = 3 -- so often a call is taken to another connection

-- ---- calls that wait ----

local function in_order(a, b) return a.number < b.number end

local function fail_all(self, e)
  local queue = self.queue
  self.queue = {}
  for _, call in ipairs(queue) do links.finish(call, e) end
end

local function has_waiting(self)
  local kept = {}
  for _, call in ipairs(self.queue) do
    if not call.gone then table.insert(kept, call) end
  end
  self.queue = kept
  return #kept > 0
end

local function post_all(self)
  local queue = self.queue
  self.queue = {}
  table.sort(queue, in_order)
  for _, call in ipairs(queue) do
    if not call.gone then self.link:post(call) end
  end
end

-- ---- connecting ----

local start

local function on_end(link, e, again)
  local self = link.engine
  if self.link == link then
    self.link = nil
    if self.state ~= "closed" then self.state = "idle" end
  end
  self.trouble = e
  if self.state == "closed" then
    for _, call in ipairs(again) do links.finish(call, e) end
    return
  end
  table.move(again, 1, #again, #self.queue + 1, self.queue)
  if self.state == "idle" and has_waiting(self) then start(self) end
end

-- The server has refused a call and run nothing of it: it goes to the next connection, whose server
-- has to be a master where this one is a replica.
local function on_refused(link, call)
  local self = link.engine
  self.state = "draining"
  call.refused = (call.refused or 0) + 1
  if call.refused > MOST_REFUSALS then return links.finish(call) end
  if link.refusing:find "^READONLY" then self.wants_master = true end
  table.insert(self.queue, call)
end

-- The address stands for a replica, and goes on doing so: who has tried to write there is told.
local function give_up_master(self)
  self.wants_master = false
  local queue = self.queue
  self.queue = {}
  for _, call in ipairs(queue) do
    if call.refused then links.finish(call) else table.insert(self.queue, call) end
  end
end

local function pause_after(n)
  local most = math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ^ n)
  return most * (0.5 + math.random() / 2)
end

local function adopt(self, link)
  self.link, self.state, self.trouble = link, "ready", nil
  link.engine, link.on_end, link.on_refused = self, on_end, on_refused
  post_all(self)
end

-- Tries until it has a connection, nobody waits for one, or there is no hope.
local function connect(self)
  local attempt = 0
  repeat
    local ok, link = pcall(handshake.open, self, self.wants_master)
    if self.state == "closed" then
      if ok then link:close(self.trouble) end
      return
    end
    if ok then return adopt(self, link) end
    self.trouble = link
    if handshake.is_final(link) then fail_all(self, link) break end
    task.sleep(pause_after(attempt))
    attempt = attempt + 1
    if self.wants_master and attempt >= MOST_REFUSALS and not self.address.master
      and errors.is(link, "redis") and link.code == "READONLY" then
      give_up_master(self)
    end
  until not has_waiting(self)
  self.state = "idle"
  self.wants_master = false
end

local function try(self)
  local ok, e = pcall(connect, self)
  self.connecting = nil
  if ok then return end
  if self.state ~= "closed" then self.state = "idle" end
  fail_all(self, e)
end

function start(self)
  self.state = "connecting"
  self.connecting = task.spawn(try, self)
  self.connecting:name "redis"
end

--- Connects, once; raises when that fails.
function Engine:open()
  local link = handshake.open(self, false)
  if self.state == "closed" then
    link:close(self.trouble)
    error(self.trouble, 0)
  end
  adopt(self, link)
end

-- ---- calls ----

-- What a call raises that has waited too long.
local function late(self, call, timeout)
  if call.sent then
    local text = "%s: no answer from %s within %g s"
    text = text:format(call.where, self.address.place, timeout)
    return errors.new("timeout", text, { sent = true })
  end
  local why = self.trouble and ": " .. tostring(self.trouble) or ""
  local text = "%s: no connection to %s within %g s%s"
  return errors.new("connect", text:format(call.where, self.address.place, timeout, why))
end

--- Raises kind `closed` when it is closed.
---@param where string
function Engine:check_open(where)
  if self.state == "closed" then
    errors.raise("closed", where .. ": the client is closed")
  end
end

--- Sends a call as soon as there is a connection.
---@param call luapool.internal.net.Call
function Engine:post(call)
  self.number = self.number + 1
  call.number = self.number
  if self.state == "ready" and self.link:alive() then return self.link:post(call) end
  table.insert(self.queue, call)
  if self.state == "idle" then start(self) end
end

--- Waits for the replies of a call that has been posted. Raises when there are none.
---@param call luapool.internal.net.Call
---@param timeout number|nil
function Engine:await(call, timeout)
  timeout = timeout or self.opts.timeout
  local ok, e = pcall(links.await, call, timeout)
  if not ok then
    error(errors.is(e, "timeout") and late(self, call, timeout) or e, 0)
  end
  if call.err then error(call.err, 0) end
end

-- ---- connections for one task ----

--- A connection that no other task uses, for commands that wait in the server and for WATCH.
---@return luapool.internal.net.Link
function Engine:take()
  while #self.spare > 0 do
    local link = table.remove(self.spare)
    if link:alive() then return self:own(link) end
  end
  local link = handshake.open(self, self.address.master ~= nil)
  if self.state == "closed" then
    link:close(self.trouble)
    error(self.trouble, 0)
  end
  return self:own(link)
end

--- Notes that a connection has to end with the client.
function Engine:own(link)
  self.taken[link] = true
  return link
end

local MOST_SPARE = 8

--- Gives it back. One that something is still expected on is of no more use.
---@param link luapool.internal.net.Link
function Engine:give_back(link)
  self.taken[link] = nil
  if link.ended then return end
  if link.first > link.last and not link.refusing and #self.spare < MOST_SPARE
    and self.state ~= "closed" then
    table.insert(self.spare, link)
  else
    link:close(errors.new("aborted", "the connection is not used any more"))
  end
end

--- Closes all connections. Calls that wait get kind `closed`. Safe twice.
function Engine:close()
  if self.state == "closed" then return end
  self.state = "closed"
  local e = errors.new("closed", "the client is closed")
  self.trouble = e
  if self.connecting then self.connecting:cancel "the client is closed" end
  fail_all(self, e)
  if self.link then self.link:close(e) end
  for _, link in ipairs(self.spare) do link:close(e) end
  for link in pairs(self.taken) do link:close(e) end
  self.spare, self.taken = {}, {}
end

--- What stands behind a client.
---@param address luapool.redis.Address
---@param opts table checked, and with its defaults
---@return luapool.redis.Engine
function M.new(address, opts)
  return setmetatable({
    address = address, opts = opts, state = "idle", queue = {}, number = 0, spare = {}, taken = {},
    subscriptions = {},
    wants_master = false,
  }, Engine)
end

return M
