-- internal.http.plan: from the options of a request to its plan, the plain table that the C half
-- reads.

local core = require "luapool.http.core"
local errors = require "luapool.error"
local options = require "luapool.internal.options"
local usage = require "luapool.internal.usage"

local M = {}

---@within http
---@class luapool.http.CommonOptions
---@field headers? table<string, any> values are strings, numbers or lists of them; false leaves a
--- default header out
---@field auth? table|string "user:password", or { user, password, type = "digest" }
---@field bearer? string a token, sent as `Authorization: Bearer …`
---@field timeout? number seconds for the whole request; of a stream for each wait; default 300
---@field connect_timeout? number seconds; default 10
---@field redirects? integer|boolean how many are followed; default 10, false: none
---@field verify? boolean false accepts any certificate
---@field ca? string the file of the authorities that are trusted
---@field cert? string the file of the client's certificate
---@field key? string the file of its key
---@field proxy? string a URL; "" for none; default: `$http_proxy` and its like
---@field http_version? "1.0"|"1.1"|"2" default "1.1"
---@field max_body? number|string bytes, or as "10M": a longer body is kind `too_large`
---@field decode? boolean false leaves a compressed body as it is
---@field cache? string|luapool.http.Cache the folder where answers are kept: see `http.cache`

---@within http
---@class luapool.http.Options: luapool.http.CommonOptions
---@field params? table<string, any> added to the URL; a list gives its name several times
---@field json? any the body: this value as JSON
---@field form? table<string, any> the body: these fields as a form of a page
---@field multipart? table the body: name -> string, or { data = | file =, filename =, type = };
--- or a list of such tables with a `name`
---@field body? string the body as it is
---@field cookies? table<string, string>|string sent with this request
---@field save_to? string the file that the body of a 2xx answer is written to
---@field stream? boolean the response comes before its body, which is read from it
---@field refresh? boolean ask the server, whatever the cache holds
---@field only_if_cached? boolean answer out of the cache, fresh or not; kind `not_cached` when
--- there is none

---@within http
---@class luapool.http.ClientOptions: luapool.http.CommonOptions
---@field base_url? string is put before a URL without a scheme
---@field limit? integer how many requests run at once; the others wait; default 100
---@field limit_per_host? integer how many to one host
---@field cookies? boolean|table<string, string>|string false: the client keeps none; a table or
--- string is sent with each request
---@field retry? table a policy of `luapool.retry`, for methods that may be repeated without harm

local spec = {
  params = "table",
  headers = "table",
  json = "any",
  form = "table",
  multipart = "table",
  body = "string",
  auth = "table|string",
  bearer = "string",
  cookies = "table|string",
  timeout = "seconds",
  connect_timeout = "seconds",
  redirects = "count0|boolean",
  verify = "boolean",
  ca = "string",
  cert = "string",
  key = "string",
  proxy = "string",
  http_version = { "1.0", "1.1", "2" },
  max_body = "size",
  save_to = "string",
  stream = "boolean",
  decode = "boolean",
  cache = "any",
  refresh = "boolean",
  only_if_cached = "boolean",
}

local client_spec = {
  base_url = "string",
  limit = "count",
  limit_per_host = "count",
  retry = "table",
  cookies = "boolean|table|string",
}
local defaultable = {
  "headers", "auth", "bearer", "timeout", "connect_timeout", "redirects", "verify", "ca",
  "cert", "key", "proxy", "http_version", "max_body", "decode", "cache",
}
for _, name in ipairs(defaultable) do
  client_spec[name] = spec[name]
end

local check_options = options.define("http.request", spec)
local check_client = options.define("http.client", client_spec)

-- --- text ---

local function percent(c)
  return ("%%%02X"):format(c:byte())
end

local function escape(value)
  return (tostring(value):gsub("[^%w%-._~]", percent))
end

-- name=value&name=value, in the order of the names; a list gives its name several times.
local function query(where, fields, what)
  local names, parts = {}, {}
  for name in pairs(fields) do
    if type(name) ~= "string" then
      usage.raise(where, "%s: names are strings, got %s", what, usage.describe(name))
    end
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local values = fields[name]
    for _, value in ipairs(type(values) == "table" and values or { values }) do
      if type(value) == "table" or type(value) == "function" then
        usage.raise(where, "%s.%s: a string, number, boolean or a list of them expected, got %s",
          what, name, usage.describe(value))
      end
      parts[#parts + 1] = escape(name) .. "=" .. escape(value)
    end
  end
  return table.concat(parts, "&")
end

--- The URL of a request: `base` is put before one that has no scheme.
---@param base string|nil
---@param url string
---@param params table|nil
---@param where string the call, for messages
---@return string
function M.url(base, url, params, where)
  if base and not url:match("^%a[%w+.-]*://") then
    url = url == "" and base or base:gsub("/+$", "") .. "/" .. url:gsub("^/+", "")
  end
  if not params or next(params) == nil then return url end
  local path, fragment = url:match("^([^#]*)(.*)$")
  local separator = not path:find("?", 1, true) and "?" or path:match("[?&]$") and "" or "&"
  return path .. separator .. query(where, params, "params") .. fragment
end

-- --- headers ---

local function header_line(where, name, value)
  value = tostring(value)
  if name:find("[^%w!#$%%&'*+.^_`|~-]") or name == "" then
    usage.raise(where, "headers: '%s' is no name of a header", name)
  end
  if value:find("[\r\n\0]") then
    usage.raise(where, "headers: '%s' holds a line break or a zero byte", name)
  end
  return value == "" and name .. ";" or name .. ": " .. value
end

-- Adds the headers to the list of lines; lower-case names that are seen go to `seen`.
local function add_headers(where, lines, seen, headers)
  for name, value in pairs(headers or {}) do
    if type(name) ~= "string" then
      usage.raise(where, "headers: names are strings, got %s", usage.describe(name))
    end
    if not seen[name:lower()] then
      seen[name:lower()] = true
      if value == false then lines[#lines + 1] = header_line(where, name, ""):sub(1, -2) .. ":" end
      for _, v in ipairs(type(value) == "table" and value or { value or nil }) do
        lines[#lines + 1] = header_line(where, name, v)
      end
    end
  end
end

-- --- bodies ---

local bodies = {}

function bodies.body(plan, value)
  plan.body = value
  return false
end

function bodies.json(plan, value)
  plan.body = require("luapool.json").encode(value)
  return "application/json"
end

function bodies.form(plan, value, where)
  plan.body = query(where, value, "form")
  return "application/x-www-form-urlencoded"
end

local part_spec = {}
for name in ("name data file filename type"):gmatch("%S+") do part_spec[name] = "string" end

local function part(where, name, value)
  if type(value) ~= "table" then return { name = name, data = tostring(value) } end
  local problem = options.problem(value, part_spec, "field")
  if not problem and (value.data == nil) == (value.file == nil) then
    problem = "one of data and file expected"
  end
  if problem then usage.raise(where, "multipart.%s: %s", tostring(name), problem) end
  if value.file then -- curl opens it, but does not say why it cannot
    local file, why = io.open(value.file, "rb")
    if not file then error(errors.new("system", "multipart: " .. why), 0) end
    file:close()
  end
  return { name = name, data = value.data, file = value.file, filename = value.filename,
    type = value.type }
end

function bodies.multipart(plan, value, where)
  local parts, names = {}, {}
  for name in pairs(value) do names[#names + 1] = name end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  if #value > 0 then -- a list of parts, in order
    for i, v in ipairs(value) do parts[i] = part(where, type(v) == "table" and v.name or i, v) end
  else
    for i, name in ipairs(names) do parts[i] = part(where, name, value[name]) end
  end
  plan.multipart = parts
  return nil -- curl sets the type
end

-- Methods that announce an empty body when there is none.
local BODIED = { POST = true, PUT = true, PATCH = true }

-- Sets the body; returns its content type, false for none, nil where curl says it.
local function set_body(plan, method, opts, where)
  local found, content_type
  for name, set in pairs(bodies) do
    local value = opts[name]
    if value ~= nil then
      if found then usage.raise(where, "options '%s' and '%s' are both a body", found, name) end
      found = name
      content_type = set(plan, value, where)
    end
  end
  if found then return content_type end
  if BODIED[method] then plan.body = "" end
  return BODIED[method] and false or nil
end

-- --- options that need a translation ---

local translate = {}

function translate.auth(plan, value, where)
  if type(value) == "string" then
    local user, password = value:match("^([^:]*):(.*)$")
    value = { user or value, password or "" }
  end
  plan.auth_type = value.type or "basic"
  plan.user, plan.password = value.user or value[1], value.password or value[2] or ""
  if type(plan.user) ~= "string" or type(plan.password) ~= "string" then
    usage.raise(where, "option 'auth' must be \"user:password\" or {user, password}")
  end
end

function translate.cookies(plan, value, where)
  if type(value) == "boolean" then return end
  if type(value) == "string" then
    plan.cookies = value
    return
  end
  local parts = {}
  for name, v in pairs(value) do parts[#parts + 1] = name .. "=" .. tostring(v) end
  table.sort(parts)
  plan.cookies = table.concat(parts, "; ")
  if plan.cookies:find("[\r\n\0]") then
    usage.raise(where, "cookies: a line break or a zero byte")
  end
end

function translate.redirects(plan, value)
  plan.redirects = value == true and 10 or value or 0
end

function translate.max_body(plan, value)
  plan.max_body = options.size(value)
end

function translate.cache(plan, value, where)
  local caches = require "luapool.internal.http.cache"
  if type(value) == "string" then value = caches.open(value) end
  if getmetatable(value) ~= caches.class then
    usage.raise(where, "option 'cache' must be a folder or what http.cache returns, got %s",
      usage.describe(value))
  end
  plan.cache = value
end

-- Fields that mean the same in the plan.
local same = {
  "bearer", "timeout", "connect_timeout", "verify", "ca", "cert", "key", "proxy", "http_version",
  "save_to", "stream", "decode", "refresh", "only_if_cached",
}
for _, name in ipairs(same) do
  translate[name] = function(plan, value) plan[name] = value end
end

local function translate_into(plan, opts, where)
  for name, value in pairs(opts) do
    local set = translate[name]
    if set then set(plan, value, where) end
  end
  return plan
end

--- The checked options of a client, and the plan of its requests without options of their own.
---@param opts? luapool.http.ClientOptions
---@return luapool.http.ClientOptions, table
function M.client(opts)
  opts = check_client(opts)
  return opts, translate_into({}, opts, "http.client")
end

local AGENT = "User-Agent: " .. core.agent
local ENCODINGS = "Accept-Encoding: " .. core.encodings

local function set_headers(plan, client, opts, content_type, where)
  local lines, seen = {}, {}
  add_headers(where, lines, seen, opts.headers)
  add_headers(where, lines, seen, client.headers)
  if content_type ~= nil and not seen["content-type"] then
    lines[#lines + 1] = content_type and "Content-Type: " .. content_type or "Content-Type:"
  end
  if (plan.body or plan.multipart) and not seen.expect then
    lines[#lines + 1] = "Expect:" -- do not wait for leave to send a body
  end
  if #lines > 0 or plan.cache then
    if not seen["user-agent"] then lines[#lines + 1] = AGENT end
    if not seen["accept-encoding"] then lines[#lines + 1] = ENCODINGS end
    plan.headers = lines
  end
end

local NONE = {}

--- The plan of a request.
---@param client luapool.http.Client
---@param method string
---@param opts? luapool.http.Options
---@param where string the call, for messages
---@return table
function M.make(client, method, opts, where)
  opts = opts == nil and NONE or check_options(opts, where)
  local plan = {}
  for name, value in pairs(client.defaults) do plan[name] = value end
  translate_into(plan, opts, where)
  set_headers(plan, client, opts, set_body(plan, method, opts, where), where)
  return plan
end

return M
