-- luapool.http: requests over HTTP and HTTPS, on libcurl. The C half (luapool.http.core) moves
-- the bytes; here stand the verbs, the client and what options mean. What becomes of an option
-- is a field of the
-- *plan*, a plain table that bindings/http/options.c reads.

local core = require "luapool.http.core"
local errors = require "luapool.error"
local plans = require "luapool.internal.http.plan"
require "luapool.internal.http.response"

local M = {}

local request = core.request

---@class luapool.http.Client
---@field package core userdata the connections
---@field package base_url? string
---@field package defaults table the plan of a request without options of its own
---@field package headers? table
---@field package get_plan? table the plan of a GET without options; nil: curl's defaults will do
---@field package again? fun(...): luapool.http.Response the request under the retry policy
local Client = {}
Client.__index = Client
Client.__name = "luapool.http.Client"

local LIMIT = 100 -- requests at once
local shared = setmetatable({ core = core.client(LIMIT, 0, false), defaults = {} }, Client)

local function usage(message, ...)
  error(errors.new("usage", message:format(...)), 0)
end

-- Statuses that may pass.
local PASSING = {}
for _, status in ipairs { 408, 425, 429, 500, 502, 503, 504 } do PASSING[status] = true end

-- One attempt under a retry policy: a passing status is an error, for the policy to see.
local function attempt(client, method, url, plan)
  local res = request(client, method, url, plan)
  if PASSING[res.status] then
    error(errors.new("status", ("%s %s: %s"):format(method, url, res:reason()),
      { status = res.status, url = res.url, response = res }), 0)
  end
  return res
end

-- What is repeated without harm.
local IDEMPOTENT = { GET = true, HEAD = true, PUT = true, DELETE = true, OPTIONS = true }

-- The last answer stands when the policy gives up on a status.
local function retrying(again, client, method, url, plan)
  local ok, res = pcall(again, client, method, url, plan)
  if ok then return res end
  if errors.is(res, "status") then return res.response end
  error(res, 0)
end

-- All requests but the shortest come through here.
local function perform(self, method, url, opts)
  if type(url) ~= "string" then
    usage("http.%s: the URL must be a string, got %s", method:lower(), type(url))
  end
  local plan
  if opts ~= nil or method ~= "GET" then plan = plans.make(self, method, opts)
  else plan = self.get_plan end
  url = plans.url(self.base_url, url, opts and opts.params)
  if self.again and IDEMPOTENT[method] then
    return retrying(self.again, self.core, method, url, plan)
  end
  return request(self.core, method, url, plan)
end

--- Sends a request and waits for its response.
---@param method string
---@param url string
---@param opts? luapool.http.Options
---@return luapool.http.Response
function M.request(method, url, opts)
  return perform(shared, plans.method(method), url, opts)
end

---@param url string
---@param opts? luapool.http.Options
---@return luapool.http.Response
function M.get(url, opts)
  if opts == nil and type(url) == "string" then return request(shared.core, "GET", url) end
  return perform(shared, "GET", url, opts)
end

--- Closes the connections that http.get and its like keep; what is under way breaks off.
function M.close()
  shared.core:close()
  shared.core = core.client(LIMIT, 0, false)
end

--- As http.request.
function Client:request(method, url, opts)
  return perform(self, plans.method(method), url, opts)
end

--- As http.get.
function Client:get(url, opts)
  return perform(self, "GET", url, opts)
end

-- http.post, client:post, ...: as http.get.
for _, name in ipairs { "post", "put", "patch", "delete", "head", "options" } do
  local method = name:upper()
  M[name] = function(url, opts) return perform(shared, method, url, opts) end
  Client[name] = function(self, url, opts) return perform(self, method, url, opts) end
end

--- Breaks off what is under way and closes the connections. Safe twice.
function Client:close()
  self.core:close()
end

Client.__close = Client.close

local function with_retry(policy)
  return require("luapool.retry").wrap(attempt, policy)
end

--- A client with connections, limits and cookies of its own. Every option of a request may be
--- given, as the default of its requests.
---@param opts? luapool.http.ClientOptions
---@return luapool.http.Client
function M.client(opts)
  local defaults
  opts, defaults = plans.client(opts)
  local keeps = opts.cookies ~= false
  local limit = opts.limit or LIMIT
  local self = setmetatable({
    core = core.client(limit, opts.limit_per_host or 0, keeps),
    defaults = defaults,
    base_url = opts.base_url,
    headers = opts.headers,
    again = opts.retry and with_retry(opts.retry),
  }, Client)
  local plan = plans.make(self, "GET")
  self.get_plan = next(plan) and plan
  return self
end

return M
