-- internal.log.logger: the functions that log, each of one logger. They reach all else by modules,
-- so a logger can be sent to workers.

local core = require "luapool.core"
local line = require "luapool.internal.log.line"
local options = require "luapool.internal.options"
local screen = require "luapool.term.core"
local settings = require "luapool.internal.settings"
local sinks = require "luapool.internal.log.sinks"
local task = require "luapool.task"
local usage = require "luapool.internal.usage"

local M = {}

local RANKS = sinks.ranks

--- Does anybody want to have what has this rank? Most calls end here.
---@param rank integer
---@return boolean
function M.wanted(rank)
  return rank >= RANKS[settings.log_level or "info"] or rank >= sinks.least
end

--- Writes a record: to stderr, and to the sinks.
---@param level string
---@param bound table|nil
---@param message string|nil
---@param exception table|nil
function M.write(level, bound, message, exception)
  local current, rank = task.current(), RANKS[level]
  local record = {
    level = level, bound = bound, message = message, exception = exception,
    worker = core.worker, task = current and current:name(),
  }
  if rank >= RANKS[settings.log_level or "info"] then
    local text = line.of(record, settings.log_format or "text")
    screen.print(settings.log_journal and line.for_journal(text, level) or text)
  end
  if rank >= sinks.least then sinks.write(record, rank) end
end

--- The function of `level`. `self` may stand before its arguments: `logger:info` is `logger.info`.
---@param level string
---@param self table the logger
---@param bound table|nil
---@return function
function M.plain(level, self, bound)
  local rank = RANKS[level]
  return function(fmt, ...)
    if not M.wanted(rank) then return end
    if rawequal(fmt, self) then return M.write(level, bound, line.message(...)) end
    M.write(level, bound, line.message(fmt, ...))
  end
end

local function write_exception(bound, err, ...)
  local message = select("#", ...) > 0 and line.message(...) or nil
  M.write("error", bound, message, line.exception(err))
end

--- The function `exception`.
---@param self table the logger
---@param bound table|nil
---@return function
function M.exception(self, bound)
  local rank = RANKS.error
  return function(err, ...)
    if not M.wanted(rank) then return end
    if rawequal(err, self) then return write_exception(bound, ...) end
    write_exception(bound, err, ...)
  end
end

local function check_fields(where, fields)
  usage.argument(where, 1, fields, "table")
  for name in pairs(fields) do
    if type(name) ~= "string" or not name:find "^[%a_][%w_.-]*$" then
      usage.raise(where, "a field's name is a word, got %s", usage.describe(name))
    elseif line.reserved[name] then
      usage.raise(where, "a line has a field '%s' of its own: choose another name", name)
    end
  end
end

--- The function `with`.
---@param self table the logger
---@param bound table|nil
---@return function
function M.with(self, bound)
  return function(fields, ...)
    if rawequal(fields, self) then fields = ... end
    check_fields("log.with", fields)
    return M.fill({}, line.bind(bound, fields))
  end
end

--- Gives a logger its functions.
---@param self table
---@param bound table|nil
---@return table self
function M.fill(self, bound)
  for level in pairs(RANKS) do self[level] = M.plain(level, self, bound) end
  self.exception, self.with = M.exception(self, bound), M.with(self, bound)
  return self
end

--- Checks the options of log.add.
M.check_add = options.define("log.add", {
  path = "string",
  level = { "debug", "info", "warn", "error" },
  format = { "text", "json" },
  rotate = "rotation",
  keep = "count",
  compress = "boolean",
})

return M
