-- internal.job.spool: queues of entries that wait, of which only a bounded number is in memory. A
-- queue is a row of blocks of BLOCK entries. All queues of a spool share one nameless file. When
-- more than MOST entries stand in blocks that nobody takes from, these are written to it; a block
-- is read back when its turn comes. Runs in main only. It blocks, as reading and writing files
-- does.
--@whole

local core = require "luapool.job.core"

local M = {}

-- Entries of a block; entries in whole blocks before they go to the disk.
local BLOCK, MOST = 100, 100000

-- A block on the disk is a number: its place in the file, and its length in the low bits.
local LENGTH_BITS = 28
local LENGTH_MASK = (1 << LENGTH_BITS) - 1

---@class luapool.job.spool
---@field file file*|nil made when it is first needed
---@field size integer where the next block is written
---@field on_disk integer how many blocks are there
---@field whole table the queues and the numbers of their whole blocks, by turns
---@field most integer
local Spool = {}
Spool.__index = Spool

local function cannot(why)
  local text = "cannot keep the waiting items on the disk: %s (TMPDIR names another folder)"
  error(text:format(why), 0)
end

local function open_file()
  local folder = os.getenv "TMPDIR" or "/var/tmp"
  local file, why = core.file(folder)
  return file or cannot(why)
end

-- Writes a block and returns what stands for it; the block itself where it must stay in memory.
local function write(self, block)
  local ok, bytes = pcall(core.pack, block)
  if not ok or not bytes or #bytes > LENGTH_MASK then return block end
  self.file = self.file or open_file()
  local _, why = self.file:seek("set", self.size)
  local done
  if not why then done, why = self.file:write(bytes) end
  if done then done, why = self.file:flush() end
  if not done then cannot(why) end
  local place = self.size << LENGTH_BITS | #bytes
  self.size = self.size + #bytes
  self.on_disk = self.on_disk + 1
  return place
end

local function read(self, place)
  self.file:seek("set", place >> LENGTH_BITS)
  local length = place & LENGTH_MASK
  local bytes, why = self.file:read(length)
  if not bytes or #bytes < length then cannot(why or "the file is too short") end
  self.on_disk = self.on_disk - 1
  if self.on_disk == 0 then self.size = 0 end
  return core.unpack(bytes)
end

-- Writes the whole blocks that are still in memory and that nobody takes from.
local function spill(self)
  local whole = self.whole
  self.whole = {}
  for i = 1, #whole, 2 do
    local queue, number = whole[i], whole[i + 1]
    local block = queue.blocks[number]
    if type(block) == "table" and number ~= queue:active() then
      queue.blocks[number] = write(self, block)
    end
  end
end

---@class luapool.job.spool.queue
---@field n integer how many entries it has
---@field front table entries that were put back; they come first, the latest before the others
---@field blocks table the blocks: tables, or numbers for those on the disk
---@field first integer the number of the first block
---@field last integer the number of the last one
---@field head table|false of a fifo: the first block, when it has been taken from
---@field at integer of a fifo: the place of the next entry in the first block
---@field size integer how many entries the last block has
local Queue = {}
Queue.__index = Queue

--- Adds an entry at the end.
function Queue:push(entry)
  local size = self.size
  if size == BLOCK then
    local whole = self.spool.whole
    whole[#whole + 1], whole[#whole + 2] = self, self.last
    if #whole * BLOCK > 2 * self.spool.most then spill(self.spool) end
    self.last, size = self.last + 1, 0
  end
  local block = self.blocks[self.last]
  if not block then
    block = {}
    self.blocks[self.last] = block
  end
  self.size = size + 1
  block[size + 1] = entry
  self.n = self.n + 1
end

--- Puts an entry where it is taken next.
function Queue:back(entry)
  self.front[#self.front + 1] = entry
  self.n = self.n + 1
end

--- Drops all but what was put back.
function Queue:clear()
  self.blocks, self.head, self.first, self.last, self.at, self.size = {}, false, 1, 1, 1, 0
  self.n = #self.front
end

-- The block of this number, in memory.
local function block_at(self, number)
  local block = self.blocks[number]
  if type(block) == "number" then
    block = read(self.spool, block)
    self.blocks[number] = block
  end
  return block
end

local function put_back(self)
  local front = self.front
  local entry = front[#front]
  front[#front] = nil
  return entry
end

local Fifo = setmetatable({}, Queue)
Fifo.__index = Fifo

--- The number of the block that is taken from.
function Fifo:active() return self.first end

--- Takes the first entry, nil when there is none.
function Fifo:pop()
  local n = self.n
  if n == 0 then return nil end
  self.n = n - 1
  if self.front[1] then return put_back(self) end
  local at, block = self.at, self.head
  if not block then
    block = block_at(self, self.first)
    self.head = block
  end
  local entry = block[at]
  if n == 1 and self.first == self.last then
    self.blocks[self.first], self.head, self.at, self.size = nil, false, 1, 0
  elseif at == BLOCK then
    self.blocks[self.first], self.head, self.at, self.first = nil, false, 1, self.first + 1
  else
    block[at], self.at = false, at + 1
  end
  return entry
end

local Lifo = setmetatable({}, Queue)
Lifo.__index = Lifo

--- The number of the block that is taken from.
function Lifo:active() return self.last end

--- Takes the last entry, nil when there is none.
function Lifo:pop()
  if self.n == 0 then return nil end
  self.n = self.n - 1
  if self.front[1] then return put_back(self) end
  local block, size = block_at(self, self.last), self.size
  local entry = block[size]
  block[size], self.size = nil, size - 1
  if size == 1 and self.last > 1 then
    self.blocks[self.last] = nil
    self.last, self.size = self.last - 1, BLOCK
  end
  return entry
end

--- Makes an empty queue: what was pushed first is popped first, or, with `lifo`, last.
---@param lifo boolean
---@return luapool.job.spool.queue
function Spool:queue(lifo)
  return setmetatable({ spool = self, n = 0, front = {}, blocks = {}, head = false, first = 1,
    last = 1, at = 1, size = 0 }, lifo and Lifo or Fifo)
end

---@class luapool.job.lane: entries in the order of their priorities, a small one first
---@field n integer how many entries it has
---@field plain luapool.job.spool.queue of priority 0
---@field queues table<integer, luapool.job.spool.queue> by priority
---@field order integer[] the priorities that there are, the smallest first
local Lane = {}
Lane.__index = Lane

-- The queue of a priority; the plain one stands for 0.
local function queue_of(self, priority)
  local queue = self.queues[priority]
  if queue then return queue end
  queue = self.spool:queue(self.lifo)
  self.queues[priority] = queue
  table.insert(self.order, priority)
  table.sort(self.order)
  return queue
end

--- Adds an entry behind those of its priority.
function Lane:push(entry)
  self.n = self.n + 1
  local queue = entry.priority and queue_of(self, entry.priority) or self.plain
  queue:push(entry)
end

--- Puts an entry in front of those of its priority.
function Lane:back(entry)
  self.n = self.n + 1
  queue_of(self, entry.priority or 0):back(entry)
end

--- Takes the first entry, nil when there is none.
function Lane:pop()
  local n, order = self.n, self.order
  if n == 0 then return nil end
  self.n = n - 1
  if not order[2] then return self.plain:pop() end
  for _, priority in ipairs(order) do
    local entry = self.queues[priority]:pop()
    if entry then return entry end
  end
end

--- Drops all but what was put back.
function Lane:clear()
  self.n = 0
  for _, queue in pairs(self.queues) do
    queue:clear()
    self.n = self.n + queue.n
  end
end

--- Makes an empty lane.
---@param lifo boolean
---@return luapool.job.lane
function Spool:lane(lifo)
  local plain = self:queue(lifo)
  return setmetatable({ spool = self, lifo = lifo, n = 0, plain = plain, queues = { [0] = plain },
    order = { 0 } }, Lane)
end

--- Gives the file back.
function Spool:close()
  if self.file then self.file:close() end
  self.file = nil
end

--- Makes a spool.
---@param most? integer how many entries of whole blocks stay in memory
---@return luapool.job.spool
function M.new(most)
  return setmetatable({ size = 0, on_disk = 0, whole = {}, most = most or MOST }, Spool)
end

return M
