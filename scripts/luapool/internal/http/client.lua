-- internal.http.client: the class of clients. What their methods do to a request stands in
-- internal/http/send.lua.

local Jar = require "luapool.internal.http.jar"
local Policy = require "luapool.internal.retry.policy"
local core = require "luapool.http.core"
local plans = require "luapool.internal.http.plan"
local rates = require "luapool.internal.http.rate"
local route = require "luapool.internal.http.route"
local send = require "luapool.internal.http.send"
local usage = require "luapool.internal.usage"

--- Connections, limits, cookies and defaults of its own: see `http.client`. Leaving the scope of
--- `<close>` closes it.
---@within http
---@class luapool.http.Client
---@field cookies? luapool.http.Jar nil when it keeps none
---@field package core userdata the connections
---@field package base_url? string
---@field package params? table
---@field package defaults table the plan of a request without options of its own
---@field package headers? table
---@field package get_plan? table the plan of a GET without options; nil: curl's defaults will do
---@field package plain boolean all that it adds to a GET are cookies and what the C half does
---@field package policy? luapool.retry.Policy
---@field package rate? table
---@field package on_request? fun(req: table): luapool.http.Response?
---@field package on_response? fun(res: luapool.http.Response, req: table): luapool.http.Response?
local Client = {}
Client.__index = Client
Client.__name = "luapool.http.Client"

local LIMIT = 100 -- requests at once

--- Sends a request with any method, as `http.request` does.
---
--- ```lua
--- local client <close> = http.client { base_url = url }
--- print(client:request("REPORT", "/echo"):json().method) --> REPORT
--- ```
---@async
---@param method string
---@param url string relative to the `base_url` of the client
---@param opts? luapool.http.Options
---@return luapool.http.Response
function Client:request(method, url, opts)
  usage.self(self, Client, "Client:request")
  usage.argument("Client:request", 1, method, "method")
  usage.argument("Client:request", 2, url, "string")
  return send.perform(self, method:upper(), url, opts, "Client:request")
end

local function check_call(self, url, where)
  usage.self(self, Client, where)
  usage.argument(where, 1, url, "string")
end

--- Sends a GET request, as `http.get` does.
---
--- ```lua
--- local client <close> = http.client { base_url = url, headers = { ["X-Token"] = "t" } }
--- print(client:get("/echo"):json().headers["x-token"]) --> t
--- ```
---@async
---@param url string relative to the `base_url` of the client
---@param opts? luapool.http.Options
---@return luapool.http.Response
function Client:get(url, opts)
  if getmetatable(self) ~= Client or type(url) ~= "string" then
    check_call(self, url, "Client:get")
  end
  if opts == nil and self.plain then return send.get(self, url) end
  return send.perform(self, "GET", url, opts, "Client:get")
end

--- Sends a request with the method of its name, as the function of the same name in `luapool.http`.
---
--- ```lua
--- local client <close> = http.client { base_url = url }
--- for _, verb in ipairs { "post", "put", "patch", "delete", "options" } do
---   assert(client[verb](client, "/echo"):json().method == verb:upper())
--- end
--- print(client:head("/echo").status) --> 200
--- ```
---@function Client:post Client:put Client:patch Client:delete Client:head Client:options
---@async
---@param url string relative to the `base_url` of the client
---@param opts? luapool.http.Options
---@return luapool.http.Response

for _, name in ipairs { "post", "put", "patch", "delete", "head", "options" } do
  local method, where = name:upper(), "Client:" .. name
  Client[name] = function(self, url, opts)
    check_call(self, url, where)
    return send.perform(self, method, url, opts, where)
  end
end

---@within http
---@class luapool.http.ClientStats
---@field requests integer how many have ended, each redirection counted
---@field failed integer how many of them without an answer
---@field running integer
---@field queued integer how many wait because `limit` or `limit_per_host` is reached
---@field connections integer how many were made
---@field sent integer bytes of bodies
---@field received integer bytes of bodies, as they came
---@field statuses table<integer, integer> how many answers had each status

--- Counts what has become of the requests of this client.
---
--- ```lua
--- local client <close> = http.client { base_url = url }
--- client:get "/echo"
--- client:get "/status/404"
--- local stats = client:stats()
--- print(stats.requests, stats.statuses[404], stats.connections, stats.running) --> 2 1 1 0
--- ```
---@return luapool.http.ClientStats
function Client:stats()
  usage.self(self, Client, "Client:stats")
  return self.core:stats()
end

--- Closes the connections. Requests that are under way fail with kind `aborted`.
---
--- ```lua
--- local client = http.client()
--- local waiting = task.spawn(client.get, client, url .. "/delay/60")
--- task.sleep(0.05)
--- client:close()
--- print(select(2, waiting:result()).kind) --> aborted
--- ```
function Client:close()
  usage.self(self, Client, "Client:close")
  self.core:close()
end

Client.__close = Client.close

local M = {}

--- A client without options and without cookies, for the functions of luapool.http.
---@return luapool.http.Client
function M.plain()
  return setmetatable({ core = core.client(LIMIT, 0), defaults = {} }, Client)
end

--- See `http.client`.
---@param opts? luapool.http.ClientOptions
---@return luapool.http.Client
function M.new(opts)
  local defaults
  opts, defaults = plans.client(opts)
  local jar = defaults.jar or opts.cookies ~= false and Jar.new() or nil
  defaults.jar = nil
  local self = setmetatable({
    core = core.client(opts.limit or LIMIT, opts.limit_per_host or 0),
    defaults = defaults,
    cookies = jar,
    base_url = opts.base_url,
    params = opts.params,
    headers = opts.headers,
    policy = opts.retry and Policy.new(opts.retry, "http.client: option 'retry'") or nil,
    rate = opts.rate and rates.new(opts.rate, "http.client"),
    on_request = opts.on_request,
    on_response = opts.on_response,
  }, Client)
  local plan = plans.make(self, "GET", nil, "http.client")
  plans.url(self, "", nil, "http.client") -- its params are checked
  self.get_plan = next(plan) and plan
  if self.get_plan then self.core:keep(plan) end
  self.plain = not (self.base_url or self.params or self.policy or self.rate or self.on_request
    or self.on_response or plan.cache or route.has_say(plan))
  return self
end

return M
