-- cli.run: luapool run FILE: a file that returns a table is a job (luapool.job drives it), any
-- other is a script and has run; what it returned is dropped, as by lua.

local alive = require "cli.alive"
local cli = require "cli.options"
local color = require "luapool.internal.color"
local configs = require "cli.config"
local core = require "luapool.core"
local errors = require "luapool.error"
local settings = require "luapool.internal.settings"
local slips = require "luapool.internal.slips"
local stdout = require "cli.stdout"
local stop = require "cli.stop"
local task = require "luapool.task"
local text_of = require("luapool.error.core").text
local traces = require "luapool.internal.trace"
local usage = require "luapool.internal.usage"

local M = {
  usage = "run FILE [options] [-- ARGS...]",
  summary = "run a job file or a script",
  about = "Runs a job file over worker processes, or a script. FILE is - for stdin; with -e CODE\n"
    .. "there is none. ARGS are `...` and `arg` of a script and ctx.args of a job.",
  completes = "file",
  options = {
    { "e", "execute", "CODE", "string", "run this text in place of a file" },
    { "p", "processes", "N", "processes", "worker processes", "usable cores" },
    { "c", "concurrency", "N", "concurrency", "tasks at once in each process", "100" },
    { "m", "mode", "MODE", { "async", "sync" },
      "sync: one item at a time in each process; or async", "async" },
    { false, "config", "FILE", "string", "settings (YAML) for the job's ctx.config" },
    { false, "set", "KEY=VALUE", "string", "a setting over those of the file; KEY may be a.b",
      many = true },
    { "o", "output", "FILE", "string",
      "where the results go: .jsonl, .csv, .json, .sqlite#table; - is stdout" },
    { false, "append", false, "flag", "add to the output file, do not replace it" },
    { false, "resume", "FILE", "string",
      "keep what is done in FILE; after any end the same command goes on" },
    { false, "progress", "WHEN", { "auto", "on", "off" }, "the bar", "auto" },
    { "q", "quiet", false, "flag", "say nothing but what went wrong" },
    { "v", "verbose", false, "flag", "show each failure as it comes" },
    { false, "fail-fast", false, "flag", "stop at the first item that fails" },
    { false, "log-level", "LEVEL", { "debug", "info", "warn", "error" },
      "least level to log", "info" },
    { false, "log-format", "FORMAT", { "text", "json" }, "how log lines are written", "text" },
    { false, "timeout", "S", "seconds", "stop after S seconds, with status 4" },
    { false, "memory-limit", "SIZE", "size", "memory of a worker, such as 256M" },
    { false, "max-tasks", "N", "count0", "replace a worker after N tasks (0: never)" },
    { false, "slice", "MS", "milliseconds", "CPU time of a turn in ms, 0: no limit", "10" },
    cli.help,
  },
  status = {
    { 0, "all went well" },
    { 1, "an error ended the script or the job" },
    { 2, "wrong usage, or an unreadable file" },
    { 3, "some items failed" },
    { 4, "--timeout passed" },
    { 130, "interrupted by Ctrl-C" },
    { 143, "terminated by SIGTERM" },
  },
  examples = {
    { "luapool run titles.lua -p 6", "over six worker processes" },
    { "luapool run titles.lua --resume titles.db", "the same command goes on after any end" },
    { "luapool run report.lua -- --month 5", "a script with arguments" },
    { "luapool run -e 'print(1 + 1)'", "a text in place of a file" },
  },
}

--- The text of a file, of stdin for "-", without a byte order mark. One that cannot be read is a
--- wrong use of the command line.
---@param path string
---@return string
function M.read(path)
  local file, message = io.stdin, nil
  if path ~= "-" then file, message = io.open(path, "rb") end
  if not file then cli.wrong("cannot open %s", message) end
  local text, problem = file:read("a")
  if path ~= "-" then file:close() end
  if not text then cli.wrong("cannot read %s: %s", path, problem) end
  return (text:gsub("^\xEF\xBB\xBF", ""))
end

--- The text of a script without a first line such as "#!/usr/bin/env luapool".
---@param text string
---@return string
function M.strip(text) return (text:gsub("^#[^\n]*", "")) end

local function complain(text)
  require("luapool.term.core").print(color.paint("luapool: " .. text, "red") .. "\n")
  return 1
end

--- Loads a file, or a text; the folder of the file comes first in package.path.
---@param path string "-" for stdin
---@param code? string the text, in place of a file
---@return function|nil chunk
---@return string? message of the syntax error: file, line, what
---@return string text
---@return string name of the file, for messages
function M.load(path, code)
  local text = M.strip(code or M.read(path))
  local name = path == "-" and "stdin" or path
  local folder = name:match("^(.*)/[^/]*$") or "."
  package.path = ("%s/?.lua;%s/?/init.lua;"):format(folder, folder) .. package.path
  local chunk, message = load(text, "@" .. name, "t")
  return chunk, message, text, name
end

--- Takes over what the command line says of workers and logs.
---@param values table<string, any>
function M.settle(values)
  settings.set {
    processes = values.processes,
    concurrency = values.mode == "sync" and 1 or values.concurrency,
    memory_limit = values.memory_limit,
    max_tasks = values.max_tasks,
    progress = values.progress or values.quiet and "off" or nil,
    log_level = values.log_level or values.quiet and "warn" or nil,
    log_format = values.log_format,
    log_journal = require("luapool.log.core").journal(os.getenv "JOURNAL_STREAM"),
    slice = values.slice and values.slice / 1000,
  }
end

-- Prints an error that ended the run. Returns the exit status.
local function report(e, trace)
  trace = trace or errors.traceback(e)
  local text = slips.explain(text_of(e))
  if not text:find "^luapool/" then trace = traces.of_user(trace) end
  return complain(text .. (trace and "\n" .. trace or ""))
end

-- One run, and what may stop it: first the task that runs the file, then the job.
local Run = {}
Run.__index = Run

-- Ends the process without waiting for anything more. No bar is left on the terminal.
local function exit_now(status)
  require("luapool.term.core").hold()
  io.stdout:flush()
  core.exit(status)
end

function Run:stop(status, what, count)
  if self.job then return self.job:stop(status, what) end
  if count > 1 then exit_now(status) end
  self.status = self.status or status
  self.file:cancel(what)
  task.sleep(core.grace.stop)
  exit_now(status)
end

-- Runs the file as a task. Returns false and the exit status, or true and the job.
function Run:load(path, chunk, args)
  self.file = task.spawn(chunk, table.unpack(args))
  local result = table.pack(self.file:result())
  local stopped = self.status
  if not result[1] then
    if stopped and errors.is(result[2], "cancelled") then return false, stopped end
    return false, report(result[2])
  end
  if not stopped and type(result[2]) == "table" then return true, result[2] end
  if not stopped then alive.warn(path) end
  if not stopped and result[2] ~= nil then
    complain(("%s returned %s: a job file returns a table, a script nothing"):format(path,
      usage.describe(result[2])))
  end
  return false, stopped or 0
end

-- The settings of the job: those of --config, else the file of its `config`, beside the job file;
-- and over them those of --set.
local function settings_of(values, path)
  return function(default)
    local beside = default and (path:match("^(.*/)[^/]*$") or "") .. default
    return configs.load(values.config or beside, values.set, M.read)
  end
end

function Run:drive(job, values, path, args, text)
  local message, status
  self.job, message, status = require("luapool.internal.job").open(job, {
    path = path,
    text = text,
    args = args,
    output = values.output,
    append = values.append,
    resume = values.resume,
    quiet = values.quiet,
    verbose = values.verbose,
    fail_fast = values.fail_fast,
    config = settings_of(values, path),
    print = stdout.write,
    report = report,
    exit = exit_now,
  })
  if self.job then return self.job:run() end
  complain(message)
  return status
end

function M.run(values, positional, rest)
  if not values.execute and not positional[1] then
    cli.wrong "which FILE? luapool run FILE"
  end
  if values.quiet and values.verbose then cli.wrong "-q and -v do not go together" end
  local path = values.execute and "-e" or table.remove(positional, 1)
  local args = positional
  table.move(rest, 1, #rest, #args + 1, args)
  M.settle(values)
  local chunk, message, text, name = M.load(path, values.execute)
  if not chunk then return complain(message) end
  path = name
  rawset(_G, "arg", table.move(args, 1, #args, 1, { [0] = path }))
  local run = setmetatable({}, Run)
  stop.listen(values.timeout, function(...) run:stop(...) end)
  local is_job, result = run:load(path, chunk, args)
  if not is_job and values.resume then
    complain(("%s is no job file: --resume has kept nothing"):format(path))
  end
  if not is_job and values.set then
    complain(("%s is no job file: --set has set nothing"):format(path))
  end
  if not is_job then return result end
  return run:drive(result, values, path, args, text)
end

return M
