-- luapool.log: lines on stderr, above the bars: time, level, worker, task, text; and files that the
-- same lines go to. Main and workers obey --log-level and --log-format; main passes on what workers
-- write to stderr, and each process writes the files for itself.

local logger = require "luapool.internal.log.logger"
local sinks = require "luapool.internal.log.sinks"
local usage = require "luapool.internal.usage"

--- Lines with time, level, worker and task: on stderr, above the bars, and in files that rotate
--- (`log.add`). `--log-level` says which are written to stderr, `--log-format` whether as text or
--- JSON; workers obey both. Where stderr is journald's, as in a service of systemd, each line
--- begins with its priority, `<3>` for an error, which journald takes off.
---
--- In text, the further lines of a message are indented, so that each record begins with a time.
---
--- ```lua
--- log.info("%d of %d pages", 3, 10)
--- ```
---@kind fs the file of a sink cannot be written; fields `path` and `code` ("ENOENT")
---@class luapool.log
local M = {}

local bind = logger.with(M)

--- Logs what is only of use when something is sought.
---
--- ```lua
--- log.debug("cache: %s", "miss") -- written with --log-level debug
--- ```
---@param fmt any as of string.format; taken as it is when it stands alone
---@param ... any
M.debug = logger.plain("debug", M)

--- Logs what goes its usual way. This is the least level that is written by default.
---
--- ```lua
--- log.info("started")
--- ```
---@param fmt any as of string.format; taken as it is when it stands alone
---@param ... any
M.info = logger.plain("info", M)

--- Logs what somebody should look at.
---
--- ```lua
--- log.warn("%s answered slowly", "example.com")
--- ```
---@param fmt any as of string.format; taken as it is when it stands alone
---@param ... any
M.warn = logger.plain("warn", M)

--- Logs what went wrong.
---
--- ```lua
--- local ok, e = pcall(fs.read, "/no/such/file")
--- log.error("%s", e)
--- ```
---@param fmt any as of string.format; taken as it is when it stands alone
---@param ... any
M.error = logger.plain("error", M)

--- Logs an error that was caught, at level `error`: its text and kind, its traceback with the
--- worker's part, and its causes: the error in its field `cause`, of that one's, and so on. A text
--- before it says what was attempted. In JSON all that stands in `exception`, as `kind`,
--- `message`, `traceback` and the list `causes` of the same.
---
--- ```lua
--- local ok, e = pcall(fs.read, "/no/such/file")
--- if not ok then log.exception(e, "page %d", 7) end
--- --  2026-11-28 10:00:00 error: page 7: cannot read '/no/such/file': No such file ... (fs)
--- --    stack traceback:
--- --    ...
--- ```
---@param err any
---@param ... any what was attempted, as of string.format
M.exception = logger.exception(M)

--- A logger whose lines have further fields: see `log.with`. Its functions are those of the module,
--- and may be called with `:`, too. It may be sent to workers.
---@class luapool.log.Logger
---@field debug fun(fmt: any, ...: any)
---@field info fun(fmt: any, ...: any)
---@field warn fun(fmt: any, ...: any)
---@field error fun(fmt: any, ...: any)
---@field exception fun(err: any, ...: any)
---@field with fun(fields: table): luapool.log.Logger these fields and those of this logger

--- Returns a logger whose lines have these fields: behind the message as `name=value`, in JSON as
--- fields of the line. Their values are taken as they are now: strings, numbers, booleans and
--- tables that JSON has a place for; of all else its text. Of two fields with the same name the
--- inner one counts.
---
--- ```lua
--- local shop = log.with { shop = "north", run = 7 }
--- shop.info("started")                          --  ... info: started run=7 shop=north
--- shop.with { page = 2 }.warn("%s", "is empty") --  ... warn: is empty page=2 run=7 shop=north
--- print(select(2, pcall(log.with, { level = 1 })).kind) --> usage
--- ```
---@param fields table<string, any> by names as in Lua, with "." and "-", too; not `time`, `level`,
--- `message`, `worker`, `process`, `task`, `exception`
---@return luapool.log.Logger
function M.with(fields)
  if rawequal(fields, M) then usage.raise("log.with", "it is called with '.': log.with { ... }") end
  return bind(fields)
end

---@class luapool.log.SinkOptions
---@field path string the file; it is made where there is none, its folder is not
---@field level? "debug"|"info"|"warn"|"error" the least level that is written; default "debug"
---@field format? "text"|"json" default `--log-format`, else "text"
---@field rotate? number|string a size, as "100M", which the file does not exceed; or "daily": a new
--- file for each local day
---@field keep? integer how many rotated files stay, the newest; default: all
---@field compress? boolean whether rotated files become `.gz`; default false

--- A file that log lines go to: see `log.add`.
---@class luapool.log.Sink
local Sink = { __name = "luapool.log.Sink" }
Sink.__index = Sink

--- Writes no more lines to the file, in this process. Safe twice.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local sink = log.add { path = dir .. "/app.log" }
--- log.debug("to the file")
--- sink:close()
--- log.debug("to nowhere")
--- print(select(2, fs.read(dir .. "/app.log"):gsub("\n", ""))) --> 1
--- ```
function Sink:close()
  usage.self(self, Sink, "Sink:close")
  sinks.remove(self.sink)
end

Sink.__close = Sink.close

--- Writes the lines to a file, too, behind what it holds, until the sink is closed or the process
--- ends. Any number of processes may write and rotate the same file: each of them writes whole
--- lines, one at a time. A call that has returned has handed its line to the kernel: no `kill -9`
--- of this or another process loses it. What a process was writing when it was killed may stand as
--- a part of a line, on a line of its own.
---
--- What main has added holds in the workers of the pools that are made from then on, until these
--- end; what a worker adds holds in that worker. A path that is added again takes the place of its
--- sink before.
---
--- A rotated file is renamed: `app.log` becomes `app.2026-11-28_23-59-59_123456.log`, after the
--- time of rotation, with "daily" after that of its last line. Compressing goes on beside the
--- tasks; what a process cannot finish is done when the log is next rotated, opened by a main
--- process or closed by it. When another tool renames or removes the file, `logrotate` say, the
--- next line makes it anew; with `copytruncate` it goes on in the same.
---
--- A line that cannot be written, because the disk is full, is lost and raises nothing: stderr
--- tells so once, and how many were lost when lines can be written again.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local sink <close> = log.add {
---   path = dir .. "/app.log", level = "info", format = "json",
---   rotate = "100M", keep = 7, compress = true,
--- }
--- log.with { shop = "north" }.info("%d pages", 3)
--- local line = json.decode(fs.read(dir .. "/app.log"))
--- print(line.level, line.message, line.shop) --> info 3 pages north
--- print(select(2, pcall(log.add, { path = "/no/such/folder/app.log" })).code) --> ENOENT
--- ```
---@param opts luapool.log.SinkOptions
---@return luapool.log.Sink sink closes at the end of the scope of a `<close>` variable, not by the
--- collector
---@raises fs
function M.add(opts)
  opts = logger.check_add(opts)
  if not opts.path then usage.raise("log.add", "option 'path' is missing: which file?") end
  for _, name in ipairs { "keep", "compress" } do
    if opts[name] and not opts.rotate then
      usage.raise("log.add", "option '%s' is of rotated files: say when with 'rotate'", name)
    end
  end
  return setmetatable({ sink = sinks.add(opts) }, Sink)
end

return M
