-- internal.serve.zone: time zones by name, as the system's files of tzdata have them (RFC 8536):
-- the offset of local time at a time. Without a name UTC. After the last change that a file lists
-- its rule in text holds, such as "CET-1CEST,M3.5.0,M10.5.0/3".

local M = {}

---@class luapool.serve.Zone
---@field times integer[] of the changes
---@field offsets integer[] seconds east of UTC from each change on
---@field first integer the offset before the first change
local Zone = {}
Zone.__index = Zone

local FOLDERS = { "/usr/share/zoneinfo/", "/usr/lib/zoneinfo/" }

-- ---- the rule behind the list ----

local DAY = 86400

-- Days from 1970 to the first of January of a year.
local function days_to(year)
  local y = year - 1
  return 365 * (year - 1970) + (y // 4 - y // 100 + y // 400) - 477
end

local function is_leap(year) return year % 4 == 0 and year % 100 ~= 0 or year % 400 == 0 end

local LENGTHS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function offset_of(text)
  local sign, h, m, s = text:match "^([+-]?)(%d+):?(%d*):?(%d*)$"
  if not h then return nil end
  local seconds = h * 3600 + (tonumber(m) or 0) * 60 + (tonumber(s) or 0)
  return math.tointeger(sign == "-" and -seconds or seconds)
end

-- Seconds of local time from the start of the year to a change "M3.5.0/2", "J60" or "59".
local function moment(rule, year)
  local days = 0
  if rule.month then
    for m = 1, rule.month - 1 do
      days = days + LENGTHS[m] + (m == 2 and is_leap(year) and 1 or 0)
    end
    local length = LENGTHS[rule.month] + (rule.month == 2 and is_leap(year) and 1 or 0)
    local weekday = (days_to(year) + days + 4) % 7
    local day = (rule.day - weekday) % 7 + (rule.week - 1) * 7
    if day >= length then day = day - 7 end
    days = days + day
  elseif rule.julian then
    days = rule.julian - 1 + (is_leap(year) and rule.julian > 59 and 1 or 0)
  else
    days = rule.zero
  end
  return days * DAY + rule.time
end

local function parse_change(text)
  local date, time = text:match "^([^/]+)/(.+)$"
  date = date or text
  local rule = { time = time and offset_of(time) or 7200 }
  local m, w, d = date:match "^M(%d+)%.(%d)%.(%d)$"
  if m then
    rule.month, rule.week, rule.day = math.tointeger(m), math.tointeger(w), math.tointeger(d)
  elseif date:find "^J%d+$" then
    rule.julian = math.tointeger(date:sub(2))
  else
    rule.zero = math.tointeger(tonumber(date))
  end
  return (rule.month or rule.julian or rule.zero) and rule or nil
end

local NAME = "^(<[%w+-]+>)"

local function take_name(text)
  local name = text:match(NAME) or text:match "^%a+"
  return name and text:sub(#name + 1)
end

-- The rule as { standard, summer, start, stop }; nil when the text is none, or has no summer.
local function parse_rule(text)
  local rest = take_name(text)
  if not rest then return nil end
  local offset, behind = rest:match "^([+-]?[%d:]+)(.*)$"
  local standard = offset and offset_of(offset)
  rest = standard and behind ~= "" and take_name(behind)
  if not rest then return nil end
  local own, changes = rest:match "^([+-]?[%d:]*),(.+)$"
  local start, stop = (changes or ""):match "^([^,]+),([^,]+)$"
  start, stop = start and parse_change(start), stop and parse_change(stop)
  if not start or not stop then return nil end
  local summer = own ~= "" and offset_of(own) or standard - 3600
  return { standard = -standard, summer = -summer, start = start, stop = stop }
end

-- Adds the changes that the rule makes from the last listed one until 2100.
local function extend(self, rule)
  local last = self.times[#self.times] or 0
  for year = 1970 + last // 31556952, 2100 do
    local begin = days_to(year) * DAY
    local changes = {
      { begin + moment(rule.start, year) - rule.standard, rule.summer },
      { begin + moment(rule.stop, year) - rule.summer, rule.standard },
    }
    table.sort(changes, function(a, b) return a[1] < b[1] end)
    for _, change in ipairs(changes) do
      if change[1] > last then
        self.times[#self.times + 1], self.offsets[#self.offsets + 1] = change[1], change[2]
      end
    end
  end
end

-- ---- the file ----

-- The counts of a part of the file whose header begins at `at`, where its data begins, and the
-- version of the file.
local function header(bytes, at)
  local version, isut, isstd, leap, time, types, chars =
    string.unpack(">c1xxxxxxxxxxxxxxxI4I4I4I4I4I4", bytes, at + 4)
  return { isut = isut, isstd = isstd, leap = leap, time = time, types = types, chars = chars },
    at + 44, version
end

local function size_of(n, width)
  return n.time * width + n.time + n.types * 6 + n.chars + n.leap * (width + 4) + n.isstd + n.isut
end

local function read(bytes)
  if bytes:sub(1, 4) ~= "TZif" then return nil end
  local n, at, version = header(bytes, 1)
  local width = 4
  if version ~= "\0" then
    n, at = header(bytes, at + size_of(n, 4))
    width = 8
  end
  local self = { times = {}, offsets = {} }
  local types = at + n.time * width + n.time
  local function offset(i) return (string.unpack(">i4", bytes, types + i * 6)) end
  for i = 0, n.time - 1 do
    self.times[i + 1] = string.unpack(width == 8 and ">i8" or ">i4", bytes, at + i * width)
    self.offsets[i + 1] = offset(bytes:byte(at + n.time * width + i))
  end
  self.first = offset(0)
  local text = width == 8 and bytes:sub(at + size_of(n, 8)):match "^\n([^\n]*)\n"
  local rule = text and parse_rule(text)
  if rule then extend(self, rule) end
  return self
end

local known = {}

--- Opens a zone. Returns nil and what is wrong when there is none of that name.
---@param name? string "Europe/Berlin"
---@return luapool.serve.Zone|nil
---@return string? problem
function M.open(name)
  if not name or name == "UTC" then
    return setmetatable({ times = {}, offsets = {}, first = 0 }, Zone)
  end
  if known[name] then return known[name] end
  local plain = name:find "^%a[%w_+-]*" and not name:find "%.%." and not name:find "[^%w_+/-]"
  for _, folder in ipairs(plain and FOLDERS or {}) do
    local file = io.open(folder .. name, "rb")
    local bytes = file and file:read "a"
    if file then file:close() end
    local zone = bytes and read(bytes)
    if zone then
      known[name] = setmetatable(zone, Zone)
      return known[name]
    end
  end
  return nil, ("unknown time zone '%s': a name such as \"Europe/Berlin\" expected, whose file "
    .. "stands in %s (package tzdata)"):format(name, FOLDERS[1])
end

--- The offset at a time, the latest change before it, and the offset before that.
---@param time integer seconds since 1970
---@return integer offset
---@return integer|nil since
---@return integer before
function Zone:at(time)
  local low, high = 0, #self.times
  while low < high do
    local middle = (low + high + 1) // 2
    if self.times[middle] <= time then low = middle else high = middle - 1 end
  end
  if low == 0 then return self.first, nil, self.first end
  return self.offsets[low], self.times[low], self.offsets[low - 1] or self.first
end

return M
