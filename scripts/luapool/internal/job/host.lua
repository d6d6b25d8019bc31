-- internal.job.host: one host of a job as main sees it: when its next item may begin, for all
-- workers together, and the items that wait for that. What bounds it: a rate or a delay, a pause
-- after an answer 429 or 503 with Retry-After, how many items may be under way after such a
-- pause, its robots.txt, and autothrottle. Runs in main only.
--@whole

local M = {}

-- How late an item may begin, by the clock of main, without the next ones becoming late, too.
local SLACK = 0.05

-- Autothrottle waits at most so many seconds between two items.
local LONGEST_DELAY = 60

---@class luapool.job.host.limits
---@field interval number seconds between two items, 0 for none
---@field burst integer how many items may begin at once after a pause
---@field target number|nil of autothrottle: how many items are to be under way

---@class luapool.job.host
---@field name string the host, with its port unless that is the scheme's own
---@field lane luapool.job.lane the items that wait
---@field limits luapool.job.host.limits
---@field interval number seconds between the beginnings of two items
---@field next_at number before this time no item begins
---@field in_flight integer how many items are under way
---@field window number|nil how many may be, when the host has once refused some
---@field ceiling number|nil up to here the window grows quickly
---@field held_turn integer items of this turn or an earlier one began before the latest refusal
---@field robots luapool.job.robots|nil the rules of its robots.txt, when they are known
---@field asking boolean|nil an item that asks for robots.txt is on the way
---@field trouble any the error that robots.txt could not be read for
---@field trouble_until number|nil after this time it is asked for again
---@field queued "ready"|"asleep"|nil where the frontier has it
local Host = {}
Host.__index = Host

--- Makes a host.
---@param name string
---@param lane luapool.job.lane
---@param limits luapool.job.host.limits
---@return luapool.job.host
function M.new(name, lane, limits)
  return setmetatable({
    name = name,
    lane = lane,
    limits = limits,
    interval = limits.interval,
    next_at = 0,
    in_flight = 0,
    held_turn = 0,
    window = limits.target and 1 or nil, -- until the first answer tells how quick it is
  }, Host)
end

--- When the next item may begin: a time, which may have passed; nil while that depends on items
--- that are under way.
---@return number|nil
function Host:when()
  local window = self.window
  if self.asking or window and self.in_flight >= math.max(1, window // 1) then return nil end
  return self.next_at
end

--- Notes that an item begins.
---@param now number
---@param waited boolean whether it had to wait for its time: then the clock goes on from there
function Host:began(now, waited)
  self.in_flight = self.in_flight + 1
  local interval = self.interval
  if interval == 0 then return end
  local credit = (self.limits.burst - 1) * interval
  local slack = waited and SLACK or 0
  self.next_at = math.max(self.next_at, now - credit - slack) + interval
end

--- Notes that an item has ended. It is no refusal: the window grows.
---@param refused boolean|nil
function Host:ended(refused)
  self.in_flight = self.in_flight - 1
  local window = self.window
  if refused or not window or self.limits.target and not self.ceiling then return end
  self.window = window + (window < (self.ceiling or 1) and 1 or 1 / window)
end

--- Takes into account how long an answer took, for autothrottle: the delay tends to the latency
--- over the number of items that are to be under way. What failed makes it no shorter.
---@param seconds number
---@param ok boolean
function Host:answered(seconds, ok)
  local target = self.limits.target
  if not target then return end
  local wanted = seconds / target
  local delay = math.max(wanted, (self.interval + wanted) / 2)
  delay = math.min(math.max(delay, self.limits.interval), LONGEST_DELAY)
  if ok or delay > self.interval then self.interval = delay end
  if not self.ceiling then self.window = nil end
end

--- Lets no item begin for some seconds, because the host has refused one. The first refusal of
--- those that were under way together starts again with one item at a time; from there the window
--- grows quickly up to half of what was under way, then slowly. Returns whether it was the first.
---@param seconds number
---@param now number
---@param turn integer the turn of the item, see luapool.job.source
---@param latest integer the latest turn
---@param most integer how many items of the job are under way
---@return boolean first
function Host:refused(seconds, now, turn, latest, most)
  self.next_at = math.max(self.next_at, now + seconds)
  if turn <= self.held_turn then return false end
  self.held_turn = latest
  local window = math.min(self.window or math.huge, math.max(self.in_flight, 1))
  if self.in_flight == 0 then window = most end -- they began before the host was watched
  self.ceiling, self.window = math.max(1, window // 2), 1
  return true
end

--- Sets the delay that robots.txt asks for.
---@param seconds number
function Host:delay(seconds) self.interval = math.max(self.interval, seconds) end

return M
