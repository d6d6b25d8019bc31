-- internal.progress.board: the open bars of a process, and when they are shown. Main draws its own
-- bars and those of its workers: at the bottom of the terminal, through luapool.term.core, or as
-- plain lines. A worker posts the state of its bars to main, a few times a second; main keeps a bar
-- for each of them until it is closed or the worker is gone.

local class = require "luapool.internal.sync.class"
local core = require "luapool.core"
local line = require "luapool.internal.progress.line"
local screen = require "luapool.term.core"
local settings = require "luapool.internal.settings"
local task = require "luapool.task.core"
local sync = require "luapool.sync.core"

local M = {}

-- Seconds between two drawings, two plain lines, two posts of a worker; and without the end of an
-- item, before a worker posts what its oldest one waits for.
M.interval = 0.1
M.plain_interval = 10
M.post_interval = 0.2
M.stall_interval = 5

-- The number under which workers post to main's board.
local BOARD = 0

-- The open bars in the order of their making, the task that shows them while nothing moves, and
-- when they were shown last.
local bars, ticker, shown = {}, nil, 0

-- The number of the latest bar that this worker has posted.
local posted = 0

-- "bar", "plain", "post" or "off".
local function mode()
  if settings.progress == "off" then return "off" end
  if core.worker then return "post" end
  if not screen.owned() or os.getenv "TERM" == "dumb" then return "plain" end
  local plain = (os.getenv "NO_COLOR" or "") ~= "" and settings.progress ~= "on"
  return plain and "plain" or "bar"
end

-- The bars that are on the terminal, as many as it has rows for.
local function draw(now)
  local columns, rows = screen.size()
  local lines = {}
  for _, bar in ipairs(bars) do
    if bar.mode == "bar" and #lines < rows - 1 then
      line.look(bar, now)
      lines[#lines + 1] = line.bar(bar, now, columns - 1)
    end
  end
  screen.draw(table.concat(lines, "\n"))
end

local function write_lines(now)
  for _, bar in ipairs(bars) do
    if bar.mode == "plain" and now - bar.written >= M.plain_interval then
      line.look(bar, now)
      bar.written = now
      screen.print(line.plain(bar, now))
    end
  end
end

local function post(bar)
  bar.changed = false
  sync.post(BOARD, 0, "show", bar.number, bar.n, bar.total, bar.desc, bar.unit, bar.postfix,
    bar.closed)
end

local function show(now)
  shown = now
  if core.worker then
    for _, bar in ipairs(bars) do
      if bar.changed then post(bar) end
    end
  else
    draw(now)
    write_lines(now)
  end
end

local function pause()
  if core.worker then return M.post_interval end
  return bars[1].mode == "bar" and M.interval or M.plain_interval
end

local function tick()
  while bars[1] do
    task.sleep_unref(pause())
    if bars[1] then show(task.now()) end
  end
end

--- Opens a bar: sets the fields of `bar` that are for showing it. It has `desc`, `unit`,
--- `postfix`, `n`, `initial` and perhaps `total`.
---@param bar table
function M.open(bar)
  local now = task.now()
  bar.mode = mode()
  bar.began, bar.written = now, now
  bar.looked, bar.seen, bar.average, bar.rate, bar.gap = now, bar.initial, 0, 0, 0
  if bar.mode == "off" then return end
  table.insert(bars, bar)
  if bar.mode == "bar" then draw(now) end
  if bar.mode == "post" then
    posted = posted + 1
    bar.number = posted
    post(bar)
  end
  if ticker then return end
  ticker = task.spawn(tick)
  ticker:name "progress"
end

--- Something of an open bar has changed.
---@param bar table
function M.changed(bar)
  if bar.mode == "off" or bar.closed then return end
  bar.changed = true
  local now = task.now()
  if now - shown >= (core.worker and M.post_interval or M.interval) then show(now) end
end

local function remove(bar)
  for i, other in ipairs(bars) do
    if other == bar then table.remove(bars, i) end
  end
  if bars[1] or not ticker then return end
  ticker:cancel()
  ticker = nil
end

--- The bar stays as it is now; others are drawn below it.
---@param bar table
function M.close(bar)
  bar.closed = true
  local now = task.now()
  remove(bar)
  if bar.mode == "post" then
    post(bar)
  elseif bar.mode == "bar" then
    screen.draw ""
    screen.print(line.bar(bar, now, screen.size() - 1) .. "\n")
    draw(now)
  elseif bar.mode == "plain" and (settings.progress == "on" or bar.written > bar.began) then
    screen.print(line.plain(bar, now))
  end
end

-- ---- workers: what a stalled job waits for ----

--- A worker in which nothing has ended for a while posts to main what its oldest task waits for,
--- where main shows it. `dump` returns the list of its tasks, the oldest first.
---@param dump fun(): string
function M.stalled(dump)
  if mode() ~= "post" then return end
  local number, state = dump():match "^task (%d+) ([^\n]*)"
  if not number then return end
  state = state:match "(waits for .*) for [%d.]+ s" or state
  sync.post(BOARD, 0, "waits", math.tointeger(tonumber(number)), state)
end

-- ---- main: the bars of workers ----

-- For each worker, which `who.process` stands for, the bars that it has open, by its number.
local of_workers = {}

-- What each worker has posted last of its oldest task; and for how many seconds that holds.
local waits, FRESH = {}, 12

-- A worker has ended with bars open: they vanish as those of main do when it ends.
local function forget(_, process)
  for _, bar in pairs(of_workers[process] or {}) do
    bar.closed = true
    remove(bar)
  end
  of_workers[process], waits[process] = nil, nil
  draw(task.now())
end

local function wait_of_worker(board, who, number, state)
  local process = who.process
  if not waits[process] then class.hold(process, board) end
  waits[process] = { number = number, state = line.one_line(state), at = task.now() }
end

--- What the oldest task of all workers waits for, as far as they have posted it of late.
---@param now number
---@return string|nil
function M.oldest_wait(now)
  local oldest
  for _, one in pairs(waits) do
    if now - one.at < FRESH and (not oldest or one.number < oldest.number) then oldest = one end
  end
  return oldest and oldest.state
end

local function show_of_worker(board, who, number, n, total, desc, unit, postfix, closed)
  local process = who.process
  local theirs = of_workers[process]
  if not theirs then
    theirs = {}
    of_workers[process] = theirs
    class.hold(process, board)
  end
  local bar = theirs[number] or { n = 0, initial = 0, desc = desc, unit = unit, postfix = "" }
  bar.n, bar.total, bar.postfix = n, total, postfix
  if not theirs[number] then
    theirs[number] = bar
    M.open(bar)
  end
  if not closed then return M.changed(bar) end
  theirs[number] = nil
  M.close(bar)
end

local Board = class.new("bars", { remote = { show = show_of_worker, waits = wait_of_worker },
  orphan = forget })

--- What internal.sync.remote gives to workers that ask for object 0.
M.shared = setmetatable({}, Board)

return M
