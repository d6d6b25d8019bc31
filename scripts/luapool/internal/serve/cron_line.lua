-- internal.serve.cron_line: lines of cron: five fields, minute hour day month weekday. What they
-- match is a minute of local time.

local M = {}

local MONTHS = { jan = 1, feb = 2, mar = 3, apr = 4, may = 5, jun = 6, jul = 7, aug = 8, sep = 9,
  oct = 10, nov = 11, dec = 12 }
local DAYS = { sun = 0, mon = 1, tue = 2, wed = 3, thu = 4, fri = 5, sat = 6 }

-- The name of a field, its least and its most, and names for its numbers.
local FIELDS = {
  { "minute", 0, 59 },
  { "hour", 0, 23 },
  { "day", 1, 31 },
  { "month", 1, 12, MONTHS },
  { "weekday", 0, 7, DAYS },
}

local SHORT = {
  ["@hourly"] = "0 * * * *", ["@daily"] = "0 0 * * *", ["@midnight"] = "0 0 * * *",
  ["@weekly"] = "0 0 * * 0", ["@monthly"] = "0 0 1 * *", ["@yearly"] = "0 0 1 1 *",
  ["@annually"] = "0 0 1 1 *",
}

local function number(text, field)
  local names = field[4]
  return names and names[text:lower()] or text:find "^%d+$" and math.tointeger(tonumber(text))
end

-- Notes what a part of a field such as "1-5", "*/15" or "7" matches; false when it is none.
local function add_part(set, part, field)
  local range, step = part:match "^([^/]+)/(%d+)$"
  step = range and tonumber(step) or 1
  range = range or part
  local from, to
  if range == "*" then
    from, to = field[2], field[3]
  else
    local a, b = range:match "^(%w+)%-(%w+)$"
    from = number(a or range, field)
    to = b and number(b, field) or not b and (range ~= part and field[3] or from)
  end
  if not from or not to or from < field[2] or to > field[3] or from > to or step < 1 then
    return false
  end
  for n = from, to, step do set[n] = true end
  return true
end

---@class luapool.serve.CronLine: sets of numbers by the names of the fields
---@field every_hour boolean it names no hours, so it goes by the time that passes

--- Reads a line. Returns nil and what is wrong with it when it is none.
---@param text string
---@return luapool.serve.CronLine|nil
---@return string? problem
function M.parse(text)
  local words = {}
  for word in (SHORT[text] or text):gmatch "%S+" do words[#words + 1] = word end
  if #words ~= 5 then
    return nil, ("%q has %d fields: five expected, minute hour day month weekday"):format(text,
      #words)
  end
  local line = {}
  for i, field in ipairs(FIELDS) do
    local set, word = {}, words[i]
    for part in (word .. ","):gmatch "([^,]*)," do
      if not add_part(set, part, field) then
        return nil, ("%q: %q is no %s: from %d to %d, as 5, 1-5, */2 or 1,3"):format(text, part,
          field[1], field[2], field[3])
      end
    end
    line[field[1]] = set
  end
  if line.weekday[7] then line.weekday[0] = true end
  line.any_day, line.any_weekday = words[3]:sub(1, 1) == "*", words[5]:sub(1, 1) == "*"
  line.every_hour = words[2]:sub(1, 1) == "*"
  return line
end

-- As cron has it: where both day and weekday are named, one of them is enough.
local function is_day(line, date)
  local day, weekday = line.day[date.day], line.weekday[date.wday - 1]
  if line.any_day or line.any_weekday then return day and weekday end
  return day or weekday
end

--- Whether a line has a tick in the hour of this local time, and in its minute.
---@param line luapool.serve.CronLine
---@param seconds integer since 1970, local
---@return boolean hour
---@return boolean minute
function M.matches(line, seconds)
  local date = os.date("!*t", seconds)
  local hour = line.month[date.month] and line.hour[date.hour] and is_day(line, date) or false
  return hour, hour and line.minute[date.min] or false
end

-- Whether any local minute of [from, to) is a tick.
local function any(line, from, to)
  for seconds = from, to - 60, 60 do
    if select(2, M.matches(line, seconds)) then return true end
  end
  return false
end

--- Whether a line has a tick in a minute of UTC. What falls into a gap of local time fires once, at
--- its end; what falls into an overlap at the first time only. A line for every hour goes by the
--- time that passes.
---@param line luapool.serve.CronLine
---@param zone luapool.serve.Zone
---@param minute integer seconds since 1970, a multiple of 60
---@return boolean
function M.is_tick(line, zone, minute)
  local offset, since, before = zone:at(minute)
  local tick = select(2, M.matches(line, minute + offset))
  if line.every_hour or not since then return tick end
  local jump = offset - before
  if tick and jump < 0 and minute < since - jump then return false end
  if not tick and jump > 0 and minute >= since and minute < since + 60 then
    return any(line, since + before, since + offset)
  end
  return tick
end

--- The ticks in (after, now], the latest first, at most `most` of them. It looks back for 400 days
--- at most.
---@param line luapool.serve.CronLine
---@param zone luapool.serve.Zone
---@param after integer seconds since 1970
---@param now integer
---@param most integer
---@return integer[] minutes
function M.ticks(line, zone, after, now, most)
  local list, at = {}, now // 60 * 60
  after = math.max(after, now - 400 * 86400)
  while at > after and #list < most do
    local offset, since = zone:at(at)
    local near = since and at - since < 7200
    if not near and not M.matches(line, at + offset) then
      -- Nothing in this local hour: go to the last minute of the one before, unless the zone
      -- changes between.
      local back = (at + offset) % 3600 // 60 * 60 + 60
      at = since and at - back < since + 7200 and at - 60 or at - back
    else
      if M.is_tick(line, zone, at) then list[#list + 1] = at end
      at = at - 60
    end
  end
  return list
end

return M
