-- cli.repl: luapool repl: reads lines of Lua and runs each as a task, so that they may wait. An
-- expression's values are shown; a line that is no whole statement goes on at the next prompt.
-- Ctrl-C cancels the line that runs; at the prompt it ends the program.

local cli = require "cli.options"
local core = require "luapool.core"
local errors = require "luapool.error"
local signals = require "luapool.internal.signals"
local stop = require "cli.stop"
local task = require "luapool.task"
local text_of = require("luapool.error.core").text

local M = {
  usage = "repl",
  summary = "read, run and show lines of Lua",
  about = "Reads lines of Lua, runs them and shows the values of expressions. The modules task,\n"
    .. "pool, http, json and html are globals. Ctrl-C ends the line that runs, Ctrl-D the\n"
    .. "program.",
  options = { cli.help },
  status = { { 0, "the input has ended" }, { 130, "Ctrl-C at the prompt" } },
  examples = {
    { "luapool repl", "lines from the terminal" },
    { "echo '1 + 1' | luapool repl", "lines from a pipe" },
  },
}

-- The `io.read` of scripts, which waits while there is no line, so that other tasks go on.
local read

-- The next line, or nil at the end.
local function ask(prompt)
  if core.isatty(0) then
    io.stdout:write(prompt)
    io.stdout:flush()
  end
  return read("l")
end

local function compile(text)
  local chunk = load("return " .. text, "=stdin", "t")
  if chunk then return chunk end
  return load(text, "=stdin", "t")
end

-- One statement, over as many lines as it takes: function or nil, message; nothing at the end.
local function read_statement()
  local text = ask("> ")
  while text do
    local chunk, message = compile(text)
    if chunk or not message:find("<eof>$") then return chunk, message end
    local more = ask(">> ")
    if not more then return nil, message end
    text = text .. "\n" .. more
  end
  return nil
end

local function show(ok, ...)
  if not ok then
    local e = ...
    io.stderr:write(text_of(e), "\n", errors.traceback(e) or "", "\n")
  elseif select("#", ...) > 0 then
    _G.print(...)
  end
end

-- Ctrl-C cancels the line that runs; at the prompt it ends the program, as other signals do.
local function heed_signals(state)
  signals.serve(function(name)
    if name == "USR2" then
      stop.show_waits()
    elseif name == "INT" and state.line then
      state.line:cancel "interrupted"
    elseif stop.signals[name] then
      core.exit(stop.signals[name][1])
    end
  end)
end

function M.run(_, positional)
  if positional[1] then cli.wrong("no arguments expected, got '%s'", positional[1]) end
  for _, name in ipairs { "task", "pool", "http", "json", "html" } do
    local ok, part = pcall(require, "luapool." .. name)
    if ok then rawset(_G, name, part) end
  end
  read = _G.io.read
  local state = {} -- `line` is the task of the line that runs
  task.spawn(heed_signals, state):name "signals"
  while true do
    local chunk, message = read_statement()
    if chunk then
      state.line = task.spawn(chunk)
      show(state.line:result())
      state.line = nil
    elseif message then
      io.stderr:write(message, "\n")
    else
      return 0
    end
  end
end

return M
