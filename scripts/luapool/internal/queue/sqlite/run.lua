-- internal.queue.sqlite.run: what a store on SQLite does for jobs that run: crashes of their
-- workers, cancels that reach them, how far they are. Methods of the store.

local schema = require "luapool.internal.queue.sqlite.schema"
local settle = require "luapool.internal.queue.sqlite.settle"

local Store = {}

local COUNT_CRASH = [[INSERT INTO mark (seq, crashes) VALUES (?, 1)
  ON CONFLICT (seq) DO UPDATE SET crashes = crashes + 1]]
local MARK = "UPDATE job SET marked = ifnull(marked, 0) | 1"
local TOO_MANY = "(?5 OR (SELECT crashes FROM mark WHERE mark.seq = job.seq) > ?6)"
local CRASHED = ([[UPDATE job SET moved = NULL,
  state = CASE WHEN %s THEN 8 WHEN %s THEN 7 ELSE %s END,
  owner = NULL, error = CASE WHEN %s THEN ?7 ELSE error END,
  ended = CASE WHEN %s OR %s THEN ?1 END,
  time = CASE WHEN %s THEN ?1 + %s WHEN %s THEN ?1 + %s ELSE expires END]]):format(settle.FLAGGED,
  TOO_MANY, settle.WAITING, TOO_MANY, settle.FLAGGED, TOO_MANY, settle.FLAGGED, schema.KEPT_ENDED,
  TOO_MANY, schema.KEPT_FAILED) .. settle.NUMBERED
local DIED = '{"kind":"worker_died","message":"the worker that ran it has died"}'

--- The worker that ran a job has died.
---@param id string
---@param token integer
---@param reason? string JSON of the error, when the job has failed by it
---@return "retry"|"failed"|"cancelled"|nil what nil: it is not ours any more
function Store:crashed(id, token, reason)
  local job = self.running[id]
  if not job or job.token ~= token then return nil end
  local kind, outcome, lost = self.known[job.kind] or {}, nil, false
  self.group:run {
    write = function(op, batch, now)
      if lost then return end
      op.guard = batch:guard(MARK .. " WHERE seq = ? AND token = ? AND owner = ? AND state = 5",
        job.seq, token, self.owner.id)
      batch:add(COUNT_CRASH, job.seq)
      batch:add(CRASHED, now, job.seq, token, self.owner.id, kind.lost == "fail",
        kind.crash_retries or 1, reason or DIED)
      op.state = batch:query("SELECT state FROM job WHERE seq = ?", job.seq)
    end,
    refuse = function(op, guards) lost = lost or guards[op.guard] or false end,
    read = function(op, rows)
      if lost then return end
      local state = rows[op.state][1].state
      outcome = state == schema.FAILED and "failed" or state == schema.CANCELLED and "cancelled"
        or "retry"
    end,
  }
  self.running[id] = nil
  return outcome
end

--- Which of the jobs that run here are to be cancelled, and which belong to somebody else by now.
---@return string[] cancelled
---@return string[] lost
function Store:renew()
  local cancelled, lost, ours = {}, {}, {}
  if not self.owner then return cancelled, lost end
  local before = {}
  for id, job in pairs(self.running) do before[id] = job end
  for row in self.db:rows("SELECT id, token, cancel FROM job LEFT JOIN mark USING (seq) "
    .. "WHERE state = 5 AND owner = ?", self.owner.id) do
    ours[row.id] = row.token
    if row.cancel == 1 and before[row.id] then cancelled[#cancelled + 1] = row.id end
  end
  for id, job in pairs(before) do
    if ours[id] ~= job.token and self.running[id] == job then lost[#lost + 1] = id end
  end
  return cancelled, lost
end

--- Notes how far jobs are: a list of { id, token, share, text }.
---@param list table[]
function Store:progress(list)
  self.group:run {
    relaxed = true,
    write = function(_, batch)
      for _, step in ipairs(list) do
        local job = self.running[step.id]
        if job and job.token == step.token then
          local mine = " WHERE seq = ? AND token = ? AND owner = ? AND state = 5"
          batch:add(MARK .. mine, job.seq, step.token, self.owner.id)
          batch:add("INSERT INTO mark (seq, share, text) SELECT seq, ?, ? FROM job" .. mine
            .. " ON CONFLICT (seq) DO UPDATE SET share = excluded.share, text = excluded.text",
            step.share, step.text, job.seq, step.token, self.owner.id)
        end
      end
    end,
    read = function() end,
  }
end

return Store
