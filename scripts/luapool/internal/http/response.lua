-- internal.http.response: what a request gives: the methods of Response and its headers. The C
-- half makes the tables; both classes travel between processes by name.

local core = require "luapool.http.core"
local errors = require "luapool.error"
local usage = require "luapool.internal.usage"

--- The answer to a request. One that is not a stream may be sent to and from workers.
---
--- ```lua
--- local res = http.get(url .. "/redirect/1")
--- print(res.ok, res.status, res.http_version, res.url == url .. "/echo") --> true 200 1.1 true
--- assert(res.elapsed < 60 and res.head:find "^HTTP/1.1 200")
--- ```
---@within http
---@class luapool.http.Response
---@field status integer
---@field ok boolean a status from 200 to 399
---@field url string the last one, after redirections
---@field body? string absent when it was saved or is a stream
---@field head string the header as it came
---@field headers luapool.http.Headers
---@field elapsed number seconds, with those of the redirections
---@field http_version string "1.1"
---@field history { status: integer, url: string }[] the redirections that were followed
---@field saved_to? string the file of `save_to`
---@field cached? boolean it comes out of the cache; see `http.cache`
---@field stream? userdata
local Response = core.Response
local methods = {}

--- The headers of a response: `headers["content-type"]`, without regard to case. Repeated headers
--- are joined by ", ". `pairs` gives each name once, in small letters.
---
--- ```lua
--- local headers = http.get(url .. "/repeated").headers
--- print(headers["X-Many"], headers["x-many"] ~= nil, headers["no-such"])
--- --> one, two, three true nil
--- ```
---@within http
---@class luapool.http.Headers
---@field [string] string
local Headers = core.Headers

-- Headers: [1] is name (lower case) -> values joined, [2] name -> list of values.

--- Lists the values of a header that is repeated.
---
--- ```lua
--- local res = http.get(url .. "/repeated")
--- print(#res.headers:list "x-many", #res.headers:list "no-such") --> 3 0
--- ```
---@function Headers:list
---@param name string
---@return string[]

local function list(self, name)
  usage.self(self, Headers, "headers:list")
  usage.argument("headers:list", 1, name, "string")
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

function lazy.history()
  return {}
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

--- Returns the status in words: "404 Not Found".
---
--- ```lua
--- print(http.get(url .. "/no/such/page"):reason()) --> 404 Not Found
--- ```
---@function Response:reason
---@return string
function methods:reason()
  usage.self(self, Response, "Response:reason")
  return self.head:match("^%S+ +([^\r\n]-)%s*\r?\n") or tostring(self.status)
end

local function body_of(self, method)
  usage.self(self, Response, method)
  if self.body then return self.body end
  local where = self.saved_to and "was saved to " .. self.saved_to or "is a stream"
  usage.raise(method, "%s: the body %s", self.url, where)
end

--- Decodes the body as JSON.
---
--- ```lua
--- print(http.get(url .. "/echo"):json().method) --> GET
--- ```
---@function Response:json
---@param opts? luapool.json.DecodeOptions as of `json.decode`
---@return any
---@raises json it is no JSON
function methods:json(opts)
  return require("luapool.json").decode(body_of(self, "Response:json"), opts)
end

--- Parses the body as HTML. Its links are taken relative to the response's URL.
---
--- ```lua
--- local page = http.post(url .. "/body", { body = "<a href='/up'>up</a>" }):html()
--- print(page:first("a"):text(), page:links()[1] == url .. "/up") --> up true
--- ```
---@function Response:html
---@return luapool.html.Node
function methods:html()
  return require("luapool.html").parse(body_of(self, "Response:html"), { base_url = self.url })
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

--- Returns the response, or raises when its status is 400 or above.
---
--- ```lua
--- local ok, e = pcall(function() http.get(url .. "/status/418"):raise_for_status() end)
--- print(e.kind, e.status, e.response.status) --> status 418 418
--- ```
---@function Response:raise_for_status
---@return luapool.http.Response
---@raises status fields `status`, `url` and `response`
function methods:raise_for_status()
  usage.self(self, Response, "Response:raise_for_status")
  if self.status < 400 then return self end
  error(errors.new("status", ("%s: %s"):format(self.url, self:reason()),
    { status = self.status, url = self.url, response = for_error(self) }), 0)
end

-- --- streams ---

local function stream_of(self, method)
  usage.self(self, Response, method)
  local stream = rawget(self, "stream")
  if stream then return stream end
  usage.raise(method, "%s: not a stream; request it with stream=true", self.url)
end

--- Returns an iterator over the pieces of a streamed body as they come. Leaving the loop early
--- breaks the transfer off.
---
--- ```lua
--- local size = 0
--- for piece in http.get(url .. "/chunks/3?size=100", { stream = true }):chunks() do
---   size = size + #piece
--- end
--- print(size) --> 300
--- ```
---@function Response:chunks
---@async
---@return fun(): string? iterator
function methods:chunks()
  local stream = stream_of(self, "Response:chunks")
  return function()
    local rest = rawget(self, "rest")
    self.rest = nil
    if rest and rest ~= "" then return rest end
    return stream:read()
  end, nil, nil, stream
end

--- Returns an iterator over the lines of a streamed body, without their line ends.
---
--- ```lua
--- local opts = { stream = true, body = "one\r\ntwo\n" }
--- for line in http.post(url .. "/body", opts):lines() do print(line) end
--- --> one
--- --> two
--- ```
---@function Response:lines
---@async
---@return fun(): string? iterator
function methods:lines()
  local stream = stream_of(self, "Response:lines")
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

--- Reads the next n bytes of a streamed body: fewer at its end, nil behind it. Without n it reads
--- all that is left.
---
--- ```lua
--- local res = http.get(url .. "/bytes/10", { stream = true })
--- print(#res:read(4), #res:read(), res:read(1)) --> 4 6 nil
--- ```
---@function Response:read
---@async
---@param n? integer
---@return string?
function methods:read(n)
  local stream = stream_of(self, "Response:read")
  usage.optional("Response:read", 1, n, "count0")
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

--- Breaks a stream off. It has no effect on other responses.
---
--- ```lua
--- local res = http.get(url .. "/chunks/100?delay=1", { stream = true })
--- res:close()
--- print(res.status) --> 200
--- ```
---@function Response:close
function methods:close()
  usage.self(self, Response, "Response:close")
  local stream = rawget(self, "stream")
  if stream then stream:close() end
end

Response.__close = methods.close

-- The C half calls it for a body whose Content-Encoding is unknown: the bytes are handed through.
function Response.__undecoded(self)
  require("luapool.log").warn("%s: unknown Content-Encoding '%s', the body is left as it is",
    self.url:sub(1, 200), self.headers["content-encoding"])
end

return Response
