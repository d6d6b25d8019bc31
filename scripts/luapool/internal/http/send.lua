-- internal.http.send: the way of a request, from outside in: the retry policy, the hooks of the
-- client, redirections, then for each of their hops the rate, the cookies, the cache, the route,
-- and at last the C half.

local body = require "luapool.internal.http.body"
local core = require "luapool.http.core"
local errors = require "luapool.error"
local now = require("luapool.task.core").now
local plans = require "luapool.internal.http.plan"
local redirect = require "luapool.internal.http.redirect"
local route = require "luapool.internal.http.route"
local upload = require "luapool.internal.http.upload"
local usage = require "luapool.internal.usage"

local Response = core.Response
local request = core.request -- or a function that calls it: see M.watch

local M = {}

--- Has each request of this process told to `told(url, res, seconds)`: see http.watch.
---@param told fun(url: string, res: luapool.http.Response?, seconds: number)
function M.watch(told)
  request = function(client, method, url, plan)
    local began = now()
    local ok, res, redirected, set = pcall(core.request, client, method, url, plan)
    told(url, ok and res or nil, now() - began)
    if not ok then error(res, 0) end
    return res, redirected, set
  end
end

-- --- one hop ---

-- Sends it to the server, and keeps the cookies that come back.
local function exchange(self, method, url, plan)
  plan = route.aim(plan, url)
  local res, redirected, set
  if plan and upload.is_fed(plan) then
    res, redirected, set = upload.request(request, self.core, method, url, plan)
  else
    res, redirected, set = request(self.core, method, url, plan)
  end
  local jar = set and (plan and plan.jar or self.cookies)
  if jar then jar:receive(res.url, set) end
  return res, redirected
end

-- A plan with the cookies of the jar.
local function with_cookies(jar, url, plan)
  local given = plan and plan.cookies
  if given == false then return plan end
  local all = jar:header(url, given)
  if all == given then return plan end
  local copy = {}
  for name, value in pairs(plan or copy) do copy[name] = value end
  copy.cookies = all
  return copy
end

local function hop(self, method, url, plan)
  if self.rate then self.rate:wait(url) end
  local jar = plan and plan.jar or self.cookies
  if jar and jar.count > 0 then plan = with_cookies(jar, url, plan) end
  local cache = plan and plan.cache
  if cache then return cache:exchange(exchange, self, method, url, plan) end
  return exchange(self, method, url, plan)
end

local function follow(self, res, method, plan)
  return redirect.follow(function(...) return hop(self, ...) end, res, method, plan)
end

local function chain(self, method, url, plan, again)
  local resumes = plan and plan.resume
  if resumes then plan.resume = url end -- by which the notes beside the file are known
  local res, redirected = hop(self, method, url, plan)
  if redirected then res = follow(self, res, method, plan) end
  if res.status ~= 416 or not resumes or again then return res end
  return chain(self, method, url, plan, true) -- the part is dropped: the whole is asked for
end

--- A GET without options by a client whose plan the C half does alone: the way that is used most,
--- made short.
---@param self luapool.http.Client
---@param url string
---@return luapool.http.Response
function M.get(self, url)
  local jar, plan = self.cookies, self.get_plan
  if route.environment or jar and jar.count > 0 then return chain(self, "GET", url, plan) end
  local res, redirected, set = request(self.core, "GET", url, plan)
  if set and jar then jar:receive(res.url, set) end
  return redirected and follow(self, res, "GET", plan) or res
end

-- --- hooks ---

local function is_response(value) return getmetatable(value) == Response end

-- What on_request may look at and change: the options of the request, with its method, its URL and
-- all headers.
local function request_of(self, method, url, opts, where)
  local req = { method = method, headers = {} }
  for name, value in pairs(opts or {}) do req[name] = value end
  req.url = plans.url(self, url, req.params, where)
  req.params, req.retry = nil, nil
  local headers, seen = {}, {}
  for _, from in ipairs { opts and opts.headers or {}, self.headers or {} } do
    for name, value in pairs(from) do
      local lower = tostring(name):lower()
      if not seen[lower] then headers[name] = value end
    end
    for name in pairs(from) do seen[tostring(name):lower()] = true end
  end
  req.headers = headers
  body.flatten(req, where)
  return req
end

local function send_request(self, req, where)
  usage.argument(where .. ": on_request: method", 1, req.method, "method")
  usage.argument(where .. ": on_request: url", 1, req.url, "string")
  local opts = {}
  for name, value in pairs(req) do opts[name] = value end
  opts.method, opts.url = nil, nil
  local method = req.method:upper()
  return chain(self, method, req.url, plans.make(self, method, opts, where, true))
end

local function hooked(self, method, url, opts, where)
  local req = request_of(self, method, url, opts, where)
  local res = self.on_request and self.on_request(req)
  if not is_response(res) then res = send_request(self, req, where) end
  local instead = self.on_response and self.on_response(res, req)
  return is_response(instead) and instead or res
end

-- --- retries ---

-- Statuses that may pass.
local PASSING = {}
for _, status in ipairs { 408, 425, 429, 500, 502, 503, 504 } do PASSING[status] = true end

-- What is repeated without harm.
local IDEMPOTENT = { GET = true, HEAD = true, PUT = true, DELETE = true, OPTIONS = true }

-- Calls send(...) under the policy, for which a passing status is an error. The last answer stands
-- when the policy gives up on a status; those before it are closed, for streams would hold their
-- places.
local function retrying(policy, send, ...)
  local refusal -- the latest answer with a passing status
  local function close()
    if refusal then refusal:close() end
    refusal = nil
  end
  local function attempt(self, method, url, ...)
    close()
    local res = send(self, method, url, ...)
    if not PASSING[res.status] then return res end
    refusal = res
    error(errors.new("status", ("%s %s: %s"):format(method, url, res:reason()),
      { status = res.status, url = res.url, response = res }), 0)
  end
  local ok, res = pcall(require("luapool.retry").call, attempt, policy, ...)
  if ok then return res end
  if errors.is(res, "status") then return res.response end
  close()
  error(res, 0)
end

-- The policy of a request, or nil. One that is given with the request holds for any method.
local function policy_of(self, method, opts, where)
  local given = opts and opts.retry
  if given == nil then
    local fit = self.policy and IDEMPOTENT[method] and not (opts and body.is_once(opts))
    return fit and self.policy or nil
  end
  if not given then return nil end
  if body.is_once(opts) then
    usage.raise(where, "option 'retry': a body that comes from a function cannot be sent again")
  end
  return require("luapool.internal.retry.policy").new(given, where .. ": option 'retry'")
end

--- Makes a request. All but the shortest come through here.
---@param self luapool.http.Client
---@param method string
---@param url string
---@param opts? luapool.http.Options
---@param where string the call, for messages
---@return luapool.http.Response
function M.perform(self, method, url, opts, where)
  if opts ~= nil then opts = plans.check(opts, where) end
  local policy = policy_of(self, method, opts, where)
  if self.on_request or self.on_response then
    if not policy then return hooked(self, method, url, opts, where) end
    return retrying(policy, hooked, self, method, url, opts, where)
  end
  local plan = self.get_plan
  if opts ~= nil or method ~= "GET" then plan = plans.make(self, method, opts, where) end
  url = plans.url(self, url, opts and opts.params, where)
  if not policy then return chain(self, method, url, plan) end
  return retrying(policy, chain, self, method, url, plan)
end

return M
