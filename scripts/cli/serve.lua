-- cli.serve: luapool serve FILE: runs jobs from a queue until it is stopped. What it does stands in
-- internal.serve.

local cli = require "cli.options"
local errors = require "luapool.error.core"
local run = require "cli.run"
local settings = require "luapool.internal.settings"
local stop = require "cli.stop"

local GRACE = 30

local M = {
  usage = "serve FILE [options] [-- ARGS...]",
  summary = "run jobs from a queue, by cron, and services",
  about = "Runs jobs from a queue over worker processes until it is stopped. FILE returns a table\n"
    .. "with `queue`, `kinds`, `cron` and `services`; it is loaded by the workers alone. ARGS are\n"
    .. "`...` and `arg` of the file and ctx.args of a job.\n\n"
    .. "SIGHUP loads FILE again: new workers are started before the old ones leave; when they\n"
    .. "cannot be, the old ones stay. SIGTERM and Ctrl-C stop it: no more jobs are claimed, those\n"
    .. "that run have --grace seconds; then they are cancelled and given back. A second signal\n"
    .. "does not wait for them.",
  completes = "file",
  options = {
    { "p", "processes", "N", "processes", "worker processes", "usable cores" },
    { "c", "concurrency", "N", "concurrency", "jobs at once in each process", "100" },
    { false, "grace", "S", "seconds", "how long jobs may go on after SIGTERM", "30" },
    { false, "pid-file", "FILE", "string", "where its process id is written once it is ready" },
    { false, "listen", "ADDR", "string", "HOST:PORT or path of ctx.listeners.listen" },
    { false, "metrics", "ADDR", "string", "HOST:PORT or path: figures for Prometheus" },
    { false, "control", "SOCKET", "string", "where luapool ctl finds it (else by process id)" },
    { false, "log-level", "LEVEL", { "debug", "info", "warn", "error" },
      "least level to log", "info" },
    { false, "log-format", "FORMAT", { "text", "json" }, "how log lines are written", "text" },
    { false, "memory-limit", "SIZE", "size", "memory of a worker, such as 256M" },
    { false, "max-tasks", "N", "count0", "replace a worker after N jobs (0: never)" },
    { false, "slice", "MS", "milliseconds", "CPU time of a turn in ms, 0: no limit", "10" },
    cli.help,
  },
  status = {
    { 0, "stopped by SIGTERM" },
    { 1, "it cannot go on" },
    { 2, "wrong usage, or an unreadable file" },
    { 130, "stopped by Ctrl-C" },
  },
  examples = {
    { "luapool serve jobs.lua -p 4", "over four worker processes" },
    { "luapool serve jobs.lua --metrics 127.0.0.1:9100", "with figures for Prometheus" },
  },
}

local EXIT = { [143] = 0, [131] = 0 }

function M.run(values, positional, rest)
  local path = positional[1] or cli.wrong("which FILE? luapool serve FILE")
  local args = table.move(positional, 2, #positional, 1, {})
  table.move(rest, 1, #rest, #args + 1, args)
  run.settle(values)
  run.read(path) -- one that cannot be read is a wrong use of the command line
  local serve = require("luapool.internal.serve").new {
    path = path,
    args = args,
    read = function() return run.strip(run.read(path)) end,
    grace = values.grace or GRACE,
    control = values.control,
    listen = values.listen,
    metrics = values.metrics,
    pid_file = values.pid_file,
  }
  stop.listen(nil, function(status, what) serve:stop(EXIT[status] or status, what) end)
  local signals = require "luapool.internal.signals"
  signals.add({}, "HUP", function() serve:reload() end)
  local ok, status = pcall(serve.run, serve)
  if ok then return status end
  if errors.is(status, "cancelled") then error(status, 0) end
  require("luapool.log").error("%s: %s", path, errors.text(status))
  if settings.log_level == "debug" and errors.is(status) then
    require("luapool.log").debug("%s", status.traceback)
  end
  return 1
end

return M
