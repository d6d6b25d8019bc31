-- internal.color: colours on a terminal that has them, for what the program itself says.

local core = require "luapool.core"

local M = {}

local CODES = { red = 31, green = 32, yellow = 33 }

--- Whether a descriptor is a terminal whose user has not said that colours are unwanted.
---@param fd integer
---@return boolean
function M.wanted(fd)
  if os.getenv "TERM" == "dumb" or (os.getenv "NO_COLOR" or "") ~= "" then return false end
  return core.isatty(fd)
end

--- The first line of a text for stderr in a colour, where it has colours.
---@param text string
---@param color "red"|"green"|"yellow"
---@return string
function M.paint(text, color)
  if not M.wanted(2) then return text end
  return (text:gsub("^[^\n]+", ("\27[%dm%%0\27[0m"):format(CODES[color])))
end

return M
