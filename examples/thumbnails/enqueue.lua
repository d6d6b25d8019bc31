-- Shows the other half of a queue: it puts jobs and waits for their results. The jobs are safe in
-- the file once `put_all` has returned, whether a worker runs by now or starts tomorrow.
--
--     luapool run enqueue.lua -- work.db a.png b.png

local queue = require "luapool.queue"

local path, images = arg[1], table.move(arg, 2, #arg, 1, {})

local q <close> = queue.open("sqlite:" .. path)
local jobs = {}
for i, image in ipairs(images) do jobs[i] = { path = image, size = 100 } end

for i, id in ipairs(q:put_all("resize", jobs)) do
  local ok, result = pcall(q.result, q, id, { timeout = 60 })
  print(images[i], ok and result.size or result.message)
end
