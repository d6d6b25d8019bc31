-- internal.job.source: where a job's items come from. There are three places: the job's `items`,
-- the items that ctx:add has added, and the items that wait for their next attempt. While all three
-- are empty but items are in flight, next() waits, because those may add some. Memory grows with
-- what is added, not with the input. Runs in main only.
--@whole

local lists = require "luapool.internal.items"
local options = require "luapool.internal.options"
local core = require "luapool.task.core"
local task = require "luapool.task"
local usage = require "luapool.internal.usage"

local now = task.now

-- How many items an iterator is read ahead of the workers.
local AHEAD = 64

-- An iterator may block the process, as one of io.popen does. So each item is handed out before the
-- next one is pulled, until QUICK_ITEMS items in a row have come without a pause of PAUSE seconds.
local QUICK_ITEMS, PAUSE = 20, 0.001

---@class luapool.job.entry: an item under way
---@field item any
---@field kind string
---@field attempts? integer how many there have been
---@field elapsed? number seconds since the first attempt began
---@field waited? number seconds of these that were spent waiting between attempts
---@field due? number when the next attempt may begin

---@class luapool.job.source
---@field totals table<string, integer> how many items of each kind there have been
---@field puller luapool.Task|nil the task that reads the iterator; it fails when the iterator does
---@field list table|nil the items, when they are a list
---@field at integer index of the latest item of `list` that was given out
---@field ahead table queue of the entries that the puller has read ahead
---@field added table queue of the entries that were added
---@field later luapool.job.entry[] the entries that wait for their next attempt, the earliest first
---@field in_flight integer how many entries next() has given that have not ended
---@field seen table|nil for each kind the set of keys that were seen, where items are dropped
---@field ended boolean|nil the iterator has ended
---@field stopped boolean|nil nothing more is given out
---@field resized boolean what known() returns may have changed; who has asked it sets it to false
---@field news luapool.Promise|nil next() waits for it
---@field space luapool.Promise|nil the puller waits for it
local Source = { __name = "luapool.job.source" }
Source.__index = Source

local M = {}

-- A queue of entries. What was pushed first is popped first.
local function queue() return { first = 1, last = 0 } end

local function push(q, entry)
  q.last = q.last + 1
  q[q.last] = entry
end

local function pop(q)
  local entry = q[q.first]
  if entry == nil then return nil end
  q[q.first] = nil
  q.first = q.first + 1
  return entry
end

local function length(q) return q.last - q.first + 1 end

-- Wakes the task that waits for the bell "news" or "space", if one does.
local function ring(self, bell)
  local promise = self[bell]
  self[bell] = nil
  if promise then promise:resolve() end
end

-- Waits until the bell is rung, for so many seconds at most when they are given. One task at a time
-- waits for a bell.
local function wait(self, bell, seconds)
  local promise = task.promise()
  self[bell] = promise
  task.wait({ promise }, { timeout = seconds })
end

local is_key = { string = true, number = true, boolean = true }

-- The key of an item. Items with the same key are the same item. A key must be a value that is
-- equal after it has travelled, because workers add items, too.
local function key_of(self, item)
  local key = item
  if self.key then key = self.key(item) end
  if is_key[type(key)] and key == key then return key end
  local what = key == nil and "nil" or key ~= key and "nan" or "a " .. type(key)
  if self.key then
    error(("the function 'key' returned %s: a string or a number expected"):format(what), 0)
  end
  error(("items are dropped when seen before (crawl), but %s is no key: say with the field 'key' "
    .. "what counts as the same"):format(what), 0)
end

-- Counts the item and returns true, or returns false when it was seen before.
local function admit(self, kind, item)
  if self.seen then
    local key, seen = key_of(self, item), self.seen[kind]
    if seen[key] then
      self.resized = true
      return false
    end
    seen[key] = true
  end
  self.totals[kind] = self.totals[kind] + 1
  return true
end

-- The puller's task: reads the iterator, which may wait, until it ends.
local function pull(self, iterator)
  local _ <close> = setmetatable({}, { __close = function()
    self.ended, self.resized = true, true
    ring(self, "news")
  end })
  local quick = 0
  while not self.stopped do
    local began = now()
    local item = iterator()
    if item == nil then return end
    if admit(self, self.start, item) then push(self.ahead, { item = item, kind = self.start }) end
    ring(self, "news")
    quick = now() - began < PAUSE and quick + 1 or 0
    if quick < QUICK_ITEMS then core.turn() end
    while length(self.ahead) >= AHEAD and not self.stopped do wait(self, "space") end
  end
end

local function from_list(self)
  local list = self.list
  while list and self.at < #list do
    self.at = self.at + 1
    local item = list[self.at]
    if admit(self, self.start, item) then return { item = item, kind = self.start } end
  end
  return nil
end

local function from_later(self)
  local entry = self.later[1]
  if not entry or entry.due > task.now() then return nil end
  entry.due = nil
  return table.remove(self.later, 1)
end

-- The next entry that may begin now, or nil. Retries and added items come first, so that few items
-- are open at a time.
local function take(self)
  local entry = from_later(self) or pop(self.added) or from_list(self)
  if entry or not self.puller then return entry end
  entry = pop(self.ahead)
  if entry and length(self.ahead) < AHEAD // 2 then ring(self, "space") end
  return entry
end

-- Whether no entry can come any more.
local function exhausted(self)
  return self.in_flight == 0 and not self.later[1] and (self.ended or not self.puller)
end

--- The next entry, or nil when none can come any more. It may wait. pool:map calls it.
---@return luapool.job.entry|nil
function Source:next()
  while not self.stopped do
    local entry = take(self)
    if entry then
      self.in_flight = self.in_flight + 1
      return entry
    end
    if exhausted(self) then return nil end
    local first = self.later[1]
    wait(self, "news", first and math.max(0, first.due - task.now()))
  end
  return nil
end

--- Adds an item. Returns false when it was seen before.
---@param item any
---@param kind? string
---@return boolean added
function Source:add(item, kind)
  kind = kind or self.start
  if not self.totals[kind] then
    usage.raise("ctx:add", "unknown kind '%s'%s", kind, options.hint(kind, self.totals))
  end
  if item == nil then usage.expected("ctx:add", 1, "an item", item) end
  if not admit(self, kind, item) then return false end
  self.resized = true
  push(self.added, { item = item, kind = kind })
  ring(self, "news")
  return true
end

--- Tells the source that an entry which next() gave has ended.
function Source:settle()
  self.in_flight = self.in_flight - 1
  if self.in_flight == 0 then ring(self, "news") end
end

--- Takes back an entry that next() gave and whose attempt has failed: next() gives it again after
--- `seconds`.
---@param entry luapool.job.entry
---@param seconds number
function Source:again(entry, seconds)
  entry.due = task.now() + seconds
  local at = #self.later + 1
  while at > 1 and self.later[at - 1].due > entry.due do at = at - 1 end
  table.insert(self.later, at, entry)
  self:settle()
  ring(self, "news")
end

--- From now on next() returns nil. What is left of a list is counted, so that the summary shows it
--- as cancelled.
function Source:stop()
  self.stopped, self.resized = true, true
  if self.list and not self.seen then
    self.totals[self.start] = self.totals[self.start] + #self.list - self.at
    self.at = #self.list
  end
  ring(self, "news")
  ring(self, "space")
end

--- Ends the reading of the iterator.
function Source:close()
  self:stop()
  if self.puller then self.puller:cancel "the job has ended" end
end

--- How many items of a kind there will be as far as can be told, or nil while an iterator of them
--- goes on.
---@param kind string
---@return integer|nil
function Source:known(kind)
  local known = self.totals[kind]
  if kind ~= self.start or self.stopped then return known end
  if self.list then return known + #self.list - self.at end
  return self.ended and known or nil
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

--- Opens the source of a checked job. The job's `items` function may wait.
---@param spec table see luapool.job.spec
---@param ctx table passed to `items`
---@return luapool.job.source
function M.open(spec, ctx)
  local totals, seen = {}, {}
  for name in pairs(spec.kinds) do totals[name], seen[name] = 0, {} end
  local self = setmetatable({
    start = spec.start,
    key = spec.key,
    seen = spec.once and seen or nil,
    totals = totals,
    in_flight = 0,
    resized = true,
    at = 0,
    ahead = queue(),
    added = queue(),
    later = {},
  }, Source)
  rawset(ctx, "source", self)
  if type(spec.items) == "function" then
    open_returned(self, spec.items, spec.items(ctx))
  else
    open_items(self, spec.items)
  end
  return self
end

return M
