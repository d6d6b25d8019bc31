-- internal.http.options: what users may say of a request and of a client, and its check. plan.lua
-- makes of it what the C half reads.

local options = require "luapool.internal.options"
local text = require "luapool.internal.http.text"

local M = {}

---@within http
---@class luapool.http.CommonOptions
---@field headers? table<string, any> values are strings, numbers or lists of them; false leaves a
--- default header out
---@field auth? table|string "user:password", or { user, password, type = "basic", "digest" or
--- "ntlm" }
---@field bearer? string a token, sent as `Authorization: Bearer …`
---@field timeout? number seconds for the whole request; of a stream for each wait; default 300
---@field connect_timeout? number seconds; default 10
---@field stall_timeout? number seconds without a byte; default: any time
---@field queue_timeout? number seconds that the request waits for a place (see `limit`), which
--- `timeout` does not count; default: as long as places become free, and 300 s without one
---@field redirects? integer|boolean how many are followed; default 10, false: none
---@field verify? boolean false accepts any certificate
---@field ca? string the file of the authorities that are trusted
---@field cert? string the file of the client's certificate
---@field key? string the file of its key
---@field proxy? string|luapool.http.ProxyOptions a URL, of http, https, socks4, socks4a, socks5 or
--- socks5h; "" for none; or URLs by scheme; default: `$http_proxy` and its like
---@field resolve? table<string, string> addresses of hosts, by "host:port"; nothing is looked up
---@field only_public? boolean refuses addresses that are private, of this machine, or otherwise
--- none of the public network, after each look-up and at each redirection: kind `refused`. A proxy
--- looks names up itself, so only addresses in the URL are refused then
---@field tls? luapool.http.TLSOptions what to demand of encryption
---@field interface? string the network interface or the address that requests come from
---@field unix_socket? string the path of a socket that is used in place of the network
---@field netrc? boolean|string credentials come from `~/.netrc`, or from the file of this name
---@field http_version? "1.0"|"1.1"|"2" default "1.1"
---@field max_body? number|string|false bytes, or as "10M": a longer body, decoded, is kind
--- `too_large`; default "64M", but none for streams and `save_to`; false: none
---@field max_header? number|string bytes of all headers and trailers; default "256K"
---@field max_ratio? number|false how many times as large as what came a compressed body may become,
--- once it is larger than 10 MB; default 200; false: any
---@field decode? boolean false leaves a compressed body as it is
---@field cache? string|luapool.http.Cache the folder where answers are kept: see `http.cache`

--- Proxies by the scheme of the URL.
---@within http
---@class luapool.http.ProxyOptions
---@field http? string
---@field https? string
---@field all? string for schemes that are not named
---@field except? string[]|string hosts that are reached without, as in `$no_proxy`: a name, which
--- means its subdomains too, an address, a network as "10.0.0.0/8", each perhaps with ":port"; "*"

---@within http
---@class luapool.http.TLSOptions
---@field min? "1.0"|"1.1"|"1.2"|"1.3" the least version; default "1.2"
---@field ciphers? string names as OpenSSL has them, separated by ":", the preferred first
---@field pin? string|string[] what the public key of the server must be: "sha256//" and Base64
---@field key_password? string of the file `key`
---@field server_name? string in place of the URL's host: what the server is asked for, and what its
--- certificate must name

---@within http
---@class luapool.http.Options: luapool.http.CommonOptions
---@field params? table<string, any> added to the URL; a list gives its name several times
---@field json? any the body: this value as JSON
---@field form? table<string, any> the body: these fields as a form of a page
---@field multipart? table the body: name -> string or part; or a list of parts with a `name`. A
--- part is { data = | file = | body = function, filename =, content_type =, headers = }
---@field body? string|table|fun(): string? the body as it is; { file = path }, which is read while
--- it is sent; or a function, which may wait, that returns piece by piece, then nil
---@field content_length? number|string bytes of a body that is a function; else it goes in chunks
---@field compress? "gzip" compresses the body, and says so in Content-Encoding
---@field range? string|table the part of the answer's body to ask for: "0-99" or { 0, 99 }
---@field cookies? table<string, string>|string|luapool.http.Jar sent with this request, in place
--- of the client's of the same names; or a jar in place of the client's
---@field retry? table|false a policy of `luapool.retry`, for this request whatever its method;
--- false for none
---@field save_to? string the file that the body of a 2xx answer is written to, which appears when
--- it is complete
---@field resume? boolean with `save_to`: what was broken off stays as FILE.part, with notes in
--- FILE.part.info, and goes on there when the server still has the same
---@field checksum? string with `save_to`, as "sha256:…" (or sha1, sha512, md5, …): a file of
--- another digest is kind `checksum`, and not kept
---@field stream? boolean the response comes before its body, which is read from it
---@field refresh? boolean ask the server, whatever the cache holds
---@field only_if_cached? boolean answer out of the cache, fresh or not; kind `not_cached` when
--- there is none

---@within http
---@class luapool.http.ClientOptions: luapool.http.CommonOptions
---@field base_url? string is put before a URL without a scheme
---@field limit? integer how many requests run at once; the others wait; default 100
---@field limit_per_host? integer how many to one host
---@field params? table<string, any> added to each URL
---@field cookies? boolean|table<string, string>|string|luapool.http.Jar false: the client keeps
--- none; a table or string is sent with each request; a jar is shared with other clients
---@field rate? table { per_host = requests a second to one host, burst = how many at once after a
--- pause }; or a `sync.limiter` for all requests, which holds over processes
---@field on_request? fun(req: table): luapool.http.Response? is called before each request
---@field on_response? fun(res: luapool.http.Response, req: table): luapool.http.Response? is called
--- after each request
---@field retry? table a policy of `luapool.retry`, for methods that may be repeated without harm

local common = {
  headers = "table",
  auth = "table|string",
  bearer = "string",
  timeout = "seconds",
  connect_timeout = "seconds",
  stall_timeout = "seconds",
  queue_timeout = "seconds",
  redirects = "count0|boolean",
  verify = "boolean",
  ca = "string",
  cert = "string",
  key = "string",
  proxy = "string|table",
  resolve = "table",
  only_public = "boolean",
  tls = "table",
  interface = "string",
  unix_socket = "string",
  netrc = "boolean|string",
  http_version = { "1.0", "1.1", "2" },
  max_body = "size|no",
  max_header = "size",
  max_ratio = "above0|no",
  decode = "boolean",
  cache = "any",
}

local of_request = {
  params = "table",
  json = "any",
  form = "table",
  multipart = "table",
  body = "string|callable|table",
  content_length = "size",
  compress = { "gzip" },
  range = "string|table",
  cookies = "table|string",
  retry = "table|no",
  save_to = "string",
  resume = "boolean",
  checksum = "string",
  stream = "boolean",
  refresh = "boolean",
  only_if_cached = "boolean",
}

local of_client = {
  base_url = "string",
  limit = "count",
  limit_per_host = "count",
  retry = "table",
  cookies = "boolean|table|string",
  params = "table",
  rate = "table",
  on_request = "callable",
  on_response = "callable",
}

for name, rule in pairs(common) do
  of_request[name], of_client[name] = rule, rule
end

-- What other libraries call the same.
local SLIPS = {
  allow_redirects = "'redirects'",
  content = "'body'",
  data = "'form' for the fields of a form, 'body' for a text",
  files = "'multipart'",
  follow_redirects = "'redirects'",
  proxies = "'proxy'",
  query = "'params'",
  user_agent = "headers = { ['User-Agent'] = ... }",
}

-- Strings that hold any bytes.
local FREE = { body = true, json = true }

local function checker(check)
  return function(opts, where)
    opts = check(opts, where)
    for name, value in pairs(opts) do
      if type(value) == "string" and not FREE[name] then
        text.safe(where, ("option '%s'"):format(name), value)
      end
    end
    return opts
  end
end

--- Checks the options of a request; `where` names the call.
M.request = checker(options.define("http.request", of_request, SLIPS))

--- Checks the options of a client.
M.client = checker(options.define("http.client", of_client, SLIPS))

return M
