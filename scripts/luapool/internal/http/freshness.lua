-- internal.http.freshness: what RFC 9111 says of an answer for a private cache: may it be stored,
-- is it still fresh, with which headers it is asked for again. Pure logic over tables of headers;
-- no clock of its own, no files.

local http_date = require "luapool.internal.http.date"

local M = {}

--- The directives of a Cache-Control header: name -> value, or true where there is none.
---@param text string|nil
---@return table<string, string|true>
function M.directives(text)
  local found, at = {}, 1
  text = text or ""
  while at <= #text do
    local name, behind = text:match("^[%s,]*([%w-]+)%s*()", at)
    if not name then break end
    local value, last = text:match('^=%s*"([^"]*)"()', behind)
    if not value then value, last = text:match("^=%s*([^,%s]*)()", behind) end
    name = name:lower()
    if found[name] == nil then found[name] = value or true end
    at = text:find(",", last or behind, true) or #text + 1
  end
  return found
end

-- A number of seconds; nothing but digits is one. More than 2^31 means 2^31, as the RFC has it.
local function seconds(text)
  if type(text) ~= "string" or not text:find "^%d+$" then return nil end
  return math.min(tonumber(text), 2 ^ 31)
end

-- Statuses that are stored without a word of the server, when there is something to ask with
-- later.
local BY_DEFAULT = { [200] = true, [203] = true, [204] = true, [300] = true, [301] = true,
  [308] = true, [404] = true, [405] = true, [410] = true, [414] = true, [501] = true }

-- For how long the server says that its answer is fresh; nil when it does not say. An Expires
-- that is no date has passed.
local function lifetime(headers, control, received)
  local age = seconds(control["max-age"])
  if age or control["max-age"] then return age or 0 end
  local expires = headers["expires"]
  if not expires then return nil end
  local date = http_date.parse(headers["date"] or "") or received
  return (http_date.parse(expires) or date) - date
end

--- May this answer to a GET be stored?
---@param status integer
---@param headers table by lower-case names
---@return boolean
function M.storable(status, headers)
  local control = M.directives(headers["cache-control"])
  if control["no-store"] or status < 200 or status == 206 or status == 304 then return false end
  if headers["vary"] and headers["vary"]:find("*", 1, true) then return false end
  if lifetime(headers, control, 0) then return BY_DEFAULT[status] or control["max-age"] ~= nil end
  return BY_DEFAULT[status] and (headers["etag"] or headers["last-modified"]) ~= nil or false
end

--- May a stored answer be used without asking the server? `asked` and `received` are the times of
--- the request and of the answer.
---@param headers table of the answer
---@param asked number seconds since 1970
---@param received number seconds since 1970
---@param now number seconds since 1970
---@param wanted table<string, string|true> the directives of the request
---@return boolean
function M.is_fresh(headers, asked, received, now, wanted)
  local control = M.directives(headers["cache-control"])
  if control["no-cache"] or wanted["no-cache"] then return false end
  local date = http_date.parse(headers["date"] or "") or received
  local told = (seconds(headers["age"]) or 0) + received - asked
  local age = math.max(received - date, told, 0) + math.max(now - received, 0)
  local left = (lifetime(headers, control, received) or 0) - age
  if wanted["max-age"] and age > (seconds(wanted["max-age"]) or 0) then return false end
  if left > 0 then return left >= (seconds(wanted["min-fresh"]) or 0) end
  local stale = wanted["max-stale"]
  if not stale or control["must-revalidate"] then return false end
  return stale == true or -left <= (seconds(stale) or 0)
end

--- The lines that ask whether a stored answer still holds; empty when the server has given nothing
--- to ask with.
---@param headers table of the stored answer
---@return string[]
function M.conditions(headers)
  local lines = {}
  if headers["etag"] then lines[1] = "If-None-Match: " .. headers["etag"] end
  if headers["last-modified"] then
    lines[#lines + 1] = "If-Modified-Since: " .. headers["last-modified"]
  end
  return lines
end

-- What a 304 says of itself and not of the stored answer.
local OWN = { ["content-length"] = true, ["content-encoding"] = true, ["content-type"] = true,
  ["content-range"] = true, ["transfer-encoding"] = true, ["connection"] = true }

local function name_of(line)
  return (line:match "^([^:\r\n]+):" or ""):lower()
end

--- The header of a stored answer with the fields of a 304 in place of its own.
---@param stored string
---@param news string the header of the 304
---@return string
function M.merge(stored, news)
  local fresh, replaced, lines = {}, {}, {}
  for line in news:gmatch "\n([^\r\n]+)" do
    local name = name_of(line)
    if name ~= "" and not OWN[name] then
      fresh[#fresh + 1] = line
      replaced[name] = true
    end
  end
  for line in stored:gmatch "([^\r\n]+)" do
    if not replaced[name_of(line)] then lines[#lines + 1] = line end
  end
  table.move(fresh, 1, #fresh, #lines + 1, lines)
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

return M
