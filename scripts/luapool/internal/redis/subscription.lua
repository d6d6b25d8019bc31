-- internal.redis.subscription: messages of channels, over a connection of their own, which is made
-- anew when it ends. While nothing comes the server is asked for a sign of life, so that a
-- connection that is dead is not mistaken for one that is silent.
--@whole

local core = require "luapool.redis.core"
local errors = require "luapool.error.core"
local handshake = require "luapool.internal.redis.handshake"
local stream = require "luapool.internal.net.stream"
local task = require "luapool.task.core"
local usage = require "luapool.internal.usage"

local M = {}

--- The messages of channels: see `Client:subscribe`. It is called by a `for` loop, whose end closes
--- it.
---@within redis
---@class luapool.redis.Subscription
---@operator call: string
local Subscription = { __name = "luapool.redis.Subscription" }
Subscription.__index = Subscription

function Subscription.__refer() return nil, "a subscription" end

local PING = core.encode("", 0, "PING")
local LONGEST_PAUSE = 1

local function end_link(self, e)
  local link = self.link
  self.link, self.asked = nil, nil
  if not link then return end
  self.engine.taken[link] = nil
  link:close(e)
end

local function broken(self, why)
  local text = "the connection to %s has ended (%s)"
  end_link(self, errors.new("aborted", text:format(self.engine.address.place, why)))
end

local function send(self, bytes)
  local sent, _, message = stream.write(self.link.socket, bytes, 0, self.engine.opts.timeout)
  if sent < #bytes then broken(self, message) end
end

-- A reply of the server: a message is kept, the others tell that it is there.
local function note(self, reply, text)
  if text then
    self.refusal = errors.new("redis", ("%s: %s"):format(self.engine.address.place, text),
      { code = text:match "^%S+", command = "SUBSCRIBE" })
    return broken(self, text)
  end
  if type(reply) ~= "table" then return end
  local kind = reply[1]
  if kind == "message" or kind == "smessage" then
    table.insert(self.messages, { reply[3], reply[2] })
  elseif kind == "pmessage" then
    table.insert(self.messages, { reply[4], reply[3], reply[2] })
  elseif kind == "subscribe" or kind == "psubscribe" then
    self.confirmed = self.confirmed + 1
  end
end

local function take(self, bytes)
  local reader = self.link.reader
  self.heard, self.asked = task.now(), nil
  reader:feed(bytes)
  while self.link do
    local complete, value, text = reader:next()
    if complete == false then return end
    if not complete then return broken(self, value) end
    note(self, value, text)
  end
end

-- Reads once, at most until `deadline`.
local function read(self, deadline)
  local timeout = self.engine.opts.timeout
  local due = self.heard + timeout * (self.asked and 2 or 1)
  local rest = math.max(0, math.min(due, deadline) - task.now())
  local bytes, message = stream.read(self.link.socket, rest)
  if not self.link then return end
  if bytes then return take(self, bytes) end
  if message ~= "timeout" then return broken(self, message) end
  if task.now() < due then return end
  if self.asked then return broken(self, "it is silent") end
  self.asked = true
  send(self, PING)
end

-- Connects and subscribes; raises where that fails.
local function connect(self)
  local engine = self.engine
  local link = handshake.open(engine, engine.address.master ~= nil)
  if self.closed then
    link:close(self.closed)
    error(self.closed, 0)
  end
  self.link, self.heard, self.confirmed, self.refusal = engine:own(link), task.now(), 0, nil
  send(self, self.bytes)
  local deadline = task.now() + engine.opts.connect_timeout
  while self.link and self.confirmed < self.count do
    if task.now() >= deadline then broken(self, "timeout") break end
    read(self, deadline)
  end
  if self.closed then error(self.closed, 0) end
  if not self.link then
    if self.refusal then error(self.refusal, 0) end
    error(errors.new("connect", ("cannot subscribe at %s"):format(engine.address.place)), 0)
  end
end

-- Connects again; an attempt that fails is repeated until `deadline`.
local function reconnect(self, deadline)
  local pause = 0.02
  while not self.closed and task.now() < deadline do
    local ok, e = pcall(connect, self)
    if ok then
      if self.on_reconnect then self.on_reconnect() end
      return
    end
    if self.closed or handshake.is_final(e) then error(self.closed or e, 0) end
    task.sleep(math.max(0, math.min(pause, deadline - task.now())))
    pause = math.min(LONGEST_PAUSE, pause * 2)
  end
end

local function next_message(self, deadline)
  while not self.closed do
    if self.at <= #self.messages then
      local message = self.messages[self.at]
      self.at = self.at + 1
      if self.at > #self.messages then self.messages, self.at = {}, 1 end
      return message
    end
    if task.now() >= deadline then return nil end
    if self.link then read(self, deadline) else reconnect(self, deadline) end
  end
  return nil
end

-- One task waits at a time: the bytes that come are for whoever reads first.
local function wait(self, deadline)
  if self.busy then
    usage.raise("Subscription:get", "another task waits for its messages")
  end
  self.busy = true
  local ok, message = pcall(next_message, self, deadline)
  self.busy = false
  if ok then return message end
  if self.closed and not errors.is(message, "cancelled") then return nil end
  error(message, 0)
end

--- Waits for the next message. Where the connection has ended, it is made anew meanwhile; messages
--- that were published before that are lost, as Redis keeps none.
---
--- ```lua
--- local client <close> = redis.connect(redis_url)
--- local news <close> = client:subscribe "news"
--- client:publish("news", "hello")
--- print(news:get()) --> hello news nil
--- print(select(2, pcall(news.get, news, 0.01)).kind) --> timeout
--- ```
---@async
---@param timeout? number seconds
---@return string? message nil when it is closed
---@return string? channel
---@return string? pattern by which it was found
---@raises timeout
function Subscription:get(timeout)
  usage.self(self, Subscription, "Subscription:get")
  usage.optional("Subscription:get", 1, timeout, "seconds")
  local message = wait(self, timeout and task.now() + timeout or math.huge)
  if message then return message[1], message[2], message[3] end
  if not self.closed then errors.raise("timeout", "Subscription:get: timed out") end
  return nil
end

--- Ends it; a task that waits for a message gets nil. Safe twice.
---
--- ```lua
--- local client <close> = redis.connect(redis_url)
--- local news = client:subscribe { "news", "weather" }
--- news:close()
--- print(news:get()) --> nil
--- ```
function Subscription:close()
  usage.self(self, Subscription, "Subscription:close")
  if self.closed then return end
  self.closed = errors.new("closed", "the subscription is closed")
  self.engine.subscriptions[self] = nil
  end_link(self, self.closed)
end

Subscription.__close = Subscription.close
M.class = Subscription

function Subscription:__call() return self:get() end

--- A subscription, which is confirmed when this returns.
---@param engine luapool.redis.Engine
---@param channels string[]
---@param patterns string[]
---@param on_reconnect function|nil
---@return luapool.redis.Subscription
function M.new(engine, channels, patterns, on_reconnect)
  local bytes = ""
  if #channels > 0 then bytes = core.encode("Client:subscribe", 0, "SUBSCRIBE", channels) end
  if #patterns > 0 then
    bytes = bytes .. core.encode("Client:subscribe", 0, "PSUBSCRIBE", patterns)
  end
  local self = setmetatable({
    engine = engine, bytes = bytes, count = #channels + #patterns, confirmed = 0, messages = {},
    at = 1, on_reconnect = on_reconnect, heard = 0,
  }, Subscription)
  engine.subscriptions[self] = true
  local ok, e = pcall(connect, self)
  if ok then return self end
  self:close()
  error(e, 0)
end

return M
