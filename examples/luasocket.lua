-- Shows libraries written for LuaSocket at work, unchanged: LuaSocket's own socket.http fetches
-- all pages at once, and a server for lines runs beside it in the same process. Needs the
-- package lua-socket.
--
--     luapool run luasocket.lua -- http://localhost/a.html http://localhost/b.html

local http = require "socket.http"
local socket = require "socket"
local task = require "luapool.task"

-- One task for each connection; it reads as if nothing else were going on.
local function serve(peer)
  for line in function() return peer:receive() end do
    peer:send(line:upper() .. "\n")
  end
  peer:close()
end

local server = assert(socket.bind("127.0.0.1", 0))
local serving = task.spawn(function()
  for peer in function() return server:accept() end do task.spawn(serve, peer) end
end)

local fetches = {}
for i, url in ipairs { ... } do
  fetches[i] = function()
    local body, status = http.request(url)
    return ("%s: %s, %d bytes"):format(url:match "[^/]*$", status, #(body or ""))
  end
end
for _, line in ipairs(task.gather(fetches)) do print(line) end

local client = assert(socket.connect("127.0.0.1", (select(2, server:getsockname()))))
client:send "hello\n"
print(client:receive())
client:close()
server:close()
serving:await()
