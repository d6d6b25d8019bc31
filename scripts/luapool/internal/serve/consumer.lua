-- internal.serve.consumer: jobs from a store to workers, and their ends back. It claims no more
-- than there is room for; what ends while a transaction is under way goes into the next one,
-- together with the next claim. Who runs the jobs is a crew, which may be changed while it works.

local errors = require "luapool.error.core"
local json = require "luapool.json.core"
local log = require "luapool.log"
local sync = require "luapool.sync.core"
local task = require "luapool.task"
local worker = require "luapool.internal.serve.worker"

local M = {}

-- Seconds: between two looks at what is to be cancelled, at least; the waits after an error of the
-- store; how long cancelled jobs may take to end; how long a job may go on past its `timeout`, or
-- once it is cancelled; how long its worker may take for an answer then.
local RENEW, FIRST, MOST, ENDING, OVER, ANSWER = 0.25, 0.1, 5, 8, 5, 2

-- Seconds that the store may take for an answer, until something is wrong.
local PATIENCE = 35

-- How many workers may die under a job that only waited there, beside others, until it is charged.
local INNOCENT = 3

---@class luapool.serve.Consumer
---@field store table see luapool.internal.queue
---@field crew luapool.serve.Crew
---@field kinds table<string, table> what may be claimed: the same table each time
---@field running table<string, table> id -> entry: job, seat, future; asked, lost, late, told
---@field count integer of them
---@field results table[] that are to be settled
---@field progress table<string, table> what is to be told of them
---@field losses table<string, integer> id -> how many workers have died under it
---@field stopping boolean it claims no more
---@field kill fun() ends all workers at once
local Consumer = {}
Consumer.__index = Consumer

---@param store table
---@param crew luapool.serve.Crew
---@return luapool.serve.Consumer
function M.new(store, crew)
  return setmetatable({
    store = store,
    crew = crew,
    kinds = crew.told.kinds,
    running = {},
    count = 0,
    results = {},
    steps = {},
    losses = {},
    open = 0,
    bell = sync.waiters "work",
    ends = sync.waiters "end of jobs",
    begun = sync.waiters "start of jobs",
    stopping = false,
    closed = false,
    totals = { done = 0, failed = 0, again = 0, back = 0, cancelled = 0, crashed = 0 },
  }, Consumer)
end

--- Something has happened that it may act on.
function Consumer:ring()
  self.rung = true
  self.bell:wake_all()
end

-- ---- ends ----

local function finish(self, entry)
  local id = entry.job.id
  if self.running[id] == entry then -- not when it was lost, and has been claimed again since
    self.running[id], self.steps[id] = nil, nil
  end
  self.count = self.count - 1
end

local function push(self, entry, result)
  if entry.lost then return end
  result.id, result.token = entry.job.id, entry.job.token
  self.results[#self.results + 1] = result
  self.totals[result.outcome] = self.totals[result.outcome] + 1
end

local function name_of(job) return ("%s %s"):format(job.kind, job.id) end

-- Counts a crash in the store, which says what becomes of the job. It tries until the store can be
-- had; when the process is to end, whoever recovers its jobs goes on.
local function crashed(self, entry, e)
  self.open = self.open + 1
  self.totals.crashed = self.totals.crashed + 1
  self.losses[entry.job.id] = nil
  local job, wait = entry.job, FIRST
  task.spawn(function()
    repeat
      local ok, what = pcall(self.store.crashed, self.store, job.id, job.token,
        worker.encode_error(e))
      if ok then
        log.warn("%s: %s: %s", name_of(job), errors.text(e), what == "retry" and "runs again"
          or what == "failed" and "has failed" or what or "somebody else has it")
      else
        log.error("%s: its crash cannot be noted: %s", name_of(job), errors.text(what))
        if not self.closed then task.sleep(wait) end
        wait = math.min(wait * 2, MOST)
      end
    until ok or self.closed
    self.open = self.open - 1
    self:ring()
  end):name "crash"
end

local function timed_out(self, entry)
  local kind = self.kinds[entry.job.kind] or {}
  local text = ("the job took longer than %g s"):format(entry.kind.timeout)
  local again = entry.job.attempts < (kind.attempts or 1)
  push(self, entry, { outcome = again and "again" or "failed", delay = 1,
    error = worker.encode_error(errors.new("timeout", text)) })
end

local function is_late(entry)
  local most = entry.kind.timeout
  return most and task.now() - entry.began > most + OVER
end

-- Its worker was killed, as one of its jobs was in a C function: that job has to answer for it.
local function stuck(self, entry, e)
  if entry.lost then return end
  if not errors.is(e, "timeout") then return push(self, entry, { outcome = "back" }) end
  if is_late(entry) then return timed_out(self, entry) end
  crashed(self, entry, errors.new("worker_died",
    "its worker was killed, for it was in a C function that nothing else can end"))
end

-- What has become of a job that did not come to its own end.
local function broken(self, entry, e)
  if entry.seat and entry.seat.stuck and not errors.is(e, "cancelled") then
    return stuck(self, entry, e)
  end
  local kind = self.kinds[entry.job.kind] or entry.kind
  if errors.is(e, "worker_died") then
    if entry.lost then return end
    local id = entry.job.id
    self.losses[id] = (self.losses[id] or 0) + 1
    if e.on_cpu or entry.alone or kind.lost == "fail" or self.losses[id] > INNOCENT then
      return crashed(self, entry, e)
    end
    push(self, entry, { outcome = "back" })
  elseif errors.is(e, "cancelled") then
    if entry.late then return timed_out(self, entry) end
    push(self, entry, { outcome = entry.asked and "cancelled" or "back" })
  else
    log.warn("%s: %s", name_of(entry.job), errors.text(e))
    push(self, entry, { outcome = "failed", error = worker.encode_error(e) })
  end
end

local function ended(self, entry, ok, outcome, value, delay, added)
  finish(self, entry)
  if ok then self.losses[entry.job.id] = nil end
  if not ok then
    broken(self, entry, outcome)
  elseif outcome == "done" then
    push(self, entry, { outcome = "done", value = value, added = added })
  elseif entry.asked then
    push(self, entry, { outcome = "cancelled" })
  else
    if outcome == "failed" then
      log.warn("%s has failed (attempt %d): %s", name_of(entry.job), entry.job.attempts,
        json.decode(value).message)
    end
    push(self, entry, { outcome = outcome, error = value, delay = delay })
  end
  self:ring()
end

-- ---- starts ----

--- The rarer fields of a job, for its worker.
---@param job table
---@return table
function M.more_of(job)
  return { crashes = job.crashes, priority = job.priority, key = job.key, parent = job.parent,
    put_at = job.put_at, children = job.children, progress = job.progress }
end

local function start(self, job)
  local seat = not self.stopping and self.crew:seat()
  local entry = { job = job, seat = seat, began = task.now(), kind = self.kinds[job.kind] or {} }
  if not seat then return push(self, entry, { outcome = "back" }) end
  self.running[job.id] = entry
  self.count = self.count + 1
  if self.count == 1 then self.begun:wake_all() end
  local function on_end(alone, ...)
    entry.alone = alone
    ended(self, entry, ...)
  end
  local ok, future = pcall(seat.start, seat, on_end, job.id, job.kind, job.args, job.attempts,
    M.more_of(job))
  entry.future = ok and future or nil
  if not ok then ended(self, entry, false, future) end
end

-- ---- the store ----

-- Settles what has ended, and claims what there is room for. Returns false when the store has an
-- error: the results stay for the next time.
local function exchange(self, want)
  local results, since = self.results, self.store:changes()
  self.results, self.settling = {}, task.now()
  local ok, settled, claimed, due = pcall(self.store.settle, self.store, results, want, self.kinds)
  self.settling = nil
  if not ok then
    table.move(self.results, 1, #self.results, #results + 1, results)
    self.results = results
    return false, settled
  end
  for i, result in ipairs(results) do
    if not settled[i] then
      log.warn("%s: somebody else has it by now, its outcome (%s) is dropped", result.id,
        result.outcome)
    end
  end
  for _, job in ipairs(claimed) do start(self, job) end
  self.dry = want > 0 and #claimed < want and { since = since, due = task.now() + (due or 1e6) }
    or nil
  return true
end

-- Rests until there is something to do: a job has ended, a worker has room, the store has changed.
local function rest(self)
  local dry = self.dry
  if dry and not self.watching and not self.stopping then
    self.watching = task.spawn(function()
      local seconds = math.max(0, math.min(dry.due - task.now(), 30))
      local ok, e = pcall(self.store.wait, self.store, seconds, dry.since)
      self.watching, self.dry = nil, nil
      if not ok then
        log.error("the queue cannot be watched: %s", errors.text(e))
        task.sleep(1)
      end
      self:ring()
    end)
    self.watching:name "waits for jobs"
  end
  if not self.rung then self.bell:wait() end
  self.rung = false
end

local function turn(self)
  local want = self.stopping and 0 or self.crew:room()
  if #self.results == 0 and (want == 0 or self.dry) then return rest(self) end
  self.rung = false
  local ok, e = exchange(self, want)
  if ok then
    self.wait = nil
    if self.count == 0 and #self.results == 0 then self.ends:wake_all() end
    return
  end
  self.wait = math.min((self.wait or FIRST / 2) * 2, MOST)
  log.error("the queue cannot be reached, next try in %g s: %s", self.wait, errors.text(e))
  task.sleep(self.wait)
end

local function cancel(entry, why)
  entry.told = task.now()
  if entry.future then entry.future:cancel(why) end
end

-- Jobs of a worker are late, or do not end though they are cancelled.
local function probe(self, seat)
  if not seat:answers(ANSWER) then
    if seat.stuck then
      log.warn("%s is killed: it is in a C function that nothing else can end", seat.name)
    end
  else
    for _, entry in pairs(self.running) do
      if entry.seat == seat and not entry.told and is_late(entry) then
        entry.late = true
        cancel(entry, "timeout")
      end
    end
  end
  seat.probed = task.now()
end

-- Looks at the workers whose jobs go on for longer than they may.
local function look_at_workers(self)
  local now = task.now()
  for _, entry in pairs(self.running) do
    local seat, told = entry.seat, entry.told
    local over = told and now - told > OVER or not told and is_late(entry)
    if over and not seat.gone and now - (seat.probed or 0) > ANSWER then
      seat.probed = math.huge
      task.spawn(probe, self, seat):name "probe"
    end
  end
end

-- Cancels jobs that somebody has cancelled, that are somebody else's by now, that took too long.
local function look(self)
  local cancelled, lost = self.store:renew()
  for _, id in ipairs(cancelled) do
    local entry = self.running[id]
    if entry and not entry.asked then
      entry.asked = true
      cancel(entry, "cancelled")
    end
  end
  for _, id in ipairs(lost) do
    local entry = self.running[id]
    if entry and not entry.lost then
      entry.lost = true
      log.warn("%s is somebody else's by now: it is stopped here", name_of(entry.job))
      cancel(entry, "lost")
    end
  end
  look_at_workers(self)
end

local function tell_progress(self)
  if not next(self.steps) then return end
  local list = {}
  for _, step in pairs(self.steps) do list[#list + 1] = step end
  self.steps = {}
  self.store:progress(list)
end

-- Looks at what runs here whenever the store has changed, and once a second.
local function guard(self)
  while not self.closed do
    if self.count > 0 then
      local since = self.store:changes()
      local ok, e = pcall(function()
        look(self)
        tell_progress(self)
      end)
      if not ok and not errors.is(e, "cancelled") then
        log.error("what runs cannot be looked after: %s", errors.text(e))
      end
      task.sleep(RENEW)
      pcall(self.store.wait, self.store, 1, since)
    else
      self.begun:wait()
    end
  end
end

--- A job has come so far.
function Consumer:note_progress(id, share, text)
  local entry = self.running[id]
  if entry then
    self.steps[id] = { id = id, token = entry.job.token, share = share, text = text }
  end
end

--- Works until `stop`.
function Consumer:run()
  self.guardian = task.spawn(guard, self)
  self.guardian:name "guard"
  while not self.closed do turn(self) end
end

--- Other workers run the jobs from now on.
---@param crew luapool.serve.Crew
function Consumer:use(crew)
  self.crew = crew
  self.kinds = crew.told.kinds
  self.dry = nil
  self:ring()
end

local function is_quiet(self)
  return self.count == 0 and self.open == 0 and #self.results == 0 and not self.settling
end

-- Waits, so many seconds at most, until nothing runs and all is settled.
local function settle_down(self, seconds)
  local late = task.now() + seconds
  while not is_quiet(self) and task.now() < late and not self.hurry do
    pcall(self.ends.wait, self.ends, math.min(0.05, math.max(0, late - task.now())))
  end
  return is_quiet(self)
end

--- Claims no more. What runs may end within `grace` seconds; then it is cancelled and given back
--- uncharged.
---@param grace number
function Consumer:stop(grace)
  self.stopping = true
  self:ring()
  if settle_down(self, grace) then return end
  self.hurry = false
  if self.count > 0 then log.info("%d jobs are cancelled and given back", self.count) end
  for _, entry in pairs(self.running) do
    if entry.future then entry.future:cancel "the process ends" end
  end
  if settle_down(self, ENDING) then return end
  self.kill()
  settle_down(self, ENDING)
end

--- Whether the store answers.
---@return boolean
function Consumer:is_well()
  return not self.wait and (not self.settling or task.now() - self.settling < PATIENCE)
end

--- Whoever waits in `stop` for jobs waits no more.
function Consumer:hurry_up() self.hurry = true end

--- Ends its tasks.
function Consumer:close()
  self.closed = true
  self:ring()
  if self.guardian then self.guardian:cancel() end
end

return M
