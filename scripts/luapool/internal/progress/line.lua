-- internal.progress.line: what a bar looks like: one line, for a terminal of some width or for a
-- file. A bar is read here, never changed, but for its rate (`look`).

local screen = require "luapool.term.core"

local M = {}

--- Seconds without an item after which a bar counts as stalled, at least.
M.stall = 10

-- The shown rate forgets in about this many seconds. An ETA stands still as long when no item
-- comes.
local MEMORY = 5

local function clock(seconds)
  local s = math.floor(seconds + 0.5)
  if s >= 360000 then return ("%d days"):format(s // 86400) end
  if s >= 3600 then return ("%d:%02d:%02d"):format(s // 3600, s // 60 % 60, s % 60) end
  return ("%02d:%02d"):format(s // 60, s % 60)
end

local function figure(x)
  if math.type(x) == "integer" or x == math.floor(x) then return ("%.0f"):format(x) end
  return ("%.2f"):format(x)
end

local function speed(rate, unit)
  if rate <= 0 then return "? " .. unit .. "/s" end
  if rate < 1 then return ("%.2f s/%s"):format(1 / rate, unit) end
  local digits = rate < 10 and 2 or rate < 1000 and 1 or 0
  return ("%." .. digits .. "f %s/s"):format(rate, unit)
end

--- Sets the rate of late, if something has come since the last look: an average in which a second
--- counts the less the longer ago it is. While the bar is young its missing past is left out.
---@param bar table
---@param now number
function M.look(bar, now)
  local passed = now - bar.looked
  if passed <= 0 or bar.n == bar.seen then return end
  local latest = (bar.n - bar.seen) / passed
  bar.average = bar.average + (1 - math.exp(-passed / MEMORY)) * (latest - bar.average)
  bar.rate = bar.average / (1 - math.exp(-(now - bar.began) / MEMORY))
  bar.looked, bar.seen, bar.gap = now, bar.n, passed
end

-- The rate that is shown. When nothing has come for longer than is usual, it sinks as slowly as the
-- time of waiting grows.
local function shown_rate(bar, now)
  local elapsed = now - bar.began
  if bar.closed then return elapsed > 0 and (bar.n - bar.initial) / elapsed or bar.rate end
  local patience, waited = math.max(MEMORY, 2 * bar.gap), now - bar.looked
  return waited > patience and bar.rate * patience / waited or bar.rate
end

-- Whether nothing has come for so long that nobody can tell when something will.
local function is_stalled(bar, now)
  return not bar.closed and now - bar.looked > math.max(M.stall, 5 * bar.gap)
end

-- The time that is left, as text. Beyond some years it is no estimate any more.
local function time_left(bar, rate)
  local seconds = (bar.total - bar.n) / rate
  if seconds == 0 then return "00:00" end
  return rate > 0 and seconds < 1e8 and clock(seconds) or "?"
end

-- The figures behind the bar, in the order in which they stand, and which of them go first where
-- there is no room for all.
local ORDER = { "rate", "postfix", "outcomes", "stalled", "time" }

-- The parts of a line: what stands before the bar; the finished share or nil; the count; the
-- figures by name.
local function parts(bar, now)
  local elapsed, total = clock(now - bar.began), bar.total
  local rate = shown_rate(bar, now)
  local head = bar.desc ~= "" and bar.desc .. ": " or ""
  local stalled = is_stalled(bar, now)
  local figures = { rate = speed(rate, bar.unit), postfix = bar.postfix,
    outcomes = bar.outcomes and bar.outcomes() or "",
    stalled = stalled and bar.stalled and bar.stalled(now) or "" }
  if not total or bar.n > total then
    figures.time = elapsed
    return head, nil, ("%s %s"):format(figure(bar.n), bar.unit), figures
  end
  local share = total > 0 and bar.n / total or 1
  local left = share == 1 and "00:00" or stalled and "?" or time_left(bar, rate)
  figures.time = elapsed .. "<" .. left
  return head, share, ("%s/%s"):format(figure(bar.n), figure(total)), figures
end

-- The figures as text: " [00:01<00:02, 40.1 it/s, 98 ok, 2 failed]"; "" without any.
local function bracket(figures)
  local shown = {}
  for _, name in ipairs { "time", "rate", "outcomes", "postfix", "stalled" } do
    local text = figures[name]
    if text and text ~= "" then shown[#shown + 1] = text end
  end
  return shown[1] and (" [%s]"):format(table.concat(shown, ", ")) or ""
end

-- What fits of a line without a bar: whole fields, as long as the width has room for one.
local function fitting(head, percent, count, figures, width)
  local lead = head .. (percent and percent .. " " or "")
  for i = 0, #ORDER do
    if i > 0 then figures[ORDER[i]] = nil end
    local text = lead .. count .. bracket(figures)
    if screen.width(text) <= width then return text end
  end
  if percent and screen.width(head .. percent) <= width then return head .. percent end
  return screen.cut(head .. (percent or count), width)
end

-- Whether the user's terminal takes UTF-8. An empty variable counts as none, as it does for libc.
local function takes_utf8()
  for _, name in ipairs { "LC_ALL", "LC_CTYPE", "LANG" } do
    local value = os.getenv(name) or ""
    if value ~= "" then return value:upper():find("UTF%-?8") ~= nil end
  end
  return false
end

local is_utf8 = takes_utf8()
local EIGHTHS = { [0] = "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" }

local function fill(share, width)
  if not is_utf8 then
    local full = math.floor(share * width)
    return ("#"):rep(full) .. ("-"):rep(width - full)
  end
  local eighths = math.floor(share * width * 8)
  local full, part = eighths // 8, EIGHTHS[eighths % 8]
  return ("█"):rep(full) .. part .. (" "):rep(width - full - (part == "" and 0 or 1))
end

--- A line of at most `width` columns: where there is no room for all, it is cut at whole fields.
---@param bar table
---@param now number
---@param width integer
---@return string
function M.bar(bar, now, width)
  local head, share, count, figures = parts(bar, now)
  if not share then return fitting(head, nil, count, figures, width) end
  local percent, tail = ("%3d%%"):format(math.floor(share * 100)), count .. bracket(figures)
  local room = math.min(60, width - screen.width(head .. tail) - #percent - 3)
  if room < 5 then return fitting(head, percent, count, figures, width) end
  return ("%s%s|%s| %s"):format(head, percent, fill(share, room), tail)
end

--- A line of a file, with its newline.
---@param bar table
---@param now number
---@return string
function M.plain(bar, now)
  local head, share, count, figures = parts(bar, now)
  local percent = share and ("%d%% "):format(math.floor(share * 100)) or ""
  return head .. percent .. count .. bracket(figures) .. "\n"
end

--- One line, whatever it is made of.
---@param text any
---@return string
function M.one_line(text)
  text = tostring(text)
  if not utf8.len(text) then text = text:gsub("[\x80-\xFF]", "?") end
  return (text:gsub("\xC2[\x80-\x9F]", " "):gsub("%c+", " "))
end

return M
