-- internal.http.jar: the cookies that servers have set. The module is the class itself, so a copy
-- of a jar travels to workers.
--
-- curl's own store is not used: it sends its cookies beside those of the same name that a request
-- gives by hand, and cannot be asked for what belongs to a URL. Which domains nobody may set a
-- cookie for is known from the list of public suffixes (libpsl), as it is there.
--@whole

local cookies = require "luapool.internal.http.cookie"
local digest = require "luapool.digest"
local fs = require "luapool.fs"
local number = require "luapool.internal.number"
local options = require "luapool.internal.options"
local text = require "luapool.internal.http.text"
local usage = require "luapool.internal.usage"

--- The cookies of a client (`client.cookies`). Another client made with `cookies = jar` shares
--- them; what is sent to a worker is a copy.
---
--- ```lua
--- local client <close> = http.client { base_url = url }
--- client:get "/cookie/session/42"
--- local jar = client.cookies
--- print(jar:get "session", #jar:list()) --> 42 1
--- local other <close> = http.client { cookies = jar }
--- print(other:get(url .. "/cookie"):json().session) --> 42
--- ```
---@within http
---@class luapool.http.Jar
---@field package domains table<string, luapool.http.Cookie[]>
---@field package count integer
---@field package made integer how many cookies were made so far
local Jar = { __name = "luapool.http.Jar" }
Jar.__index = Jar

local MOST, MOST_OF_DOMAIN = 3000, 180 -- the oldest go

--- An empty jar.
---@package
function Jar.new()
  return setmetatable({ domains = {}, count = 0, made = 0 }, Jar)
end

local function remove(self, bucket, i)
  local cookie = table.remove(bucket, i)
  self.count = self.count - 1
  if #bucket == 0 then self.domains[cookie.domain] = nil end
end

-- The index of the cookie that this one replaces.
local function index_of(bucket, cookie)
  for i, c in ipairs(bucket) do
    if c.name == cookie.name and c.path == cookie.path and c.host_only == cookie.host_only then
      return i
    end
  end
end

local function oldest(self)
  local found
  for _, bucket in pairs(self.domains) do
    if not found or bucket[1].order < found[1].order then found = bucket end
  end
  return found
end

-- Puts a cookie in; one that has expired takes out what it would replace. Buckets are in the order
-- in which their cookies were first set.
local function put(self, cookie)
  local bucket = self.domains[cookie.domain] or {}
  local i = index_of(bucket, cookie)
  if cookie.expires and cookie.expires <= os.time() then
    if i then remove(self, bucket, i) end
    return
  end
  if i then
    cookie.order = bucket[i].order
    bucket[i] = cookie
    return
  end
  self.domains[cookie.domain] = bucket
  self.made, self.count = self.made + 1, self.count + 1
  cookie.order = self.made
  bucket[#bucket + 1] = cookie
  if #bucket > MOST_OF_DOMAIN then remove(self, bucket, 1) end
  if self.count > MOST then remove(self, oldest(self), 1) end
end

-- Calls fn(cookie) for all that have not expired, which are removed.
local function each(self, bucket, now, fn)
  for i = #bucket, 1, -1 do
    local cookie = bucket[i]
    if cookie.expires and cookie.expires <= now then remove(self, bucket, i) else fn(cookie) end
  end
end

-- The cookies for a place, in the order in which they are sent: those of longer paths first, then
-- those set earlier.
local function for_place(self, place)
  local found, now, host = {}, os.time(), place.host
  while host do
    local bucket = self.domains[host]
    if bucket then
      each(self, bucket, now, function(cookie)
        if cookies.fits(cookie, place) then found[#found + 1] = cookie end
      end)
    end
    host = host:match("%.(.+)$")
  end
  table.sort(found, function(a, b)
    if #a.path ~= #b.path then return #a.path > #b.path end
    return a.order < b.order
  end)
  return found
end

--- The value of the Cookie header of a request: what the jar has for it, without the names that
--- stand in `given`, then `given`.
---@param url string
---@param given? string
---@return string|nil
---@package
function Jar:header(url, given)
  local place = self.count > 0 and cookies.place(url)
  if not place then return given end
  local parts, by_hand = {}, {}
  for name in (given or ""):gmatch("([^=;%s]+)%s*=") do by_hand[name] = true end
  for _, cookie in ipairs(for_place(self, place)) do
    if not by_hand[cookie.name] then parts[#parts + 1] = cookie.name .. "=" .. cookie.value end
  end
  if given and given ~= "" then parts[#parts + 1] = given end
  return #parts > 0 and table.concat(parts, "; ") or nil
end

-- Without encryption a cookie that is for encrypted requests is not replaced.
local function is_shadowed(self, cookie, place)
  if place.secure or cookie.secure then return false end
  for _, other in ipairs(self.domains[cookie.domain] or {}) do
    if other.secure and other.name == cookie.name then return true end
  end
  return false
end

--- Takes what a response has set.
---@param url string of the response
---@param lines string values of Set-Cookie, each with its line end
---@package
function Jar:receive(url, lines)
  local place = cookies.place(url)
  if not place then return end
  for line in lines:gmatch("([^\n]*)\n") do
    local cookie = cookies.parse(line:gsub("\r$", ""), place, os.time())
    if cookie and not is_shadowed(self, cookie, place) then put(self, cookie) end
  end
end

--- Returns the value of a cookie, nil when there is none: of that which would be sent first to the
--- URL, or of any of this name.
---
--- ```lua
--- local client <close> = http.client()
--- client:get(url .. "/cookie/a/1")
--- local jar = client.cookies
--- print(jar:get "a", jar:get("a", url .. "/deep/page"), jar:get("a", "http://example.com/"))
--- --> 1 1 nil
--- ```
---@param name string
---@param url? string
---@return string?
function Jar:get(name, url)
  usage.self(self, Jar, "Jar:get")
  usage.argument("Jar:get", 1, name, "string")
  usage.optional("Jar:get", 2, url, "string")
  local place = url and cookies.place(url)
  for _, cookie in ipairs(not url and self:list() or place and for_place(self, place) or {}) do
    if cookie.name == name then return cookie.value end
  end
  return nil
end

local LATEST = 1 << 50 -- seconds since 1970

local check = options.define("Jar:set", {
  name = "string", value = "string|number|boolean", domain = "string", url = "string",
  path = "string", secure = "boolean", http_only = "boolean", host_only = "boolean",
  expires = "finite", max_age = "finite",
})

---@within http
---@class luapool.http.CookieOptions
---@field name string
---@field value string|number|boolean
---@field domain? string the cookie is for this host and those below it, unless `host_only`
---@field url? string in place of a domain: the cookie is for the host of this URL alone
---@field path? string default "/"
---@field secure? boolean only for https
---@field http_only? boolean
---@field host_only? boolean
---@field expires? number seconds since 1970; one in the past removes the cookie
---@field max_age? number seconds from now

local function domain_of(opts)
  if (opts.domain == nil) == (opts.url == nil) then
    usage.raise("Jar:set", "one of the options 'domain' and 'url' expected")
  end
  if opts.domain then return opts.domain:gsub("^%.", ""):lower() end
  local place = cookies.place(opts.url)
  return place and place.host or usage.raise("Jar:set", "option 'url' is no URL")
end

--- Sets a cookie.
---
--- ```lua
--- local client <close> = http.client()
--- client.cookies:set { name = "theme", value = "dark", url = url }
--- print(client:get(url .. "/cookie"):json().theme) --> dark
--- client.cookies:set { name = "id", value = 7, domain = "example.com", path = "/shop",
---   secure = true, http_only = true, host_only = false, max_age = 3600 }
--- print(client.cookies:get("id", "https://www.example.com/shop/cart")) --> 7
--- client.cookies:set { name = "theme", value = "", url = url, expires = 0 }
--- print(#client.cookies:list()) --> 1
--- ```
---@param opts luapool.http.CookieOptions
function Jar:set(opts)
  usage.self(self, Jar, "Jar:set")
  opts = check(opts)
  if not opts.name or opts.value == nil then
    usage.raise("Jar:set", "options 'name' and 'value' expected")
  end
  for _, field in ipairs { "name", "value", "domain", "path" } do
    local value = tostring(opts[field] or "")
    if text.safe("Jar:set", "option '" .. field .. "'", value):find("[;\t]") then
      usage.raise("Jar:set", "option '%s' holds a semicolon or a tab", field)
    end
  end
  if opts.name == "" or opts.name:find("[=%s]") then
    usage.raise("Jar:set", "option 'name' is empty, or holds '=' or a space")
  end
  local expires = opts.max_age and os.time() + opts.max_age or opts.expires
  put(self, {
    name = opts.name, value = number.tostring(opts.value), domain = domain_of(opts),
    host_only = opts.host_only or opts.url ~= nil, path = opts.path or "/",
    secure = opts.secure or false, http_only = opts.http_only or false,
    expires = expires and math.floor(math.max(0, math.min(expires, LATEST))),
  })
end

--- Lists the cookies, in the order in which they were first set.
---
--- ```lua
--- local client <close> = http.client()
--- client:get(url .. "/cookie/a/1")
--- for _, cookie in ipairs(client.cookies:list()) do print(cookie.name, cookie.domain) end
--- --> a 127.0.0.1
--- ```
---@return luapool.http.Cookie[]
function Jar:list()
  usage.self(self, Jar, "Jar:list")
  local all, now, buckets = {}, os.time(), {}
  for _, bucket in pairs(self.domains) do buckets[#buckets + 1] = bucket end
  for _, bucket in ipairs(buckets) do
    each(self, bucket, now, function(cookie) all[#all + 1] = cookie end)
  end
  table.sort(all, function(a, b) return a.order < b.order end)
  for i, cookie in ipairs(all) do
    local copy = {}
    for name, value in pairs(cookie) do copy[name] = value end
    copy.order = nil
    all[i] = copy
  end
  return all
end

--- Removes all cookies.
---
--- ```lua
--- local client <close> = http.client()
--- client:get(url .. "/cookie/a/1")
--- client.cookies:clear()
--- print(#client.cookies:list()) --> 0
--- ```
function Jar:clear()
  usage.self(self, Jar, "Jar:clear")
  self.domains, self.count = {}, 0
end

local HEAD = "# Netscape HTTP Cookie File\n"

--- Writes the cookies to a file in Netscape's format, which the curl program and others read. Those
--- without an end are kept, too.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local client <close> = http.client()
--- client:get(url .. "/cookie/a/1")
--- client.cookies:save(dir .. "/cookies.txt")
--- local other <close> = http.client()
--- other.cookies:load(dir .. "/cookies.txt")
--- print(other:get(url .. "/cookie"):json().a) --> 1
--- ```
---@async
---@param path string
---@raises fs
function Jar:save(path)
  usage.self(self, Jar, "Jar:save")
  usage.argument("Jar:save", 1, path, "string")
  local lines = { HEAD }
  for _, cookie in ipairs(self:list()) do lines[#lines + 1] = cookies.line(cookie) .. "\n" end
  local temporary = path .. "." .. digest.uuid()
  fs.write(temporary, table.concat(lines))
  fs.rename(temporary, path)
end

--- Adds the cookies of a file in Netscape's format. Lines that are none are left out.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- fs.write(dir .. "/cookies.txt", ".example.com\tTRUE\t/\tFALSE\t0\tid\t7\n")
--- local client <close> = http.client()
--- client.cookies:load(dir .. "/cookies.txt")
--- print(client.cookies:get("id", "http://www.example.com/")) --> 7
--- ```
---@async
---@param path string
---@raises fs
function Jar:load(path)
  usage.self(self, Jar, "Jar:load")
  usage.argument("Jar:load", 1, path, "string")
  for line in (fs.read(path) .. "\n"):gmatch("([^\n]*)\n") do
    local cookie = cookies.of_line(line)
    if cookie then put(self, cookie) end
  end
end

return Jar
