-- internal.http.response: what a request gives: the methods of Response and its headers. The C
-- half makes the tables; both classes travel between processes by name.

local core = require "luapool.http.core"
local errors = require "luapool.error"

---@class luapool.http.Response
---@field status integer
---@field ok boolean            a status from 200 to 399
---@field url string            the last one, after redirections
---@field body? string          none when it was saved or is a stream
---@field head string           the header as it came
---@field headers luapool.http.Headers
---@field elapsed number        seconds
---@field http_version string   "1.1"
---@field saved_to? string
---@field stream? userdata
local Response = core.Response
local methods = {}

---@class luapool.http.Headers: table<string, string>
local Headers = core.Headers

-- Headers: [1] is name (lower case) -> values joined, [2] name -> list of values.

local function list(self, name)
  local values = rawget(self, 2)[name:lower()]
  return values and table.move(values, 1, #values, 1, {}) or {}
end

function Headers:__index(name)
  if name == "list" then return list end
  return type(name) == "string" and rawget(self, 1)[name:lower()] or nil
end

function Headers:__pairs()
  return next, rawget(self, 1), nil
end

local function parse(head)
  local joined, lists = {}, {}
  head = head:gsub("\r?\n[ \t]+", " ") -- a folded line
  for name, value in head:gmatch("\n([^:\r\n]+):[ \t]*([^\r\n]*)") do
    name, value = name:lower(), value:gsub("[ \t]+$", "")
    local values = lists[name]
    if values then
      values[#values + 1] = value
      joined[name] = joined[name] .. ", " .. value
    else
      lists[name], joined[name] = { value }, value
    end
  end
  return setmetatable({ joined, lists }, Headers)
end

-- Fields that are made when they are first asked for.
local lazy = {}

function lazy.headers(self)
  return parse(self.head)
end

function lazy.ok(self)
  return self.status >= 200 and self.status < 400
end

function lazy.http_version(self)
  return self.head:match("^HTTP/([%d.]+)")
end

function Response:__index(name)
  local make = lazy[name]
  if not make then return methods[name] end
  local value = make(self)
  rawset(self, name, value)
  return value
end

function Response:__tostring()
  return ("http.Response: %s %s"):format(self:reason(), self.url)
end

-- "404 Not Found"
function methods:reason()
  return self.head:match("^%S+ +([^\r\n]-)%s*\r?\n") or tostring(self.status)
end

local function body_of(self)
  if self.body then return self.body end
  error(errors.new("usage", ("%s: the body %s"):format(self.url,
    self.saved_to and "was saved to " .. self.saved_to or "is a stream")), 0)
end

--- The body, decoded.
---@return any
function methods:json()
  return require("luapool.json").decode(body_of(self))
end

--- The body as a document; its links are relative to the response's URL.
---@return luapool.html.Node
function methods:html()
  return require("luapool.html").parse(body_of(self), { base_url = self.url })
end

local BODY_IN_ERROR = 64 * 1024

-- The response as an error carries it: without a huge body.
local function for_error(self)
  if not self.body or #self.body <= BODY_IN_ERROR then return self end
  local short = {}
  for name, value in next, self do short[name] = value end
  short.body = self.body:sub(1, BODY_IN_ERROR)
  return setmetatable(short, Response)
end

--- The response itself; raises kind `status` (fields status, url, response) when it is an error.
---@return luapool.http.Response
function methods:raise_for_status()
  if self.status < 400 then return self end
  error(errors.new("status", ("%s: %s"):format(self.url, self:reason()),
    { status = self.status, url = self.url, response = for_error(self) }), 0)
end

-- --- streams ---

local function stream_of(self)
  local stream = rawget(self, "stream")
  if stream then return stream end
  error(errors.new("usage", self.url .. ": not a stream; request it with stream=true"), 0)
end

--- For a loop over the pieces of the body as they come; leaving it early breaks the transfer off.
function methods:chunks()
  local stream = stream_of(self)
  return function()
    local rest = rawget(self, "rest")
    self.rest = nil
    if rest and rest ~= "" then return rest end
    return stream:read()
  end, nil, nil, stream
end

--- For a loop over the lines of the body, without their line ends.
function methods:lines()
  local stream = stream_of(self)
  local buffer, from = rawget(self, "rest") or "", 1
  self.rest = nil
  return function()
    while true do
      local stop = buffer:find("\n", from, true)
      if stop then
        local line = buffer:sub(from, stop - 1):gsub("\r$", "")
        from = stop + 1
        return line
      end
      buffer, from = buffer:sub(from), 1
      local piece = stream:read()
      if not piece then
        local line = buffer
        buffer = ""
        return line ~= "" and line or nil
      end
      buffer = buffer .. piece
    end
  end, nil, nil, stream
end

--- The next n bytes, fewer at the end, nil behind it; without n all that is left.
---@param n? integer
---@return string|nil
function methods:read(n)
  local stream = stream_of(self)
  local parts, have = { rawget(self, "rest") }, #(rawget(self, "rest") or "")
  self.rest = nil
  while not n or have < n do
    local piece = stream:read()
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

--- Breaks a stream off; without effect on other responses.
function methods:close()
  local stream = rawget(self, "stream")
  if stream then stream:close() end
end

Response.__close = methods.close

return Response
