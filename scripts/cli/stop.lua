-- cli.stop: what ends a run from outside: Ctrl-C, SIGTERM, SIGHUP, --timeout. Each comes to one
-- function as (exit status, what it was, how many so far); the third ends the process at once.
-- SIGUSR2 ends nothing: it shows what every task waits for.

local core = require "luapool.core"
local screen = require "luapool.term.core"
local signals = require "luapool.internal.signals"
local task = require "luapool.task"

local M = {}

--- What each signal that ends a run means: the exit status, and what it was.
M.signals = {
  INT = { 130, "interrupted" },
  TERM = { 143, "terminated" },
  HUP = { 129, "terminated" },
  QUIT = { 131, "terminated" }, -- only while a script listens for it
}

--- What SIGUSR2 asks for.
function M.show_waits()
  screen.print(("luapool: main (process %d):\n%s"):format(core.pid(), core.dump()), "dump")
end

-- Hands each signal that no script wants to `on_stop`, until it is cancelled.
local function listen(on_stop)
  local count = 0
  signals.serve(function(name)
    if name == "USR2" then M.show_waits() end
    local stop = M.signals[name]
    if stop then
      count = count + 1
      if count > 2 then core.exit(stop[1]) end
      task.spawn(on_stop, stop[1], stop[2], count)
    end
  end)
end

--- Listens from now on, until the main task ends.
---@param timeout number|nil seconds after which the run is stopped with status 4
---@param on_stop fun(status: integer, what: string, count: integer)
function M.listen(timeout, on_stop)
  task.spawn(listen, on_stop):name "signals"
  task.yield() -- it has begun: no signal is lost
  if not timeout then return end
  local what = ("stopped by --timeout %g"):format(timeout)
  task.spawn(function()
    local dog <close> = core.watchdog(timeout + core.grace.stuck, 4, ("luapool: %s\n"):format(what))
    task.sleep(timeout)
    dog:close()
    on_stop(4, what, 1)
  end):name "timeout"
  task.yield()
end

return M
