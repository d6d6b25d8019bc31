-- internal.serve.control: the socket on which `luapool ctl` asks a run of `luapool serve`: a line
-- of JSON each way. Only its own user reaches it. Workers of services get listening sockets over
-- it.

local core = require "luapool.core"
local errors = require "luapool.error.core"
local json = require "luapool.json"
local log = require "luapool.log"
local task = require "luapool.task"

require "luapool.socket.core"
local stream = require "luapool.socket.stream"

local M = {}

local function uid()
  local file <close> = io.open "/proc/self/status"
  return file and file:read "a":match "\nUid:%s+%d+%s+(%d+)" or "0"
end

--- The folder of the sockets of all runs of this user.
---@return string
function M.folder()
  local own = os.getenv "XDG_RUNTIME_DIR"
  if own and own:find "^/" then return own .. "/luapool" end
  return ("%s/luapool-%s"):format(os.getenv "TMPDIR" or "/tmp", uid())
end

-- ---- the run ----

---@class luapool.serve.Control
---@field path string
---@field server userdata
---@field answer fun(request: table): table
local Control = {}
Control.__index = Control

local function read_line(client)
  client:settimeout(10, "t")
  local line = client:receive "*l"
  local ok, request = pcall(json.decode, line or "")
  return ok and type(request) == "table" and request or nil
end

local function serve(self, client)
  local request = read_line(client)
  if request and request.listener then
    local server = self.listeners[request.listener]
    if server then stream.give(client, server:getfd()) end
  elseif request then
    local ok, answer = pcall(self.answer, request)
    if not ok then answer = { error = errors.text(answer) } end
    client:settimeout(10, "t")
    client:send(json.encode(answer) .. "\n")
  end
  client:close()
end

local function accept(self)
  while true do
    local client, message = self.server:accept()
    if client then
      task.spawn(serve, self, client):name "ctl"
    else
      log.error("ctl: %s", message)
      task.sleep(1)
    end
  end
end

--- Where a run listens that was told no other place. Raises when that cannot be.
---@return string
function M.default_path()
  local folder = M.folder()
  local ok, message = stream.folder(folder)
  if not ok then
    errors.raise("system", ("the folder %s cannot be used: %s"):format(folder, message))
  end
  return ("%s/%d.sock"):format(folder, core.pid())
end

--- Listens. `answer(request)` returns what is answered. Raises when the socket cannot be made.
---@param path string
---@param answer fun(request: table): table
---@return luapool.serve.Control
function M.open(path, answer)
  local peer = stream.unix(path)
  if peer then
    peer:close()
    errors.raise("usage", ("another run listens on %s already"):format(path))
  end
  os.remove(path)
  local server, message = stream.listen(path)
  if not server then
    errors.raise("system", ("cannot listen on %s: %s"):format(path, message))
  end
  local self = setmetatable({ path = path, server = server, answer = answer, listeners = {} },
    Control)
  self.accepting = task.spawn(accept, self)
  self.accepting:name "ctl"
  return self
end

--- Listens no more; its file goes.
function Control:close()
  self.accepting:cancel()
  os.remove(self.path)
  self.server:close()
end

-- ---- who asks ----

--- Asks the run behind a socket. Returns nil and a message when nobody listens there.
---@param path string
---@param request table
---@return table|nil answer
---@return string? message
function M.ask(path, request)
  local client <close>, message = stream.unix(path)
  if not client then return nil, message end
  client:send(json.encode(request) .. "\n")
  local line, why = client:receive "*l"
  if not line then return nil, why == "closed" and "it has ended" or why end
  return json.decode(line)
end

return M
