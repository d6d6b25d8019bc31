-- support/clock.c for specs: clock.ahead(3600, "date") is a command that runs `date` with a clock
-- that is an hour fast; a clock that is slow has negative seconds.

local M = {}

--- The words of that command. With 0 seconds it is the command itself.
---@param seconds integer
---@param ... string program and arguments
---@return string ...
function M.ahead(seconds, ...)
  if seconds == 0 then return ... end
  local build = os.getenv("LUAPOOL"):match "^(.*)/"
  return "env", "LD_PRELOAD=" .. build .. "/tests/clock.so", "CLOCK_AHEAD=" .. seconds,
    "ASAN_OPTIONS=" .. (os.getenv "ASAN_OPTIONS" or "") .. ":verify_asan_link_order=0", ...
end

return M
