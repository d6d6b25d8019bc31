-- internal.sync.prefetch: items that main sends to a worker before its tasks ask for them. Each
-- queue and worker have a lane. An item in it stays the queue's until a task of the worker takes
-- it, which main sees in memory that both share (runtime/ipc/prefetch.h), and main can take it
-- back at any time: for somebody else who wants the next item, or when the worker dies.
-- A lane has one batch at a time. The batch grows while the worker uses it up by itself.
--@whole

local M = {}

local LANES, MOST = 64, 64
local NUMBERS = 0xffffffff -- numbers of items wrap

---@class luapool.sync.Lane
---@field queue table
---@field worker table luapool.sync.Worker
---@field index integer
---@field values table the batch
---@field first integer the number of its first item
---@field batch integer batches of the queue are counted: the smaller, the older its items
---@field size integer how many items are sent next
---@field finished integer items that the worker had finished when it was looked at last

-- A lane that no queue uses; nil when all are used. A lane ends with its queue.
local function free_lane(worker)
  for index = 0, LANES - 1 do
    if not worker.lanes[index] then return index end
  end
end

local function new_lane(queue, worker)
  local index = free_lane(worker)
  if not index then return nil end
  while worker.remote:take_back(index) do end -- of a queue that was collected
  local lane = {
    queue = queue, worker = worker, index = index, values = {}, first = 0, batch = 0, size = 0,
    finished = worker.remote:finished(index),
  }
  worker.lanes[index] = lane
  queue.lanes = queue.lanes or {}
  queue.lanes[worker] = lane
  return lane
end

local function left(lane) return lane.worker.remote:left(lane.index) end

--- Sends the next items of a queue ahead to a worker that has just been given one.
---@param queue table
---@param number integer the queue's
---@param worker table
function M.send(queue, number, worker)
  local items = queue.items
  if worker.gone or items.n == 0 then return end
  local lane = queue.lanes and queue.lanes[worker] or new_lane(queue, worker)
  if not lane or left(lane) > 0 then return end
  local others = 1
  for _ in pairs(queue.lanes) do
    others = others + 1
  end
  local count = math.min(lane.size, items.n // others)
  lane.size = math.min(math.max(1, 2 * lane.size), MOST)
  if count == 0 then return end
  local remote = worker.remote
  local first = remote:sent(lane.index)
  local sent = remote:send_ahead(lane.index, number, queue.bounded, items:peek(count))
  queue.batches = queue.batches + 1
  lane.first, lane.batch = first, queue.batches
  lane.values = items:pop_many(sent)
  if sent > 0 then queue.brought = false end
end

-- Takes the first item of a lane back; nil when there is none.
local function take_back(lane)
  local number = lane.worker.remote:take_back(lane.index)
  if not number then return nil end
  return lane.values[((number - lane.first) & NUMBERS) + 1]
end

--- Takes the oldest item that is in a lane back; nil when there is none. The worker gets fewer
--- the next time.
---@param queue table
---@return any item
function M.oldest(queue)
  while true do
    local oldest
    for _, lane in pairs(queue.lanes) do
      if (not oldest or lane.batch < oldest.batch) and left(lane) > 0 then oldest = lane end
    end
    if not oldest then return nil end
    local value = take_back(oldest)
    if value ~= nil then
      oldest.size = oldest.size // 2
      return value
    end
  end
end

--- How many items are in lanes.
---@param queue table
---@return integer
function M.count(queue)
  local n = 0
  for _, lane in pairs(queue.lanes) do
    n = n + left(lane)
  end
  return n
end

--- How many items the worker has finished in this lane since this was asked last.
---@param lane luapool.sync.Lane
---@return integer
function M.finished(lane)
  local now = lane.worker.remote:finished(lane.index)
  local n = (now - lane.finished) & NUMBERS
  lane.finished = now
  return n
end

--- The worker is gone, or does not use the queue any more. What is left goes to put_back(queue,
--- value), the last one first.
---@param lane luapool.sync.Lane
---@param put_back fun(queue: table, value: any)
function M.close(lane, put_back)
  local values = {}
  for value in take_back, lane do
    values[#values + 1] = value
  end
  for i = #values, 1, -1 do
    put_back(lane.queue, values[i])
  end
end

return M
