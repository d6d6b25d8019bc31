-- internal.log.line: a record of the log as a line of text or of JSON. A record has `level` and
-- `message`, and maybe `worker`, `task` (a name), `bound` (what M.bind has made) and `exception`
-- (what M.exception has made).

local errors = require "luapool.error"
local json = require "luapool.json"
local text_of = require("luapool.error.core").text

local M = {}

--- The message of a call: as of string.format, but the first word alone is taken as it is, and
--- what does not fit is put behind it.
---@param fmt any
---@return string
function M.message(fmt, ...)
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

-- ---- bound fields ----

local function finite(value) return value - value == 0 end

-- A value as JSON. What JSON has no place for is the text that stands for it.
local function encoded(value)
  if type(value) == "string" then return json.encode(valid(value)) end
  if type(value) ~= "number" or finite(value) then
    local ok, text = pcall(json.encode, value)
    if ok then return text end
  end
  return json.encode(valid(text_of(value)))
end

-- A value as it stands behind "name=": in quotes where its end would not be seen.
local function shown(value)
  if type(value) == "table" then return encoded(value) end
  local text = text_of(value)
  if text ~= "" and not text:find '[%s%c"=]' then return text end
  return json.encode(valid(text))
end

--- Fields as they stand in the lines of a logger: those of `before` and, over them, `fields`.
--- Their values are taken as they are now.
---@param before table|nil
---@param fields table<string, any>
---@return table bound
function M.bind(before, fields)
  local values, names = {}, {}
  for name, value in pairs(before and before.values or {}) do values[name] = value end
  for name, value in pairs(fields) do
    values[name] = { text = shown(value), json = encoded(value) }
  end
  for name in pairs(values) do table.insert(names, name) end
  table.sort(names)
  local texts, jsons = {}, {}
  for i, name in ipairs(names) do
    texts[i] = (" %s=%s"):format(name, values[name].text)
    jsons[i] = (',"%s":%s'):format(name, values[name].json)
  end
  return { values = values, text = table.concat(texts), json = table.concat(jsons) }
end

--- Names that lines have of their own, which no field may have.
M.reserved = {
  time = true, level = true, message = true, worker = true, process = true, task = true,
  exception = true,
}

-- ---- errors ----

local MOST_CAUSES = 16

-- Kind, message and traceback of an error.
local function facts(err)
  local trace = errors.traceback(err)
  return {
    kind = errors.is(err) and err.kind or nil,
    message = valid(text_of(err)),
    traceback = type(trace) == "string" and valid(trace) or nil,
  }
end

--- What a line tells of an error: its kind, message and traceback, and the same of its causes: of
--- the error in its field `cause`, of that one's, …
---@param err any
---@return table
function M.exception(err)
  local told, seen = facts(err), {}
  while type(err) == "table" and not seen[err] and #seen < MOST_CAUSES do
    seen[err] = true
    table.insert(seen, err)
    err = rawget(err, "cause")
    if err == nil or seen[err] then break end
    told.causes = told.causes or json.array {}
    table.insert(told.causes, facts(err))
  end
  return told
end

local function describe(told, title)
  local kind = told.kind and (" (%s)"):format(told.kind) or ""
  local trace = told.traceback and "\n" .. told.traceback or ""
  return title .. told.message .. kind .. trace
end

local function exception_text(told)
  local parts = { describe(told, "") }
  for _, cause in ipairs(told.causes or {}) do
    table.insert(parts, describe(cause, "caused by: "))
  end
  return table.concat(parts, "\n")
end

-- ---- lines ----

-- The times of a second, which most lines share with the one before.
local clock, text_time, json_time = nil, nil, nil

local function look_at_clock()
  local now = os.time()
  if now == clock then return end
  clock, text_time = now, os.date("%Y-%m-%d %H:%M:%S", now)
  json_time = os.date("!%Y-%m-%dT%H:%M:%SZ", now)
end

local formats = {}

-- The lines of a message that has several are indented, so that each record begins with a time.
function formats.text(record)
  local worker, name = record.worker, record.task
  local who = worker and " " .. (worker.name or "worker " .. worker.id) or ""
  if name then who = who .. " " .. name end
  local bound = record.bound and record.bound.text or ""
  local message = record.message
  if record.exception then
    local text = exception_text(record.exception)
    local first, rest = text:match "^([^\n]*)(.*)$"
    message = (message and message .. ": " or "") .. first .. bound .. rest
  else
    local first, rest = message:match "^([^\n]*)(.*)$"
    message = first .. bound .. rest
  end
  if message:find("\n", 1, true) then message = message:gsub("\n(.)", "\n  %1") end
  return ("%s %s%s: %s\n"):format(text_time, record.level, who, message)
end

function formats.json(record)
  local worker, told = record.worker, record.exception
  local message = record.message
  if told then message = (message and message .. ": " or "") .. told.message end
  local line = json.encode({
    time = json_time, level = record.level, worker = worker and worker.id,
    process = worker and worker.name and valid(worker.name),
    task = record.task and valid(record.task),
    message = valid(message), exception = told,
  }, { sort_keys = true })
  if record.bound then line = line:sub(1, -2) .. record.bound.json .. "}" end
  return line .. "\n"
end

--- The record as a line, with its end; made once for each format.
---@param record table
---@param format "text"|"json"
---@return string
function M.of(record, format)
  local line = record[format]
  if not line then
    look_at_clock()
    line = formats[format](record)
    record[format] = line
  end
  return line
end

local PRIORITIES = { debug = "<7>", info = "<6>", warn = "<4>", error = "<3>" }

--- A line as journald wants it: it takes each line of a text for a record, and its level from what
--- stands before.
---@param line string
---@param level string
---@return string
function M.for_journal(line, level)
  local prefix = PRIORITIES[level]
  return prefix .. line:gsub("\n(.)", "\n" .. prefix .. "%1")
end

return M
