-- internal.sync.order: what a queue keeps its items in. Each has `n`, push(value, priority),
-- pop() -> value, priority, and back(value, priority), which puts an item where pop finds it
-- first (of its priority).
--@whole

local M = {}

local Fifo = {}
Fifo.__index = Fifo

--- Adds an item at the end.
function Fifo:push(value)
  local last = self.last + 1
  self.last, self.n = last, self.n + 1
  self[last] = value
end

--- Takes the first one.
function Fifo:pop()
  local first = self.first
  local value = self[first]
  self[first] = nil
  local n = self.n - 1
  self.n = n
  if n > 0 then
    self.first = first + 1
  else
    self.first, self.last = 1, 0
  end
  return value
end

--- The next `count` items, of at least as many; they stay.
function Fifo:peek(count) return table.unpack(self, self.first, self.first + count - 1) end

--- Takes the next `count` items, as a list.
function Fifo:pop_many(count)
  local list = {}
  for i = 1, count do
    list[i] = self:pop()
  end
  return list
end

--- Puts an item in front.
function Fifo:back(value)
  self.first, self.n = self.first - 1, self.n + 1
  self[self.first] = value
end

--- An empty store.
function M.fifo() return setmetatable({ n = 0, first = 1, last = 0 }, Fifo) end

local Lifo = {}
Lifo.__index = Lifo

--- Adds an item on top.
function Lifo:push(value)
  self.n = self.n + 1
  self[self.n] = value
end

--- Takes the one on top.
function Lifo:pop()
  local value = self[self.n]
  self[self.n] = nil
  self.n = self.n - 1
  return value
end

Lifo.back = Lifo.push

--- An empty store.
function M.lifo() return setmetatable({ n = 0 }, Lifo) end

-- A binary heap of entries {value, priority, number}; of equal priority the smaller number goes
-- first.
local Heap = {}
Heap.__index = Heap

local function before(a, b)
  if a[2] ~= b[2] then return a[2] < b[2] end
  return a[3] < b[3]
end

local function insert(self, entry)
  local i = self.n + 1
  self.n = i
  while i > 1 and before(entry, self[i // 2]) do
    self[i] = self[i // 2]
    i = i // 2
  end
  self[i] = entry
end

--- Adds an item behind those of its priority.
function Heap:push(value, priority)
  self.newest = self.newest + 1
  insert(self, { value, priority, self.newest })
end

--- Puts an item in front of those of its priority.
function Heap:back(value, priority)
  self.oldest = self.oldest - 1
  insert(self, { value, priority, self.oldest })
end

-- Puts the entry in the place of the first one.
local function sift(self, entry)
  local i, n = 1, self.n
  while 2 * i <= n do
    local child = 2 * i
    if child < n and before(self[child + 1], self[child]) then child = child + 1 end
    if not before(self[child], entry) then break end
    self[i] = self[child]
    i = child
  end
  self[i] = entry
end

--- Takes the first of the smallest priority.
function Heap:pop()
  local first, last = self[1], self[self.n]
  self[self.n] = nil
  self.n = self.n - 1
  if self.n > 0 then sift(self, last) end
  return first[1], first[2]
end

--- An empty store.
function M.priority() return setmetatable({ n = 0, newest = 0, oldest = 0 }, Heap) end

return M
