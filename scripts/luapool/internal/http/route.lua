-- internal.http.route: which way a request takes, by its URL: through which proxy, and to which
-- address when the option `resolve` names one. Each request of a chain of redirections is routed
-- anew.

local core = require "luapool.http.core"
local errors = require "luapool.error"
local options = require "luapool.internal.options"
local usage = require "luapool.internal.usage"

local M = {}

local function env(name)
  local value = os.getenv(name)
  return value ~= "" and value or nil
end

local function words(text)
  local list = {}
  for word in text:gmatch "[^%s,]+" do list[#list + 1] = word end
  return list
end

-- The proxies of the environment; nil without any. HTTP_PROXY does not count: in a CGI script it
-- is a header of the request.
local function of_environment()
  local all = env "all_proxy" or env "ALL_PROXY"
  local http = env "http_proxy" or all
  local https = env "https_proxy" or env "HTTPS_PROXY" or all
  if not http and not https then return nil end
  return { http = http, https = https, except = words(env "no_proxy" or env "NO_PROXY" or "") }
end

--- Nil without any.
M.environment = of_environment()

local proxy_spec = { http = "string", https = "string", all = "string", except = "string|table" }

--- The option `proxy` as a table by scheme.
---@param value string|table
---@param where string the call, for messages
---@return {http?: string, https?: string, except: string[]}
function M.proxies(value, where)
  if type(value) == "string" then return { http = value, https = value, except = {} } end
  local problem = options.problem(value, proxy_spec, "field")
  if problem then usage.raise(where, "option 'proxy': %s", problem) end
  local except = value.except or {}
  if type(except) == "string" then except = words(except) end
  for i, entry in ipairs(except) do
    if type(entry) ~= "string" then
      usage.raise(where, "option 'proxy': item %d of 'except' is %s", i, usage.describe(entry))
    end
  end
  return { http = value.http or value.all, https = value.https or value.all, except = except }
end

--- The option `resolve` with its keys as origins have them.
---@param value table<string, string>
---@param where string
---@return table<string, string>
function M.addresses(value, where)
  local list = {}
  for place, address in pairs(value) do
    if type(place) ~= "string" or not place:find "^.+:%d+$" then
      usage.raise(where, "option 'resolve': a key \"host:port\" expected, got %s",
        usage.describe(place))
    end
    local text = type(address) == "string" and address:match "^%[(.*)%]$" or address
    if type(text) ~= "string" or core.is_public(text) == nil then
      usage.raise(where, "option 'resolve': '%s': an address expected, got %s", place,
        usage.describe(address))
    end
    list[place:lower()] = text
  end
  return list
end

-- Whether an entry of NO_PROXY means a host: a name means its subdomains, too.
local function means(entry, host, port)
  if entry == "*" then return true end
  local address = host:match "^%[(.*)%]$" or host
  if core.is_public(address) ~= nil then
    return core.within(address, entry:match "^%[(.*)%]$" or entry)
      or entry == ("%s:%s"):format(host, port)
  end
  local name, only = entry:lower():match "^%.?(.-):?(%d*)$"
  if name == "" or only ~= "" and only ~= port then return false end
  return host == name or host:sub(-#name - 1) == "." .. name
end

local function is_excepted(proxies, host, port)
  for _, entry in ipairs(proxies.except) do
    if means(entry, host, port) then return true end
  end
  return false
end

-- The proxy looks names up, so here only what stands in the URL can be looked at.
local function check_public(url, host)
  local address = host:match "^%[(.*)%]$" or host
  if core.is_public(address) ~= false and address ~= "localhost"
    and not address:find "%.localhost$" then
    return
  end
  error(errors.new("refused", ("%s: the host has no public address, see the option only_public")
    :format(url), { url = url }), 0)
end

--- Whether the plan of a request depends on its URL.
---@param plan? table
---@return boolean
function M.has_say(plan)
  local given = plan and (plan.proxies or plan.addresses or plan.server_name)
  return (given or M.environment) ~= nil
end

--- The plan of a request to this URL: another table where the URL has a say in it, for what the C
--- half sets of a client's own plan stays from one URL to the next.
---@param plan? table
---@param url string
---@return table?
function M.aim(plan, url)
  if not M.has_say(plan) then return plan end
  local proxies, addresses = plan and plan.proxies or M.environment, plan and plan.addresses
  local origin, host = core.origin(url)
  if not origin then return plan end -- the request says what is wrong with it
  local aimed = {}
  for name, value in pairs(plan or {}) do aimed[name] = value end
  local scheme, port = origin:match "^(%a+):.*:(%d+)$"
  aimed.connect_to = addresses and addresses[host .. ":" .. port]
  local proxy = proxies and proxies[scheme]
  aimed.proxy = proxy and proxy ~= "" and not is_excepted(proxies, host, port) and proxy or nil
  if aimed.proxy and aimed.only_public then check_public(url, host) end
  return aimed
end

return M
