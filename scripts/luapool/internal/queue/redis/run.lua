-- internal.queue.redis.run: what a store on Redis does for jobs that run: the lease, cancels
-- that reach them, crashes of their workers, how far they are. Methods of the store.

local calls = require "luapool.internal.queue.redis.call"
local task = require "luapool.task"

local Store = {}

local DIED = '{"kind":"worker_died","message":"the worker that ran it has died"}'

--- The worker that ran a job has died.
---@param id string
---@param token integer
---@param reason? string JSON of the error, when the job has failed by it
---@return "retry"|"failed"|"cancelled"|nil what nil: it is not ours any more
function Store:crashed(id, token, reason)
  local job = self.running[id]
  if not job or job.token ~= token then return nil end
  local kind = self.known[job.kind] or {}
  local answer = calls.once(self, "lp1_crashed", { id, token, kind.lost == "fail" and "1" or "0",
    kind.crash_retries or 1, reason or DIED }, math.huge)
  self.running[id] = nil
  return answer ~= "" and answer or nil
end

local function count(t)
  local n = 0
  for _ in pairs(t) do n = n + 1 end
  return n
end

-- Compares what runs here with what the server has given us. What we do not know of, because
-- the answer of its claim was given up, goes back; returns what belongs to somebody else by now.
local function compare(self)
  local own, lost, back = {}, {}, {}
  local list = calls.read(self, "lp1_own", { self.id })
  if self.settling > 0 then return lost end
  for i = 1, #list, 2 do
    local id, token = list[i], math.tointeger(list[i + 1])
    own[id] = token
    if not self.running[id] then back[#back + 1] = { id = id, token = token, outcome = "back" } end
  end
  for id, job in pairs(self.running) do
    if own[id] ~= job.token then
      lost[#lost + 1] = id
      self.running[id] = nil
    end
  end
  self.doubt = false
  if #back > 0 then self:settle(back, 0, {}) end
  return lost
end

-- Past the end of the lease others run our jobs.
local function all_lost(self)
  local lost = {}
  for id in pairs(self.running) do lost[#lost + 1] = id end
  self.running = {}
  self.doubt = true
  return lost
end

-- Seconds until the lease ends; below 0 it has ended.
local function left(self) return self.renewed + self.lease - task.now() end

-- Renews the lease; notes what is to be cancelled, and what is lost: no answer is waited for
-- longer than the lease lasts.
local function renew(self)
  local asked, time, lost = task.now(), left(self), nil
  local ok, reply = pcall(task.timeout, time > 0 and time or self.lease, calls.call, self,
    "lp1_renew", { self.id, self.lease_micros }, 0)
  if ok then
    self.renewed, lost = math.max(self.renewed, asked), {}
    for _, id in ipairs(reply[2]) do
      if self.running[id] then self.cancelled[id] = true end
    end
    if self.settling == 0 and (self.doubt or reply[1] ~= count(self.running)) then
      lost = compare(self)
    end
  elseif not calls.is_away(reply) then
    error(reply, 0)
  elseif left(self) <= 0 then
    lost = all_lost(self)
  end
  for _, id in ipairs(lost or {}) do self.lost[#self.lost + 1] = id end
end

local function keep(self)
  while next(self.running) or self.doubt do
    local pause, time = self.lease / 3, left(self)
    task.sleep(time > 0 and math.min(pause, time) or pause)
    local lost = #self.lost
    pcall(renew, self)
    if #self.lost > lost or next(self.cancelled) then self:notify() end
  end
end

--- Renews the lease from now on, for as long as something runs.
---@param since number when the call began that has claimed it: the lease counts from there at least
function Store:keep(since)
  if not self.cancelled then self.cancelled, self.lost = {}, {} end
  self.renewed = math.max(self.renewed or since, since)
  if self.keeper then return end
  self.keeper = task.spawn(function()
    pcall(keep, self)
    self.keeper = nil
  end)
  self.keeper:name "queue: lease"
end

--- Of jobs that were claimed those that may start. Where the answer took longer than the lease,
--- as the server was away, others may have them by now: the server is asked. What it has not told
--- us of goes back when it can be asked again.
---@param claimed table[]
---@param since number when the call began that has claimed them
---@return table[]
function Store:startable(claimed, since)
  if task.now() - since < self.lease then return claimed end
  self.doubt = true
  local sure = pcall(renew, self) and not self.doubt
  local list = {}
  for _, job in ipairs(claimed) do
    if not sure then self.running[job.id] = nil end
    if self.running[job.id] == job then list[#list + 1] = job end
  end
  return list
end

--- Which of the jobs that run here are to be cancelled, and which belong to somebody else by now.
---@return string[] cancelled
---@return string[] lost
function Store:renew()
  if not self.cancelled then return {}, {} end
  renew(self)
  local cancelled, lost = {}, self.lost
  for id in pairs(self.cancelled) do
    if self.running[id] then cancelled[#cancelled + 1] = id end
  end
  self.cancelled, self.lost = {}, {}
  return cancelled, lost
end

--- Notes how far jobs are: a list of { id, token, share, text }. Who tells of them looks after the
--- lease, too: it does not wait long for a server that is away.
---@param list table[]
function Store:progress(list)
  local args = { self.id }
  for _, step in ipairs(list) do
    local job = self.running[step.id]
    if job and job.token == step.token then
      local row = { step.id, step.token, step.share, step.text or "" }
      table.move(row, 1, 4, #args + 1, args)
    end
  end
  if #args == 1 then return end
  task.timeout(self.lease / 3, calls.call, self, "lp1_progress", args, 0)
end

return Store
