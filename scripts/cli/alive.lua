-- cli.alive: what a script has begun and not waited for: tasks, periodic calls and futures end with
-- it, so their names are told when there are some.

local color = require "luapool.internal.color"
local core = require "luapool.core"
local screen = require "luapool.term.core"

local M = {}

-- So many are named.
local MOST = 5

-- One of core.alive() as text; nil for a task of luapool's own.
local function text_of(one)
  if one.name and one.name:find "^every " then return one.name end
  if one.ours then return nil end
  local what = one.future and "a future" or one.name and ("task '%s'"):format(one.name) or "a task"
  return one.place and ("%s (%s)"):format(what, one.place) or what
end

--- Warns of what is alive at the end of the script.
---@param path string
function M.warn(path)
  local counts, words = {}, {}
  for _, one in ipairs(core.alive()) do
    local text = text_of(one)
    if text and not counts[text] then table.insert(words, text) end
    if text then counts[text] = (counts[text] or 0) + 1 end
  end
  if not words[1] then return end
  for i, text in ipairs(words) do
    if counts[text] > 1 then words[i] = ("%d × %s"):format(counts[text], text) end
  end
  if words[MOST + 1] then
    words = table.move(words, 1, MOST, 1, { [MOST + 1] = ("%d more"):format(#words - MOST) })
  end
  local text = ("luapool: %s has ended, and with it what it did not wait for: %s (await them, or "
    .. "end with luapool.run_forever())"):format(path, table.concat(words, ", "))
  screen.print(color.paint(text, "yellow") .. "\n")
end

return M
