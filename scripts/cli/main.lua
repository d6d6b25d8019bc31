-- cli.main: the command line: finds the subcommand and hands over. runtime/cli/main.c calls main()
-- as the main task. A subcommand is a row here and a module with what cli.manual shows of it and
-- `run(values, positional, rest) -> exit status`.

local core = require "luapool.core"
local cli = require "cli.options"
local errors = require "luapool.error"
local manual = require "cli.manual"
local text_of = require("luapool.error.core").text
local options = require "luapool.internal.options"
local settings = require "luapool.internal.settings"

--- The program. `luapool run FILE` runs a script or drives a job, `luapool serve FILE` the jobs of
--- a queue; `luapool ctl` and `luapool queue` look at them and steer them; the other commands help
--- to write such files. A file may begin with `#!/usr/bin/env -S luapool run`. What all commands
--- have in common stands in topics: `luapool help statuses`, `signals`, `environment`, `output`.
---@page cli
local M = {}

-- Seconds of CPU after which others run, unless --slice says otherwise.
local SLICE = 0.01

local commands = { "run", "serve", "ctl", "queue", "check", "new", "repl", "doc", "help" }

local general = {
  cli.help,
  { "V", "version", false, "flag", "show the version" },
}

--- Whether a subcommand has this name.
---@param name string
---@return boolean
function M.is_command(name)
  for _, known in ipairs(commands) do
    if known == name then return true end
  end
  return false
end

local function is_file(name)
  local file <close> = io.open(name)
  return file ~= nil and file:read(0) ~= nil -- nothing can be read of a folder
end

local function command(name)
  if M.is_command(name) then return require("cli." .. name) end
  if is_file(name) or name:match("%.lua$") then
    cli.wrong("unknown command '%s'; to run that file: luapool run %s", name, name)
  end
  cli.wrong("unknown command '%s'%s; see luapool --help", name, options.hint(name, commands))
end

--- The help of a subcommand, or of the program when `name` is nil.
---@param name string|nil
---@return string
function M.help(name)
  if name then return manual.command(command(name)) end
  local list = {}
  for i, word in ipairs(commands) do list[i] = require("cli." .. word) end
  return manual.program(list, general)
end

-- `luapool --help`, `luapool --version`: options before any subcommand.
local function without_command(words)
  local values = cli.parse(general, words, 1)
  if values.version then
    print("luapool " .. core.version)
  else
    io.stdout:write(M.help())
  end
  return 0
end

local function dispatch(words)
  if #words == 0 then
    io.stderr:write(M.help())
    return 2
  end
  if words[1]:match("^%-") then return without_command(words) end
  local sub = command(words[1])
  for i = 2, #words do
    if words[i] == "--" then break end
    if words[i] == "--help" or words[i] == "-h" then
      io.stdout:write(M.help(words[1]))
      return 0
    end
  end
  return sub.run(cli.parse(sub.options, words, 2))
end

-- What has gone wrong, as it is printed: a wrong use is one line, a fault of ours has a traceback.
local function explain(e)
  if cli.is_wrong(e) or errors.is(e, "cancelled") then return e end
  return debug.traceback("luapool: " .. text_of(e), 2)
end

--- Runs the command line: `words` are the program's arguments. Returns the exit status.
---@param words string[]
---@return integer
function M.main(words)
  require "cli.stdout"
  settings.set { slice = SLICE }
  require("luapool.term.core").take_input()
  local ok, result = xpcall(dispatch, explain, words)
  if ok then return result end
  if errors.is(result, "cancelled") then return 1 end -- the host tells why
  if not cli.is_wrong(result) then
    io.stderr:write(result, "\n")
    return 1
  end
  local of = M.is_command(words[1]) and " " .. words[1] or ""
  io.stderr:write("luapool", of, ": ", result.message, "\n")
  return 2
end

return M
