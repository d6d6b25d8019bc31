-- internal.http.redirect: the next request of a chain of redirections, as RFC 9110 and the Fetch
-- standard have it: which method it has, whether the body goes with it, and what of it the next
-- server must not see. Chains are followed here and not by curl, whose rules differ.

local body = require "luapool.internal.http.body"
local core = require "luapool.http.core"
local errors = require "luapool.error"
local resolve = require("luapool.internal.url").resolve

local M = {}

local MOST = 10 -- redirections, unless the option says otherwise

-- Headers that speak to one origin alone.
local PRIVATE = {
  authorization = true, cookie = true, host = true, ["proxy-authorization"] = true,
}
-- Fields of the plan that do. A socket of the file system stands for the host that was asked for.
local CREDENTIALS = {
  "auth_type", "user", "password", "cookies", "server_name", "cert", "key", "key_password",
  "unix_socket",
}

-- The lines of the headers for which drop(lower-case name) is false.
local function without(lines, drop)
  if not lines then return nil end
  local kept = {}
  for _, line in ipairs(lines) do
    if not drop(line:match("^[^:;]+"):lower()) then kept[#kept + 1] = line end
  end
  return kept
end

local function is_private(name) return PRIVATE[name] end

local function is_of_body(name)
  return name:find("^content%-") or name == "transfer-encoding" or name == "expect"
end

local function refuse(kind, res, method, text, ...)
  error(errors.new(kind, ("%s %s: %s"):format(method, res.url, text:format(...)),
    { url = res.url, status = res.status }), 0)
end

-- The absolute URL that the response sends to.
local function target(res, method)
  local locations = res.headers:list "location"
  for i = 2, #locations do
    if locations[i] ~= locations[1] then
      refuse("protocol", res, method, "the server redirects to two places at once")
    end
  end
  local url = resolve(locations[1], res.url)
  if not url:find("#", 1, true) then url = url .. (res.url:match("#.*$") or "") end
  local origin, why = core.origin(url)
  if not url:find("^[hH][tT][tT][pP][sS]?:") or not origin then
    refuse("protocol", res, method, "it redirects to %s: %s", url:sub(1, 200),
      why or "only http and https are supported")
  end
  return url, origin
end

-- A user and a password that stand in a URL go on with it inside their origin.
local function with_user(url, from)
  local user = from:match("^%a+://([^/?#]*@)")
  if not user or url:find("^%a+://[^/?#]*@") then return url end
  return (url:gsub("^(%a+://)", function(scheme) return scheme .. user end))
end

local function next_method(method, status)
  if status == 303 then return method == "HEAD" and "HEAD" or "GET" end
  return method == "POST" and status <= 302 and "GET" or method
end

-- Changes the plan for the method that replaces that of a request with a body.
local function drop_body(plan)
  body.drop(plan)
  plan.headers = without(plan.headers, is_of_body)
end

local function drop_credentials(plan)
  for _, name in ipairs(CREDENTIALS) do plan[name] = nil end
  plan.headers = without(plan.headers, is_private)
end

--- The request that follows a redirection.
---@param res luapool.http.Response the redirection
---@param method string the request that it answers
---@param plan table
---@return string method, string url, table plan
local function step(res, method, plan)
  local url, origin = target(res, method)
  local follows = next_method(method, res.status)
  if follows ~= method then
    drop_body(plan)
  elseif plan.once then
    refuse("redirects", res, method,
      "it redirects to %s, and a body that comes from a function cannot be sent again", url)
  end
  if origin == core.origin(res.url) then
    url = with_user(url, res.url)
  else
    drop_credentials(plan)
  end
  return follows, url, plan
end

--- Follows a chain of redirections to its end.
---@param send fun(method: string, url: string, plan: table): luapool.http.Response, boolean?
---@param res luapool.http.Response the first redirection
---@param method string of the request that it answers
---@param given? table the plan of that request, which stays as it is
---@return luapool.http.Response
function M.follow(send, res, method, given)
  local plan, history, spent = {}, {}, 0
  for name, value in pairs(given or {}) do plan[name] = value end
  local most = plan.redirects or MOST
  local again = true
  while again do
    if #history >= most then
      refuse("redirects", res, method, "more than %d redirections, see the option redirects", most)
    end
    history[#history + 1] = { status = res.status, url = res.url }
    spent = spent + res.elapsed
    plan.spent = spent
    local url
    method, url, plan = step(res, method, plan)
    res, again = send(method, url, plan)
  end
  res.history, res.elapsed = history, spent + res.elapsed
  return res
end

return M
