-- luapool.log: lines on stderr, above the bars: time, level, worker, task, text. Main and
-- workers obey --log-level and --log-format; main passes the workers' lines on.

local core = require "luapool.core"
local json = require "luapool.json"
local screen = require "luapool.term.core"
local settings = require "luapool.internal.settings"
local task = require "luapool.task"

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
    local who = (worker and " worker " .. worker or "") .. (name and " " .. name or "")
    return ("%s %-5s%s: %s\n"):format(os.date "%Y-%m-%d %H:%M:%S", level, who, text)
  end,
  json = function(level, text, worker, name)
    return json.encode({
      time = os.date "!%Y-%m-%dT%H:%M:%SZ", level = level, worker = worker,
      task = name and valid(name), message = valid(text),
    }, { sort_keys = true }) .. "\n"
  end,
}

local function logger(level)
  return function(fmt, ...)
    if LEVELS[level] < LEVELS[settings.log_level or "info"] then return end
    local current = task.current()
    local name = current and current:name()
    local worker = core.worker and core.worker.id
    screen.print(formats[settings.log_format or "text"](level, message(fmt, ...), worker, name))
  end
end

--- Each takes a string.format and its arguments; a text alone is taken as it is.
M.debug = logger "debug"
M.info = logger "info"
M.warn = logger "warn"
M.error = logger "error"

return M
