-- luapool.process: a function in a process of its own, which is a pool of one; and programs run to
-- their end (bindings/process/process.c, on libuv).

local core = require "luapool.process.core"
local errors = require "luapool.error"
local luapool = require "luapool.core"
local options = require "luapool.internal.options"
local pool = require "luapool.pool"
local usage = require "luapool.internal.usage"

--- A Lua function in a process of its own, and programs that are run to their end.
---
--- ```lua
--- local result = process.exec { "sort", stdin = "b\na\n" }
--- print((result.stdout:gsub("\n", " "))) --> a b
--- ```
---@kind timeout the program, or `join`, took longer than its timeout; `exec`: fields `stdout` and
--- `stderr`
---@kind process a program cannot be started; field `code` ("ENOENT")
---@kind worker_died the process died; fields as of `luapool.pool`
---@kind cancelled the process was terminated or killed; field `reason`
---@class luapool.process
local M = {}

local check_exec = options.define("process.exec", {
  stdin = "string", cwd = "string", env = "table", timeout = "seconds",
})

local function wrong(text, ...) usage.raise("process.exec", text, ...) end

-- The program and its arguments, and the options: the list and the other fields of one table.
local function split(command)
  local args, opts = {}, {}
  for i, arg in ipairs(command) do
    if type(arg) ~= "string" and type(arg) ~= "number" then
      wrong("item %d of the command must be a string, got %s", i, usage.describe(arg))
    end
    args[i] = tostring(arg)
    if args[i]:find("\0", 1, true) then
      wrong("item %d of the command cannot hold a zero byte", i)
    end
  end
  if not args[1] then
    wrong "a program is missing: process.exec{\"cmd\", \"arg\"}"
  end
  for key, value in pairs(command) do
    if math.type(key) == "integer" and key > #args then
      wrong("item %d of the command must be a string, got nil", #args + 1)
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
      wrong("%q is no name, or no value, for 'env'", tostring(name))
    end
    if type(value) == "table" or type(value) == "function" then
      local text = "the value of '%s' in 'env' must be a string, got %s"
      wrong(text, name, usage.describe(value))
    end
    if value then list[#list + 1] = name .. "=" .. tostring(value) end
  end
  return list
end

---@class luapool.process.Result
---@field code integer? its exit status; nil when a signal has ended it
---@field signal integer? the signal that has ended it
---@field stdout string
---@field stderr string

---@class luapool.process.Command
---@field [integer] string|number the program and its arguments
---@field stdin? string what the program reads; default: nothing
---@field cwd? string the folder that it runs in
---@field env? table<string, string|number|boolean> added to the environment; `false` removes a name
---@field timeout? number seconds after which it is killed

--- Runs a program to its end and returns what it has written. The program is found along $PATH; no
--- shell is involved. A status other than 0 is no error. When the task is cancelled the program is
--- killed, with all that it has started; so it is when this process dies, also by `kill -9`.
---
--- ```lua
--- local result = process.exec { "sh", "-c", "echo $WORD; pwd; exit 3", cwd = "/",
---   env = { WORD = "hello" } }
--- print(result.code, (result.stdout:gsub("\n", " "))) --> 3 hello /
--- print(process.exec({ "tr", "a-z", "A-Z", stdin = "loud" }).stdout) --> LOUD
--- print(select(2, pcall(process.exec, { "sleep", "60", timeout = 0.05 })).kind) --> timeout
--- print(select(2, pcall(process.exec, { "no-such-program" })).code) --> ENOENT
--- ```
---@async
---@param command luapool.process.Command the program, its arguments and options in one table
---@return luapool.process.Result
---@raises timeout the program was killed after `timeout` seconds; fields `stdout` and `stderr`
---@raises process it cannot be started; field `code`
function M.exec(command, extra)
  if extra ~= nil and type(command) == "table" then
    wrong "options stand in the one table, as {\"cmd\", \"arg\", timeout = 5}"
  end
  if type(command) ~= "table" then
    usage.expected("process.exec", 1, "a table, as {\"cmd\", \"arg\"},", command)
  end
  local args, opts = split(command)
  check_exec(opts)
  local env = opts.env and environment(opts.env)
  return core.exec(args, opts.stdin, opts.cwd, env, opts.timeout or -1)
end

--- A process that runs one function: see `process.new`. Leaving the scope of `<close>` waits
--- for its end, leaving it by an error terminates it.
---@class luapool.Process
---@field name string
---@field pid integer? once it is started
---@field exitcode integer? once it has ended: 0, 1 after an error, minus the signal, or what
--- os.exit was given; -15 after `terminate`, -9 after `kill`
local Process = { __name = "luapool.Process" }

local check_new = options.define("process.new", {
  args = "table", name = "string", init = "callable", init_args = "table",
})

local count = 0

---@class luapool.process.Options
---@field args? table a list of the function's arguments
---@field name? string default "process-1" and so on; what `ps` and its log lines call it
---@field init? function runs in the process before fn; it may set globals there
---@field init_args? table a list of its arguments

--- Makes a process that will call fn with the `args`; nothing happens before `start`. The function
--- travels as one of a pool does.
---
--- ```lua
--- local adder <close> = process.new(function(a, b) return base + a + b end, {
---   name = "adder", args = { 1, 2 }, init = function(n) base = n end, init_args = { 100 } })
--- adder:start()
--- print(adder.name, adder:join()) --> adder 103
--- ```
---@param fn function
---@param opts? luapool.process.Options
---@return luapool.Process
function M.new(fn, opts)
  usage.argument("process.new", 1, fn, "callable")
  opts = check_new(opts)
  count = count + 1
  local name = opts.name or ("process-%d"):format(count)
  return setmetatable({ fn = fn, opts = opts, name = name }, Process)
end

local function started(self, method)
  if not self.future then usage.raise(method, "%s is not started: call start first", self.name) end
  return self.future, self.pool
end

--- Starts the process; it has its `pid` afterwards. An argument or upvalue that cannot travel is an
--- error.
---
--- ```lua
--- local p <close> = process.new(task.sleep, { args = { 0 } })
--- p:start()
--- assert(p.pid > 0)
--- ```
---@async
function Process:start()
  usage.self(self, Process, "Process:start")
  if luapool.worker then
    usage.raise("Process:start", "a process cannot be started inside a worker: start it in main")
  end
  if self.pool then
    usage.raise("Process:start", "%s was started before; make a new one", self.name)
  end
  local opts = self.opts
  local args = opts.args or {}
  local one = pool.new({
    processes = 1,
    concurrency = 1,
    crash_retries = 0,
    init = opts.init,
    init_args = opts.init_args,
  }, self.name)
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

--- Waits until the process has ended; returns what fn returned or raises its error.
---
--- ```lua
--- local p <close> = process.new(os.exit, { args = { 7 } })
--- p:start()
--- local ok, e = pcall(p.join, p, 30)
--- print(e.kind, p.exitcode) --> worker_died 7
--- ```
---@async
---@param timeout? number seconds
---@return any ... what fn returned
---@raises timeout
---@raises worker_died
---@raises cancelled after `terminate` and `kill`
function Process:join(timeout)
  usage.self(self, Process, "Process:join")
  usage.optional("Process:join", 1, timeout, "seconds")
  local future, one = started(self, "Process:join")
  one:join(timeout)
  local result = table.pack(future:result())
  if result[1] then return table.unpack(result, 2, result.n) end
  local died = errors.is(result[2], "worker_died")
  if died and result[2].exitcode == 0 then return end -- os.exit(0)
  error(result[2], 0)
end

--- Tells whether the process was started and has not ended.
---
--- ```lua
--- print(process.new(print):is_alive()) --> false
--- ```
---@return boolean
function Process:is_alive()
  usage.self(self, Process, "Process:is_alive")
  return self.future ~= nil and not self.pool.handle:ended()
end

--- Cancels fn. The process is killed when it has not ended two seconds later.
---
--- ```lua
--- local p <close> = process.new(task.sleep, { args = { 60 } })
--- p:start()
--- p:terminate()
--- print(select(2, pcall(p.join, p)).kind, p.exitcode) --> cancelled -15
--- ```
function Process:terminate()
  usage.self(self, Process, "Process:terminate")
  local _, one = started(self, "Process:terminate")
  self.signal = self.signal or -15
  one:terminate()
end

--- Kills the process at once.
---
--- ```lua
--- local p <close> = process.new(task.sleep, { args = { 60 } })
--- p:start()
--- p:kill()
--- print(pcall(p.join, p) == false, p.exitcode) --> true -9
--- ```
function Process:kill()
  usage.self(self, Process, "Process:kill")
  local _, one = started(self, "Process:kill")
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

--- Waits until the process has ended, whatever has become of it, as leaving the scope of `<close>`
--- does.
---
--- ```lua
--- local p = process.new(task.sleep, { args = { 0 } })
--- p:start()
--- p:close()
--- print(p.exitcode) --> 0
--- ```
---@async
function Process:close()
  usage.self(self, Process, "Process:close")
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
