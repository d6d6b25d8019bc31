-- internal.queue.address: which store a URL names: "sqlite:work.db", "redis://host/0?ns=shop".

local errors = require "luapool.error.core"
local options = require "luapool.internal.options"

local M = {}

-- Scheme -> the module of its store, which has `open(address, opts)`.
M.stores = {
  sqlite = "luapool.internal.queue.sqlite",
}
for name in ("redis rediss unix redis+unix redis+sentinel rediss+sentinel"):gmatch "%S+" do
  M.stores[name] = "luapool.internal.queue.redis"
end

---@class luapool.queue.Address
---@field url string as it was given, without a password
---@field scheme string
---@field path string of a file: what stands behind the scheme
---@field redis? luapool.redis.Address of a server
---@field ns string namespace: "default" unless said
---@field lease? number seconds

local function fail(code, text, ...)
  errors.raise("queue", "queue.open: " .. text:format(...), { code = code })
end

-- What stands behind "?": the others are for whoever knows the scheme.
local function parse_query(address, query)
  for name, value in pairs(query) do
    if name == "ns" and value:find "^[%w_.-]+$" then
      address.ns = value
    elseif name == "lease" and tonumber(value) and tonumber(value) > 0 then
      address.lease = tonumber(value)
    else
      fail("address", "'%s': after '?' stands ns=NAME, of letters, digits, '_', '.' and '-', or "
        .. "lease=SECONDS", address.url)
    end
  end
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
  if scheme == "sqlite" then
    address.path = rest:gsub("^///", "/")
    if rest == "" or rest == ":memory:" then
      fail("address", "'%s': a queue stands in a file: \"sqlite:PATH\"", url)
    end
    if address.path:find "^//" then
      fail("address", "'%s': a file has no host: \"sqlite:work.db\", \"sqlite:/tmp/work.db\"", url)
    end
    if rest:find "%?%a+=[^/]*$" then
      fail("address", "'%s': a file has no options: a queue of its own is a file of its own", url)
    end
  else
    local problem
    address.redis, problem = require("luapool.internal.redis.address").read(url)
    if not address.redis then fail("address", "'%s': %s", shown, problem) end
    parse_query(address, address.redis.query)
  end
  return address
end

return M
