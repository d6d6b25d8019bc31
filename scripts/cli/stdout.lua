-- cli.stdout: a closed pipe on stdout (luapool run … | head -1) ends the program at once and
-- quietly, status 0. The program ignores SIGPIPE, so that a dead worker is no death of main; hence
-- every writer to stdout asks here. Requiring it puts `print` and `io.write` under that rule. On a
-- terminal they write above the progress bars.

local core = require "luapool.core"

local M = {}

local EPIPE = 32
local stdout, write = io.stdout, io.write
local screen = core.isatty(1) and require "luapool.screen.core"

-- Hands back what a write returned, unless the reader has gone.
local function checked(result, message, code)
  if not result and code == EPIPE then core.exit(0) end
  return result, message, code
end

-- Writes by how(...); the bars come back when that has ended a line.
local function above(ends_line, how, ...)
  if not screen then return checked(how(...)) end
  screen.hold()
  local result, message, code = how(...)
  stdout:flush()
  if ends_line then screen.release() end
  return checked(result, message, code)
end

rawset(io, "write", function(...)
  local last = select("#", ...) > 0 and select(-1, ...)
  return above(type(last) == "string" and last:sub(-1) == "\n", write, ...)
end)

rawset(_G, "print", function(...)
  local words = table.pack(...)
  for i = 1, words.n do words[i] = tostring(words[i]) end
  above(true, stdout.write, stdout, table.concat(words, "\t"), "\n")
end)

--- Writes whole lines to stdout, behind what `print` has written; they are visible at once.
---@param text string
---@return true|nil ok
---@return string? message
function M.write(text)
  checked(stdout:flush())
  return above(true, core.write, 1, text)
end

return M
