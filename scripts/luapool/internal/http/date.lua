-- internal.http.date: the dates of HTTP's headers, in the three forms of RFC 9110, section 5.6.7.

local MONTHS = { Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6, Jul = 7, Aug = 8, Sep = 9,
  Oct = 10, Nov = 11, Dec = 12 }

-- Days since 1970 of a day of the Gregorian calendar.
local function days_of(year, month, day)
  local y = year - (month <= 2 and 1 or 0)
  local m = (month + 9) % 12
  return 365 * y + y // 4 - y // 100 + y // 400 + (153 * m + 2) // 5 + day - 1 - 719468
end

-- Two digits mean the year that is at most 50 years ahead.
local function full_year(text)
  local year = math.tointeger(text)
  if #text == 4 then return year end
  local now = math.tointeger(os.date("!%Y"))
  year = year + now - now % 100
  return year > now + 50 and year - 100 or year
end

local M = { months = MONTHS }

--- Seconds since 1970 of a time of UTC.
---@return integer
function M.seconds(year, month, day, hour, min, sec)
  return ((days_of(year, month, day) * 24 + hour) * 60 + min) * 60 + sec
end

--- Seconds since 1970 of "Wed, 21 Oct 2015 07:28:00 GMT", "Wednesday, 21-Oct-15 07:28:00 GMT" or
--- "Wed Oct 21 07:28:00 2015"; nil for anything else.
---@param text string
---@return integer|nil
function M.parse(text)
  local day, name, year, hour, min, sec =
    text:match("^%a+, (%d%d?)[ -](%a%a%a)[ -](%d%d%d?%d?) (%d%d):(%d%d):(%d%d) GMT$")
  if not day then
    name, day, hour, min, sec, year =
      text:match("^%a+ (%a%a%a) +(%d%d?) (%d%d):(%d%d):(%d%d) (%d%d%d%d)$")
  end
  local month = MONTHS[name]
  if not month then return nil end
  return M.seconds(full_year(year), month, math.tointeger(day), math.tointeger(hour),
    math.tointeger(min), math.tointeger(sec))
end

return M
