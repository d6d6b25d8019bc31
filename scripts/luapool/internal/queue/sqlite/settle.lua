-- internal.queue.sqlite.settle: jobs end or go back, and others are claimed, in one transaction. An
-- operation of internal.queue.sqlite.group.
--
-- Each result is a guard: when its token is not the newest any more, nothing of it happens, and
-- the transaction is done without it.

local claim = require "luapool.internal.queue.sqlite.claim"
local put = require "luapool.internal.queue.sqlite.put"
local schema = require "luapool.internal.queue.sqlite.schema"

local M = {}

-- What every result asks: the job runs, it is ours, and nobody has claimed it since.
local MINE = " WHERE seq = ? AND token = ? AND owner = ? AND state = 5"

-- A job that is to be cancelled does not run again.
local FLAGGED = "marked & 1 AND (SELECT cancel FROM mark WHERE mark.seq = job.seq)"
local WAITING = "CASE WHEN key IS NULL THEN 2 ELSE 3 END"

-- Sets the state of a job that is to go on, unless it is cancelled: `state` and `time` as SQL.
local function go_on(state, time)
  return ([[moved = NULL, state = CASE WHEN %s THEN 8 ELSE %s END, owner = NULL,
    ended = CASE WHEN %s THEN ?1 END, time = CASE WHEN %s THEN ?1 + %s ELSE %s END]])
    :format(FLAGGED, state, FLAGGED, FLAGGED, schema.KEPT_ENDED, time)
end

local NUMBERED = " WHERE seq = ?2 AND token = ?3 AND owner = ?4 AND state = 5"

local DELETE = "DELETE FROM job" .. MINE
local DONE = "UPDATE job SET state = 6, owner = NULL, result = ?, ended = ?, time = ?" .. MINE
local DONE_MOVED = "UPDATE job SET moved = NULL, state = 6, owner = NULL, result = ?, ended = ?, "
  .. "time = ?" .. MINE
local ENDED = "UPDATE job SET moved = NULL, state = ?, owner = NULL, error = ?, ended = ?, "
  .. "time = ?" .. MINE
local AGAIN = "UPDATE job SET " .. go_on("CASE WHEN ?6 > ?1 THEN 1 ELSE " .. WAITING .. " END",
  "CASE WHEN ?6 > ?1 THEN ?6 ELSE expires END") .. ", error = ?5, attempts = attempts - ?7"
  .. NUMBERED
local BACK = "UPDATE job SET " .. go_on(WAITING, "expires") .. ", attempts = attempts - ?5"
  .. NUMBERED

local COUNT = [[INSERT INTO total VALUES (?, 6, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n]]

-- A hundred of each at most: who waits for too many gets the others in the next transaction.
local PROMOTE = [[UPDATE job SET moved = NULL,
  state = CASE WHEN expires <= ?1 THEN 9 ELSE ]] .. WAITING .. [[ END,
  ended = CASE WHEN expires <= ?1 THEN ?1 END,
  time = CASE WHEN expires <= ?1 THEN ?1 + ]] .. schema.KEPT_ENDED .. [[ ELSE expires END
  WHERE seq IN (SELECT seq FROM job WHERE state = 1 AND time <= ?1 ORDER BY time LIMIT 100)]]
local EXPIRE = [[UPDATE job SET moved = NULL, state = 9, ended = ?1,
  time = ?1 + ]] .. schema.KEPT_ENDED .. [[
  WHERE seq IN (SELECT seq FROM job WHERE time IS NOT NULL AND state <> 1 AND time <= ?1
  ORDER BY time LIMIT 100) AND state IN (2, 3)]]
local DROP = [[DELETE FROM job WHERE seq IN (SELECT seq FROM job
  WHERE time IS NOT NULL AND state <> 1 AND time <= ?1 ORDER BY time LIMIT 100) AND state >= 6]]
local NEXT = "SELECT min(time) AS time FROM job WHERE state = 1"

local STARTED = [[INSERT INTO start SELECT ?2, ?1, count(*) FROM job WHERE state = 5 AND kind = ?2
  AND owner = ?3 AND started = ?1 HAVING count(*) > 0
  ON CONFLICT DO UPDATE SET n = excluded.n]]
local FORGET = "DELETE FROM start WHERE kind = ? AND at <= ?"
local SLOT = "SELECT min(at) AS at FROM start WHERE kind = ?"

local micros = put.micros

-- Until when an ended job is kept: as its put or its kind says, and while its `unique` lasts.
local function until_of(job, kind, now, least)
  local ttl = job.ttl or kind and kind.result_ttl and micros(kind.result_ttl) or 0
  return now + math.max(ttl, job.uniq_for or 0, least)
end

local write = {}

function write.done(op, batch, now, result, job)
  local last = until_of(job, op.known[job.kind], now, 0)
  op.done_of[job.kind_id] = (op.done_of[job.kind_id] or 0) + 1
  local plain = not (job.parent or job.marked or job.key)
  if plain and last == now then return batch:guard(DELETE, job.seq, result.token, op.owner) end
  return batch:guard(plain and DONE or DONE_MOVED, result.value, now,
    not job.parent and last or nil, job.seq, result.token, op.owner)
end

local function ended(state, keep)
  return function(op, batch, now, result, job)
    local last = until_of(job, op.known[job.kind], now, keep)
    return batch:guard(ENDED, state, result.error, now, last, job.seq, result.token, op.owner)
  end
end

write.failed = ended(schema.FAILED, schema.KEEP_FAILED)
write.cancelled = ended(schema.CANCELLED, schema.KEEP_ENDED)

function write.again(op, batch, now, result, job)
  return batch:guard(AGAIN, now, job.seq, result.token, op.owner, result.error,
    now + micros(result.delay or 0), result.charge == false and 1 or 0)
end

function write.back(op, batch, now, result, job)
  return batch:guard(BACK, now, job.seq, result.token, op.owner, result.charge and 0 or 1)
end

local function write_results(op, batch, now)
  op.done_of, op.guard = {}, {}
  local results, running = op.results, op.running
  for i = 1, #results do
    local result = results[i]
    local job = running[result.id]
    if op.settled[i] and (not job or job.token ~= result.token) then op.settled[i] = false end
    if op.settled[i] then
      op.guard[i] = write[result.outcome](op, batch, now, result, job)
      if result.added and #result.added > 0 then
        put.write({ jobs = result.added, kinds = op.ids }, batch, now)
      end
    end
  end
  for kind, n in pairs(op.done_of) do batch:add(COUNT, kind, n) end
end

local function write_sweep(batch, now)
  batch:add(PROMOTE, now)
  batch:add(EXPIRE, now)
  batch:add(DROP, now)
end

local function write_claim(op, batch, now)
  op.claim, op.slots = nil, {}
  if op.want <= 0 or not next(op.kinds) then return end
  op.claim = batch:query(op.sql.read, now, op.owner, op.want)
  batch:add(op.sql.claim, now, op.owner, op.want)
  for name, kind in pairs(op.kinds) do
    if kind.rate then
      local id = op.ids[name]
      batch:add(STARTED, now, id, op.owner)
      batch:add(FORGET, id, now - math.ceil(kind.rate.per * 1000000))
      op.slots[name] = batch:query(SLOT, id)
    end
  end
end

local function write_all(op, batch, now)
  write_results(op, batch, now)
  write_sweep(batch, now)
  write_claim(op, batch, now)
  op.next = batch:query(NEXT)
end

-- The results whose guards have changed nothing are not settled.
local function refuse(op, guards)
  for i, number in pairs(op.guard) do
    if guards[number] then op.settled[i] = false end
  end
end

-- Seconds until something becomes due, or a rate lets the next one start.
local function next_due(op, rows, now)
  local due = rows[op.next] and rows[op.next][1].time
  for name, query in pairs(op.slots) do
    local at = rows[query] and rows[query][1].at
    if at then
      at = at + math.ceil(op.kinds[name].rate.per * 1000000)
      if not due or at < due then due = at end
    end
  end
  return due and math.max(0, (due - now) / 1000000)
end

local function read(op, rows, now)
  local running, results = op.running, op.results
  for i = 1, #results do
    local result = results[i]
    local job = running[result.id]
    if job and job.token == result.token then running[result.id] = nil end
    op.settled[i] = op.settled[i] or false
  end
  op.claimed, op.expired, op.marked = claim.jobs(rows[op.claim], op.names, now)
  for i = 1, #op.claimed do
    local job = op.claimed[i]
    running[job.id] = job
  end
  op.next_due = #op.expired > 0 and 0 or next_due(op, rows, now)
end

--- An operation that ends jobs which had expired when they were claimed.
---@param store table
---@param jobs table[]
---@return table op
function M.expire(store, jobs)
  return {
    write = function(_, batch, now)
      for _, job in ipairs(jobs) do
        local last = until_of(job, nil, now, schema.KEEP_ENDED)
        batch:add(ENDED, schema.EXPIRED, nil, now, last, job.seq, job.token, store.owner.id)
      end
    end,
    read = function() end,
  }
end

--- An operation that ends `results`, sweeps, and claims up to `want` jobs of `kinds`. `store` is
--- the one that has claimed the jobs of the results.
---@param store table
---@param results table[]
---@param want integer
---@param kinds table<string, table>
---@return table op
function M.new(store, results, want, kinds)
  local settled, lossless = {}, #results == 0
  for i = 1, #results do settled[i] = true end
  for _, kind in pairs(kinds) do
    if kind.lost == "fail" then lossless = false end -- such a start must be known after a crash
  end
  return {
    owner = store.owner.id,
    ids = store.ids,
    names = store.names,
    running = store.running,
    known = store.known,
    results = results,
    settled = settled,
    want = want,
    kinds = kinds,
    sql = want > 0 and next(kinds) and store:claim_sql(kinds) or nil,
    relaxed = lossless,
    write = write_all,
    refuse = refuse,
    read = read,
  }
end

M.sweep = write_sweep
M.FLAGGED, M.WAITING, M.go_on, M.NUMBERED = FLAGGED, WAITING, go_on, NUMBERED

return M
