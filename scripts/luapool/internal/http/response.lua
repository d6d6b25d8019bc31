-- internal.http.response: what a request gives: the methods of Response and its headers. The C
-- half makes the tables; both classes travel between processes by name.

local charset = require "luapool.charset.core"
local core = require "luapool.http.core"
local errors = require "luapool.error"
local link = require "luapool.internal.http.link"
local reader = require "luapool.internal.http.reader"
local url = require "luapool.internal.url"
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
---@field trailers luapool.http.Headers what came behind the body; of a stream, once it is read
---@field charset? string of the body, as the encoding standard calls it; of a stream or a saved
--- body, what the Content-Type says
---@field timings { dns: number, connect: number, tls: number, first_byte: number, total: number }
--- seconds: three steps, then the time from the beginning to the first byte and to the end
---@field reused boolean the connection was used before
---@field address? string of the server, or of the proxy
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

function lazy.trailers(self)
  return parse("\n" .. (rawget(self, "trailer") or ""))
end

-- The label of the charset in the Content-Type, and what kind of text it is.
local function said(self)
  return charset.of_type(self.headers["content-type"])
end

function lazy.charset(self)
  local label, kind = said(self)
  return self.body and select(2, charset.to_utf8(self.body, label, kind)) or label
end

function lazy.reused(self)
  return rawget(self, "first_byte") ~= nil
end

-- A connection that was used before cost no time to make.
function lazy.timings(self)
  return { dns = 0, connect = 0, tls = 0, first_byte = rawget(self, "first_byte"),
    total = self.elapsed }
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
  local body = body_of(self, "Response:html")
  return require("luapool.html").parse(body, { base_url = self.url, charset = (said(self)) })
end

--- Returns the body in UTF-8. Its charset is that of a byte order mark, of the Content-Type, of a
--- meta element or an XML declaration, or a guess: UTF-8 where it fits, else windows-1252.
---
--- ```lua
--- local opts = { body = "caf\xE9", headers = { ["Content-Type"] = "text/plain; charset=latin1" } }
--- local res = http.post(url .. "/body", opts)
--- print(res:text(), res.charset) --> café windows-1252
--- ```
---@function Response:text
---@return string
function methods:text()
  local body = body_of(self, "Response:text")
  local label, kind = said(self)
  return (charset.to_utf8(body, label, kind))
end

--- Returns the links of the Link header (RFC 8288): a list of tables with an absolute `url` and the
--- parameters of the link, `rel` and the like. A field of the list with the name of a relation is
--- the first link that has it.
---
--- ```lua
--- local links = http.get(url .. "/links"):links()
--- print(#links, links.next.url == url .. "/links?page=2", links.next.title) --> 3 true more
--- ```
---@function Response:links
---@return { url: string, rel: string? }[]
function methods:links()
  usage.self(self, Response, "Response:links")
  local links = {}
  for _, line in ipairs(self.headers:list "link") do
    link.parse(links, line, function(to) return url.resolve(to, self.url) end)
  end
  for i = #links, 1, -1 do
    for rel in (links[i].rel or ""):gmatch "%S+" do links[rel:lower()] = links[i] end
  end
  return links
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
  return function() return reader.piece(self, stream) end, nil, nil, stream
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
  local next_line = reader.lines(self, function() return reader.piece(self, stream) end)
  return function()
    local line = next_line()
    return line and line:byte(-1) == 13 and line:sub(1, -2) or line
  end, nil, nil, stream
end

--- Returns an iterator over the events of `text/event-stream` (server-sent events), of a stream as
--- they come. `event` is "message" where the server names none, `id` the last one that it has told.
---
--- ```lua
--- local body = "event: price\nid: 7\ndata: 1.5\n\ndata: two\ndata: lines\n\n"
--- for event in http.post(url .. "/body", { body = body, stream = true }):events() do
---   print(event.event, event.id, event.data)
--- end
--- --> price 7 1.5
--- --> message 7 two lines
--- ```
---@function Response:events
---@async
---@return fun(): { event: string, data: string, id: string?, retry: integer? }? iterator
function methods:events()
  usage.self(self, Response, "Response:events")
  local stream = rawget(self, "stream")
  if stream then
    return reader.events(self, function() return reader.piece(self, stream) end), nil, nil, stream
  end
  local body = body_of(self, "Response:events")
  return reader.events(self, function()
    local all = body
    body = nil
    return all
  end)
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
  return reader.bytes(self, stream, n)
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
