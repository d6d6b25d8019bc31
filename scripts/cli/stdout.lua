-- cli.stdout: a closed pipe on stdout (luapool run … | head -1) ends the program at once and
-- quietly, status 0. The program ignores SIGPIPE, so that a dead worker is no death of main; hence
-- every writer to stdout asks here. Requiring it puts `print` and `io.write` under that rule.

local core = require "luapool.core"

local M = {}

local EPIPE = 32
local stdout, write = io.stdout, io.write

-- Hands back what a write returned, unless the reader has gone.
local function checked(result, message, code)
  if not result and code == EPIPE then core.exit(0) end
  return result, message, code
end

rawset(io, "write", function(...)
  return checked(write(...))
end)

rawset(_G, "print", function(...)
  local words = table.pack(...)
  for i = 1, words.n do words[i] = tostring(words[i]) end
  checked(stdout:write(table.concat(words, "\t"), "\n"))
end)

--- Writes whole lines to stdout, behind what `print` has written; they are visible at once.
---@param text string
---@return true|nil ok
---@return string? message
function M.write(text)
  checked(stdout:flush())
  return checked(core.write(1, text))
end

return M
