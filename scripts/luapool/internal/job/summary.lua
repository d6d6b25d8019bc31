-- internal.job.summary: what has become of a job's items. Each item counts once: as a success, as a
-- failure, or as cancelled when it was neither at the time the job was stopped. Runs in main only.

local M = {}

--- What has become of a job's items: `done` gets it.
---
--- ```lua
--- return {
---   items = { 1, 2 },
---   process = function(n) assert(n > 1) end,
---   done = function(summary)
---     print(summary.total, summary.success, summary.failure, summary.cancelled, summary.stopped)
---   end,
--- }
--- --> 2 1 1 0 nil
--- ```
---@within job
---@class luapool.job.Summary
---@field total integer items of the counted kinds; success + failure + cancelled
---@field success integer
---@field failure integer
---@field retried integer those that took more than one attempt
---@field cancelled integer neither succeeded nor failed when the job was stopped
---@field elapsed number seconds
---@field rate number items a second
---@field stopped? string what stopped the job: "interrupted", "terminated" …
---@field hosts? table<string, luapool.job.Host> of a crawl, by host, with the port where that is
--- not the scheme's own
---@field kinds table<string, { total: integer, success: integer, failure: integer,
--- retried: integer }> by kind, also those that are not counted
local Summary = { __name = "luapool.job.summary" }
Summary.__index = Summary

--- A summary of the kinds of a checked job, all zero.
---@param kinds table<string, { counted: boolean }>
---@return luapool.job.Summary
function M.new(kinds)
  local self = setmetatable({ kinds = {}, counted = {}, uncounted = {} }, Summary)
  for name, kind in pairs(kinds) do
    self.kinds[name] = { total = 0, success = 0, failure = 0, retried = 0 }
    table.insert(kind.counted and self.counted or self.uncounted, name)
  end
  table.sort(self.uncounted)
  return self
end

--- Counts an item that has ended, or that has failed for the first time and is tried again.
---@param kind string
---@param how "success"|"failure"|"retried"
---@private
function Summary:count(kind, how)
  local of = self.kinds[kind]
  of[how] = of[how] + 1
end

local function sum(self, field)
  local n = 0
  for _, name in ipairs(self.counted) do n = n + self.kinds[name][field] end
  return n
end

--- Fills in the sums.
---@param totals table<string, integer> of each kind, as the source has counted
---@param elapsed number
---@param stopped string|nil
---@private
function Summary:finish(totals, elapsed, stopped)
  for name, of in pairs(self.kinds) do of.total = totals[name] or 0 end
  for _, field in ipairs { "total", "success", "failure", "retried" } do
    self[field] = sum(self, field)
  end
  self.cancelled = self.total - self.success - self.failure
  self.elapsed, self.stopped = elapsed, stopped
  self.rate = elapsed > 0 and (self.success + self.failure) / elapsed or 0
end

--- What the bar tells beside its figures once something went wrong: "98 ok, 2 failed, 3 retried".
---@return string
---@private
function Summary:outcomes()
  local failed, retried = sum(self, "failure"), sum(self, "retried")
  if failed + retried == 0 then return "" end
  local parts = { sum(self, "success") .. " ok" }
  if failed > 0 then table.insert(parts, failed .. " failed") end
  if retried > 0 then table.insert(parts, retried .. " retried") end
  return table.concat(parts, ", ")
end

--- Whether any item of any kind has failed.
---@return boolean
---@private
function Summary:any_failed()
  for _, of in pairs(self.kinds) do
    if of.failure > 0 then return true end
  end
  return false
end

-- The failures of the kinds that the sums leave out, as text: ", page failed: 1/3".
local function others(self)
  local parts = {}
  for _, name in ipairs(self.uncounted) do
    local of = self.kinds[name]
    if of.failure > 0 then
      table.insert(parts, (", %s failed: %d/%d"):format(name, of.failure, of.total))
    end
  end
  return table.concat(parts)
end

local function duration(seconds)
  if seconds < 60 then return (seconds < 10 and "%.2f s" or "%.1f s"):format(seconds) end
  local whole = math.floor(seconds + 0.5)
  if whole < 3600 then return ("%d:%02d min"):format(whole // 60, whole % 60) end
  return ("%d:%02d:%02d h"):format(whole // 3600, whole // 60 % 60, whole % 60)
end

--- The last line of a run: Done, success: 98/100, failure: 2/100 (1.2 s, 83.3/s)
---@return string
---@private
function Summary:line()
  local text = ("Done, success: %d/%d, failure: %d/%d"):format(self.success, self.total,
    self.failure, self.total)
  if self.cancelled > 0 then
    text = text .. (", cancelled: %d/%d"):format(self.cancelled, self.total)
  end
  local how = self.stopped and self.stopped .. " after " or ""
  return ("%s%s (%s%s, %.1f/s)"):format(text, others(self), how, duration(self.elapsed), self.rate)
end

return M
