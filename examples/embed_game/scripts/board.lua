-- The leaderboard: the score goes to the server, the best come back.
local errors = require "luapool.error"
local game = require "game"
local http = require "luapool.http"
local task = require "luapool.task"

local M = {}

function M.show(best)
  game.board(1, "best")
  for i, row in ipairs(best) do
    if i < 6 then game.board(i + 1, ("%-12s %6d"):format(row.name, row.score)) end
  end
end

function M.run()
  while true do
    local mine = { name = "you", score = game.score() }
    local ok, best = pcall(function()
      return http.post(game.server .. "/board", { json = mine }):json()
    end)
    if errors.is(best, "cancelled") then error(best, 0) end
    if ok then require("board").show(best) else print("leaderboard:", best) end
    task.sleep(1)
  end
end

return M
