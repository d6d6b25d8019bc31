-- internal.http.cookie: one cookie, as RFC 6265 has it: read out of a Set-Cookie header or out of a
-- line of a file, and whether it belongs to a request. The jar (internal/http/jar.lua) keeps them.

local core = require "luapool.http.core"
local dates = require "luapool.internal.http.date"

local M = {}

---@within http
---@class luapool.http.Cookie
---@field name string
---@field value string
---@field domain string in small letters, without a dot in front
---@field host_only boolean it is for this host alone, and not for those below it
---@field path string
---@field secure boolean only for https and for the loopback address
---@field http_only boolean
---@field expires? integer seconds since 1970; nil: when the jar goes

local SIZE = 4096 -- bytes of name and value together

local function month_of(token)
  return dates.months[token:sub(1, 1):upper() .. token:sub(2, 3):lower()]
end

-- One token of a date goes where it first fits.
local function take(token, date)
  local hour, min, sec = token:match("^(%d%d?):(%d%d?):(%d%d?)%f[%D]")
  if not date.hour and hour then
    date.hour, date.min = math.tointeger(hour), math.tointeger(min)
    date.sec = math.tointeger(sec)
    return
  end
  local digits = token:match("^(%d+)%f[%D]")
  if not date.day and digits and #digits <= 2 then
    date.day = math.tointeger(digits)
  elseif not date.month and month_of(token) then
    date.month = month_of(token)
  elseif not date.year and digits and #digits >= 2 and #digits <= 4 then
    date.year = math.tointeger(digits)
  end
end

--- Seconds since 1970 of a date as servers write it into cookies, by the forgiving rules of RFC
--- 6265, section 5.1.1; nil when it is none.
---@param text string
---@return integer|nil
function M.date(text)
  local date = {}
  for token in text:gmatch("[^\t !-/;-@%[-`{-~]+") do take(token, date) end
  local year = date.year
  if not (year and date.month and date.day and date.hour) then return nil end
  if year < 70 then year = year + 2000 elseif year < 100 then year = year + 1900 end
  if date.day < 1 or date.day > 31 or year < 1601 or date.hour > 23 or date.min > 59
    or date.sec > 59 then
    return nil
  end
  return dates.seconds(year, date.month, date.day, date.hour, date.min, date.sec)
end

local function is_address(host)
  return host:find("^%d+%.%d+%.%d+%.%d+$") ~= nil or host:sub(1, 1) == "["
end

local function is_loopback(host)
  return host == "localhost" or host == "127.0.0.1" or host == "[::1]"
end

--- What of a URL a cookie is compared with, or nil.
---@param url string
---@return { host: string, path: string, secure: boolean }|nil
function M.place(url)
  local origin, host, path = core.origin(url)
  if not origin then return nil end
  return { host = host, path = path, secure = origin:find("^https:") ~= nil or is_loopback(host) }
end

local function is_below(host, domain)
  return #host > #domain and host:sub(-#domain - 1) == "." .. domain and not is_address(host)
end

local function path_fits(path, cookie)
  if path == cookie then return true end
  return path:sub(1, #cookie) == cookie
    and (cookie:sub(-1) == "/" or path:sub(#cookie + 1, #cookie + 1) == "/")
end

--- Whether a cookie goes along with a request to this place.
---@param cookie luapool.http.Cookie
---@param place table
---@return boolean
function M.fits(cookie, place)
  local host, domain = place.host, cookie.domain
  return (domain == host or not cookie.host_only and is_below(host, domain))
    and (place.secure or not cookie.secure) and path_fits(place.path, cookie.path)
end

-- "a=b; c; d=e" after the first semicolon, names in small letters; the last one of a name counts.
local function attributes(text)
  local found = {}
  for part in text:gmatch("[^;]+") do
    local name, value = part:match("^%s*([^=]-)%s*=%s*(.-)%s*$")
    found[(name or part:match("^%s*(.-)%s*$")):lower()] = value or ""
  end
  return found
end

-- The domain that a cookie of this host is for, and whether for this host alone; nil for one that
-- the host may not set.
local function domain_of(given, host)
  given = given and given:gsub("^%.", ""):lower() or ""
  if given == "" or given == host then return host, given == "" or is_address(host) end
  if not is_below(host, given) or core.suffix(given) then return nil end
  return given, false
end

local function expiry(found, now)
  local age = (found["max-age"] or ""):match("^%-?%d+$")
  if age then return age:sub(1, 1) == "-" and 0 or now + math.min(tonumber(age), 1 << 40) end
  return found.expires and M.date(found.expires)
end

-- Names that promise how a cookie was set.
local function keeps_promise(cookie, found)
  local name = cookie.name:lower()
  if name:find("^__secure%-") then return cookie.secure end
  if name:find("^__host%-") then
    return cookie.secure and cookie.host_only and found.path == "/"
  end
  return true
end

--- The cookie that a Set-Cookie header sets, or nil when it is to be ignored.
---@param text string the value of the header
---@param place table of the request
---@param now integer
---@return luapool.http.Cookie|nil
function M.parse(text, place, now)
  if text:find("[%z\1-\31\127]") then return nil end
  local pair, rest = text:match("^([^;]*);?(.*)$")
  local name, value = pair:match("^%s*([^=]-)%s*=%s*(.-)%s*$")
  if not name or name == "" or #name + #value > SIZE then return nil end
  local found = attributes(rest)
  local domain, host_only = domain_of(found.domain, place.host)
  local path = found.path
  if not path or path:sub(1, 1) ~= "/" then path = place.path:match("^(/.*)/") or "/" end
  local cookie = {
    name = name, value = value, domain = domain, host_only = host_only, path = path,
    secure = found.secure ~= nil, http_only = found.httponly ~= nil,
    expires = expiry(found, now),
  }
  if not domain or cookie.secure and not place.secure then return nil end
  return keeps_promise(cookie, found) and cookie or nil
end

-- --- files, as Netscape wrote them ---

local function yes(value) return value and "TRUE" or "FALSE" end

--- A cookie as a line of a file.
---@param cookie luapool.http.Cookie
---@return string
function M.line(cookie)
  local domain = (cookie.host_only and "" or ".") .. cookie.domain
  return table.concat({
    (cookie.http_only and "#HttpOnly_" or "") .. domain, yes(not cookie.host_only), cookie.path,
    yes(cookie.secure), ("%d"):format(cookie.expires or 0), cookie.name, cookie.value,
  }, "\t")
end

--- The cookie of a line, or nil when there is none.
---@param line string
---@return luapool.http.Cookie|nil
function M.of_line(line)
  local rest = line:match("^#HttpOnly_(.*)$")
  if not rest and line:sub(1, 1) == "#" then return nil end
  local domain, below, path, secure, expires, name, value = (rest or line):match(
    "^%.?([^\t]+)\t(%u+)\t(/[^\t]*)\t(%u+)\t(%d+)\t([^\t]+)\t?([^\t\r\n]*)\r?$")
  if not domain then return nil end
  expires = math.tointeger(expires)
  return {
    name = name, value = value, domain = domain:lower(), host_only = below ~= "TRUE", path = path,
    secure = secure == "TRUE", http_only = rest ~= nil, expires = expires ~= 0 and expires or nil,
  }
end

return M
