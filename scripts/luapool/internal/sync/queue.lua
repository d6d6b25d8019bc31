-- internal.sync.queue: items from those who put to those who get, in an order, with a bound. An
-- item that somebody waits for is handed to him directly. With `redeliver` an item is lent to
-- the task that got it, until the task says that it is done.
--@whole

local class = require "luapool.internal.sync.class"
local core = require "luapool.sync.core"
local errors = require "luapool.error.core"
local lending = require "luapool.internal.sync.lending"
local options = require "luapool.internal.options"
local usage = require "luapool.internal.usage"
local order = require "luapool.internal.sync.order"
local prefetch = require "luapool.internal.sync.prefetch"
local mine, raise, check_timeout = core.holder, errors.raise, class.check_timeout
local getmetatable = getmetatable

local M = {}

---@within sync
---@class luapool.sync.QueueOptions
---@field maxsize? integer `put` waits while so many are in it; default: no bound
---@field order? "fifo"|"lifo"|"priority" what `get` takes: the oldest item, the newest, or the
--- one of the smallest priority; default "fifo"
---@field redeliver? boolean lend items until they are finished; default false

---@within sync
---@class luapool.sync.PutOptions
---@field timeout? number seconds to wait for room
---@field priority? number with `order = "priority"`: the smallest goes first; default 0

---@within sync
---@class luapool.sync.TryPutOptions
---@field priority? number with `order = "priority"`: the smallest goes first; default 0

local check_new = options.define("sync.queue", {
  maxsize = "count", order = { "fifo", "lifo", "priority" }, redeliver = "boolean",
})
local PUT = options.define("queue:put", { timeout = "seconds", priority = "number" })
local TRY_PUT = options.define("queue:try_put", { priority = "number" })
local CLOSED = "the queue is closed"

-- ---- putting ----

-- The queue takes an item that there is room for.
local function take_in(self, value, priority)
  self.unfinished = self.unfinished + 1
  local waited, who = self.getters:wake(value, priority)
  if not waited then return self.items:push(value, priority) end
  if self.lent then lending.lend(self, who, value, priority) end
end

local function check_put(self, value, opts, where, check)
  class.check_self(self, M.class, where)
  if value == nil then usage.expected(where, 1, "a value that is not nil", value) end
  if opts ~= nil then check(opts) end
  if self.closed then raise("closed", CLOSED) end
end

-- ---- getting ----

-- How many items are in it: those that were sent ahead and not taken, too.
local function count(self)
  if self.lanes then return self.items.n + prefetch.count(self) end
  return self.items.n
end

-- There is room: the first of those who wait to put has put.
local function let_in(self)
  local waited, value, priority = self.putters:wake()
  if waited then take_in(self, value, priority) end
end

-- Takes the next item out; there is one.
local function take_out(self, who)
  local value, priority = self.items:pop()
  self.brought = false
  if self.bounded then let_in(self) end
  if self.lent then lending.lend(self, who, value, priority) end
  return value, priority
end

-- The oldest item that was sent ahead to a worker and that no task there has taken is the next
-- one; at most one is so, at the place `brought`, until it leaves the queue or its place.
local function bring_back(self)
  local items = self.items
  if items.n > 0 and items.first == self.brought then return end
  local value = prefetch.oldest(self)
  if value == nil then return end
  items:back(value)
  self.brought = items.first
end

-- The next item, waited for, and its priority; nil when the queue is closed and empty.
local function next_item(self, who, timeout)
  if self.lanes then bring_back(self) end
  if self.items.n > 0 then return take_out(self, who) end
  if self.closed and lending.stalled(self, who) then
    self.getters:wake_all()
    return nil
  end
  return self.getters:wait(timeout, who)
end

local function get(self, who, timeout)
  check_timeout(timeout, "queue:get")
  local value, priority = next_item(self, who, timeout)
  if value == nil then raise("closed", CLOSED) end
  return value, priority
end

local function try_get(self, who)
  if self.lanes then bring_back(self) end
  if self.items.n > 0 then return take_out(self, who) end
end

-- An item did not reach who got it: it is the next one again. A holder that lives returns what
-- it was lent.
local function put_back(self, value, priority)
  local waited, who = self.getters:wake(value, priority)
  if not waited then return self.items:back(value, priority) end
  if self.lent then lending.lend(self, who, value, priority) end
end

-- What `who` was given has not reached him.
local function undo(self, who, value, priority)
  if self.lent and not lending.give_up(self, who, value) then return end
  put_back(self, value, priority)
end

local function finish(self, n)
  self.unfinished = math.max(self.unfinished - n, 0)
  if self.unfinished == 0 then self.joiners:wake_all() end
end

-- Nobody will put or return anything any more: those who wait to get have waited for nothing.
local function check_end(self)
  if self.closed and self.items.n == 0 and lending.stalled(self) then self.getters:wake_all() end
end

local function task_done(self, who)
  if self.lent then
    if not lending.settle(self, who) then
      raise("not_held", "this task has no item of the queue")
    end
  elseif self.unfinished == 0 then
    raise("not_held", "task_done was called more often than items were put")
  end
  finish(self, 1)
  check_end(self)
end

-- What was lent to a task that has ended: done if it ended normally, else the next items again,
-- in their order.
local function orphan(self, who, how)
  local list = lending.take(self, who)
  if how == "done" then
    finish(self, #list)
  else
    for i = #list, 1, -1 do
      put_back(self, list[i][1], list[i][2])
    end
  end
  check_end(self)
end

local function get_waits(self, who)
  if self.lanes then bring_back(self) end
  return self.items.n == 0 and not (self.closed and lending.stalled(self, who))
end

-- What a worker's proxy does with items that main has sent ahead. `got` counts those that tasks
-- here have got and not finished: main need not be asked whether they may be finished.
local function take_or_ask(ask)
  return function(self, timeout)
    if timeout ~= nil then check_timeout(timeout, "queue:get") end
    local value = core.take(self.number)
    if value == nil then value = ask(self, timeout) end
    if value ~= nil then self.got = self.got + 1 end
    return value
  end
end

local function finish_or_ask(ask)
  return function(self)
    if self.got == 0 or not core.finish(self.number) then ask(self) end
    if self.got > 0 then self.got = self.got - 1 end
  end
end

--- Items from the tasks that put to those that get. `#queue` is how many are in it. See
--- `sync.queue`.
---@within sync
---@operator len: integer
---@class luapool.sync.Queue
local Queue = class.new("queue", {
  remote = {
    get = get,
    next = next_item,
    try_get = try_get,
    task_done = task_done,
  },
  waits = {
    put = function(self) return count(self) >= self.maxsize and not self.closed end,
    get = get_waits,
    next = get_waits,
    join = function(self) return self.unfinished > 0 end,
  },
  undo = { get = undo, next = undo, try_get = undo },
  ahead = {
    get = take_or_ask,
    next = take_or_ask,
    try_get = take_or_ask,
    task_done = finish_or_ask,
  },
  proxy = {
    got = 0,
    iter = function(self)
      if not self then class.check_self(self, M.class, "queue:iter") end
      return function() return self:next() end
    end,
    __close = function(self) self:close() end,
  },
  orphan = orphan,
})

--- Puts an item into the queue; waits while the queue is full.
---
--- ```lua
--- local queue = sync.queue { order = "priority", maxsize = 2 }
--- queue:put("later", { priority = 5 })
--- queue:put("now", { priority = -1 })
--- local ok, e = pcall(queue.put, queue, "no room", { timeout = 0.01 })
--- print(e.kind, queue:get(), queue:get()) --> timeout now later
--- ```
---@async
---@param value any not nil
---@param opts? luapool.sync.PutOptions
---@raises closed
---@raises timeout
function Queue:put(value, opts)
  if value == nil or opts ~= nil or self.closed then
    check_put(self, value, opts, "queue:put", PUT)
  end
  local priority = opts and opts.priority or 0
  if self.items.n < self.maxsize and (not self.lanes or count(self) < self.maxsize) then
    return take_in(self, value, priority)
  end
  if self.putters:wait(opts and opts.timeout, value, priority) then raise("closed", CLOSED) end
end

--- Puts an item into the queue if there is room.
---
--- ```lua
--- local queue = sync.queue { maxsize = 1 }
--- print(queue:try_put("a", { priority = 1 }), queue:try_put "b") --> true false
--- ```
---@param value any not nil
---@param opts? luapool.sync.TryPutOptions
---@return boolean put
---@raises closed
function Queue:try_put(value, opts)
  check_put(self, value, opts, "queue:try_put", TRY_PUT)
  if count(self) >= self.maxsize then return false end
  take_in(self, value, opts and opts.priority or 0)
  return true
end

--- Takes the next item out of the queue; waits while there is none.
---
--- ```lua
--- local queue = sync.queue()
--- print(select(2, pcall(queue.get, queue, 0.01)).kind) --> timeout
--- queue:close()
--- print(select(2, pcall(queue.get, queue)).kind) --> closed
--- ```
---@async
---@param timeout? number seconds
---@return any item
---@raises timeout
---@raises closed the queue is closed and empty
function Queue:get(timeout)
  if getmetatable(self) ~= Queue then class.check_self(self, Queue, "queue:get") end
  return (get(self, self.lent and mine(), timeout))
end

--- Takes the next item out of the queue if there is one.
---
--- ```lua
--- local queue = sync.queue()
--- queue:put "a"
--- print(queue:try_get(), queue:try_get()) --> a nil
--- ```
---@return any item or nil
function Queue:try_get()
  class.check_self(self, Queue, "queue:try_get")
  return (try_get(self, self.lent and mine()))
end

--- Returns an iterator that takes the items out, until the queue is closed and empty.
---
--- ```lua
--- local queue = sync.queue()
--- queue:put "a"
--- queue:put "b"
--- queue:close()
--- for item in queue:iter() do print(item) end
--- --> a
--- --> b
--- ```
---@async
---@return fun(): any iterator
function Queue:iter()
  class.check_self(self, Queue, "queue:iter")
  return function() return (next_item(self, self.lent and mine())) end
end

--- Says that an item is finished; with `redeliver` it is the oldest that this task got.
---
--- ```lua
--- local queue = sync.queue()
--- queue:put "work"
--- local worker = task.spawn(function() queue:get() queue:task_done() end)
--- queue:join() -- until it is finished
--- worker:await()
--- print(select(2, pcall(queue.task_done, queue)).kind) --> not_held
--- ```
---@raises not_held it was called more often than items were put, or the task has no item
function Queue:task_done()
  class.check_self(self, Queue, "queue:task_done")
  task_done(self, self.lent and mine())
end

--- Waits until `task_done` was called for every item that was put.
---
--- ```lua
--- local queue = sync.queue()
--- queue:put "never finished"
--- print(select(2, pcall(queue.join, queue, 0.01)).kind) --> timeout
--- ```
---@async
---@param timeout? number seconds
---@raises timeout
function Queue:join(timeout)
  class.check_self(self, Queue, "queue:join")
  check_timeout(timeout, "queue:join")
  if self.unfinished > 0 then self.joiners:wait(timeout) end
end

--- Closes the queue: it takes no more items; those in it can still be got. Leaving the scope of
--- `<close>` does it too.
---
--- ```lua
--- local queue = sync.queue()
--- queue:put "last"
--- queue:close()
--- print(queue:get(), select(2, pcall(queue.put, queue, 1)).kind) --> last closed
--- ```
function Queue:close()
  class.check_self(self, Queue, "queue:close")
  if self.closed then return end
  self.closed = true
  self.putters:wake_all(true)
  check_end(self)
end

Queue.__close = Queue.close

function Queue:__len() return count(self) end

--- The worker has finished items of a lane, or taken some: there is room for others.
---@param lane luapool.sync.Lane
function M.moved(lane)
  local self = lane.queue
  finish(self, prefetch.finished(lane))
  if self.bounded then
    while #self.putters > 0 and count(self) < self.maxsize do let_in(self) end
  end
  check_end(self)
end

--- A worker does not use a lane any more: what nobody there has taken are the next items again.
---@param lane luapool.sync.Lane
function M.close_lane(lane)
  M.moved(lane)
  prefetch.close(lane, put_back)
end

M.class = Queue

class.open(Queue, "put", "try_put", "join", "close", "__len")

--- Makes a queue.
---
--- With `redeliver` an item is lent to the task that got it: `task_done` finishes its oldest, a
--- task that ends normally finishes all of its own, and a task that fails or dies puts the rest
--- back in front. So each item is worked on at least once. Without it only what was still on
--- its way to a worker that died is put back.
---
--- ```lua
--- local jobs, done = sync.queue { maxsize = 10, order = "fifo", redeliver = true }, sync.queue()
--- local worker = process.new(function()
---   for n in jobs:iter() do
---     done:put(n * n)
---     jobs:task_done()
---   end
--- end)
--- worker:start()
--- for n = 1, 3 do jobs:put(n) end
--- jobs:close()
--- worker:join()
--- print(done:get(), done:get(), done:get()) --> 1 4 9
--- ```
---@function sync.queue
---@param opts? luapool.sync.QueueOptions
---@return luapool.sync.Queue
function M.new(opts)
  opts = check_new(opts)
  return setmetatable({
    items = order[opts.order or "fifo"](),
    maxsize = opts.maxsize or math.huge,
    bounded = opts.maxsize ~= nil,
    lent = opts.redeliver and {} or false,
    ahead = (opts.order or "fifo") == "fifo" and not opts.redeliver,
    lanes = false, -- worker -> luapool.sync.Lane, once items are sent ahead
    batches = 0,
    brought = false, -- the place of an item that was taken back from a lane, and is the next one
    closed = false,
    unfinished = 0,
    getters = core.waiters "queue get",
    putters = core.waiters "queue put",
    joiners = core.waiters "queue join",
  }, Queue)
end

return M
