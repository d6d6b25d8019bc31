-- internal.queue.sqlite.put: jobs come into a store on SQLite. An operation of
-- internal.queue.sqlite.group.

local schema = require "luapool.internal.queue.sqlite.schema"

local M = {}

-- Jobs that want nothing special are inserted so many at a time: a statement costs as much as a
-- row. What they share is bound once.
local MANY, SHARED = 32, 6

local function insert(n)
  local rows = {}
  for i = 1, n do
    rows[i] = ("(?%d, ?1, ?2, ?3, ?%d, ?4, ?5, ?6)"):format(SHARED + 2 * i - 1, SHARED + 2 * i)
  end
  return "INSERT INTO job (id, kind, state, priority, args, put, time, ttl) VALUES "
    .. table.concat(rows, ", ") .. " ON CONFLICT (id) DO NOTHING"
end

local ONE, BLOCK = insert(1), insert(MANY)

local RARE = [[INSERT INTO job (id, kind, state, priority, args, put, time, ttl, expires, key, uniq,
  uniq_for, parent, marked) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT DO NOTHING]]

-- A value whose job has ended, and that was not to be kept for longer.
local FREE = [[UPDATE job SET uniq = NULL WHERE kind = ?1 AND uniq = ?2 AND state >= 6
  AND ended + ifnull(uniq_for, 0) <= ?3]]
local HOLDER = "SELECT id FROM job WHERE kind = ? AND uniq = ?"
local FLOW = [[INSERT INTO flow (parent, pending, missed, lenient) SELECT ?1, ?2, 0, ?3
  WHERE EXISTS (SELECT 1 FROM job WHERE id = ?1) ON CONFLICT DO NOTHING]]

local FILL = schema.fill("?1", "?2")

-- From 1e11 seconds on it is for ever.
local function micros(seconds)
  return seconds and math.floor(math.min(seconds, 1e11) * 1000000 + 0.5)
end

local function is_plain(job)
  return not (job.key or job.expires or job.unique or job.parent or job.flow)
end

local function state_of(job, due)
  if job.flow then return schema.BLOCKED end
  if due then return schema.SCHEDULED end
  return job.key and schema.PARKED or schema.READY
end

local function put_rare(self, batch, now, job, i)
  local kind, expires = self.kinds[job.kind], job.expires and now + micros(job.expires)
  local due = (job.delay or 0) > 0 and not job.flow and now + micros(job.delay) or nil
  if job.unique then batch:add(FREE, kind, job.unique, now) end
  batch:add(RARE, job.id, kind, state_of(job, due), job.priority or 0, job.args, now,
    due or not job.flow and expires or nil, micros(job.result_ttl), expires, job.key, job.unique,
    micros(job.unique_for), job.parent, job.flow and 2 or nil)
  if job.unique then self.asked[i] = batch:query(HOLDER, kind, job.unique) end
  if job.key then self.lanes[kind .. " " .. job.key] = { kind, job.key } end
  if job.flow then
    batch:add(FLOW, job.id, job.flow.pending, job.flow.lenient and 1 or 0)
  end
end

local function shared(self, job, now)
  local due = job.delay and job.delay > 0 and now + micros(job.delay) or nil
  return { self.kinds[job.kind], due and schema.SCHEDULED or schema.READY, job.priority or 0, now,
    due, job.result_ttl and micros(job.result_ttl) }
end

local function are_alike(a, b)
  return a.kind == b.kind and a.delay == b.delay and a.priority == b.priority
    and a.result_ttl == b.result_ttl
end

-- Inserts what is gathered in `row`: what the jobs share, then id and arguments of each.
local function flush(batch, row, n)
  if n == MANY then
    batch:add(BLOCK, table.unpack(row, 1, SHARED + 2 * n))
    return
  end
  for at = SHARED + 1, SHARED + 2 * n, 2 do
    row[SHARED + 1], row[SHARED + 2] = row[at], row[at + 1]
    batch:add(ONE, table.unpack(row, 1, SHARED + 2))
  end
end

--- Adds the statements that put `self.jobs`.
---@param self table
---@param batch userdata
---@param now integer
function M.write(self, batch, now)
  self.asked, self.lanes = {}, {}
  local row, n, first = nil, 0, nil
  local jobs = self.jobs
  for i = 1, #jobs do
    local job = jobs[i]
    local plain = is_plain(job)
    if n == MANY or n > 0 and not (plain and are_alike(first, job)) then
      flush(batch, row, n)
      n = 0
    end
    if not plain then
      put_rare(self, batch, now, job, i)
    else
      if n == 0 then
        first, row = job, shared(self, job, now)
      end
      n = n + 1
      row[SHARED + 2 * n - 1], row[SHARED + 2 * n] = job.id, job.args
    end
  end
  if n > 0 then flush(batch, row, n) end
  for _, lane in pairs(self.lanes) do
    for _, sql in ipairs(FILL) do batch:add(sql, lane[1], lane[2]) end
  end
end

--- Takes what has come of it: `self.outcomes`.
---@param self table
---@param rows table
function M.read(self, rows)
  local outcomes = {}
  for i = 1, #self.jobs do outcomes[i] = true end
  for i, query in pairs(self.asked) do
    local holder = rows[query] and rows[query][1].id
    if holder and holder ~= self.jobs[i].id then outcomes[i] = { duplicate = holder } end
  end
  self.outcomes = outcomes
end

--- An operation that puts jobs. `kinds` maps their kinds to numbers.
---@param jobs table[]
---@param kinds table<string, integer>
---@return table op
function M.new(jobs, kinds)
  return { jobs = jobs, kinds = kinds, write = M.write, read = M.read }
end

M.micros = micros

return M
