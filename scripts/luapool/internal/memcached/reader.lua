-- internal.memcached.reader: replies of memcached's text protocol out of bytes, however these are
-- cut. A reply is
--   a word or a number, as a string            STORED, NOT_FOUND, 42, VERSION 1.6.18, …
--   a list of values {key, flags, data, cas}   lines VALUE …, with the data behind each, and END
--   the same list with a field `stats`         lines STAT …, and END
-- or the text of an error: ERROR, CLIENT_ERROR …, SERVER_ERROR ….
--@whole

local M = {}

local LINE = 8192 -- bytes of a line at most
local DATA = 1 << 30 -- bytes of a value at most, as memcached has it

---@class luapool.internal.memcached.Reader
---@field text string bytes that have come
---@field at integer the first of them that is not used
---@field parts string[] those that have come since
---@field have integer how many are not used, of both
---@field need integer so many are needed before it makes sense to look at them
---@field list table|nil what has come of a reply of several lines
---@field value table|nil the value whose data is to come
local Reader = {}
Reader.__index = Reader

--- More bytes have come.
---@param bytes string
function Reader:feed(bytes)
  self.parts[#self.parts + 1] = bytes
  self.have = self.have + #bytes
end

-- All bytes that have come stand in `text`.
local function join(self)
  local parts = self.parts
  if #parts == 0 then return end
  table.insert(parts, 1, self.text:sub(self.at))
  self.text, self.at, self.parts = table.concat(parts), 1, {}
end

local function use(self, n) self.at, self.have = self.at + n, self.have - n end

-- ---- lines ----

local errors = { ERROR = true, CLIENT_ERROR = true, SERVER_ERROR = true }

local function begin_value(self, line)
  local key, flags, size, cas = line:match "^VALUE (%S+) (%d+) (%d+) ?(%d*)$"
  size = math.tointeger(tonumber(size))
  flags = math.tointeger(tonumber(flags))
  if not size or size > DATA or not flags or #key > 250 then return nil, line end
  self.list = self.list or {}
  self.value = { key = key, flags = flags, cas = cas ~= "" and cas or nil, size = size }
  self.need = size + 2
  return false
end

local function add_stat(self, line)
  local name, value = line:match "^STAT (%S+) ?(.*)$"
  if not name then return nil, line end
  self.list = self.list or {}
  self.list.stats = self.list.stats or {}
  self.list.stats[name] = value
  return false
end

-- A line: a reply, or a part of one (false), or nonsense (nil, the line).
local function read_line(self, line)
  local word = line:match "^%S+"
  if word == "VALUE" then return begin_value(self, line) end
  if word == "STAT" then return add_stat(self, line) end
  local list = self.list or {}
  if errors[word] then -- in the midst of a list, too
    self.list = nil
    return true, nil, line
  end
  if line == "END" then
    self.list = nil
    return true, list
  end
  if self.list or not word or not line:find "^[%u%d]" or line:find "%c" then return nil, line end
  return true, line
end

local function step_line(self)
  join(self)
  local text, at = self.text, self.at
  local ends = text:find("\r\n", at, true)
  if not ends or ends - at > LINE then
    if self.have > LINE then return nil, text:sub(at, at + LINE) end
    self.need = self.have + 1
    return false, true
  end
  use(self, ends + 2 - at)
  self.need = 0
  return read_line(self, text:sub(at, ends - 1))
end

local function step_data(self)
  join(self)
  local value, text, at = self.value, self.text, self.at
  local ends = at + value.size
  if text:sub(ends, ends + 1) ~= "\r\n" then return nil, text:sub(ends, ends + LINE) end
  value.data = text:sub(at, ends - 1)
  table.insert(self.list, value)
  use(self, value.size + 2)
  self.value, self.need = nil, 0
  return false
end

--- The next reply: true and a reply, or true, nil and the text of an error; false when more bytes
--- must come; nil and what is wrong.
---@return boolean|nil complete
---@return any reply
---@return string? err
function Reader:next()
  while self.have >= self.need do
    local step = self.value and step_data or step_line
    local complete, reply, err = step(self)
    if complete then return complete, reply, err end
    if complete == nil then
      return nil, ("no reply of memcached: %q"):format(reply:sub(1, 60):gsub("%c", "?"))
    end
    if reply then return false end
  end
  return false
end

--- A reader.
---@return luapool.internal.memcached.Reader
function M.new()
  return setmetatable({ text = "", at = 1, parts = {}, have = 0, need = 0 }, Reader)
end

return M
