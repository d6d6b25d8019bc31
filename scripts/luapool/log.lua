-- luapool.log: lines on stderr, above the bars: time, level, worker, task, text. Main and
-- workers obey --log-level and --log-format; main passes the workers' lines on.

local core = require "luapool.core"
local json = require "luapool.json"
local screen = require "luapool.term.core"
local settings = require "luapool.internal.settings"
local task = require "luapool.task"

--- Lines on stderr with time, level, worker and task, above the bars. `--log-level` says which are
--- written, `--log-format` whether as text or JSON; workers obey both.
---
--- ```lua
--- log.info("%d of %d pages", 3, 10)
--- ```
---@class luapool.log
local M = {}

local LEVELS = { debug = 1, info = 2, warn = 3, error = 4 }

local function message(fmt, ...)
  fmt = tostring(fmt)
  if select("#", ...) == 0 then return fmt end
  local ok, text = pcall(string.format, fmt, ...)
  if ok then return text end
  local words = table.pack(fmt, ...)
  for i = 1, words.n do words[i] = tostring(words[i]) end
  return table.concat(words, " ", 1, words.n)
end

local function valid(text)
  return utf8.len(text) and text or text:gsub("[\x80-\xFF]", "?")
end

local formats = {
  text = function(level, text, worker, name)
    local who = worker and (worker.name or "worker " .. worker.id)
    who = (who and " " .. who or "") .. (name and " " .. name or "")
    return ("%s %s%s: %s\n"):format(os.date "%Y-%m-%d %H:%M:%S", level, who, text)
  end,
  json = function(level, text, worker, name)
    return json.encode({
      time = os.date "!%Y-%m-%dT%H:%M:%SZ", level = level, worker = worker and worker.id,
      process = worker and worker.name and valid(worker.name), task = name and valid(name),
      message = valid(text),
    }, { sort_keys = true }) .. "\n"
  end,
}

local function logger(level)
  return function(fmt, ...)
    if LEVELS[level] < LEVELS[settings.log_level or "info"] then return end
    local current = task.current()
    local name = current and current:name()
    local format = formats[settings.log_format or "text"]
    screen.print(format(level, message(fmt, ...), core.worker, name))
  end
end

--- Logs what is only of use when something is sought.
---
--- ```lua
--- log.debug("cache: %s", "miss") -- written with --log-level debug
--- ```
---@param fmt any as of string.format; taken as it is when it stands alone
---@param ... any
M.debug = logger "debug"

--- Logs what goes its usual way. This is the least level that is written by default.
---
--- ```lua
--- log.info("started")
--- ```
---@param fmt any as of string.format; taken as it is when it stands alone
---@param ... any
M.info = logger "info"

--- Logs what somebody should look at.
---
--- ```lua
--- log.warn("%s answered slowly", "example.com")
--- ```
---@param fmt any as of string.format; taken as it is when it stands alone
---@param ... any
M.warn = logger "warn"

--- Logs what went wrong.
---
--- ```lua
--- local ok, e = pcall(fs.read, "/no/such/file")
--- log.error("%s", e)
--- ```
---@param fmt any as of string.format; taken as it is when it stands alone
---@param ... any
M.error = logger "error"

return M
