-- internal.http.reader: what is read out of a streamed body: pieces, lines, events of server-sent
-- events. What has come and is not asked for yet is the field `rest` of the response.

local errors = require "luapool.error"

local M = {}

-- A line, or the data of an event, that is longer is refused: a server may send one without end.
local LONGEST = 64 << 20

-- The end of the stream brings the trailers.
local function read(self, stream)
  local piece, trailer = stream:read()
  if trailer then
    rawset(self, "trailer", trailer)
    rawset(self, "trailers", nil)
  end
  return piece
end

--- The next piece, whatever its size; nil at the end.
function M.piece(self, stream)
  local rest = rawget(self, "rest")
  self.rest = nil
  if rest and rest ~= "" then return rest end
  return read(self, stream)
end

--- The next n bytes, or all that is left.
function M.bytes(self, stream, n)
  local parts, have = {}, 0
  while not n or have < n do
    local piece = M.piece(self, stream)
    if not piece then break end
    parts[#parts + 1] = piece
    have = have + #piece
  end
  local all = table.concat(parts)
  if n and #all > n then
    self.rest = all:sub(n + 1)
    all = all:sub(1, n)
  end
  return (all ~= "" or not n or n == 0) and all or nil
end

local function too_long(self, what)
  error(errors.new("too_large", ("%s: %s is longer than 64 MiB"):format(self.url:sub(1, 200), what),
    { url = self.url }), 0)
end

--- An iterator over lines: they end with LF, or with CR, LF or both when `any` is set. The last one
--- needs no end; true behind it tells that it has none. `next_piece` gives the bytes.
function M.lines(self, next_piece, any)
  local mark = any and "[\r\n]" or "\n"
  local buffer, from = "", 1
  local parts, size, skip = {}, 0, false
  return function()
    while buffer do
      if skip and from <= #buffer then
        if buffer:byte(from) == 10 then from = from + 1 end
        skip = false
      end
      local stop = buffer:find(mark, from)
      parts[#parts + 1] = buffer:sub(from, (stop or 0) - 1)
      if stop then
        local line = table.concat(parts)
        parts, size, from = {}, 0, stop + 1
        skip = any and buffer:byte(stop) == 13
        return line
      end
      size = size + #parts[#parts]
      if size > LONGEST then too_long(self, "a line") end
      buffer, from = next_piece(), 1
    end
    local line = table.concat(parts)
    parts = {}
    if line ~= "" then return line, true end
  end
end

-- What a line of a server-sent event adds to it; HTML's standard, 9.2.6.
local fields = {}

function fields.data(event, value)
  event.data[#event.data + 1] = value
end

function fields.event(event, value)
  event.event = value
end

function fields.id(_, value, all)
  if not value:find("\0", 1, true) then all.id = value end
end

function fields.retry(event, value)
  if value:find "^%d+$" then event.retry = math.tointeger(tonumber(value)) end
end

-- An event as it is handed out; nil when it has no data.
local function complete(event, all)
  if #event.data == 0 then return nil end
  return { data = table.concat(event.data, "\n"), id = all.id, retry = event.retry,
    event = event.event ~= "" and event.event or "message" }
end

--- An iterator over server-sent events. One that is cut off at the end is left out.
function M.events(self, next_piece)
  local next_line = M.lines(self, next_piece, true)
  local all, first = {}, true
  return function()
    local event, size = { data = {} }, 0
    for line, cut in next_line do
      if cut then return nil end
      if first then line = line:gsub("^\xEF\xBB\xBF", "") end
      first = false
      size = size + #line
      if size > LONGEST then too_long(self, "an event") end
      if line == "" then
        local done = complete(event, all)
        if done then return done end
        event, size = { data = {} }, 0
      else
        local name, value = line:match "^([^:]*):? ?(.*)$"
        local add = fields[name]
        if add then add(event, value, all) end
      end
    end
  end
end

return M
