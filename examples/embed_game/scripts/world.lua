-- The world: it loads the level from the server, and makes a task of each actor.
local game = require "game"
local http = require "luapool.http"
local task = require "luapool.task"

local M = {}

-- An actor does what its kind says, a frame at a time. It looks its kind up each time, so that a
-- script that was saved is used at once.
local function live(kind)
  local look = require("actors")[kind]
  local self = { kind = kind, id = game.actor(table.unpack(look.color)) }
  if not self.id then return end
  local _ <close> = setmetatable({}, { __close = function() game.remove(self.id) end })
  look.enter(self)
  while not self.done do
    require("actors")[kind].frame(self)
    game.frame()
  end
end

-- Those that are closed, because they took too long, are followed by others of their kind.
local function keep(kind, seconds)
  while true do
    task.spawn(live, kind):result()
    task.sleep(seconds)
  end
end

function M.run()
  local level = http.get(game.server .. "/level.json"):json()
  for kind, count in pairs(level.actors) do
    for _ = 1, count do task.spawn(keep, kind, level.pause) end
  end
  task.spawn(function() require("board").run() end)
end

return M
