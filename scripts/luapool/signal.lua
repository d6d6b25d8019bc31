-- luapool.signal: signals of the process, for scripts of the main process.

local errors = require "luapool.error"
local options = require "luapool.internal.options"
local signals = require "luapool.internal.signals"
local sandbox = require "luapool.sandbox.core"
local usage = require "luapool.internal.usage"
local sync = require "luapool.sync.core"

--- Signals that somebody sends to the program: a terminal, a service manager, `kill`. Scripts get
--- them in the main process of the program `luapool`; workers ignore what is sent to the whole
--- group. In a program that has luapool inside, and in a plain `lua5.4`, signals are not luapool's
--- but that program's.
---
--- The signals are ALRM, CONT, HUP, INT, QUIT, TERM, USR1, USR2, WINCH; "SIGINT" is "INT". One that
--- a script listens for does nothing else: INT, TERM and HUP do not stop the run, USR2 shows no
--- waits, USR1, QUIT and ALRM do not end the process. With the last handler that is closed this
--- comes back. A script that has waited for a signal once may wait for it again, and one that
--- comes in between is not lost; but INT, TERM and QUIT do in between what they do without the
--- script, so that it can always be stopped.
---
--- A main process that is stuck in a call of C hears nothing, and is ended by the second INT,
--- TERM, HUP or QUIT. Signals of one name that come at once may be one.
---
--- ```lua
--- local reloaded = sync.event()
--- local handler <close> = signal.on("HUP", function() reloaded:set() end)
--- process.exec { "sh", "-c", "kill -HUP $PPID" }
--- reloaded:wait()
--- ```
---
--- ```lua
--- local p <close> = pool.new { processes = 1 }
--- print(select(2, pcall(p.apply, p, function()
---   require("luapool.signal").wait "HUP"
--- end)).kind) --> denied
--- ```
---@kind timeout the signal did not come within the `timeout`
---@kind denied signals are not for this script: it runs in a worker, in a sandbox without the right
--- `process`, or in a program that has luapool inside; fields `what` and `subject`
---@class luapool.signal
local M = {}

local NAMES = {}
for name in ("ALRM CONT HUP INT QUIT TERM USR1 USR2 WINCH"):gmatch "%w+" do NAMES[name] = true end

-- Why others cannot be had.
local refused = {
  KILL = "no process can catch it", STOP = "no process can catch it",
  CHLD = "luapool.process sees to programs that have ended",
  PIPE = "a write to a closed pipe is an error, and no signal",
  VTALRM = "it ends the time slices of tasks",
}

local function check_name(where, value)
  usage.argument(where, 1, value, "string")
  local name = value:match "^SIG(%u.*)$" or value
  if NAMES[name] then return name end
  if refused[name] then
    usage.raise(where, "the signal %s cannot be had: %s", name, refused[name])
  end
  usage.raise(where, "unknown signal '%s'%s: there are ALRM, CONT, HUP, INT, QUIT, TERM, USR1, "
    .. "USR2 and WINCH", value, options.hint(name, NAMES))
end

local function check_place(where, name)
  local function deny(text)
    errors.raise("denied", ("%s: %s"):format(where, text),
      { what = "process", subject = "signal " .. name })
  end
  sandbox.allow("process", "signal " .. name)
  if sync.in_worker() then deny "workers get no signals: listen in the main process" end
  if not signals.available() then
    deny "signals belong to the program that has luapool inside, and not to its scripts"
  end
end

--- What `signal.on` has set up.
---@class luapool.signal.Handler
local Handler = { __name = "luapool.signal.Handler" }
Handler.__index = Handler

--- The function is not called any more. Leaving the scope of a `<close>` variable does it too;
--- twice is safe. A call that runs goes on.
---
--- ```lua
--- local handler = signal.on("USR1", print)
--- handler:close()
--- ```
function Handler:close()
  usage.self(self, Handler, "Handler:close")
  signals.remove(self)
end

Handler.__close = Handler.close

--- Calls `fn(name)`, in a task of its own, each time the signal comes. Several functions for one
--- signal are all called. It holds until it is closed, or the script ends.
---
--- ```lua
--- local handler <close> = signal.on("USR1", function(name) print("got " .. name) end)
--- ```
---@param name string "TERM" or "SIGTERM"
---@param fn fun(name: string)
---@return luapool.signal.Handler
---@raises denied fields `what` and `subject`
function M.on(name, fn)
  name = check_name("signal.on", name)
  fn = usage.to_function(fn, "signal.on", 2)
  check_place("signal.on", name)
  local handler = setmetatable({}, Handler)
  signals.add(handler, name, fn)
  return handler
end

--- Waits until the signal comes, and returns its name. One that has come since a task waited for
--- it last counts, unless it was INT, TERM or QUIT.
---
--- ```lua
--- local stopping = task.spawn(signal.wait, "TERM")
--- task.yield()
--- process.exec { "sh", "-c", "kill -TERM $PPID" }
--- print(stopping:await()) --> TERM
--- print(select(2, pcall(signal.wait, "TERM", 0.01)).kind) --> timeout
--- ```
---@async
---@param name string
---@param timeout? number seconds
---@return string name
---@raises timeout
---@raises denied fields `what` and `subject`
function M.wait(name, timeout)
  name = check_name("signal.wait", name)
  usage.optional("signal.wait", 2, timeout, "seconds")
  check_place("signal.wait", name)
  signals.wait(name, timeout)
  return name
end

return M
