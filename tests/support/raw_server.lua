-- A server of a few lines for specs that need answers which nginx does not give:
--
--     local server <close> = raw_server.start(function(request, connection) ... end)
--
-- The handler is called for each request; a string that it returns is sent as it is, and true keeps
-- the connection without an answer of its own. Anything else ends the connection. server.url;
-- server.other, which is the same server by another name; server.requests, all that came;
-- server.connections, their number.

local errors = require "luapool.error"
local socket = require "socket"
local task = require "luapool.task"

local M = {}

---@class tests.raw_request
---@field method string
---@field target string
---@field headers table<string, string> lower-case names; repeated ones joined by ", "
---@field body string

local Server = { __name = "tests.raw_server" }
Server.__index = Server

-- The body in chunks, which end with one of no size.
local function read_chunks(c)
  local parts = {}
  while true do
    local size = tonumber((c:receive() or ""):match("^%x+") or "0", 16)
    if size > 0 then parts[#parts + 1] = c:receive(size) end
    c:receive()
    if size == 0 then return table.concat(parts), parts end
  end
end

local function read_request(c)
  local line = c:receive()
  if not line then return nil end
  local request = { headers = {}, body = "" }
  request.method, request.target = line:match("^(%S+) (%S+)")
  for header in function() local l = c:receive() return l ~= "" and l or nil end do
    local name, value = header:match("^([^:]+):%s*(.*)$")
    name = name:lower()
    local before = request.headers[name]
    request.headers[name] = before and before .. ", " .. value or value
  end
  if request.headers.expect then c:send "HTTP/1.1 100 Continue\r\n\r\n" end
  local size = tonumber(request.headers["content-length"] or "0")
  if request.headers["transfer-encoding"] == "chunked" then
    request.body, request.chunks = read_chunks(c)
  elseif size > 0 then
    request.body = c:receive(size) or ""
  end
  return request
end

function Server:serve(c)
  self.connections = self.connections + 1
  self.open[c] = true
  for request in function() return read_request(c) end do
    table.insert(self.requests, request)
    local ok, answer = pcall(self.handler, request, c)
    if not ok and not errors.is(answer, "cancelled") then self.error = answer end
    if type(answer) == "string" and ok then c:send(answer) elseif answer ~= true then break end
  end
  self.open[c] = nil
  c:close()
end

--- An answer with a body of known length.
---@param body string
---@param status? string "200 OK"
---@param headers? string lines, each with its end
---@return string
function M.answer(body, status, headers)
  return ("HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s"):format(status or "200 OK", #body,
    headers or "", body)
end

--- Starts it on a free port of loopback.
---@param handler fun(request: tests.raw_request, connection: table): string|boolean|nil
function M.start(handler)
  local listener = assert(socket.bind("127.0.0.1", 0))
  local port = math.tointeger((select(2, listener:getsockname())))
  local self = setmetatable({
    handler = handler, requests = {}, connections = 0, open = {}, listener = listener, tasks = {},
    port = port, url = "http://127.0.0.1:" .. port, other = "http://localhost:" .. port,
  }, Server)
  self.loop = task.spawn(function()
    for c in function() return (listener:accept()) end do
      table.insert(self.tasks, task.spawn(self.serve, self, c))
    end
  end)
  return self
end

--- Ends it and its connections. Safe twice.
function Server:stop()
  self.loop:cancel()
  self.loop:result()
  for _, t in ipairs(self.tasks) do
    t:cancel()
    t:result()
  end
  for c in pairs(self.open) do c:close() end
  self.open = {}
  self.listener:close()
  local failure = self.error -- of the handler
  self.error = nil
  if failure then error(failure, 0) end
end

Server.__close = Server.stop

return M
