-- cli.stdout: what main writes to stdout. A closed pipe (luapool run … | head -1) ends the
-- program at once and quietly, status 0: the program ignores SIGPIPE, so that a dead worker is
-- no death of main, hence every writer asks here. On a terminal, lines go above the bars.
-- Requiring it puts `print` and `io.write` under these rules.

local core = require "luapool.core"
local screen = require "luapool.screen.core"

local M = {}

local EPIPE = 32
local stdout, write = io.stdout, io.write
local on_terminal = core.isatty(1) and core.isatty(2)

-- Hands back what a write returned, unless the reader has gone.
local function checked(result, message, code)
  if not result and code == EPIPE then core.exit(0) end
  return result, message, code
end

-- Writes by `writer`, above the bars; they stay away until a line is whole.
local function above(whole, writer, ...)
  if not on_terminal then return checked(writer(...)) end
  screen.hold()
  local result, message, code = writer(...)
  stdout:flush()
  if whole then screen.release() end
  return checked(result, message, code)
end

rawset(io, "write", function(...)
  local last = select("#", ...) > 0 and select(-1, ...)
  return above(type(last) == "string" and last:sub(-1) == "\n", write, ...)
end)

rawset(_G, "print", function(...)
  local words = table.pack(...)
  for i = 1, words.n do words[i] = tostring(words[i]) end
  above(true, stdout.write, stdout, table.concat(words, "\t") .. "\n")
end)

local function write_lines(text)
  local ok, message, code = stdout:flush()
  if not ok then return ok, message, code end
  return core.write(1, text)
end

--- Writes whole lines to stdout, behind what `print` has written; they are visible at once.
---@param text string
---@return true|nil ok
---@return string? message
function M.write(text)
  return above(true, write_lines, text)
end

return M
