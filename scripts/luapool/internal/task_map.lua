-- internal.task_map: task.map: the handle of a map (see luapool.map) over tasks of this process.
--@whole

local core = require "luapool.task.core"
local lists = require "luapool.internal.items"
local maps = require "luapool.internal.map"
local options = require "luapool.internal.options"
local usage = require "luapool.internal.usage"

local CONCURRENCY = 100

local check = options.define("task.map", {
  concurrency = "concurrency",
  ordered = "boolean",
  return_errors = "boolean",
  on_error = "callable",
})

local Handle = {}
Handle.__index = Handle

--- The next item; waits for room. False when there is none, or nobody wants it any more.
function Handle:put(...)
  if (...) == nil or self.cancelled then return false end
  self.set:add(core.spawn(self.fn, ...))
  self.set:room(self.concurrency)
  return true
end

--- There are no more items.
function Handle:fed() self.set:expect(false) end

local function outcome(place, ok, value) return place, ok, value end

--- Place, whether it is done, value or error; nil when all are taken. Waits.
function Handle:next()
  local ended, place = self.set:next()
  if ended then return outcome(place, ended:result()) end
  return nil
end

--- Cancels what has not ended; takes no more, whether or not the feeder has ever begun.
function Handle:cancel()
  self.cancelled = true
  self.set:expect(false)
  for _, one in ipairs(self.set:tasks()) do
    one:cancel "its map has ended"
  end
end

--- Nothing to give back.
function Handle.close() end

-- task.map, documented in luapool.task.
return function(first, second, opts)
  local fn, items, place = lists.arrange("task.map", first, second)
  usage.argument("task.map", 3 - place, fn, "callable")
  lists.check("task.map", place, items)
  opts = check(opts)
  local handle = setmetatable({
    set = core.set(opts.ordered ~= false),
    fn = fn,
    concurrency = opts.concurrency or CONCURRENCY,
    cancelled = false,
  }, Handle)
  handle.set:expect(true)
  return maps.start(handle, items, { return_errors = opts.return_errors, on_error = opts.on_error })
end
