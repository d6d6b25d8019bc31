-- internal.map: running a function over items: the iterator that pool:map and task.map return.
-- The work is done behind a handle, in other processes (bindings/pool/map.c) or in this one
-- (luapool.task_map): `put` takes the next item, waits for room and returns true, or false when
-- there is none; where items have to travel, `refuse` takes the error of a `put`, as the outcome of
-- its item; `fed` says that there are no more, `next` gives place, done, value; `cancel` and
-- `close` end it. What stands here is run for each item: it is written to be short.

local core = require "luapool.task.core"
local lists = require "luapool.internal.items"
local usage = require "luapool.internal.usage"

local M = {}

--- The results of `pool:map`, `pool:starmap` or `task.map`, to be iterated over by a `for` loop,
--- whose end cancels what has not ended. Each step of the loop waits for the next result.
---@within pool
---@operator call: integer?, any
---@class luapool.Map
local Map = { __name = "luapool.Map" }

-- A map is no list and no table of names: ipairs and pairs would find nothing in it.
local function no_list()
  usage.raise("luapool.Map", "it is iterated as it is: for i, result in pool:map(fn, items) do")
end

function Map.__index(_, key)
  if type(key) == "number" then no_list() end
  return Map[key]
end

Map.__pairs = no_list

-- A `put` that keeps the items, by place.
local function keeper(kept, put)
  local place = 0
  return function(handle, item, ...)
    place = place + 1
    kept[place] = item
    return put(handle, item, ...)
  end
end

local function pull(handle, items, put)
  while put(handle, items()) do end
end

-- An item that cannot be sent fails alone.
local function pull_all(handle, items, put)
  local ok, e
  repeat
    ok, e = pcall(pull, handle, items, put)
  until ok or not (handle.refuse and handle:refuse(e))
  if not ok then error(e, 0) end
end

-- The feeding task: pulls items as fast as they are taken.
local function feed(map, items, put)
  local handle = map.handle
  local ok, e = pcall(pull_all, handle, items, map.items and keeper(map.items, put) or put)
  if not ok then map.input_error = { e } end
  handle:fed()
end

-- Cancels what runs, gives everything back; returns when all of it has ended.
local function stop(map)
  if map.stopped then return end
  map.stopped = true
  map.feeder:cancel "its map has ended"
  map.handle:cancel()
  core.shield(function()
    map.feeder:result()
    repeat
      local place = map.handle:next()
    until not place
  end)
  map.handle:close()
end

local function finish(map)
  if map.stopped then return nil end
  stop(map)
  if map.input_error then error(map.input_error[1], 0) end
  return nil
end

-- The end of the input, an error, or an item that is kept.
local function settle(map, place, done, value)
  if not place then return finish(map) end
  local item = map.items and map.items[place]
  if map.items then map.items[place] = nil end
  if not done and map.on_error then map.on_error(value, item) end
  if map.return_errors then
    if done then return place, value, nil, item end
    return place, nil, value, item
  end
  if done then return place, value end
  stop(map)
  error(value, 0)
end

-- One step of the loop: place, result — or place, result, error, item with `return_errors`.
local function step(map)
  if map.stopped then return nil end
  local place, done, value = map.next(map.handle)
  if done and not map.items then return place, value end
  return settle(map, place, done, value)
end

-- How many items there are, when the input tells it: nil for a function.
local function length_of(items)
  local class = getmetatable(items)
  class = type(class) == "table" and class or {}
  local countable = class.__len or type(items) == "table" and not class.__call
  return countable and #items or nil
end

-- How many items it goes over: `#map`, nil when its input is a function that does not tell.
function Map:__len() return self.length end

Map.__call = step
lists.mark(Map)
Map.__close = stop

--- Cancels what has not ended and waits for its end, as leaving the loop early does.
---
--- ```lua
--- local results = task.map({ 60, 60 }, task.sleep)
--- results:close()
--- ```
---@async
function Map:close()
  usage.self(self, Map, "Map:close")
  stop(self)
end

--- Waits for all and returns the results by the place of their item, and how many items there were.
---
--- ```lua
--- local list, n = task.map({ "a", "b" }, string.upper):collect()
--- print(list[1], list[2], n) --> A B 2
--- ```
---@async
---@return table list
---@return integer n
function Map:collect()
  usage.self(self, Map, "Map:collect")
  local list, n = {}, 0
  for i, result in self, nil, nil, self do
    list[i] = result
    n = n + 1
  end
  return list, n
end

--- Waits for all, drops the results and returns how many items there were.
---
--- ```lua
--- print(task.map({ "a", "b" }, string.upper):drain()) --> 2
--- ```
---@async
---@return integer n
function Map:drain()
  usage.self(self, Map, "Map:drain")
  local n = 0
  for _ in self, nil, nil, self do
    n = n + 1
  end
  return n
end

--- The item that was sent first of those that have not ended, of a map that keeps its items.
---@param map luapool.Map
---@return any
function M.oldest(map)
  local first
  for place in pairs(map.items or {}) do
    if not first or place < first then first = place end
  end
  return first and map.items[first]
end

--- Begins to feed a handle.
---@param handle table|userdata
---@param items table|function
---@param opts { return_errors: boolean?, on_error: function?, put: function? }
---@return luapool.Map, nil, nil, luapool.Map
function M.start(handle, items, opts)
  local map = setmetatable({
    handle = handle,
    next = handle.next,
    stopped = false,
    length = length_of(items),
    on_error = opts.on_error or false,
    return_errors = opts.return_errors or false,
    items = (opts.return_errors or opts.on_error) and {} or false,
  }, Map)
  map.feeder = core.spawn(feed, map, lists.iterate(items), opts.put or handle.put)
  map.feeder:name "map"
  return map, nil, nil, map
end

return M
