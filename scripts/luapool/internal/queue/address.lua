-- internal.queue.address: which store a URL names: "sqlite:work.db", "redis://host/0?ns=shop".

local errors = require "luapool.error.core"
local options = require "luapool.internal.options"

local M = {}

-- Scheme -> the module of its store, which has `open(address, opts)`.
M.stores = {
  sqlite = "luapool.internal.queue.sqlite",
}

---@class luapool.queue.Address
---@field url string as it was given, without a password
---@field scheme string
---@field path string of a file: what stands behind the scheme
---@field host? string
---@field port? integer
---@field user? string
---@field password? string
---@field db? integer number of a Redis database
---@field ns string namespace: "default" unless said

local function fail(code, text, ...)
  errors.raise("queue", "queue.open: " .. text:format(...), { code = code })
end

local function unescape(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local function parse_query(address, query)
  for pair in query:gmatch "[^&]+" do
    local name, value = pair:match "^([^=]*)=(.*)$"
    if name ~= "ns" or not value:find "^[%w_.-]+$" then
      fail("address", "'%s': after '?' stands ns=NAME, of letters, digits, '_', '.' and '-'",
        address.url)
    end
    address.ns = value
  end
end

local function parse_server(address, rest)
  local authority, path = rest:match "^//([^/]*)(.*)$"
  if not authority then
    fail("address", "'%s': '//' and a host must follow the scheme", address.url)
  end
  local login, place = authority:match "^(.*)@(.*)$"
  if login then
    address.user, address.password = login:match "^([^:]*):(.*)$"
    address.user = unescape(address.user or login)
    address.password = address.password and unescape(address.password)
  end
  local host, port = (place or authority):match "^(%[.-%]):?(%d*)$"
  if not host then host, port = (place or authority):match "^([^:]*):?(%d*)$" end
  if not host or host == "" then fail("address", "'%s' names no host", address.url) end
  address.host, address.port = host:gsub("^%[(.*)%]$", "%1"), math.tointeger(tonumber(port))
  local db = path:match "^/?(%d*)$"
  if not db then
    fail("address", "'%s': behind the host stands the number of a database", address.url)
  end
  address.db = math.tointeger(tonumber(db)) or 0
end

--- Takes a URL apart. Raises kind `queue`, code `unknown_scheme` or `address`.
---@param url string
---@return luapool.queue.Address
function M.parse(url)
  local scheme, rest = url:match "^(%a[%w+.-]*):(.*)$"
  scheme = scheme and scheme:lower()
  local shown = url:gsub("^(%a[%w+.-]*://[^/@]*):[^@/]*@", "%1:***@")
  if not scheme or not M.stores[scheme] then
    local hint = scheme and options.hint(scheme, M.stores) or ""
    local names = {}
    for name in pairs(M.stores) do names[#names + 1] = name .. ":" end
    table.sort(names)
    fail("unknown_scheme", "'%s' begins with none of %s%s; a file is \"sqlite:PATH\"", shown,
      table.concat(names, " "), hint)
  end
  local address = { url = shown, scheme = scheme, ns = "default" }
  local before, query = rest:match "^(.-)%?(.*)$"
  if scheme == "sqlite" then
    address.path = rest:gsub("^///", "/")
    if rest == "" or rest == ":memory:" then
      fail("address", "'%s': a queue stands in a file: \"sqlite:PATH\"", url)
    end
  else
    parse_server(address, before or rest)
    if query then parse_query(address, query) end
  end
  return address
end

return M
