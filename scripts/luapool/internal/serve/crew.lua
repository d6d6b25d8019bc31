-- internal.serve.crew: the workers of one version of a file that run jobs. Each has its place, 1 to
-- n; one that dies is replaced, one that has run long enough is followed by a new one first.

local log = require "luapool.log"
local restart = require "luapool.internal.serve.restart"
local seats = require "luapool.internal.serve.seat"
local task = require "luapool.task"
local text_of = require("luapool.error.core").text

local M = {}

-- Seconds between two looks at who is to be replaced.
local LOOK = 5

---@class luapool.serve.Crew
---@field plan table what a worker loads
---@field opts { concurrency: integer, memory_limit: integer?, max_tasks: integer? }
---@field channel table
---@field places table<integer, luapool.serve.Seat>
---@field n integer how many places
---@field told table the description of the file
---@field all table<luapool.serve.Seat, true> those whose processes may live
---@field closing boolean
---@field on_room fun() is called when there is room for jobs again
---@field on_end fun(e: any) is called when no worker can be kept
local Crew = {}
Crew.__index = Crew

---@param plan table
---@param n integer
---@param opts table
---@param channel table
---@return luapool.serve.Crew
function M.new(plan, n, opts, channel)
  return setmetatable({ plan = plan, n = n, opts = opts, channel = channel, places = {}, all = {},
    closing = false, restarts = restart.new(), on_room = function() end, on_end = function() end },
    Crew)
end

-- Recycling is jittered, so that workers do not all leave at once.
local function mark_limits(self, seat)
  local jitter = 0.8 + 0.2 * math.random()
  local most = self.opts.max_tasks or 0
  seat.most = most > 0 and math.max(1, math.floor(most * jitter)) or math.huge
  seat.most_rss = (self.opts.memory_limit or math.huge) * jitter
end

local open -- below

local function replace(self, id, useful)
  local seconds = self.restarts:next(useful)
  if not seconds then
    return self.on_end("ten workers have ended within a minute before they had done anything")
  end
  task.sleep(seconds)
  if self.closing or id > self.n or self.places[id] then return end
  local ok, e = pcall(open, self, id)
  if ok then return self.on_room() end
  if self.closing then return end
  log.error("worker %d cannot be started again: %s", id, text_of(e))
  return replace(self, id, false)
end

local function ended(self, seat, e)
  self.all[seat] = nil
  if self.places[seat.id] ~= seat then return end
  self.places[seat.id] = nil
  if self.closing then return end
  log.warn("%s has ended: %s", seat.name, text_of(e))
  task.spawn(replace, self, seat.id, seat.ended > 0):name "restart"
end

-- Starts a worker in a place. Raises what is wrong with its file.
function open(self, id)
  local seat = seats.new(id, ("worker-%d"):format(id), self.opts)
  self.all[seat] = true
  seat.on_end = function(one, e) ended(self, one, e) end
  mark_limits(self, seat)
  local ok, told = pcall(seat.open, seat, self.plan, true, self.channel)
  if not ok then
    self.all[seat] = nil
    error(told, 0)
  end
  if self.closing then
    seat:leave()
  else
    self.places[id] = seat
  end
  return told
end

--- Starts the workers, one after the other or all at once. Raises what the first one meets that is
--- wrong; none is left then.
---@param at_once boolean
---@return table description of the file
function Crew:open(at_once)
  local ok, e = pcall(function()
    if not at_once then
      for id = 1, self.n do self.told = open(self, id) end
      return
    end
    local list = {}
    for id = 1, self.n do list[id] = function() return open(self, id) end end
    self.told = task.gather(list)[1]
  end)
  if not ok then
    self:kill()
    error(e, 0)
  end
  self.keeper = task.spawn(self.keep, self)
  self.keeper:name "recycling"
  return self.told
end

--- How many jobs its workers take.
---@return integer
function Crew:room()
  local room = 0
  for _, seat in pairs(self.places) do room = room + seat:room() end
  return room
end

--- The worker with the most room, or nil.
---@return luapool.serve.Seat|nil
function Crew:seat()
  local best, most = nil, 0
  for id = 1, self.n do
    local seat = self.places[id]
    local room = seat and seat:room() or 0
    if room > most then best, most = seat, room end
  end
  return best
end

local function rss(pid)
  local file <close> = pid and io.open(("/proc/%d/statm"):format(pid))
  local pages = file and file:read "a":match "^%d+ (%d+)"
  return pages and pages * 4096 or 0
end

-- A new one first; then the old one finishes what it runs.
local function recycle(self, seat)
  log.info("%s leaves after %d jobs", seat.name, seat.ended)
  self.places[seat.id] = nil
  local ok, e = pcall(open, self, seat.id)
  if ok then
    seat:leave()
    return self.on_room()
  end
  log.error("%s stays, as no other can be started: %s", seat.name, text_of(e))
  self.places[seat.id], seat.most = seat, seat.ended + 1000
end

--- Replaces workers that have run long enough, one at a time, until it is cancelled.
function Crew:keep()
  while not self.closing do
    task.sleep(self.opts.max_tasks and 0.2 or LOOK)
    for id = 1, self.n do
      local seat = self.places[id]
      if seat and (seat.ended >= seat.most
        or self.opts.memory_limit and rss(seat:pid()) > seat.most_rss) then
        recycle(self, seat)
      end
    end
  end
end

--- Has n workers from now on.
---@param n integer
function Crew:scale(n)
  local before = self.n
  self.n = n
  for id = n + 1, before do
    local seat = self.places[id]
    self.places[id] = nil
    if seat then seat:leave() end
  end
  for id = before + 1, n do open(self, id) end
  self.on_room()
end

--- Takes no more jobs; its workers leave once they have finished what they run.
function Crew:leave()
  self.closing = true
  if self.keeper then self.keeper:cancel() end
  for seat in pairs(self.all) do
    if seat.life then seat:leave() end
  end
end

--- Waits until its workers are gone.
function Crew:join(seconds)
  for seat in pairs(self.all) do seat:join(seconds) end
end

--- Ends its workers at once.
function Crew:kill()
  self.closing = true
  if self.keeper then self.keeper:cancel() end
  for seat in pairs(self.all) do seat:kill() end
  for seat in pairs(self.all) do seat:join() end
end

return M
