-- The pages of the test server, run inside nginx (LuaJIT). Each function is /NAME/REST, REST its
-- argument.

local M = {}
local counters = ngx.shared.counters

local function quote(s)
  return '"' .. tostring(s):gsub('[%c"\\]', function(c)
    return ("\\u%04x"):format(c:byte())
  end) .. '"'
end

-- A JSON object of strings; a repeated name becomes a list.
local function object(t)
  local parts = {}
  for name, value in pairs(t) do
    if type(value) == "table" then
      local list = {}
      for i, v in ipairs(value) do list[i] = quote(v) end
      value = "[" .. table.concat(list, ",") .. "]"
    else
      value = quote(value)
    end
    parts[#parts + 1] = quote(name) .. ":" .. value
  end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end

local function request_body()
  ngx.req.read_body()
  local path = ngx.req.get_body_file()
  if not path then return ngx.req.get_body_data() or "" end
  local file = assert(io.open(path, "rb"))
  local body = file:read("*a")
  file:close()
  return body
end

local function answer(text, content_type)
  ngx.header.content_type = content_type or "text/plain"
  ngx.header.content_length = #text
  ngx.print(text)
end

-- /echo/...: the request as JSON: method, uri, args, headers (lower-case names), body, version.
function M.echo()
  answer(('{"method":%s,"uri":%s,"version":%s,"args":%s,"headers":%s,"body":%s}'):format(
    quote(ngx.req.get_method()), quote(ngx.var.request_uri), quote(ngx.req.http_version()),
    object(ngx.req.get_uri_args(1000)), object(ngx.req.get_headers(1000)),
    quote(request_body())), "application/json")
end

-- /body: the request's body, as it came and with its content type.
function M.body()
  answer(request_body(), ngx.var.http_content_type)
end

-- /delay/SECONDS[/...]: answers "ok" late. /peak tells how many of them waited together.
function M.delay(rest)
  local now = counters:incr("waiting", 1, 0)
  if now > (counters:get("peak") or 0) then counters:set("peak", now) end
  ngx.sleep(tonumber(rest:match("^[%d.]+")) or 0)
  counters:incr("waiting", -1)
  answer("ok")
end

-- /peak: the most /delay requests that were waiting at once since the last /peak.
function M.peak()
  local peak = counters:get("peak") or 0
  counters:set("peak", counters:get("waiting") or 0)
  answer(tostring(peak))
end

-- /flaky/NAME[?fail=2&status=503&retry_after=S]: fails the first 2 times for each name, then serves
-- the file NAME if there is one, else "ok".
function M.flaky(rest)
  local args = ngx.req.get_uri_args()
  if counters:incr("flaky " .. rest, 1, 0) <= (tonumber(args.fail) or 2) then
    ngx.status = tonumber(args.status) or 503
    if args.retry_after then ngx.header.retry_after = args.retry_after end
    return answer("not yet\n")
  end
  local file = io.open(ngx.var.document_root .. "/" .. rest, "rb")
  if not file or not file:read(0) then return answer("ok") end
  file:close()
  return ngx.exec("/" .. rest)
end

-- /status/CODE: that status.
function M.status(rest)
  ngx.status = tonumber(rest)
  answer("status " .. rest .. "\n")
end

-- /redirect/N[?code=302]: N redirections, then /echo.
function M.redirect(rest)
  local n = tonumber(rest) or 1
  local code = tonumber(ngx.var.arg_code) or 302
  local target = n > 1 and "/redirect/" .. n - 1 or "/echo"
  ngx.redirect(target .. (ngx.var.args and "?" .. ngx.var.args or ""), code)
end

-- /goto?url=URL[&code=302]: a redirection to any place.
function M.goto_url()
  local args = ngx.req.get_uri_args()
  ngx.header.location = args.url
  ngx.status = tonumber(args.code) or 302
  answer("")
end
M["goto"] = M.goto_url

-- /graph/I?n=N: page I of a site of N pages, after a short time by chance: its links lead to I + 1,
-- 2 I and 3 I + 1, in several forms of writing.
function M.graph(rest)
  local i, n = tonumber(rest) or 0, tonumber(ngx.var.arg_n) or 100
  ngx.sleep(math.random() * 0.01)
  local links = {}
  for k, j in ipairs { i + 1, 2 * i, 3 * i + 1 } do
    local page = ("%d?n=%d"):format(j % n, n)
    links[k] = ("<a href='%s'>%d</a> <a href='/graph/./%s#f%d'>again</a>"):format(page, j, page, k)
  end
  answer(table.concat(links, "\n"), "text/html")
end

-- /pause/NAME?after=N&seconds=S: "ok" for the first N requests of each NAME; then 429 with a
-- Retry-After of S, until S seconds have passed since the first of these. /paused/NAME tells how
-- many these were.
function M.pause(rest)
  local args, now = ngx.req.get_uri_args(), ngx.now()
  local seconds = tonumber(args.seconds)
  if counters:incr("pause " .. rest, 1, 0) <= tonumber(args.after) then return answer("ok") end
  counters:add("pause since " .. rest, now)
  if now >= counters:get("pause since " .. rest) + seconds then return answer("ok") end
  counters:incr("paused " .. rest, 1, 0)
  ngx.status, ngx.header.retry_after = 429, seconds
  answer("not now\n")
end

function M.paused(rest) answer(tostring(counters:get("paused " .. rest) or 0)) end

-- /robots.txt: the file robots-HOST.txt, else robots.txt; where it begins with "status N", that
-- status.
function M.robots()
  local root = ngx.var.document_root
  local file = io.open(("%s/robots-%s.txt"):format(root, ngx.var.host), "rb")
    or io.open(root .. "/robots.txt", "rb")
  local text = file and file:read("*a") or "status 404"
  if file then file:close() end
  ngx.status = tonumber(text:match "^status (%d+)") or 200
  answer(text)
end

-- /bytes/N: N bytes "x".
function M.bytes(rest)
  answer(("x"):rep(tonumber(rest) or 0), "application/octet-stream")
end

-- /chunks/N[?delay=S&size=B]: N lines "chunk I", each flushed by itself, of unknown total length.
function M.chunks(rest)
  local delay, size = tonumber(ngx.var.arg_delay), tonumber(ngx.var.arg_size) or 0
  for i = 1, tonumber(rest) or 1 do
    local line = "chunk " .. i
    ngx.print(line, (" "):rep(size - #line - 1), "\n")
    ngx.flush(true)
    if delay then ngx.sleep(delay) end
  end
end

-- /cookie/NAME/VALUE: sets it. /cookie: the cookies that came, as JSON.
function M.cookie(rest)
  local name, value = rest:match("^([^/]+)/(.*)$")
  if name then
    ngx.header.set_cookie = name .. "=" .. value .. "; Path=/"
    return answer("set\n")
  end
  local all = {}
  for n, v in (ngx.var.http_cookie or ""):gmatch("([^=; ]+)=([^;]*)") do all[n] = v end
  answer(object(all), "application/json")
end

-- What a client that knows the password answers to the challenge, as RFC 7616 has it.
local function digest(user, password)
  local given = ngx.var.http_authorization or ""
  local function field(name)
    return given:match("[ ,]" .. name .. '="([^"]*)"') or given:match("[ ,]" .. name .. "=([^, ]*)")
  end
  local ha1 = ngx.md5(user .. ":tests:" .. password)
  local ha2 = ngx.md5(ngx.req.get_method() .. ":" .. ngx.var.request_uri)
  local parts = { ha1, "once", field "nc" or "", field "cnonce" or "", "auth", ha2 }
  return field "response" == ngx.md5(table.concat(parts, ":"))
end

-- /auth/basic/USER/PASSWORD, /auth/bearer/TOKEN and /auth/digest/USER/PASSWORD: 200 to who brings
-- that, else 401.
function M.auth(rest)
  local who, secret = rest:match("^digest/([^/]+)/(.*)$")
  if who then
    if digest(who, secret) then
      ngx.sleep(0.05) -- the client sees the challenge before the answer
      return answer("welcome\n")
    end
    ngx.status = 401
    ngx.header.www_authenticate = 'Digest realm="tests", nonce="once", qop="auth"'
    return answer("who is there?\n")
  end
  local user, password = rest:match("^basic/([^/]+)/(.*)$")
  local want = user and "Basic " .. ngx.encode_base64(user .. ":" .. password)
    or "Bearer " .. (rest:match("^bearer/(.*)$") or "")
  if ngx.var.http_authorization == want then return answer("welcome\n") end
  ngx.status = 401
  ngx.header.www_authenticate = 'Basic realm="tests"'
  answer("who is there?\n")
end

-- /links: a Link header of two lines.
function M.links()
  ngx.header["Link"] = { '<links?page=2>; rel=next; title="more", </links?page=9>; rel="last"',
    '<http://elsewhere.example/a,b;c>; rel="alternate nofollow"; title*=UTF-8\'\'caf%C3%A9' }
  answer("ok")
end

-- /repeated: the header X-Many three times.
function M.repeated()
  ngx.header["X-Many"] = { "one", "two", "three" }
  answer("ok")
end

-- /drop: closes the connection without an answer.
function M.drop()
  ngx.exit(444)
end

-- /cut: promises 1000 bytes, sends 10 and closes.
function M.cut()
  ngx.header.content_length = 1000
  ngx.print("0123456789")
  ngx.flush(true)
  ngx.exit(444)
end

-- /cacheable/SECONDS[/NAME][?etag=1&modified=1&vary=V&...]: an answer that is fresh for so long (0:
-- it says nothing of that), whose body counts how often it was made: 304s are not counted. The
-- other arguments become headers.
function M.cacheable(rest)
  local args = ngx.req.get_uri_args()
  local seconds = rest:match("^%d+")
  if seconds ~= "0" then ngx.header["cache-control"] = "max-age=" .. seconds end
  local etag = args.etag and '"' .. args.etag .. '"'
  args.etag = nil
  for name, value in pairs(args) do ngx.header[name] = value end
  ngx.header.etag = etag
  if etag and ngx.var.http_if_none_match == etag then return ngx.exit(304) end
  answer(tostring(counters:incr("cacheable " .. rest, 1, 0)))
end

-- /count/NAME: how many times it has been asked for, this one counted.
function M.count(rest)
  answer(tostring(counters:incr("count " .. rest, 1, 0)))
end

return M
