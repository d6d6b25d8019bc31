-- internal.log.sinks: the files that this process writes its log to. A pool hands those of main to
-- its workers (luapool.internal.settings), which open them when they log for the first time: each
-- process writes for itself, so that a line is in the kernel when the call returns. What a worker
-- wrote to main first would be lost with main.

local core = require "luapool.log.core"
local errors = require "luapool.error.core"
local line = require "luapool.internal.log.line"
local luapool = require "luapool.core"
local options = require "luapool.internal.options"
local screen = require "luapool.term.core"
local settings = require "luapool.internal.settings"

local M = {}

local RANKS = { debug = 1, info = 2, warn = 3, error = 4 }
M.ranks = RANKS

--- The least rank that any of them takes.
M.least = math.huge

local list = {}

-- Notes what is there: for the next call, and for the workers of pools to come.
local function note()
  M.least = math.huge
  local told = {}
  for i, sink in ipairs(list) do
    M.least = math.min(M.least, sink.rank)
    told[i] = sink.options
  end
  settings.log_sinks = #told > 0 and told or nil
end

local function find(path)
  for i, sink in ipairs(list) do
    if sink.options.path == path then return i end
  end
  return #list + 1
end

local function open(opts)
  local daily = opts.rotate == "daily"
  local limit = not daily and options.size(opts.rotate) or 0
  return core.open(opts.path, limit, daily, opts.keep or 0, opts.compress == true,
    not luapool.worker)
end

local ADVICE = {
  ENOENT = " (is its folder there? fs.mkdir(path, { parents = true }) makes it)",
}

--- Opens a file as a sink, in the place of one with the same path.
---@param opts luapool.log.SinkOptions checked
---@return table sink
function M.add(opts)
  local file, message, code = open(opts)
  if not file then
    errors.raise("fs", ("cannot write the log '%s': %s%s"):format(opts.path, message,
      ADVICE[code] or ""), { path = opts.path, code = code })
  end
  local told = { path = file:path() }
  for name, value in pairs(opts) do told[name] = told[name] or value end
  local sink = { file = file, options = told, rank = RANKS[opts.level or "debug"], lost = 0 }
  local place = find(told.path)
  if list[place] then list[place].file:close() end
  list[place] = sink
  note()
  return sink
end

--- Writes to it no more. Safe twice.
---@param sink table
function M.remove(sink)
  for i, other in ipairs(list) do
    if other == sink then
      table.remove(list, i)
      sink.file:close()
      return note()
    end
  end
end

local function complain(text, ...)
  screen.print(("luapool: " .. text .. "\n"):format(...))
end

-- A log that cannot be written ends no program; but it is told, once until it can again.
local function put(sink, text)
  local ok, message = sink.file:write(text)
  local path = sink.options.path
  if not ok then
    sink.lost = sink.lost + 1
    if sink.lost == 1 then
      complain("cannot write the log '%s': %s: its lines are lost until that is mended", path,
        message)
    end
    return
  end
  if sink.lost > 0 then
    complain("the log '%s' can be written again: %d lines were lost", path, sink.lost)
    sink.lost = 0
  end
  if message and not sink.stuck then
    complain("cannot rotate the log '%s': %s: it grows", path, message)
  end
  sink.stuck = message
end

--- Writes a record to all that take its level.
---@param record table
---@param rank integer
function M.write(record, rank)
  for _, sink in ipairs(list) do
    if rank >= sink.rank then
      put(sink, line.of(record, sink.options.format or settings.log_format or "text"))
    end
  end
end

-- What main has told this worker.
for _, opts in ipairs(settings.log_sinks or {}) do
  local ok, e = pcall(M.add, opts)
  if not ok then complain("%s", errors.text(e)) end
end

return M
