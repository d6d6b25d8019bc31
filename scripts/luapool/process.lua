-- luapool.process: programs run by luapool. The mechanism is bindings/process.c, on libuv.

local core = require "luapool.process.core"
local options = require "luapool.options"

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
function M.exec(command)
  if type(command) ~= "table" then
    local text = "process.exec: a table expected, as {\"cmd\", \"arg\"}, got a %s"
    error(text:format(type(command)), 2)
  end
  local args, opts = split(command)
  options.check("process.exec", opts, EXEC)
  local env = opts.env and environment(opts.env)
  return core.exec(args, opts.stdin, opts.cwd, env, opts.timeout or -1)
end

return M
