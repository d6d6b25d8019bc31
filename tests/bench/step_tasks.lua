-- What luapool_step has to drive: so many tasks that make garbage, each some times a second,
-- requests in flight, and three tasks that never wait, one of which makes garbage all the time.
-- Arguments: how many, and a URL.
local http, task = require "luapool.http", require "luapool.task"
local n, url = ...

local function act(i)
  local place = { x = i, y = 0 }
  while true do
    place = { x = place.x + 1, y = place.y, name = "actor " .. i .. " at " .. place.x, { i } }
    task.sleep(0.1 + i % 400 / 1000)
  end
end

for i = 1, n do
  task.spawn(act, i)
end
for i = 1, 3 do
  task.spawn(function()
    local made
    while true do
      made = i == 1 and { tostring(made) } or i
    end
  end)
end
local client = http.client{}
for _ = 1, 20 do
  task.spawn(function()
    while true do
      client:get(url)
    end
  end)
end
