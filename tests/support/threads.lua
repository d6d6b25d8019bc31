-- The module in C of support/threads.c, beside the program that is tested:
-- `local held <close> = require("tests.support.threads").hold()` leaves no thread of libuv's pool
-- free until the scope is left, or held:close().

local M = {}

local MOST = 8 -- libuv has 4, unless the environment says otherwise

local function module()
  local build = os.getenv("LUAPOOL"):match "^(.*)/"
  local open = assert(package.loadlib(build .. "/tests/threads.so", "luaopen_threads"))
  return open "threads"
end

local Held = {}
Held.__index = Held

--- Lets go of the threads; safe twice.
function Held:close()
  local threads = self.threads
  self.threads = nil
  if threads then threads.release() end
end

Held.__close = Held.close

--- Takes all threads; once at a time.
---@return table held
function M.hold()
  local threads = module()
  threads.hold(MOST)
  return setmetatable({ threads = threads }, Held)
end

return M
