-- luapool.progress: bars. On a terminal they are drawn at its bottom by luapool.term.core, at
-- most ten times a second; elsewhere each writes a plain line, at most one in ten seconds. Only
-- main draws: in a worker a bar counts and shows nothing.

local core = require "luapool.core"
local lists = require "luapool.internal.items"
local options = require "luapool.internal.options"
local screen = require "luapool.term.core"
local settings = require "luapool.internal.settings"
local sleep_unref = require("luapool.task.core").sleep_unref
local task = require "luapool.task"
local usage = require "luapool.internal.usage"

--- Progress bars on stderr, with rate and remaining time. On a terminal they stay at its bottom;
--- elsewhere each bar writes a plain line, at most one in ten seconds; with `--progress off`
--- nothing.
---
--- ```lua
--- local sum = 0
--- for n in progress.wrap({ 1, 2, 3 }, { desc = "adding" }) do sum = sum + n end
--- print(sum) --> 6
--- ```
---@class luapool.progress
local M = {}

--- Seconds between two drawings of the bars.
---
--- ```lua
--- print(progress.interval) --> 0.1
--- ```
---@type number
M.interval = 0.1

--- Seconds between two plain lines of a bar, where there is no terminal.
---
--- ```lua
--- print(progress.plain_interval) --> 10
--- ```
---@type number
M.plain_interval = 10

-- How fast the shown rate forgets, in seconds.
local MEMORY = 5

--- One line of progress: see `progress.bar`. Leaving the scope of `<close>` closes it.
---@class luapool.progress.Bar
---@field n number how many are done
---@field total? number how many there are
local Bar = { __name = "luapool.progress.Bar" }
Bar.__index = Bar

-- The open bars in the order of their making, the task that draws them while nothing moves, and
-- when they were drawn last.
local bars, ticker, drawn = {}, nil, 0

-- "bar", "plain" or "off".
local function mode()
  if core.worker or settings.progress == "off" then return "off" end
  if not core.isatty(2) or os.getenv "TERM" == "dumb" then return "plain" end
  local plain = (os.getenv "NO_COLOR" or "") ~= "" and settings.progress ~= "on"
  return plain and "plain" or "bar"
end

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

-- The rate of late: an average in which a second counts the less the longer ago it is. While the
-- bar is young its missing past is left out.
local function look(bar, now)
  local passed = now - bar.looked
  if passed <= 0 then return end
  local latest = (bar.n - bar.seen) / passed
  bar.average = bar.average + (1 - math.exp(-passed / MEMORY)) * (latest - bar.average)
  bar.rate = bar.average / (1 - math.exp(-(now - bar.began) / MEMORY))
  bar.looked, bar.seen = now, bar.n
end

-- The parts of a line: what stands before the bar, the finished share or nil, what stands behind.
local function parts(bar, now)
  local elapsed = now - bar.began
  local done = bar.closed and elapsed > 0 and bar.n / elapsed or bar.rate
  local head = bar.desc ~= "" and bar.desc .. ": " or ""
  local extra = bar.postfix ~= "" and ", " .. bar.postfix or ""
  local total = bar.total
  if not total or bar.n > total then
    return head, nil, ("%s %s [%s, %s%s]"):format(figure(bar.n), bar.unit, clock(elapsed),
      speed(done, bar.unit), extra)
  end
  local share = total > 0 and bar.n / total or 1
  local left = share == 1 and "00:00" or done > 0 and clock((total - bar.n) / done) or "?"
  return head, share, ("%s/%s [%s<%s, %s%s]"):format(figure(bar.n), figure(total), clock(elapsed),
    left, speed(done, bar.unit), extra)
end

local is_utf8 = (os.getenv "LC_ALL" or os.getenv "LC_CTYPE" or os.getenv "LANG" or "")
  :upper():find("UTF%-?8") ~= nil
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

local function cut(text, width)
  if utf8.len(text) <= width then return text end
  return text:sub(1, utf8.offset(text, width + 1) - 1)
end

-- A line of at most `width` characters.
local function bar_line(bar, now, width)
  local head, share, tail = parts(bar, now)
  if not share then return cut(head .. tail, width) end
  local percent = ("%3d%%"):format(math.floor(share * 100))
  local room = math.min(60, width - utf8.len(head) - #percent - utf8.len(tail) - 3)
  if room < 5 then return cut(head .. percent .. " " .. tail, width) end
  return ("%s%s|%s| %s"):format(head, percent, fill(share, room), tail)
end

local function plain_line(bar, now)
  local head, share, tail = parts(bar, now)
  return head .. (share and ("%d%% "):format(math.floor(share * 100)) or "") .. tail .. "\n"
end

local function draw_bars(now)
  local lines, width = {}, screen.columns() - 1
  for _, bar in ipairs(bars) do
    if bar.mode == "bar" then
      look(bar, now)
      lines[#lines + 1] = bar_line(bar, now, width)
    end
  end
  screen.draw(table.concat(lines, "\n"))
end

local function write_lines(now)
  for _, bar in ipairs(bars) do
    if bar.mode == "plain" and now - bar.written >= M.plain_interval then
      look(bar, now)
      bar.written = now
      screen.print(plain_line(bar, now))
    end
  end
end

local function draw(now)
  drawn = now
  draw_bars(now)
  write_lines(now)
end

local function tick()
  while bars[1] do
    sleep_unref(bars[1].mode == "bar" and M.interval or M.plain_interval)
    if bars[1] then draw(task.now()) end
  end
end

local function add(bar)
  table.insert(bars, bar)
  if bar.mode == "bar" then draw(bar.began) end
  if ticker then return end
  ticker = task.spawn(tick)
  ticker:name "progress"
end

local function remove(bar)
  for i, other in ipairs(bars) do
    if other == bar then table.remove(bars, i) end
  end
  if bars[1] or not ticker then return end
  ticker:cancel()
  ticker = nil
end

-- One line, whatever it is made of.
local function one_line(text)
  text = tostring(text)
  if not utf8.len(text) then text = text:gsub("[\x80-\xFF]", "?") end
  return (text:gsub("%c+", " "))
end

local KNOWN = { total = "amount", desc = "any", unit = "string" }
local check_bar = options.define("progress.bar", KNOWN)
local check_wrap = options.define("progress.wrap", KNOWN)

---@class luapool.progress.Options
---@field total? number how many there are; without it there is a count and a rate
---@field desc? string stands in front
---@field unit? string what is counted; default "it"

--- Opens a bar, to be held in a `<close>` variable.
---
--- ```lua
--- local bar <close> = progress.bar { total = 100, desc = "pages", unit = "page" }
--- bar:update(25)
--- print(bar.n, bar.total) --> 25 100
--- ```
---@param opts? luapool.progress.Options
---@return luapool.progress.Bar
function M.bar(opts)
  opts = check_bar(opts)
  local now = task.now()
  local bar = setmetatable({
    n = 0, total = opts.total, desc = one_line(opts.desc or ""), unit = one_line(opts.unit or "it"),
    postfix = "", mode = mode(), began = now, written = now,
    looked = now, seen = 0, average = 0, rate = 0,
  }, Bar)
  if bar.mode ~= "off" then add(bar) end
  return bar
end

--- Says that so many more are done.
---
--- ```lua
--- local bar <close> = progress.bar()
--- bar:update()
--- bar:update(4)
--- print(bar.n) --> 5
--- ```
---@param n? number default 1
function Bar:update(n)
  usage.self(self, Bar, "Bar:update")
  if n ~= nil and math.type(n) ~= "integer" then usage.argument("Bar:update", 1, n, "finite") end
  self.n = self.n + (n or 1)
  if self.mode == "off" or self.closed then return end
  local now = task.now()
  if now - drawn >= M.interval then draw(now) end
end

--- Says how many there are, when that turns out later.
---
--- ```lua
--- local bar <close> = progress.bar()
--- bar:set_total(10)
--- ```
---@param total number? nil: not known
function Bar:set_total(total)
  usage.self(self, Bar, "Bar:set_total")
  usage.optional("Bar:set_total", 1, total, "amount")
  self.total = total
end

--- Shows something behind the figures, such as "loss=0.1, step=3".
---
--- ```lua
--- local bar <close> = progress.bar()
--- bar:set_postfix { loss = 0.1, step = 3 }
--- bar:set_postfix "nearly done"
--- ```
---@param postfix table<string, any>|string?
function Bar:set_postfix(postfix)
  usage.self(self, Bar, "Bar:set_postfix")
  usage.optional("Bar:set_postfix", 1, postfix, "table|string")
  if type(postfix) == "table" then
    local words = {}
    for key, value in pairs(postfix) do
      if math.type(value) == "float" then value = ("%.4g"):format(value) end
      words[#words + 1] = ("%s=%s"):format(key, value)
    end
    table.sort(words)
    postfix = table.concat(words, ", ")
  end
  self.postfix = one_line(postfix or "")
end

--- Closes the bar: it stays as it is now, and others are drawn below it.
---
--- ```lua
--- local bar = progress.bar { total = 1 }
--- bar:update()
--- bar:close()
--- ```
function Bar:close()
  usage.self(self, Bar, "Bar:close")
  if self.closed then return end
  self.closed = true
  local now = task.now()
  remove(self)
  if self.mode == "bar" then
    screen.draw ""
    screen.print(bar_line(self, now, screen.columns() - 1) .. "\n")
    draw_bars(now)
  elseif self.mode == "plain" and (settings.progress == "on" or self.written > self.began) then
    screen.print(plain_line(self, now))
  end
end

Bar.__close = Bar.close

-- What wrap returns: called as the iterator is, closed with the loop.
local Wrapped = { __name = "luapool.progress.wrap" }
Wrapped.__index = Wrapped

--- Closes the bar and what is wrapped; a loop that ends early does it.
---@param cause any
function Wrapped:close(cause)
  usage.self(self, Wrapped, "wrapped:close")
  self.bar:close()
  local inner, class = self.iterator, getmetatable(self.iterator)
  self.iterator = nil
  if type(class) == "table" and class.__close and inner then class.__close(inner, cause) end
end

Wrapped.__close = Wrapped.close
lists.mark(Wrapped)

local function pass(self, ...)
  if (...) ~= nil then
    if self.started then self.bar:update(1) end
    self.started = true
  else
    if self.started then self.bar:update(1) end
    self.bar:close()
  end
  return ...
end

function Wrapped:__call(...)
  return pass(self, self.iterator(...))
end

local function list_iterator(list)
  local i = 0
  return function()
    i = i + 1
    return list[i]
  end
end

local function is_list(value, class)
  return type(value) == "table" and not (class and class.__call)
end

--- Passes on all values of an iterator, or the items of a list, and shows how many there have been.
--- One counts as done when the next is asked for.
---
--- ```lua
--- local p <close> = pool.new { processes = 1 }
--- local results = p:map(string.upper, { "a", "b" })
--- for i, text in progress.wrap(results, { total = 2, unit = "word" }) do print(i, text) end
--- --> 1 A
--- --> 2 B
--- ```
---@param iterator function|table a callable, such as what `pool:map` returns, or a list
---@param opts? luapool.progress.Options
---@return fun(...): any iterator
function M.wrap(iterator, opts)
  local class = getmetatable(iterator)
  class = type(class) == "table" and class or nil
  local list = is_list(iterator, class)
  if not list and type(iterator) ~= "function" and not (class and class.__call) then
    usage.expected("progress.wrap", 1, "an iterator or a list", iterator)
  end
  opts = check_wrap(opts)
  local length = (list or class and class.__len) and #iterator or nil
  local bar = M.bar { total = opts.total or length, desc = opts.desc, unit = opts.unit }
  local wrapped = { iterator = list and list_iterator(iterator) or iterator, bar = bar }
  setmetatable(wrapped, Wrapped)
  return wrapped, nil, nil, wrapped
end

return M
