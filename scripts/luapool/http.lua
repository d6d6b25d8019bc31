-- luapool.http: requests over HTTP and HTTPS, on libcurl. The C half (luapool.http.core) moves
-- the bytes; here stand the verbs, the client and what options mean. What becomes of an option
-- is a field of the
-- *plan*, a plain table that bindings/http/options.c reads.

local core = require "luapool.http.core"
local errors = require "luapool.error"
local Policy = require "luapool.internal.retry.policy"
local plans = require "luapool.internal.http.plan"
local redirect = require "luapool.internal.http.redirect"
local now = require("luapool.task.core").now
local upload = require "luapool.internal.http.upload"
local usage = require "luapool.internal.usage"
require "luapool.internal.http.response"

--- Requests over HTTP and HTTPS. The functions of this module share connections and keep no
--- cookies; a client (`http.client`) has connections, limits and cookies of its own. A status such
--- as 404 is no error until `Response:raise_for_status` is called. Errors of requests have a
--- field `url`.
---
--- ```lua
--- local res = http.get(url .. "/echo", { params = { q = "a b" }, headers = { ["X-Id"] = 7 } })
--- print(res.status, res:json().uri) --> 200 /echo?q=a%20b
--- ```
---@kind connect no connection to the server
---@kind dns the name of the host cannot be looked up
---@kind tls the server's certificate, or the encryption, is not accepted
---@kind timeout the request took longer than its `timeout` or `connect_timeout`
---@kind status the answer's status is 400 or above (`raise_for_status`); fields `status`, `url`
--- and `response`
---@kind too_large the body is larger than `max_body`, or expands further than `max_ratio`; or the
--- header is larger than `max_header`
---@kind protocol the URL, or where the server redirects to, is neither http nor https, or the
--- server does not speak HTTP as it should
---@kind redirects there are more redirections than `redirects` allows, or a body that cannot be
--- sent again is asked for again
---@kind not_cached the cache has no answer, and `only_if_cached` forbids to ask the server
---@kind aborted the server closed the connection too early; or the client, or the stream, was
--- closed
---@class luapool.http
local M = {}

local request = core.request -- or a function that calls it: see M.watch

--- Connections, limits, cookies and defaults of its own: see `http.client`. Leaving the scope of
--- `<close>` closes it.
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

-- Statuses that may pass.
local PASSING = {}
for _, status in ipairs { 408, 425, 429, 500, 502, 503, 504 } do PASSING[status] = true end

-- Sends a request, or answers it out of the cache. True as the second result: it is redirected.
local function hop(client, method, url, plan)
  local exchange = request
  if plan and upload.is_fed(plan) then exchange = upload.request end
  local cache = plan and plan.cache
  if cache then return cache:exchange(exchange, client, method, url, plan) end
  return exchange(client, method, url, plan)
end

-- Makes a request and follows where its answer redirects to.
local function send(client, method, url, plan)
  local res, redirected = hop(client, method, url, plan)
  if not redirected then return res end
  return redirect.follow(function(...) return hop(client, ...) end, res, method, plan)
end

-- One attempt under a retry policy: a passing status is an error, for the policy to see.
local function attempt(client, method, url, plan)
  local res = send(client, method, url, plan)
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
local function perform(self, method, url, opts, where)
  local plan
  if opts ~= nil or method ~= "GET" then plan = plans.make(self, method, opts, where)
  else plan = self.get_plan end
  url = plans.url(self.base_url, url, opts and opts.params, where)
  if self.again and IDEMPOTENT[method] and not (plan and plan.once) then
    return retrying(self.again, self.core, method, url, plan)
  end
  return send(self.core, method, url, plan)
end

--- Has each request of this process told to `told(url, res, seconds)` when it has its answer, or
--- has failed: then `res` is nil. Each step of a chain of redirections is one. For jobs.
---@private
function M.watch(told)
  request = function(client, method, url, plan)
    local began = now()
    local ok, res, redirected = pcall(core.request, client, method, url, plan)
    told(url, ok and res or nil, now() - began)
    if not ok then error(res, 0) end
    return res, redirected
  end
end

--- Sends a request with any method and waits for the response.
---
--- ```lua
--- print(http.request("REPORT", url .. "/echo"):json().method) --> REPORT
--- ```
---@async
---@param method string
---@param url string
---@param opts? luapool.http.Options
---@return luapool.http.Response
---@raises connect
---@raises dns
---@raises tls
---@raises timeout
---@raises too_large
---@raises protocol
---@raises redirects
---@raises aborted
function M.request(method, url, opts)
  usage.argument("http.request", 1, method, "method")
  usage.argument("http.request", 2, url, "string")
  return perform(shared, method:upper(), url, opts, "http.request")
end

--- Sends a GET request and waits for the response. Raises as `http.request` does.
---
--- ```lua
--- local res = http.get(url .. "/bytes/5", { timeout = 10, connect_timeout = 2, redirects = 3 })
--- print(res.ok, #res.body) --> true 5
--- print(select(2, pcall(http.get, "http://127.0.0.1:1/")).kind) --> connect
--- print(select(2, pcall(http.get, url .. "/bytes/99", { max_body = 10 })).kind) --> too_large
--- print(select(2, pcall(http.get, "http://no-such-host.invalid/")).kind) --> dns
--- print(select(2, pcall(http.get, (url:gsub("^http", "https")))).kind) --> tls
--- print(select(2, pcall(http.get, "ftp://127.0.0.1/")).kind) --> protocol
--- print(select(2, pcall(http.get, url .. "/redirect/5", { redirects = 1 })).kind) --> redirects
--- ```
---
--- Limits for what a server sends (`false`: none):
---
--- ```lua
--- local limits = {
---   max_body = "10M", max_ratio = 50, max_header = "16K", stall_timeout = 10, queue_timeout = 60,
--- }
--- print(http.get(url .. "/bytes/5", limits).status) --> 200
--- ```
---
--- Parameters, cookies, a password, and a body that goes to a file:
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local res = http.get(url .. "/auth/basic/ann/secret", {
---   params = { page = 1 }, cookies = { theme = "dark" }, auth = "ann:secret",
---   save_to = dir .. "/page", http_version = "1.1", proxy = "", decode = true,
--- })
--- print(res.status, res.body, fs.stat(dir .. "/page").size) --> 200 nil 8
--- ```
---
--- A token, and certificates (of `https` URLs):
---
--- ```lua
--- local res = http.get(url .. "/auth/bearer/t0ken", {
---   bearer = "t0ken", verify = true, ca = "/etc/ssl/certs/ca-certificates.crt",
---   cert = "me.crt", key = "me.key",
--- })
--- print(res.status) --> 200
--- ```
---
--- An answer that is kept, and used again (see `http.cache`):
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- http.get(url .. "/cacheable/60", { cache = dir.path, refresh = true })
--- local res = http.get(url .. "/cacheable/60", { cache = dir.path, only_if_cached = true })
--- print(res.cached) --> true
--- ```
---
--- A part of the body, asked for from a network interface, and without credentials of `~/.netrc`;
--- and a socket that is no network's:
---
--- ```lua
--- local opts = { range = { 0, 99 }, interface = "127.0.0.1", netrc = false }
--- print(http.get(url .. "/echo", opts):json().headers.range) --> bytes=0-99
--- print(select(2, pcall(http.get, url, { unix_socket = "/no/such/socket" })).kind) --> connect
--- ```
---
--- A body as it comes:
---
--- ```lua
--- local res <close> = http.get(url .. "/chunks/2", { stream = true })
--- for line in res:lines() do print(line) end
--- --> chunk 1
--- --> chunk 2
--- ```
---@async
---@param url string
---@param opts? luapool.http.Options
---@return luapool.http.Response
function M.get(url, opts)
  if opts == nil and type(url) == "string" then return send(shared.core, "GET", url) end
  usage.argument("http.get", 1, url, "string")
  return perform(shared, "GET", url, opts, "http.get")
end

--- Opens a folder in which answers are kept, for the option `cache` of clients and requests. An
--- answer is used again while the server says that it is fresh; later the server is asked whether
--- it still holds (ETag, Last-Modified). `no-store`, `Vary` and the rest of RFC 9111 for a private
--- cache are kept to. Streams, `save_to` and parts of bodies are not kept. Several clients and
--- processes may use one folder.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local cache = http.cache(dir.path, { max_size = "100M" })
--- local client <close> = http.client { base_url = url, cache = cache }
--- local first, second = client:get "/cacheable/60", client:get "/cacheable/60"
--- print(first.cached, second.cached, cache:stats().hits) --> nil true 1
--- print(client:get("/cacheable/60", { refresh = true }).cached) --> nil
--- print(client:get("/cacheable/60", { only_if_cached = true }).cached) --> true
--- print(select(2, pcall(client.get, client, "/", { only_if_cached = true })).kind) --> not_cached
--- ```
---@async
---@param folder string made when it is not there
---@param opts? luapool.http.CacheOptions
---@return luapool.http.Cache
---@raises fs
function M.cache(folder, opts) return require("luapool.internal.http.cache").open(folder, opts) end

--- Closes the connections that `http.get` and its like keep. Requests that are under way fail with
--- kind `aborted`.
---
--- ```lua
--- http.get(url .. "/echo")
--- http.close() -- the next request makes a new connection
--- ```
function M.close()
  shared.core:close()
  shared.core = core.client(LIMIT, 0, false)
end

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
  return perform(self, method:upper(), url, opts, "Client:request")
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
  check_call(self, url, "Client:get")
  return perform(self, "GET", url, opts, "Client:get")
end

--- Sends a POST request; otherwise as `http.get`.
---
--- ```lua
--- print(http.post(url .. "/body", { body = "text" }).body) --> text
--- print(http.post(url .. "/body", { json = { 1, 2 } }).body) --> [1,2]
--- print(http.post(url .. "/body", { form = { a = 1, b = "x y" } }).body) --> a=1&b=x%20y
--- local parts = { note = "hello", picture = { data = "PNG", filename = "p.png" } }
--- assert(http.post(url .. "/body", { multipart = parts }).body:find 'filename="p.png"')
--- ```
---
--- A body that is made while it is sent, and one that is compressed:
---
--- ```lua
--- local pieces = { "one ", "two" }
--- local function body() return table.remove(pieces, 1) end
--- print(http.post(url .. "/body", { body = body, content_length = 7 }).body) --> one two
--- local res = http.post(url .. "/body", { body = ("a"):rep(1000), compress = "gzip" })
--- print(#res.body < 100) --> true
--- ```
---@function http.post
---@async
---@param url string
---@param opts? luapool.http.Options
---@return luapool.http.Response

--- Sends a PUT request; otherwise as `http.get`.
---
--- ```lua
--- print(http.put(url .. "/echo", { body = "new" }):json().method) --> PUT
--- ```
---@function http.put
---@async
---@param url string
---@param opts? luapool.http.Options
---@return luapool.http.Response

--- Sends a PATCH request; otherwise as `http.get`.
---
--- ```lua
--- print(http.patch(url .. "/echo", { json = { name = "new" } }):json().method) --> PATCH
--- ```
---@function http.patch
---@async
---@param url string
---@param opts? luapool.http.Options
---@return luapool.http.Response

--- Sends a DELETE request; otherwise as `http.get`.
---
--- ```lua
--- print(http.delete(url .. "/echo"):json().method) --> DELETE
--- ```
---@function http.delete
---@async
---@param url string
---@param opts? luapool.http.Options
---@return luapool.http.Response

--- Sends a HEAD request; otherwise as `http.get`. The response has no body.
---
--- ```lua
--- print(http.head(url .. "/bytes/10").headers["content-length"]) --> 10
--- ```
---@function http.head
---@async
---@param url string
---@param opts? luapool.http.Options
---@return luapool.http.Response

--- Sends an OPTIONS request; otherwise as `http.get`.
---
--- ```lua
--- print(http.options(url .. "/echo"):json().method) --> OPTIONS
--- ```
---@function http.options
---@async
---@param url string
---@param opts? luapool.http.Options
---@return luapool.http.Response

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
  local method, plain, of_client = name:upper(), "http." .. name, "Client:" .. name
  M[name] = function(url, opts)
    usage.argument(plain, 1, url, "string")
    return perform(shared, method, url, opts, plain)
  end
  Client[name] = function(self, url, opts)
    check_call(self, url, of_client)
    return perform(self, method, url, opts, of_client)
  end
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

local function with_retry(policy)
  local retry = require "luapool.retry"
  return retry.wrap(attempt, Policy.new(policy, "http.client: option 'retry'"))
end

--- Makes a client. Cookies that servers set are sent back by it, unless `cookies` is false.
---
--- ```lua
--- local client <close> = http.client {
---   base_url = url, limit = 20, limit_per_host = 4, cookies = true, retry = { attempts = 5 },
--- }
--- client:get "/cookie/name/value"
--- print(client:get("/cookie"):json().name) --> value
--- print(client:get("/flaky/page?fail=1").status) --> 200
--- ```
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
  local plan = plans.make(self, "GET", nil, "http.client")
  self.get_plan = next(plan) and plan
  return self
end

return M
