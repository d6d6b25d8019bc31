-- internal.job.input: the `items` of a job, a list or an iterator. An iterator, which may wait, is
-- read by a task of its own, a bounded number of items ahead. Runs in main only.
--@whole

local core = require "luapool.task.core"
local lists = require "luapool.internal.items"
local options = require "luapool.internal.options"
local order = require "luapool.internal.sync.order"
local task = require "luapool.task"

local now = task.now

-- How many items an iterator is read ahead of the workers.
local AHEAD = 64

-- An iterator may block the process, as one of io.popen does. So each item is handed out before the
-- next one is pulled, until QUICK_ITEMS items in a row have come without a pause of PAUSE seconds.
local QUICK_ITEMS, PAUSE = 20, 0.001

---@class luapool.job.input
---@field entry fun(item: any): luapool.job.entry|nil counts an item; nil when it was seen before
---@field on_news fun(ended: boolean) called when an entry has been read ahead, and at the end
---@field on_end fun() called when an iterator has ended by itself; it may raise
---@field list table|nil the items, when they are a list
---@field at integer index of the latest item of `list` that was given out
---@field puller luapool.Task|nil the task that reads the iterator; it fails when the iterator does
---@field ahead table queue of the entries that the puller has read ahead
---@field ended boolean|nil the iterator has ended
---@field stopped boolean|nil nothing more is read
---@field space luapool.Promise|nil the puller waits for it
local Input = { __name = "luapool.job.input" }
Input.__index = Input

local M = {}

local function wake_puller(self)
  local promise = self.space
  self.space = nil
  if promise then promise:resolve() end
end

local function wait_for_space(self)
  self.space = task.promise()
  task.wait { self.space }
end

-- The puller's task: reads the iterator, which may wait, until it ends.
local function pull(self, iterator)
  local _ <close> = setmetatable({}, { __close = function()
    self.ended = true
    self.on_news(true)
  end })
  local quick, ahead = 0, self.ahead
  while not self.stopped do
    local began = now()
    local item = iterator()
    if item == nil then return self.on_end() end
    local entry = self.entry(item)
    if entry then ahead:push(entry) end
    self.on_news(false)
    quick = now() - began < PAUSE and quick + 1 or 0
    if quick < QUICK_ITEMS then core.turn() end
    while ahead.n >= AHEAD and not self.stopped do wait_for_space(self) end
  end
end

local function from_list(self)
  local list = self.list
  while list and self.at < #list do
    self.at = self.at + 1
    local entry = self.entry(list[self.at])
    if entry then return entry end
  end
  return nil
end

local function from_ahead(self)
  local ahead = self.ahead
  if ahead.n == 0 then return nil end
  local entry = ahead:pop()
  if ahead.n < AHEAD // 2 then wake_puller(self) end
  return entry
end

--- The next entry; nil when there is none now.
---@return luapool.job.entry|nil
function Input:next() return from_list(self) or from_ahead(self) end

--- Whether an entry may come of an iterator.
---@return boolean
function Input:is_open() return self.puller and not self.ended or self.ahead.n > 0 end

--- How many items will come that were not counted yet; nil while an iterator goes on.
---@return integer|nil
function Input:left()
  if self.list then return #self.list - self.at end
  return self.ended and 0 or nil
end

--- Reads no more. Returns how many items of a list are left.
---@return integer
function Input:stop()
  local left = self.list and #self.list - self.at or 0
  self.at, self.stopped = self.at + left, true
  wake_puller(self)
  return left
end

--- Ends the task that reads the iterator.
function Input:close()
  if self.puller then self.puller:cancel "the job has ended" end
end

--- Ends the reading, and forgets what was read ahead.
function Input:drop()
  self.ended, self.list = true, nil
  self.ahead = order.fifo()
  self:close()
end

local function is_list(value)
  return type(value) == "table" and not options.callable(value)
end

-- An iterator that has given its first item when it was called.
local function behind(first, iterator)
  return function(...)
    local item = first
    first = nil
    if item ~= nil then return item end
    return iterator(...)
  end
end

-- Opens a list, or an iterator as a `for` loop takes one.
local function open_items(self, items, state, control)
  if is_list(items) then
    local problem = lists.problem(items)
    if problem then error("field 'items': " .. problem, 0) end
    self.list = items
    return
  end
  local iterator = state == nil and items or function()
    control = items(state, control)
    return control
  end
  self.puller = task.spawn(pull, self, iterator)
  self.puller:name "items"
end

-- Opens what the job's function `items` has returned. A function in C, as of `items = io.lines()`,
-- is the iterator itself: what it has returned is its first item.
local function open_returned(self, items, first, ...)
  if is_list(first) or options.callable(first) then return open_items(self, first, ...) end
  if debug.getinfo(items, "S").what == "C" then return open_items(self, behind(first, items)) end
  local info = debug.getinfo(items, "S")
  error(("%s:%d: the function 'items' returned %s: a list or an iterator expected")
    :format(info.short_src, info.linedefined, first == nil and "nil" or "a " .. type(first)), 0)
end

--- Opens the items of a checked job. A function `items` may wait.
---@param items any
---@param ctx table passed to a function `items`
---@param callbacks { entry: function, on_news: function, on_end: function } see luapool.job.input
---@return luapool.job.input
function M.open(items, ctx, callbacks)
  local self = setmetatable({
    entry = callbacks.entry,
    on_news = callbacks.on_news,
    on_end = callbacks.on_end,
    at = 0,
    ahead = order.fifo(),
  }, Input)
  if type(items) == "function" then
    open_returned(self, items, items(ctx))
  else
    open_items(self, items)
  end
  return self
end

return M
