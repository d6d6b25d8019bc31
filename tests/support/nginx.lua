-- A real nginx for specs: local server <close> = nginx.start{ root = dir }. What its pages do
-- stands in tests/support/nginx_pages.lua.

local M = {}

---@class tests.nginx
---@field url string       http://127.0.0.1:PORT
---@field https_url string https://127.0.0.1:PORT, signed by `ca`
---@field ca string        path of the CA's certificate
---@field root string      folder of the static files
---@field dir string       its own folder: error.log, access.log
---@field pid integer
local Server = {}
Server.__index = Server
Server.__name = "tests.nginx"

local script = debug.getinfo(1, "S").source:match("^@?(.*)%.lua$")

local function quote(s)
  return "'" .. s:gsub("'", "'\\''") .. "'"
end

local function run(command)
  return io.popen(command, "r"):close()
end

--- Starts nginx; it accepts connections when this returns and ends at the latest with this process.
---@param opts? {root?: string, log?: boolean} log: keep an access.log
---@return tests.nginx
function M.start(opts)
  opts = opts or {}
  local command = { "exec sh", quote(script) }
  if opts.root then table.insert(command, "-r " .. quote(opts.root)) end
  if opts.log then table.insert(command, "-l") end
  table.insert(command, "serve")
  local pipe = assert(io.popen(table.concat(command, " "), "r"))
  local ready = pipe:read("l")
  if not ready then
    pipe:close()
    error("nginx did not start, see what it printed", 2)
  end
  local server = { pipe = pipe }
  for name, value in ready:gmatch("([%w_]+)=(%S*)") do server[name] = value end
  server.pid = math.tointeger(server.pid)
  return setmetatable(server, Server)
end

--- Writes a static file (with its folders) and returns its URL.
---@param path string under root, without a leading slash
---@param text string
---@return string
function Server:file(path, text)
  local folder = path:match("^(.*)/[^/]*$")
  if folder then run("mkdir -p " .. quote(self.root .. "/" .. folder)) end
  local file = assert(io.open(self.root .. "/" .. path, "wb"))
  assert(file:write(text))
  assert(file:close())
  return self.url .. "/" .. path
end

--- The lines of the access log (start it with `log = true`).
---@return string[]
function Server:log()
  local lines = {}
  for line in io.lines(self.dir .. "/access.log") do lines[#lines + 1] = line end
  return lines
end

--- Stops it; safe twice.
function Server:stop()
  if not self.pipe then return end
  run("kill -9 " .. self.pid)
  self.pipe:close()
  self.pipe = nil
  run("rm -rf " .. quote(self.dir))
end

Server.close = Server.stop
Server.__close = Server.stop
Server.__gc = Server.stop

return M
