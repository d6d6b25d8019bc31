-- internal.serve.cron: puts the jobs of `cron` when their minutes come. All processes that serve
-- the same file do; the store takes each tick once. What fell into a time when none ran is put as
-- `missed` says.

local envelope = require "luapool.internal.queue.envelope"
local errors = require "luapool.error.core"
local lines = require "luapool.internal.serve.cron_line"
local log = require "luapool.log"
local sync = require "luapool.sync.core"
local zones = require "luapool.internal.serve.zone"

local M = {}

-- Seconds after an error of the store; how many missed ticks are put at once at most.
local AGAIN, MOST = 5, 1000

---@class luapool.serve.Cron
---@field store table
---@field entries table<string, table>
local Cron = {}
Cron.__index = Cron

---@param store table
---@return luapool.serve.Cron
function M.new(store)
  return setmetatable({ store = store, entries = {}, bell = sync.waiters "minute" }, Cron)
end

--- Goes by these entries from now on: by name what luapool.internal.serve.spec tells of them.
---@param told table<string, table>
function Cron:use(told)
  local entries = {}
  for name, entry in pairs(told) do
    local before = self.entries[name]
    entries[name] = {
      told = entry,
      line = lines.parse(entry.line),
      zone = zones.open(entry.tz),
      seen = before and before.seen,
      since = before and before.since or os.time() // 60 * 60,
    }
  end
  self.entries = entries
  self.bell:wake_all()
end

local function job_of(name, told)
  return { id = envelope.new_id(), kind = told.kind, args = told.args, priority = told.priority,
    unique = not told.overlap and "cron:" .. name or nil }
end

-- The ticks of an entry that are due, the first first.
local function due(entry, now)
  local missed = entry.told.missed
  local after = missed == "none" and math.max(entry.seen, entry.since - 60) or entry.seen
  local list = lines.ticks(entry.line, entry.zone, after, now, missed == "all" and MOST or 1)
  table.sort(list)
  return list
end

local function look(self, name, entry, now)
  if not entry.seen then
    entry.seen = self.store:cron_last(name)
    if not entry.seen then -- new: it begins with the next minute
      self.store:cron { { name = name, minute = now } }
      entry.seen = now
    end
  end
  if now <= entry.seen then return end
  local ticks = {}
  for i, minute in ipairs(due(entry, now)) do
    ticks[i] = { name = name, minute = minute, job = job_of(name, entry.told) }
  end
  for i, outcome in ipairs(#ticks > 0 and self.store:cron(ticks) or {}) do
    if outcome == true then
      log.info("cron %s: %s of %s", name, entry.told.kind,
        os.date("!%Y-%m-%d %H:%M UTC", ticks[i].minute))
    elseif outcome then
      log.info("cron %s: the one before still lives, none is put", name)
    end
  end
  entry.seen = now
end

--- Looks at the minute of now, and what lies between it and the one before.
function Cron:tick()
  local now = os.time() // 60 * 60
  for name, entry in pairs(self.entries) do look(self, name, entry, now) end
end

--- Puts jobs until it is cancelled.
function Cron:run()
  while true do
    local ok, e = pcall(self.tick, self)
    if not ok then
      if errors.is(e, "cancelled") then error(e, 0) end
      log.error("cron: %s", errors.text(e))
    end
    local woken, why = pcall(self.bell.wait, self.bell, ok and 60 - os.time() % 60 or AGAIN)
    if not woken and not errors.is(why, "timeout") then error(why, 0) end
  end
end

return M
