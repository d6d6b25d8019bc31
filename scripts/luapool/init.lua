-- luapool: the root module. Its parts are loaded when they are first used: luapool.task,
-- luapool.http …

local core = require "luapool.core"
local current = require("luapool.task.core").current

-- The function of the module of a plain lua5.4 (runtime/module/open.c); nil in the program.
local run = package.loaded["luapool.internal.run"]

--- The root module. Every part is `require "luapool.<part>"` and is also a field of this module,
--- loaded on first use. Nothing is global.
---
--- Times are seconds, and fractions are allowed. Sizes are bytes, or strings such as "64K" and
--- "256M" where an option says so. Options come last, in one table; an unknown one is an error.
--- Every call that waits suspends only its own task; `io.*` alone blocks, as in stock Lua,
--- except that reading from stdin waits in the main process.
--- Everything raises on failure: see `luapool.error`. Things that hold resources close with
--- `:close()` and with `<close>`.
---
--- In the examples `task`, `pool` and so on stand for `require "luapool.task"` and its like,
--- and `url` is the address of a server on this machine. `-->` shows what is printed.
---
--- ```lua
--- local luapool = require "luapool"
--- assert(luapool.task == require "luapool.task")
--- ```
---@class luapool
local M = {
  version = core.version,
  worker = core.worker,
}

local parts = {}
local names = "cache csv digest dns error fs html http json lock log memcached pool process "
  .. "progress queue redis retry signal sqlite sync task xml yaml"
for name in names:gmatch "%a+" do
  parts[name] = true
end

---@class luapool.WorkerInfo
---@field id integer the slot of the worker, 1 to the number of processes; a replacement keeps it
---@field pid integer
---@field name? string of a `luapool.process`

--- The version of luapool: "0.2.0".
---
--- ```lua
--- assert(luapool.version:match "^%d+%.%d+%.%d+$")
--- ```
---@function luapool.version
---@type string

--- Who this worker is; nil in main.
---
--- ```lua
--- local p <close> = pool.new { processes = 1 }
--- print(luapool.worker, p:apply(function() return luapool.worker.id end)) --> nil 1
--- ```
---@function luapool.worker
---@type luapool.WorkerInfo?

--- Counts the processors that this process may use: by its affinity and the quota of its control
--- group.
---
--- ```lua
--- assert(luapool.cpus() >= 1)
--- ```
---@return integer
function M.cpus() return core.cpus() end

--- Runs `main(...)` as a task, until it ends, and returns what it returns or raises its error: for
--- scripts that a plain `lua5.4` runs, where no task runs otherwise. Meanwhile the functions of
--- the standard library that have to let tasks wait (`coroutine.*`, `pcall`, `require`,
--- `os.execute` and others) are luapool's; afterwards they are those of before. Tasks that
--- `main` has left go on when `run` is called again. In a task, as everywhere in the program
--- `luapool`, it just calls `main`.
---
--- ```lua
--- local luapool, task = require "luapool", require "luapool.task"
--- print(luapool.run(function(a, b) task.sleep(0.01) return a + b end, 1, 2)) --> 3
--- ```
---@param main fun(...): ...
---@param ... any
---@return any ...
function M.run(main, ...)
  if current() or not run then return main(...) end
  return run(main, ...)
end

--- Waits until a signal ends the run (Ctrl-C, SIGTERM), for scripts whose work is done by other
--- tasks: when the script returns, they are cancelled. Then kind `cancelled` is raised here, so
--- `<close>` variables run.
---
--- ```lua
--- local beats = 0
--- local beat <close> = task.every(0.01, function() beats = beats + 1 end)
--- local ok, e = pcall(task.timeout, 0.1, luapool.run_forever)
--- print(ok, e.kind) --> false timeout
--- assert(beats > 0)
--- ```
---@async
function M.run_forever() require("luapool.task.core").sleep(math.huge) end

return setmetatable(M, {
  __index = function(self, name)
    if not parts[name] then return nil end
    local part = require("luapool." .. name)
    self[name] = part
    return part
  end,
})
