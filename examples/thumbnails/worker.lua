-- Shows the one half of a queue: what works off the jobs that enqueue.lua puts. Both know nothing
-- of each other but the file of the queue and the name of the kind.
--
--     luapool serve worker.lua -p 2 -- work.db

local fs = require "luapool.fs"

local path = ... or "work.db"

local function resize(image, _, ctx)
  local bytes = fs.read(image.path) -- a real one would call a program, by luapool.process
  ctx:progress(0.5, "read")
  fs.write(image.path .. ".thumbnail", bytes:sub(1, image.size))
  return { size = math.min(#bytes, image.size), attempts = ctx.job.attempts }
end

return {
  queue = "sqlite:" .. path,
  kinds = {
    resize = {
      process = resize,
      retry = { attempts = 3, wait = 0.1 }, -- seconds
      timeout = 60,
      result_ttl = 3600, -- so long the other half can ask what came of it
    },
  },
}
