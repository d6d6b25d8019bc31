-- The kinds of actors. Save this file while the game runs, and they change.
local game = require "game"

local M = { frames = 0 }

local function enter(self)
  game.place(self.id, math.random(game.width), math.random(game.height))
  game.steer(self.id, math.random(-60, 60), math.random(-60, 60))
end

-- Walks about, and turns now and then.
M.wanderer = { color = { 120, 200, 255 }, enter = enter }

function M.wanderer.frame(self)
  M.frames = M.frames + 1
  if math.random(60) == 1 then game.steer(self.id, math.random(-90, 90), math.random(-90, 90)) end
end

-- Goes to the middle; whoever gets there scores.
M.seeker = { color = { 255, 220, 120 }, enter = enter }

function M.seeker.frame(self)
  local x, y = game.at(self.id)
  local dx, dy = game.width / 2 - x, game.height / 2 - y
  local far = math.sqrt(dx * dx + dy * dy)
  if far < 8 then
    game.score(1)
    enter(self)
  else
    game.steer(self.id, 80 * dx / far, 80 * dy / far)
  end
end

-- Thinks for ever after a second. The game closes it and goes on.
M.thinker = { color = { 255, 90, 90 }, enter = enter }

function M.thinker.frame(self)
  self.age = (self.age or 0) + 1
  while self.age > 60 do pcall(function() end) end
end

function M.__reload(old)
  M.frames = old.frames
end

return M
