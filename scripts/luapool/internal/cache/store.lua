-- internal.cache.store: what a cache keeps: values by key, within limits of number, size and time.
-- It knows nothing of tasks. Every operation takes the same time whatever the number of entries,
-- and all memory is that of entries: one that is too old leaves at one of the next operations.
--
-- An entry is a node of a list of its policy. One that is kept for a time has a node in a further
-- list, a line, whose entries may stay equally long; so the first one in a line is the next to
-- leave. Times that differ by less than an eighth share a line: such an entry never lives longer
-- than it may, but may leave the memory only when the longest of its line would.
--@whole

local list = require "luapool.internal.cache.list"
local policies = require "luapool.internal.cache.policy"
local weight = require "luapool.internal.cache.weight"
local task = require "luapool.task.core"
local append, unlink, weigh = list.append, list.unlink, weight.of

local M = {}

-- Fields of an entry; 1 and 2 are those of its node, 7 is its policy's.
local KEY <const> = 3
local VALUE <const> = 4
local BYTES <const> = 5
local TIMER <const> = 6
-- Of the node in a line.
local NEXT <const> = 2
local ENTRY <const> = 3
local DUE <const> = 4

local OVERHEAD <const> = 256 -- bytes of an entry besides its key and value
local FOR_EVER <const> = 1e9

---@class luapool.internal.cache.Store
---@field entries integer how many there are
---@field bytes integer about how large they are, with `max_bytes`
---@field evictions integer entries that had to leave for others
---@field expirations integer entries whose time was over
local Store = {}
Store.__index = Store

local function drop(self, entry)
  self.index[entry[KEY]] = nil
  self.entries, self.bytes = self.entries - 1, self.bytes - entry[BYTES]
  self.leave(self, entry)
  if entry[TIMER] then unlink(entry[TIMER]) end
end

local function expire(self, entry)
  self.expirations = self.expirations + 1
  drop(self, entry)
end

-- ---- time ----

-- The line of all times that differ by less than an eighth.
local function line_of(self, ttl)
  local step = 2.0 ^ (math.floor(math.log(ttl, 2)) - 3)
  local most = math.ceil(ttl / step) * step
  local line = self.lines[most]
  if not line then
    line = list.new()
    self.lines[most] = line
  end
  return line
end

local function start_timer(self, entry, ttl)
  if ttl >= FOR_EVER then return end
  local timer = { false, false, entry, self.now() + ttl }
  entry[TIMER] = timer
  append(line_of(self, ttl), timer)
end

-- Entries whose time is over leave.
local function expire_all(self)
  if next(self.lines) == nil then return end
  local time = self.now()
  for _, line in next, self.lines do
    local timer = line[NEXT]
    while timer ~= line and timer[DUE] <= time do
      expire(self, timer[ENTRY])
      timer = line[NEXT]
    end
  end
end

-- ---- operations ----

--- The value of a key, which counts as a use of it; nil when there is none.
---@param key string|number|boolean
---@return any
function Store:get(key)
  local entry = self.index[key]
  if not entry then return nil end
  local timer = entry[TIMER]
  if timer and timer[DUE] <= self.now() then
    expire(self, entry)
    return nil
  end
  local touch = self.touch
  if touch then touch(self, entry) end
  return entry[VALUE]
end


local function add(self, key, value, bytes)
  local entry = { false, false, key, value, bytes, false, false }
  self.index[key] = entry
  self.entries, self.bytes = self.entries + 1, self.bytes + bytes
  self.enter(self, entry)
  return entry
end

local function change(self, entry, value, bytes)
  self.bytes = self.bytes + bytes - entry[BYTES]
  entry[VALUE], entry[BYTES] = value, bytes
  if entry[TIMER] then unlink(entry[TIMER]) end
  entry[TIMER] = false
  self.renew(self, entry)
end

--- Sets the value of a key, for `ttl` seconds or the store's own time. A value that is larger than
--- all may be together is not kept, and neither is the one before.
---@param key string|number|boolean
---@param value any not nil
---@param ttl number|nil
---@return boolean kept
function Store:put(key, value, ttl)
  expire_all(self)
  local bytes = self.weighs and OVERHEAD + weigh(key) + weigh(value) or 0
  local entry = self.index[key]
  if bytes > self.max_bytes then
    if entry then drop(self, entry) end
    return false
  end
  if entry then
    change(self, entry, value, bytes)
  else
    entry = add(self, key, value, bytes)
  end
  ttl = ttl or self.ttl
  if ttl then start_timer(self, entry, ttl) end
  while self.entries > self.max or self.bytes > self.max_bytes do -- `entry` alone is within them
    self.evictions = self.evictions + 1
    drop(self, self.victim(self, entry))
  end
  return true
end

--- Deletes a key, and tells whether it was there.
---@param key string|number|boolean
---@return boolean was_there
function Store:remove(key)
  expire_all(self)
  local entry = self.index[key]
  if entry then drop(self, entry) end
  return entry ~= nil
end

--- How many entries there are.
---@return integer
function Store:count()
  expire_all(self)
  return self.entries
end

--- Deletes all.
function Store:clear()
  self.index, self.order, self.lines = {}, list.new(), {}
  self.entries, self.bytes = 0, 0
end

M.get = Store.get

--- An empty store.
---@param opts { max: integer?, max_bytes: integer?, ttl: number?, policy: string?, now: function? }
---@return luapool.internal.cache.Store
function M.new(opts)
  local policy = policies[opts.policy or "lru"]
  local self = setmetatable({
    -- not the table: scripts that may not meet could write to it
    enter = policy.add, touch = policy.touch, renew = policy.renew, leave = policy.remove,
    victim = policy.victim, ttl = opts.ttl or false,
    max = opts.max or math.huge, max_bytes = opts.max_bytes or math.huge,
    weighs = opts.max_bytes ~= nil, evictions = 0, expirations = 0,
    now = opts.now or task.now,
  }, Store)
  self:clear()
  return self
end

return M
