-- Runs the specs of the arguments by a plain lua5.4, which has the module luapool: as spec.lua
-- does in the program. Signals are then this program's, which gives them to its scripts.
--   tests/support/installed BUILD lua5.4 tests/support/spec_plain.lua FILE...
local run = assert(loadfile "tests/support/spec.lua")
require("luapool").run(function(...)
  local internal, task = require "tests.support.internal", require "luapool.task"
  local signals = task.spawn(internal("luapool.internal.signals").serve, function(name)
    if name == "INT" or name == "TERM" then os.exit(1) end
  end)
  run(...)
  signals:cancel()
end, ...)
