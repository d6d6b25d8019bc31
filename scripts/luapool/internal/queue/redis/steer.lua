-- internal.queue.redis.steer: what people and programs see of the jobs of a store on Redis, and
-- do with them from outside. Methods of the store.

local calls = require "luapool.internal.queue.redis.call"
local read = require "luapool.internal.queue.redis.read"

local Store = {}

--- Cancels a job, and what a flow that ends with it has not done.
---@param id string
---@return "cancelled"|"asked"|nil what "asked": it runs, its owner is told; nil: it has ended
function Store:cancel(id)
  local answer = calls.once(self, "lp1_cancel", { id })
  return answer ~= "" and answer or nil
end

--- No job of the kind starts until it is resumed; those that run go on.
---@param kind string
function Store:pause(kind) calls.call(self, "lp1_pause", { kind, "1" }) end

---@param kind string
function Store:resume(kind) calls.call(self, "lp1_pause", { kind, "0" }) end

--- Puts a job that has not ended well back, or all failed ones of a kind.
---@param what string|{ kind: string }
---@return integer n how many
function Store:retry(what)
  if type(what) == "string" then return calls.once(self, "lp1_retry", { what, "" }) end
  local total = 0
  repeat
    local n = calls.once(self, "lp1_retry", { "", what.kind })
    total = total + n
  until n < 1000
  return total
end

-- The letters of the states that a call is about.
local function letters(state, default) return state and read.states[state] or default end

--- Removes jobs that have ended, or cancels those that have not begun: of a state, a kind,
--- older than so many seconds.
---@param what { state?: string, kind?: string, older?: number }
---@return integer n
function Store:purge(what)
  local total, from = 0, 0
  local age = math.floor((what.older or 0) * 1000000)
  repeat
    local reply = calls.once(self, "lp1_purge", { letters(what.state, "6789"), what.kind or "", age,
      from })
    total, from = total + reply[1], reply[2]
  until from < 0
  return total
end

---@param id string
---@return table|nil job
function Store:get(id) return read.job(id, calls.call(self, "lp1_get", { id })) end

---@param opts? table state, kind, limit, after (the id of the last one seen)
---@return table[] jobs in put order
function Store:list(opts)
  opts = opts or {}
  local list, most, from = {}, opts.limit or 100, "-1"
  local after = opts.after or ""
  repeat
    local reply = calls.read(self, "lp1_list", { letters(opts.state, "12456789"), opts.kind or "",
      most - #list, after, from })
    for i = 2, #reply do list[#list + 1] = read.job(reply[i][1], reply[i][2]) end
    from, after = reply[1], ""
  until from == "-1" or #list >= most
  return list
end

local FIELDS = { "waiting", "scheduled", "blocked", "running", "dead", "done", "failed",
  "cancelled", "expired" }

---@return table<string, table> stats by the name of a kind
function Store:stats()
  local stats = {}
  for _, row in ipairs(calls.read(self, "lp1_stats", {})) do
    local counts, of = row[4], { paused = row[2] == 1 }
    for _, name in ipairs(FIELDS) do of[name] = 0 end
    for i = 1, #counts, 2 do of[counts[i]] = math.tointeger(counts[i + 1]) end
    local oldest = tonumber(row[3])
    of.oldest = oldest >= 0 and oldest or nil
    stats[row[1]] = of
  end
  return stats
end

--- Puts the jobs of ticks, each at most once, whoever comes first: a list of { name, minute, job };
--- one without a job is only noted.
---@param ticks table[]
---@return table outcomes as of `put`; false for a tick that was there already
function Store:cron(ticks)
  local add_jobs = require("luapool.internal.queue.redis").add_jobs
  local args, outcomes = { #ticks }, {}
  for _, tick in ipairs(ticks) do
    local row = { tick.name, tick.minute, tick.job and "1" or "0" }
    table.move(row, 1, 3, #args + 1, args)
    if tick.job then add_jobs(args, { tick.job }) end
  end
  for i, answer in ipairs(calls.once(self, "lp1_cron", args)) do
    outcomes[i] = answer == 1 or answer ~= 0 and { duplicate = answer }
  end
  return outcomes
end

---@param name string
---@return integer|nil minute of the latest tick
function Store:cron_last(name)
  local last = calls.read(self, "lp1_cron_last", { name })
  return last and math.tointeger(last)
end

return Store
