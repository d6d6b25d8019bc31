-- luapool.process: a function in a process of its own, which is a pool of one; and programs run to
-- their end (bindings/process/process.c, on libuv).

local core = require "luapool.process.core"
local errors = require "luapool.error"
local options = require "luapool.internal.options"
local pool = require "luapool.pool"

local M = {}

local EXEC = { stdin = "string", cwd = "string", env = "table", timeout = "seconds" }

-- The program and its arguments, and the options: the list and the other fields of one table.
local function split(command)
  local args, opts = {}, {}
  for i, arg in ipairs(command) do
    if type(arg) ~= "string" and type(arg) ~= "number" then
      error(("process.exec: argument %d must be a string, got a %s"):format(i, type(arg)), 3)
    end
    args[i] = tostring(arg)
    if args[i]:find("\0", 1, true) then
      error(("process.exec: argument %d cannot hold a zero byte"):format(i), 3)
    end
  end
  if not args[1] then
    error("process.exec: a program is missing: process.exec{\"cmd\", \"arg\"}", 3)
  end
  for key, value in pairs(command) do
    if math.type(key) == "integer" and key > #args then
      error(("process.exec: argument %d must be a string, got a nil"):format(#args + 1), 3)
    end
    if not args[key] then opts[key] = value end
  end
  return args, opts
end

-- The environment of this process, changed by `env`: a value that is false takes a name out.
local function environment(env)
  local list = {}
  for _, line in ipairs(core.environment()) do
    if env[line:match "^[^=]*"] == nil then list[#list + 1] = line end
  end
  for name, value in pairs(env) do
    if type(name) ~= "string" or name:find "[=\0]" or tostring(value):find("\0", 1, true) then
      error(("process.exec: %q is no name, or no value, for 'env'"):format(tostring(name)), 3)
    end
    if type(value) == "table" or type(value) == "function" then
      local text = "process.exec: the value of '%s' in 'env' must be a string, got a %s"
      error(text:format(name, type(value)), 3)
    end
    if value then list[#list + 1] = name .. "=" .. tostring(value) end
  end
  return list
end

---@class luapool.process.Result
---@field code integer|nil    its exit status; nil when a signal has ended it
---@field signal integer|nil  the signal
---@field stdout string
---@field stderr string

--- Runs a program to its end: process.exec{"cmd", "arg", stdin=, cwd=, env=, timeout=}. It is
--- found along $PATH; no shell is involved. `stdin` is what it reads, nothing unless given;
--- `env` is added to this process's environment (a value `false` removes a name). A status
--- other than 0 is no error. After `timeout` seconds it is killed and kind `timeout` is raised,
--- with the `stdout` and `stderr` so far; so is it when the task is cancelled. What it has
--- started itself is not killed. Raises kind `process` with `code` ("ENOENT") when it cannot be
--- started.
---@param command table
---@return luapool.process.Result
function M.exec(command, extra)
  if extra ~= nil and type(command) == "table" then
    error("process.exec: options stand in the one table, as {\"cmd\", \"arg\", timeout = 5}", 2)
  end
  if type(command) ~= "table" then
    local text = "process.exec: a table expected, as {\"cmd\", \"arg\"}, got a %s"
    error(text:format(type(command)), 2)
  end
  local args, opts = split(command)
  options.check("process.exec", opts, EXEC)
  local env = opts.env and environment(opts.env)
  return core.exec(args, opts.stdin, opts.cwd, env, opts.timeout or -1)
end

---@class luapool.Process
---@field name string
---@field pid integer|nil       once it is started
---@field exitcode integer|nil  once it has ended: 0, 1 after an error, minus the signal, or what
---                             os.exit was given; -15 after `terminate`, -9 after `kill`
local Process = { __name = "luapool.Process" }

local NEW = { args = "table", name = "string", init = "function", init_args = "table" }

local count = 0

--- A process that will call fn(table.unpack(args)); nothing happens before `start`. Leaving the
--- scope of `local p <close> = process.new(fn)` waits for its end, by an error terminates it.
---@param fn function
---@param opts? { args: table?, name: string?, init: function?, init_args: table? }
---@return luapool.Process
function M.new(fn, opts)
  opts = opts or {}
  if type(fn) ~= "function" then
    error(("bad argument #1 to 'process.new' (a function expected, got %s)"):format(type(fn)), 2)
  end
  options.check("process.new", opts, NEW)
  count = count + 1
  local name = opts.name or ("process-%d"):format(count)
  return setmetatable({ fn = fn, opts = opts, name = name }, Process)
end

local function started(self)
  if not self.future then error(("%s is not started: call start first"):format(self.name), 3) end
  return self.future, self.pool
end

--- Starts it; it has its pid afterwards. Raises when the function or its arguments cannot travel.
function Process:start()
  errors.check_self(self, Process, "start")
  if self.pool then error(("%s was started before; make a new one"):format(self.name), 2) end
  local opts = self.opts
  local args = opts.args or {}
  local one = pool.new {
    processes = 1,
    concurrency = 1,
    crash_retries = 0,
    init = opts.init,
    init_args = opts.init_args,
  }
  one.handle:single()
  self.pool = one
  local ok, future = pcall(one.submit, one, self.fn, table.unpack(args, 1, args.n or #args))
  one:close()
  if not ok then
    one:join()
    error(future, 0)
  end
  self.future = future
  future:name(self.name)
  future:on_done(function() self.ended = true end) -- keeps `self`, and so the pool, till then
  one.handle:forked()
end

--- Waits until it has ended; returns what fn returned or raises its error. Kind `timeout` after
--- `timeout` seconds, `cancelled` after terminate and kill, `worker_died` when it died.
---@param timeout? number
---@return any ...
function Process:join(timeout)
  errors.check_self(self, Process, "join")
  local future, one = started(self)
  one:join(timeout)
  local result = table.pack(future:result())
  if result[1] then return table.unpack(result, 2, result.n) end
  local died = errors.is(result[2], "worker_died")
  if died and result[2].exitcode == 0 then return end -- os.exit(0)
  error(result[2], 0)
end

---@return boolean
function Process:is_alive()
  errors.check_self(self, Process, "is_alive")
  return self.future ~= nil and not self.pool.handle:ended()
end

--- Cancels fn; the process is killed when it has not ended two seconds later.
function Process:terminate()
  errors.check_self(self, Process, "terminate")
  local _, one = started(self)
  self.signal = self.signal or -15
  one:terminate()
end

--- Kills it at once.
function Process:kill()
  errors.check_self(self, Process, "kill")
  local _, one = started(self)
  self.signal = -9
  one.handle:kill()
end

-- Left by an error, the process is terminated; so it is when the task that waits here is cancelled.
-- An error of fn that nobody has joined is reported, as that of any task.
function Process.__close(self, cause)
  local one = self.pool
  if not one then return end
  if self:is_alive() then self.signal = self.signal or -15 end
  getmetatable(one).__close(one, cause)
end

--- Waits until it has ended, whatever has become of it, as leaving the scope of `<close>` does.
function Process:close()
  errors.check_self(self, Process, "close")
  Process.__close(self)
end

local fields = {}

function fields.pid(self) return self.pool and self.pool.handle:pid() end

function fields.exitcode(self)
  if not self.future or self:is_alive() then return nil end
  local code = self.pool.handle:exitcode()
  if code ~= 0 then return code end
  local ok, e = self.future:result()
  if ok or errors.is(e, "worker_died") then return 0 end
  return errors.is(e, "cancelled") and self.signal or 1
end

function Process:__index(key)
  local field = fields[key]
  if field then return field(self) end
  return Process[key]
end

return M
