-- The server of the game, slow as a real one: level data and a leaderboard.
--
--     luapool run server.lua            prints its URL
local json = require "luapool.json"
local socket = require "socket"
local task = require "luapool.task"

local level = { actors = { wanderer = 200, seeker = 100, thinker = 1 }, pause = 1 }
local best = { ada = 120, brian = 75, chloe = 30 }

local function leaderboard()
  local rows = {}
  for name, score in pairs(best) do rows[#rows + 1] = { name = name, score = score } end
  table.sort(rows, function(a, b) return a.score > b.score end)
  return rows
end

local function answer(method, path, body)
  if path == "/level.json" then return "200 OK", json.encode(level) end
  if path ~= "/board" then return "404 Not Found", "{}" end
  if method == "POST" then
    local entry = json.decode(body)
    best[entry.name] = math.max(best[entry.name] or 0, entry.score)
  end
  return "200 OK", json.encode(leaderboard())
end

local function serve(c)
  for line in function() return (c:receive()) end do
    local method, path = line:match "^(%S+) (%S+)"
    local size = 0
    for header in function() return (c:receive()) end do
      if header == "" then break end
      size = tonumber(header:lower():match "^content%-length:%s*(%d+)") or size
    end
    local body = size > 0 and c:receive(size) or ""
    task.sleep(0.2)
    local status, text = answer(method, path, body)
    c:send(("HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"):format(
      status, #text, text))
  end
  c:close()
end

local listener = assert(socket.bind("127.0.0.1", 0))
local _, port = listener:getsockname()
print("http://127.0.0.1:" .. math.tointeger(port))
io.stdout:flush()
for c in function() return (listener:accept()) end do task.spawn(serve, c) end
