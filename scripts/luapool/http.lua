-- luapool.http: requests over HTTP and HTTPS, on libcurl. The C half (luapool.http.core) moves
-- the bytes; here stand the verbs, the client and what options mean. What becomes of an option
-- is a field of the
-- *plan*, a plain table that bindings/http/options.c reads.

local clients = require "luapool.internal.http.client"
local sandbox = require "luapool.sandbox.core"
local send = require "luapool.internal.http.send"
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
---@kind checksum the digest of what was saved is not that of the option `checksum`
---@kind protocol the URL, or where the server redirects to, is neither http nor https, or the
--- server does not speak HTTP as it should; with libcurl 8 a server that breaks HTTP/2 and keeps
--- the connection open may end by `timeout` instead
---@kind redirects there are more redirections than `redirects` allows, or a body that cannot be
--- sent again is asked for again
---@kind refused the host has no public address, and `only_public` demands one
---@kind not_cached the cache has no answer, and `only_if_cached` forbids to ask the server
---@kind aborted the server closed the connection too early; or the client, or the stream, was
--- closed
---@class luapool.http
local M = {}

local shared = clients.plain()

--- Has each request of this process told to `told(url, res, seconds)` when it has its answer, or
--- has failed: then `res` is nil. Each step of a chain of redirections is one. For jobs.
---@private
function M.watch(told) send.watch(told) end

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
---@raises refused
---@raises aborted
function M.request(method, url, opts)
  usage.argument("http.request", 1, method, "method")
  usage.argument("http.request", 2, url, "string")
  return send.perform(shared, method:upper(), url, opts, "http.request")
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
--- A large file that is downloaded further when it was broken off, and whose digest must be right:
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local res = http.get(url .. "/body", {
---   body = "hello", save_to = dir .. "/large", resume = true, stall_timeout = 60,
---   checksum = "sha1:aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
--- })
--- print(res.saved_to == dir .. "/large") --> true
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
--- URLs that strangers give, the address of a host, proxies, and what to demand of encryption:
---
--- ```lua
--- print(select(2, pcall(http.get, url, { only_public = true })).kind) --> refused
--- local port = url:match ":(%d+)"
--- local res = http.get("http://my.example:" .. port .. "/echo", {
---   resolve = { ["my.example:" .. port] = "127.0.0.1" },
---   proxy = { http = "http://127.0.0.1:3128", https = "socks5h://127.0.0.1:1080",
---     all = "http://127.0.0.1:8080", except = { "my.example", "10.0.0.0/8" } },
---   tls = { min = "1.2", ciphers = "ECDHE-RSA-AES128-GCM-SHA256", key_password = "sesame",
---     pin = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", server_name = "my.example" },
--- })
--- print(res:json().headers.host == "my.example:" .. port) --> true
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
  if opts == nil and type(url) == "string" then return send.get(shared, url) end
  usage.argument("http.get", 1, url, "string")
  return send.perform(shared, "GET", url, opts, "http.get")
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
---@raises denied in a sandbox, as others have requests under way
function M.close()
  if not sandbox.is_free() then
    sandbox.deny "http.close ends requests of others too: use an http.client of your own"
  end
  shared.core:close()
  shared = clients.plain()
end

--- Sends a POST request; otherwise as `http.get`.
---
--- ```lua
--- print(http.post(url .. "/body", { body = "text" }).body) --> text
--- local policy = { attempts = 2, wait = 0 }
--- print(http.post(url .. "/flaky/form?fail=1", { retry = policy }).status) --> 200
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

for _, name in ipairs { "post", "put", "patch", "delete", "head", "options" } do
  local method, where = name:upper(), "http." .. name
  M[name] = function(url, opts)
    usage.argument(where, 1, url, "string")
    return send.perform(shared, method, url, opts, where)
  end
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
---
--- Hooks see each request before it is sent, and its response (redirections apart); they may change
--- both, and may wait. `req` has the options of the request with its `method`, `url` and all
--- `headers`; `json` and `form` have become its `body`. A response that a hook returns is taken in
--- place of the server's.
---
--- ```lua
--- local client <close> = http.client {
---   base_url = url, params = { key = "k" }, rate = { per_host = 100, burst = 10 },
---   on_request = function(req) req.headers["X-Length"] = #(req.body or "") end,
---   on_response = function(res, req) print(req.method, res.status) end,
--- }
--- print(client:post("/echo", { json = { 1, 2 } }):json().headers["x-length"])
--- --> POST 200
--- --> 5
--- ```
---@function http.client
---@param opts? luapool.http.ClientOptions
---@return luapool.http.Client
M.client = clients.new

return M
