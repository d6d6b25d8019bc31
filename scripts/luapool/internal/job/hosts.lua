-- internal.job.hosts: what each host of a crawl has answered, for the summary: requests, bytes,
-- statuses, how long they took, and how many links broke which rule. Workers tell of it with their
-- replies. Runs in main only.
--@whole

local host_of = require("luapool.internal.job.frontier").host_of

local M = {}

-- The hosts that the table on stderr has; the others are one row.
local ROWS = 10

-- Times are counted in buckets, each this much longer than the one before.
local STEP = math.log(1.05)

--- What a host of a crawl has answered: see the field `hosts` of `luapool.job.Summary`.
---
--- ```lua
--- return {
---   items = { url .. "/echo" },
---   crawl = { exclude = "private" },
---   fetch = function(address) return http.get(address) end,
---   process = function(_, _, ctx) ctx:follow "/private" end,
---   done = function(summary)
---     local _, host = next(summary.hosts)
---     print(host.requests, host.statuses[200], host.skipped.exclude, host.p50 <= host.p95)
---     assert(host.bytes > 0)
---   end,
--- }
--- --> 1 1 1 true
--- ```
---@within job
---@class luapool.job.Host
---@field requests integer
---@field bytes integer of the bodies
---@field statuses table<integer, integer> how many answers had which status; 0: there was none
---@field p50? number seconds that half of the requests did not exceed
---@field p95? number the same for 95 of 100
---@field skipped table<string, integer> how many links on its pages broke which rule (`exclude`,
--- `same_host` …), and how many of its URLs robots.txt has forbidden (`robots`)

---@class luapool.job.hosts
---@field by_name table<string, table>
local Hosts = {}
Hosts.__index = Hosts

local function new_row()
  return { requests = 0, bytes = 0, statuses = {}, skipped = {}, times = {} }
end

--- No hosts.
---@return luapool.job.hosts
function M.new() return setmetatable({ by_name = {} }, Hosts) end

local function row_of(self, name)
  local row = self.by_name[name]
  if not row then
    row = new_row()
    self.by_name[name] = row
  end
  return row
end

local function add(counts, key, n) counts[key] = (counts[key] or 0) + n end

--- Counts links that broke a rule.
---@param name string
---@param rule string
---@param n integer
function Hosts:skip(name, rule, n) add(row_of(self, name).skipped, rule, n) end

--- Takes what a reply tells of hosts.
---@param entry luapool.job.entry
---@param reply table
---@param source luapool.job.source
function Hosts:take(entry, reply, source)
  local requests = reply.requests or {}
  for i = 1, #requests, 4 do
    local name, status, bytes, seconds = table.unpack(requests, i, i + 3)
    local row = row_of(self, name)
    row.requests, row.bytes = row.requests + 1, row.bytes + bytes
    add(row.statuses, status, 1)
    add(row.times, math.floor(math.log(math.max(seconds, 1e-6)) / STEP + 0.5), 1)
    source.frontier:answered(name, seconds, status >= 200 and status < 400)
  end
  local name = reply.skipped and host_of(entry.item)
  for rule, n in pairs(name and reply.skipped or {}) do self:skip(name, rule, n) end
end

-- The time that a share of the requests did not exceed.
local function quantile(times, total, share)
  local buckets = {}
  for bucket in pairs(times) do buckets[#buckets + 1] = bucket end
  table.sort(buckets)
  local n = 0
  for _, bucket in ipairs(buckets) do
    n = n + times[bucket]
    if n >= share * total then return math.exp(bucket * STEP) end
  end
  return nil
end

local function figures_of(row)
  return {
    requests = row.requests,
    bytes = row.bytes,
    statuses = row.statuses,
    skipped = row.skipped,
    p50 = quantile(row.times, row.requests, 0.5),
    p95 = quantile(row.times, row.requests, 0.95),
  }
end

--- The figures of all hosts.
---@return table<string, luapool.job.Host>
function Hosts:figures()
  local figures = {}
  for name, row in pairs(self.by_name) do figures[name] = figures_of(row) end
  return figures
end

-- ---- the table ----

local function size(bytes)
  local units, i = { "B", "K", "M", "G", "T" }, 1
  while bytes >= 1000 and i < #units do bytes, i = bytes / 1024, i + 1 end
  return (i == 1 and "%.0f %s" or "%.1f %s"):format(bytes, units[i])
end

local function seconds(s) return s and ("%.3g s"):format(s) or "-" end

-- "200: 98, 404: 2"
local function list(counts)
  local keys, parts = {}, {}
  for key in pairs(counts) do keys[#keys + 1] = key end
  table.sort(keys)
  for i, key in ipairs(keys) do
    parts[i] = ("%s: %d"):format(key == 0 and "none" or key, counts[key])
  end
  return table.concat(parts, ", ")
end

local function cells(name, row)
  local f = figures_of(row)
  return { name, tostring(f.requests), size(f.bytes), seconds(f.p50), seconds(f.p95),
    list(f.statuses), list(f.skipped) }
end

-- One row of all these.
local function sum(self, names)
  local all = new_row()
  for _, name in ipairs(names) do
    local row = self.by_name[name]
    all.requests, all.bytes = all.requests + row.requests, all.bytes + row.bytes
    for _, field in ipairs { "statuses", "skipped", "times" } do
      for key, n in pairs(row[field]) do add(all[field], key, n) end
    end
  end
  return all
end

-- The hosts, the most asked first.
local function sorted(self)
  local names, by_name = {}, self.by_name
  for name in pairs(by_name) do names[#names + 1] = name end
  table.sort(names, function(a, b)
    if by_name[a].requests ~= by_name[b].requests then
      return by_name[a].requests > by_name[b].requests
    end
    return a < b
  end)
  return names
end

local function layout(rows)
  local widths, lines = {}, {}
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do widths[i] = math.max(widths[i] or 0, utf8.len(cell) or #cell) end
  end
  for _, row in ipairs(rows) do
    local line = {}
    for i, cell in ipairs(row) do
      local space = (" "):rep(widths[i] - (utf8.len(cell) or #cell))
      local left = i == 1 or i >= 6
      line[i] = left and cell .. space or space .. cell
    end
    lines[#lines + 1] = table.concat(line, "  "):gsub("%s+$", "") .. "\n"
  end
  return table.concat(lines)
end

--- The table for the end of a run: the hosts that were asked most, and one row for all others.
--- Empty when there are none.
---@return string
function Hosts:text()
  local names = sorted(self)
  if not names[1] then return "" end
  local rows = { { "host", "requests", "bytes", "p50", "p95", "statuses", "skipped" } }
  for i = 1, math.min(#names, ROWS) do rows[i + 1] = cells(names[i], self.by_name[names[i]]) end
  if #names > ROWS then
    local others = table.move(names, ROWS + 1, #names, 1, {})
    table.insert(rows, cells(("%d others"):format(#others), sum(self, others)))
  end
  return layout(rows)
end

return M
