-- cli.main: the command line: finds the subcommand and hands over. runtime/cli/main.c calls main()
-- as the main task. A subcommand is a row here and a module with `usage`, `summary`, `options` and
-- `run(values, positional, rest) -> exit status`.

local core = require "luapool.core"
local cli = require "cli.options"
local errors = require "luapool.error"
local text_of = require("luapool.error.core").text
local options = require "luapool.internal.options"
local settings = require "luapool.internal.settings"

--- The program. `luapool run FILE` runs a script or drives a job, `luapool serve FILE` the jobs of
--- a queue; `luapool ctl` and `luapool queue` look at them and steer them; the other commands help
--- to write such files. Results and `print` go to stdout, everything else to stderr. `NO_COLOR`,
--- `TERM=dumb` and a stderr that is no terminal mean plain text. A file may begin with
--- `#!/usr/bin/env -S luapool run`.
---
--- Exit status: 0 all went well, 1 a script error, 2 wrong usage or an unreadable file, 3 the job
--- finished but some items failed, 4 `--timeout` passed, 130 interrupted, 143 terminated; `serve`
--- ends with 0 when it was terminated.
---
--- Ctrl-C or SIGTERM once: what runs may finish for 5 s, in `serve` for `--grace`; twice: stop
--- now. SIGUSR2 prints what every task in every process waits for, with its stack.
---@page cli
local M = {}

-- Seconds of CPU after which others run, unless --slice says otherwise.
local SLICE = 0.01

local commands = { "run", "serve", "ctl", "queue", "check", "new", "repl", "doc", "help" }

local general = {
  cli.help,
  { "V", "version", false, "flag", "show the version" },
}

local function is_command(name)
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
  if is_command(name) then return require("cli." .. name) end
  if is_file(name) or name:match("%.lua$") then
    cli.wrong("unknown command '%s'; to run that file: luapool run %s", name, name)
  end
  cli.wrong("unknown command '%s'%s; see luapool --help", name, options.hint(name, commands))
end

local function overview()
  local lines = { "Usage: luapool COMMAND [options] [arguments]\n\nCommands:\n" }
  for _, name in ipairs(commands) do
    local usage = require("cli." .. name)
    table.insert(lines, ("  %-18s %s\n"):format(usage.usage:match("^[^%[]*"), usage.summary))
  end
  table.insert(lines, "\nOptions:\n" .. cli.describe(general))
  table.insert(lines, "\nluapool COMMAND --help tells more of each.\n")
  return table.concat(lines)
end

--- The help of a subcommand, or of the program when `name` is nil.
---@param name string|nil
---@return string
function M.help(name)
  if not name then return overview() end
  local sub = command(name)
  local text = { "Usage: luapool ", sub.usage, "\n\n", sub.about or sub.summary .. ".", "\n" }
  if #sub.options > 0 then
    table.insert(text, "\nOptions:\n" .. cli.describe(sub.options))
  end
  return table.concat(text)
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
  local of = is_command(words[1]) and " " .. words[1] or ""
  io.stderr:write("luapool", of, ": ", result.message, "\n")
  return 2
end

return M
