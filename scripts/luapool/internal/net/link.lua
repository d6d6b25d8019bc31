-- internal.net.link: one connection to a server, from the time when it is made to its end, for
-- protocols whose replies come in the order of the requests. A call is what is sent at once and
-- answered by a number of replies. All calls of one turn of the loop go out in one write. Two tasks
-- serve a link, and only as long as there is something to do: one that writes, and one that reads
-- until every call has its replies; so a caller that is cancelled disturbs nobody, and a link that
-- rests is just a socket.
--@whole

local errors = require "luapool.error.core"
local stream = require "luapool.internal.net.stream"
local sync = require "luapool.sync.core"
local task = require "luapool.task.core"

local M = {}

---@class luapool.internal.net.Call
---@field bytes string the requests
---@field n integer how many replies come
---@field where string the method, for messages
---@field names string[] of the requests
---@field reads boolean they only read
---@field waits number|nil seconds that the server may take on purpose
---@field sent number|nil when
---@field got integer how many replies have come
---@field replies table the replies, and at n + i the text of the error that reply i is
---@field done boolean
---@field err any why there are no replies
---@field gone boolean nobody waits for it any more
---@field line userdata|nil the task that waits

---@class luapool.internal.net.Link
---@field ended any why; nil while it lives
---@field silent boolean|nil it ended because the server did not answer
---@field name string of the protocol, for dumps
---@field reader table feed(bytes), and next(), which returns false when no reply is complete, true,
--- a value and the text of an error when one is, or nil and what is wrong with the bytes
---@field refuses (fun(call: luapool.internal.net.Call): string?)|nil the text of the error by which
--- the server has said that it takes no requests just now, and has run nothing of the call
---@field refusing string|nil this text, once there was one
local Link = {}
Link.__index = Link

--- A call has ended: the task that waits for it goes on.
---@param call luapool.internal.net.Call
---@param err any
function M.finish(call, err)
  call.done, call.err = true, err
  if call.line then call.line:wake() end
end

-- ---- the end ----

--- Ends the link. Calls that have not been sent, or may be sent again, are given to `on_end`, the
--- others get the error.
---@param err any
function Link:close(err)
  if self.ended then return end
  self.ended = err
  self.socket:close()
  local again = {}
  for i = self.first, self.last do
    local call = self.calls[i]
    if self.on_end and not call.gone and (not call.sent or call.reads) then
      table.insert(again, call)
    else
      M.finish(call, err)
    end
  end
  self.calls, self.first, self.last, self.out = {}, 1, 0, {}
  if self.on_end then self:on_end(err, again) end
end

local function broken(self, message)
  if self.ended then return end
  local kind, text = "aborted", "the connection to %s has ended (%s)"
  if message == "timeout" then
    kind, text = "aborted", "%s has not answered for " .. ("%g s"):format(self.timeout)
    self.silent = true
  end
  self:close(errors.new(kind, text:format(self.place, message)))
end

-- ---- writing ----

local function write_all(self)
  while #self.out > 0 and not self.ended do
    local out, bytes, from = self.out, {}, 0
    self.out = {}
    local now = task.now()
    for i, call in ipairs(out) do
      bytes[i], call.sent = call.bytes, now
    end
    local text = #bytes == 1 and bytes[1] or table.concat(bytes)
    while from < #text do
      local sent, _, message = stream.write(self.socket, text, from, self.timeout)
      from = from + sent
      if message == "timeout" and sent > 0 then message = nil end
      if message then return broken(self, message) end
    end
  end
end

local function write(self)
  local ok, e = pcall(write_all, self)
  self.writing = false
  if not ok then self:close(e) end
end

-- ---- reading ----

-- A reply has come, or the text of an error.
local function deliver(self, value, text)
  local call = self.calls[self.first]
  if not call then return broken(self, "a reply to nothing") end
  call.got = call.got + 1
  call.replies[call.got], call.replies[call.n + call.got] = value, text
  if call.got < call.n then return end
  self.calls[self.first] = nil
  self.first = self.first + 1
  if self.first > self.last then self.first, self.last = 1, 0 end
  local refusal = self.refuses and self.refuses(call)
  if refusal then
    self.refusing = self.refusing or refusal
    if self.on_refused and not call.gone then return self:on_refused(call) end
  end
  M.finish(call)
end

local function take(self, bytes)
  local reader = self.reader
  reader:feed(bytes)
  while not self.ended do
    local complete, value, text = reader:next()
    if complete == false then return end
    if not complete then
      return self:close(errors.new("protocol", ("%s: %s"):format(self.place, value)))
    end
    deliver(self, value, text)
  end
end

-- How long the server may be silent from now on. A command that waits there has its own time.
local function patience(self)
  local call = self.calls[self.first]
  local since = math.max(call.sent or task.now(), self.heard)
  return math.max(0, since + self.timeout + (call.waits or 0) - task.now())
end

local function read_all(self)
  while self.first <= self.last and not self.ended do
    local bytes, message = stream.read(self.socket, patience(self))
    if bytes then
      self.heard = task.now()
      take(self, bytes)
    elseif not self.ended and (message ~= "timeout" or patience(self) <= 0) then
      broken(self, message)
    end
  end
  if self.refusing and not self.ended then self:close(errors.new("redis", self.refusing)) end
end

local function read(self)
  local ok, e = pcall(read_all, self)
  self.reading = false
  if not ok then self:close(e) end
end

-- ---- calls ----

--- Whether the link can be used: the server may have closed one that rests.
---@return boolean
function Link:alive()
  if self.ended or self.refusing then return false end
  if self.first <= self.last then return true end
  local bytes, message = stream.read(self.socket, 0)
  if not bytes and message == "timeout" then return true end
  broken(self, message or "bytes that nobody has asked for")
  return false
end

--- Sends a call with the others of this turn.
---@param call luapool.internal.net.Call
function Link:post(call)
  if self.ended then return M.finish(call, self.ended) end
  call.sent, call.got, call.replies = nil, 0, {}
  self.last = self.last + 1
  self.calls[self.last] = call
  table.insert(self.out, call)
  if not self.writing then
    self.writing = true
    task.spawn(write, self):name(self.name)
  end
  if not self.reading then
    self.reading = true
    task.spawn(read, self):name(self.name)
  end
end

--- Waits until a call is done, or `timeout` has passed, which raises kind `timeout`.
---@param call luapool.internal.net.Call
---@param timeout number|nil
function M.await(call, timeout)
  if call.done then return end
  call.line = sync.waiters "reply of a server"
  local ok, e = pcall(call.line.wait, call.line, timeout)
  call.line = nil
  if ok then return end
  call.gone = true
  error(e, 0)
end

--- Makes a call.
---@param where string
---@param bytes string
---@param names string[] of the requests: each has one reply
---@return luapool.internal.net.Call
function M.call(where, bytes, names)
  return { where = where, bytes = bytes, names = names, n = #names, got = 0, replies = {} }
end

--- A link over a socket that is connected.
---@param socket userdata
---@param place string
---@param opts { timeout: number, reader: table, name: string, refuses: function? } timeout: how
--- long the server may be silent when it has something to answer
---@return luapool.internal.net.Link
function M.new(socket, place, opts)
  return setmetatable({
    socket = socket, place = place, timeout = opts.timeout, reader = opts.reader,
    name = opts.name, refuses = opts.refuses, calls = {}, first = 1, last = 0, out = {},
    heard = task.now(), writing = false, reading = false,
  }, Link)
end

return M
