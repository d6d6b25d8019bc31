-- internal.queue.sqlite.read: what a store on SQLite tells about its jobs.

local json = require "luapool.json.core"
local schema = require "luapool.internal.queue.sqlite.schema"

local M = {}

local names = schema.names

local COLUMNS = [[seq, job.id AS id, name AS kind, state, priority, args, put, job.time, attempts,
  ttl, started, ended, result, error, expires, key, uniq, parent, crashes, losses, cancel, share,
  text]]
local FROM = " FROM job JOIN kind ON kind.id = job.kind LEFT JOIN mark USING (seq)"

local function seconds(micros) return micros and micros / 1000000 end

local function decoded(text)
  if text then return json.decode(text) end
end

-- A row as users see it.
local function job_of(row)
  local job = {
    id = row.id, kind = row.kind, state = names[row.state], priority = row.priority,
    args = decoded(row.args), attempts = row.attempts, crashes = row.crashes or 0,
    losses = row.losses or 0, key = row.key, unique = row.uniq, parent = row.parent,
    put_at = seconds(row.put), started_at = seconds(row.started), ended_at = seconds(row.ended),
    due_at = row.state == schema.SCHEDULED and seconds(row.time) or nil,
    expires_at = seconds(row.expires), result = decoded(row.result), error = decoded(row.error),
    cancel = row.cancel == 1 or nil, seq = row.seq,
  }
  if row.share then job.progress = { share = row.share, text = row.text } end
  return job
end

local GET = "SELECT " .. COLUMNS .. FROM .. " WHERE job.id IN (SELECT value FROM json_each(?))"

--- Looks many jobs up at once.
---@param db luapool.sqlite.Db
---@param ids table<string, any>
---@return table<string, table> jobs by their ids
function M.get(db, ids)
  local list, jobs = json.array {}, {}
  for id in pairs(ids) do list[#list + 1] = id end
  for row in db:rows(GET, json.encode(list)) do jobs[row.id] = job_of(row) end
  return jobs
end

-- What has become of the jobs that a job of a flow has waited for, in the order of their puts. They
-- stay as they are until it has ended.
local function children_of(db, id)
  local list = {}
  for row in db:rows("SELECT job.id AS id, name, state, result, error FROM job JOIN kind "
    .. "ON kind.id = job.kind WHERE parent = ? ORDER BY seq", id) do
    list[#list + 1] = { id = row.id, kind = row.name, state = names[row.state],
      result = decoded(row.result), error = decoded(row.error) }
  end
  return list
end

--- Adds to a job that was claimed what its marks stand for.
---@param db luapool.sqlite.Db
---@param job table
function M.complete(db, job)
  if job.marked & 2 ~= 0 then job.children = children_of(db, job.id) end
  local mark = job.marked & 1 ~= 0
    and db:first("SELECT crashes, share, text FROM mark WHERE seq = ?", job.seq)
  if not mark then return end
  job.crashes = mark.crashes
  if mark.share then job.progress = { share = mark.share, text = mark.text } end
end

-- Name of a state -> the numbers it has, as SQL.
local numbers = { waiting = "2, 3" }
for number, name in ipairs(names) do
  numbers[name] = numbers[name] or tostring(number)
end

M.states = numbers

---@param db luapool.sqlite.Db
---@param opts table state, kind, limit, after (the id of the last one seen)
---@return table[] jobs in put order
function M.list(db, opts)
  local where, values = { "1" }, {}
  local function add(sql, value)
    where[#where + 1] = sql
    values[#values + 1] = value
  end
  if opts.state then where[#where + 1] = ("state IN (%s)"):format(numbers[opts.state]) end
  if opts.kind then add("name = ?", opts.kind) end
  if opts.after then add("seq > (SELECT seq FROM job WHERE id = ?)", opts.after) end
  values[#values + 1] = opts.limit or 100
  local sql = "SELECT " .. COLUMNS .. FROM .. " WHERE " .. table.concat(where, " AND ")
    .. " ORDER BY seq LIMIT ?"
  local list = {}
  for row in db:rows(sql, table.unpack(values)) do list[#list + 1] = job_of(row) end
  return list
end

-- Each count comes out of an index that holds nothing but what is counted.
local COUNTS = [[SELECT name, paused,
  (SELECT count(*) FROM job INDEXED BY job_ready WHERE state = 2 AND job.kind = kind.id) AS ready,
  (SELECT put FROM job WHERE seq = (SELECT min(seq) FROM job INDEXED BY job_ready
    WHERE state = 2 AND job.kind = kind.id)) AS oldest,
  (SELECT count(*) FROM job INDEXED BY job_lane
    WHERE key IS NOT NULL AND state = 3 AND job.kind = kind.id) AS parked,
  (SELECT count(*) FROM job INDEXED BY job_due WHERE state = 1 AND job.kind = kind.id) AS scheduled,
  (SELECT count(*) FROM job INDEXED BY job_running
    WHERE state = 5 AND job.kind = kind.id) AS running,
  (SELECT count(*) FROM flow JOIN job ON id = flow.parent
    WHERE state = 4 AND job.kind = kind.id) AS blocked,
  (SELECT count(*) FROM job INDEXED BY job_failed WHERE state = 7 AND job.kind = kind.id) AS dead,
  (SELECT n FROM total WHERE total.kind = kind.id AND state = 6) AS done,
  (SELECT n FROM total WHERE total.kind = kind.id AND state = 7) AS failed,
  (SELECT n FROM total WHERE total.kind = kind.id AND state = 8) AS cancelled,
  (SELECT n FROM total WHERE total.kind = kind.id AND state = 9) AS expired
  FROM kind ORDER BY name]]

---@param db luapool.sqlite.Db
---@param now integer
---@return table<string, table> stats by the name of a kind
function M.stats(db, now)
  local stats = {}
  for row in db:rows(COUNTS) do
    stats[row.name] = {
      waiting = row.ready + row.parked, scheduled = row.scheduled, blocked = row.blocked,
      running = row.running, dead = row.dead, done = row.done or 0, failed = row.failed or 0,
      cancelled = row.cancelled or 0, expired = row.expired or 0, paused = row.paused == 1,
      oldest = row.oldest and (now - row.oldest) / 1000000 or nil,
    }
  end
  return stats
end

return M
