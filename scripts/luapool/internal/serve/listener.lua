-- internal.serve.listener: listening sockets that services share: those that a service manager has
-- opened ($LISTEN_FDS, see sd_listen_fds(3)), and those of `--listen`. Main holds them; a worker of
-- a service asks for each over the control socket.

local core = require "luapool.core"
local errors = require "luapool.error.core"
local json = require "luapool.json"
local sockets = require "luapool.socket.core"
local stream = require "luapool.socket.stream"

local M = {}

local FIRST = 3 -- the first descriptor that a service manager hands over

-- Those of the service manager, which are for this process alone.
local function inherited(list)
  local n = math.tointeger(tonumber(os.getenv "LISTEN_FDS"))
  if not n or tonumber(os.getenv "LISTEN_PID") ~= core.pid() then return end
  local names = {}
  for name in ((os.getenv "LISTEN_FDNAMES" or "") .. ":"):gmatch "([^:]*):" do
    names[#names + 1] = name
  end
  for i = 1, n do
    local server, message = stream.adopt(FIRST + i - 1)
    if not server then
      errors.raise("system", ("descriptor %d of LISTEN_FDS does not listen: %s"):format(
        FIRST + i - 1, message))
    end
    list[#list + 1] = { server = server, name = names[i] ~= "" and names[i] or nil }
  end
end

--- Listens on an address. Raises when it cannot.
---@param address string "HOST:PORT", ":PORT" or a path
---@return userdata server
function M.listen(address)
  local server, message
  if address:find "^/" then
    os.remove(address)
    server, message = stream.listen(address)
  else
    local host, port = address:match "^%[?([^%]]-)%]?:(%d+)$"
    server = sockets.tcp()
    server:setoption("reuseaddr", true)
    local ok
    ok, message = server:bind(host and host ~= "" and host or "*", port or address)
    if ok then ok, message = server:listen(1024) end
    if not ok then
      server:close()
      server = nil
    end
  end
  if server then return server end
  errors.raise("system", ("cannot listen on %s: %s"):format(address, message))
end

--- Opens all of them: a list of { server =, name = }.
---@param address string|nil of `--listen`: "HOST:PORT", ":PORT" or a path
---@return table[]
function M.open(address)
  local list = {}
  inherited(list)
  if address then list[#list + 1] = { server = M.listen(address), name = "listen" } end
  return list
end

--- In a worker: all of them, by number and by name.
---@param control string path of the control socket
---@param names table<integer, string|false>
---@return table
function M.fetch(control, names)
  local list = {}
  for i, name in ipairs(names) do
    local client <close> = assert(stream.unix(control))
    client:send(json.encode { listener = i } .. "\n")
    local server = assert(stream.adopt(assert(stream.take(client))))
    list[i] = server
    if name then list[name] = server end
  end
  return list
end

return M
