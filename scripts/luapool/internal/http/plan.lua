-- internal.http.plan: from the options of a request to its plan, the plain table that the C half
-- reads.

local Jar = require "luapool.internal.http.jar"
local body = require "luapool.internal.http.body"
local check = require "luapool.internal.http.options"
local core = require "luapool.http.core"
local headers = require "luapool.internal.http.headers"
local options = require "luapool.internal.options"
local route = require "luapool.internal.http.route"
local text = require "luapool.internal.http.text"
local usage = require "luapool.internal.usage"

local M = {}

-- The params of a client and of a request, whose own count.
local function join(params, more)
  if not more or not params then return params or more end
  local all = {}
  for name, value in pairs(params) do all[name] = value end
  for name, value in pairs(more) do all[name] = value end
  return all
end

--- The URL of a request: the client's base is put before one that has no scheme, and its params are
--- added.
---@param client { base_url?: string, params?: table }
---@param url string
---@param params table|nil
---@param where string the call, for messages
---@return string
function M.url(client, url, params, where)
  local base = client.base_url
  params = join(client.params, params)
  if base and not url:match("^%a[%w+.-]*://") then
    url = url == "" and base or base:gsub("/+$", "") .. "/" .. url:gsub("^/+", "")
  end
  if not params or next(params) == nil then return url end
  local path, fragment = url:match("^([^#]*)(.*)$")
  local separator = not path:find("?", 1, true) and "?" or path:match("[?&]$") and "" or "&"
  return path .. separator .. text.query(where, "option 'params'", params) .. fragment
end

-- --- options that need a translation ---

local translate = {}

local auth_spec = {
  user = "string", password = "string", type = { "basic", "digest", "ntlm" }, [1] = "string",
  [2] = "string",
}

function translate.auth(plan, value, where)
  if type(value) == "string" then
    local user, password = value:match("^([^:]*):(.*)$")
    value = { user or value, password or "" }
  end
  local problem = options.problem(value, auth_spec, "field")
  if problem then usage.raise(where, "option 'auth': %s", problem) end
  plan.auth_type = value.type or "basic"
  plan.user, plan.password = value.user or value[1], value.password or value[2] or ""
  if not plan.user then
    usage.raise(where, "option 'auth' must be \"user:password\" or {user, password}")
  end
  text.safe(where, "option 'auth': the user", plan.user)
  text.safe(where, "option 'auth': the password", plan.password)
  if plan.auth_type == "basic" and plan.user:find(":", 1, true) then
    usage.raise(where, "option 'auth': the user of type \"basic\" holds a colon")
  end
  plan.bearer = nil
end

function translate.bearer(plan, value)
  plan.bearer = value
  plan.auth_type, plan.user, plan.password = nil, nil, nil
end

function translate.cookies(plan, value, where)
  if type(value) == "boolean" then return end
  if getmetatable(value) == Jar then
    plan.jar = value
    return
  end
  if type(value) == "string" then
    plan.cookies = value
    return
  end
  local parts = {}
  for name, v in text.sorted(where, "option 'cookies'", value) do
    local what = ("option 'cookies': '%s'"):format(name)
    v = text.safe(where, what, text.of(where, what, v))
    if text.safe(where, what, name):find("[;=]") or name == "" or v:find(";", 1, true) then
      usage.raise(where, "%s: a name holds neither ';' nor '=', a value no ';'", what)
    end
    parts[#parts + 1] = name .. "=" .. v
  end
  plan.cookies = table.concat(parts, "; ")
end

function translate.redirects(plan, value)
  plan.redirects = value == true and 10 or value or 0
end

function translate.max_body(plan, value)
  plan.max_body = value and options.size(value)
end

function translate.max_header(plan, value)
  plan.max_header = options.size(value)
end

-- "0-99,200-299" as HTTP has it, or {first, last}: one of them may be left out.
function translate.range(plan, value, where)
  if type(value) == "table" then
    value = ("%s-%s"):format(value[1] or value.from or "", value[2] or value.to or "")
  end
  if not value:find("%d") or value:find("[^%d%-, ]") or not value:find("-", 1, true) then
    usage.raise(where, "option 'range' must be as \"0-99\" or {0, 99}, got '%s'", value)
  end
  plan.range = value
end

-- The digest must be one that digest.new knows, and as long as its own.
function translate.checksum(plan, value, where)
  local name, hex = value:match "^([%w-]+):(%x+)$"
  local known, empty = pcall(function() return require("luapool.digest").new(name):hex() end)
  if not name or not known or #empty ~= #hex then
    usage.raise(where,
      "option 'checksum' must be as \"sha256:\" and 64 hexadecimal digits, got '%s'", value)
  end
  plan.checksum = value
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

function translate.proxy(plan, value, where)
  plan.proxies = route.proxies(value, where)
end

function translate.resolve(plan, value, where)
  plan.addresses = route.addresses(value, where)
end

local tls_spec = {
  min = { "1.0", "1.1", "1.2", "1.3" }, ciphers = "string", pin = "string|table",
  key_password = "string", server_name = "string",
}

-- Ciphers of TLS 1.3 have a list of their own; their names begin with "TLS_".
local function set_ciphers(plan, ciphers)
  local old, new = {}, {}
  for name in ciphers:gmatch "[^:,%s]+" do
    table.insert(name:find "^TLS_" and new or old, name)
  end
  plan.tls_ciphers = #old > 0 and table.concat(old, ":") or nil
  plan.tls13_ciphers = #new > 0 and table.concat(new, ":") or nil
end

local function set_pin(plan, pin, where)
  local pins = text.values(pin)
  for _, hash in ipairs(pins) do
    if type(hash) ~= "string" or not hash:find "^sha256//[%w+/]+=*$" then
      usage.raise(where, "option 'tls': 'pin' must be \"sha256//BASE64\" or a list of them, got %s",
        usage.describe(hash))
    end
  end
  plan.tls_pin = table.concat(pins, ";")
end

function translate.tls(plan, value, where)
  local problem = options.problem(value, tls_spec, "field")
  if problem then usage.raise(where, "option 'tls': %s", problem) end
  for _, name in ipairs { "key_password", "server_name", "ciphers" } do
    text.safe(where, ("option 'tls': '%s'"):format(name), value[name] or "")
  end
  plan.tls_min, plan.key_password = value.min, value.key_password
  plan.server_name = value.server_name
  if value.ciphers then set_ciphers(plan, value.ciphers) end
  if value.pin then set_pin(plan, value.pin, where) end
end

-- Fields that mean the same in the plan.
local same = {
  "timeout", "connect_timeout", "stall_timeout", "queue_timeout", "verify", "ca", "cert", "key",
  "http_version", "only_public", "save_to", "resume", "stream", "decode", "max_ratio", "interface",
  "unix_socket", "netrc", "refresh", "only_if_cached",
}
for _, name in ipairs(same) do
  translate[name] = function(plan, value) plan[name] = value end
end

local function translate_into(plan, opts, where)
  if opts.auth and opts.bearer then
    usage.raise(where, "options 'auth' and 'bearer' are both credentials")
  end
  for _, name in ipairs { "resume", "checksum" } do
    if opts[name] and not opts.save_to then
      usage.raise(where, "option '%s' is for what is saved: option 'save_to' expected", name)
    end
  end
  if opts.resume and opts.range then
    usage.raise(where, "options 'resume' and 'range' cannot be together")
  end
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
  opts = check.client(opts, "http.client")
  return opts, translate_into({}, opts, "http.client")
end

local AGENT = "User-Agent: " .. core.agent
local ENCODINGS = "Accept-Encoding: " .. core.encodings

-- Cookies that are given as a header are as good as those of the option.
local function take_cookies(plan, lines)
  for i = #lines, 1, -1 do
    local value = lines[i]:match("^[cC][oO][oO][kK][iI][eE][:;]%s*(.*)$")
    if value then
      table.remove(lines, i)
      plan.cookies = value ~= "" and (plan.cookies and plan.cookies .. "; " or "") .. value
    end
  end
end

local function set_headers(plan, defaults, opts, content_type, where)
  local lines, seen = {}, {}
  headers.add(where, "option 'headers'", lines, seen, opts.headers)
  headers.add(where, "option 'headers'", lines, seen, defaults)
  if seen.cookie then take_cookies(plan, lines) end
  if plan.bearer and not seen.authorization then
    lines[#lines + 1] = "Authorization: Bearer " .. plan.bearer
  end
  if plan.range and not seen.range then
    lines[#lines + 1] = "Range: bytes=" .. plan.range
    if not seen["accept-encoding"] then -- a part of what is compressed cannot be decoded
      lines[#lines + 1], seen["accept-encoding"] = "Accept-Encoding: identity", true
    end
  end
  if plan.resume and not seen["accept-encoding"] then
    lines[#lines + 1], seen["accept-encoding"] = "Accept-Encoding: identity", true
  end
  if opts.compress then lines[#lines + 1] = "Content-Encoding: " .. opts.compress end
  if content_type ~= nil and not seen["content-type"] then
    lines[#lines + 1] = content_type and "Content-Type: " .. content_type or "Content-Type:"
  end
  if #lines > 0 or plan.cache then
    if not seen["user-agent"] then lines[#lines + 1] = AGENT end
    if not seen["accept-encoding"] then lines[#lines + 1] = ENCODINGS end
    plan.headers = lines
  end
end

--- Raises what is wrong with the options of a request.
M.check = check.request

local NONE = {}

--- The plan of a request.
---@param client luapool.http.Client
---@param method string
---@param opts? luapool.http.Options checked, unless `whole`
---@param where string the call, for messages
---@param whole? boolean the options have the client's headers already
---@return table
function M.make(client, method, opts, where, whole)
  opts = whole and check.request(opts, where) or opts or NONE
  local plan = {}
  for name, value in pairs(client.defaults) do plan[name] = value end
  translate_into(plan, opts, where)
  local headers_of_client = not whole and client.headers or nil
  set_headers(plan, headers_of_client, opts, body.set(plan, method, opts, where), where)
  return plan
end

return M
