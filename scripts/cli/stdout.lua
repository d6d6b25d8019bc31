-- cli.stdout: the results that main writes to stdout. A closed pipe (luapool run … | head -1)
-- ends the program at once and quietly, status 0: the program ignores SIGPIPE, so that a dead
-- worker is no death of main. On a terminal, lines go above the bars: requiring this file makes
-- it the program's.

local core = require "luapool.core"
local screen = require "luapool.term.core"

local M = {}

local EPIPE = 32
local stdout = io.stdout
local on_terminal = screen.own() and core.isatty(1)

local function write_lines(text)
  local ok, message, code = stdout:flush()
  if ok then
    ok, message, code = core.write(1, text)
  end
  if not ok and code == EPIPE then core.exit(0) end
  return ok, message
end

--- Writes whole lines to stdout, behind what `print` has written; they are visible at once.
---@param text string
---@return true|nil ok
---@return string? message
function M.write(text)
  if not on_terminal then return write_lines(text) end
  screen.hold()
  local ok, message = write_lines(text)
  screen.release()
  return ok, message
end

return M
