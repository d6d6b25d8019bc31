-- internal.queue.sqlite.steer: what people and programs do with the jobs of a store on SQLite from
-- outside: cancel, pause, put back, purge; ticks of cron. Methods of the store.

local put = require "luapool.internal.queue.sqlite.put"
local read = require "luapool.internal.queue.sqlite.read"
local schema = require "luapool.internal.queue.sqlite.schema"
local settle = require "luapool.internal.queue.sqlite.settle"

local Store = {}

local MARK = "UPDATE job SET marked = ifnull(marked, 0) | 1"

local TREE = [[WITH RECURSIVE tree (id) AS (VALUES (?1) UNION
  SELECT job.id FROM job JOIN tree ON job.parent = tree.id) ]]
local CANCEL_FLAG = TREE .. [[INSERT INTO mark (seq, cancel) SELECT seq, 1 FROM job
  WHERE id IN (SELECT id FROM tree) AND state = 5 ON CONFLICT (seq) DO UPDATE SET cancel = 1]]
local CANCEL_MARK = TREE .. MARK .. " WHERE id IN (SELECT id FROM tree) AND state = 5"
local CANCEL = TREE .. [[UPDATE job SET moved = NULL, state = 8, ended = ?2,
  time = ?2 + ]] .. schema.KEPT_ENDED .. [[
  WHERE id IN (SELECT id FROM tree) AND state < 5]]

--- Cancels a job, and what a flow that ends with it has not done.
---@param id string
---@return "cancelled"|"asked"|nil what "asked": it runs, its owner is told; nil: it has ended
function Store:cancel(id)
  local op = self.group:run {
    write = function(op, batch, now)
      op.before = batch:query("SELECT state FROM job WHERE id = ?", id)
      batch:add(CANCEL, id, now)
      batch:add(CANCEL_FLAG, id)
      batch:add(CANCEL_MARK, id)
    end,
    read = function(op, rows) op.state = rows[op.before] and rows[op.before][1].state end,
  }
  if not op.state or op.state >= schema.DONE then return nil end
  return op.state == schema.RUNNING and "asked" or "cancelled"
end

local function set_paused(self, kind, paused)
  self:ensure { [kind] = true }
  self.group:run {
    write = function(_, batch)
      batch:add("UPDATE kind SET paused = ? WHERE name = ?", paused, kind)
    end,
    read = function() end,
  }
end

--- No job of the kind starts until it is resumed; those that run go on.
---@param kind string
function Store:pause(kind) set_paused(self, kind, true) end

---@param kind string
function Store:resume(kind) set_paused(self, kind, false) end

-- Does the same in bites until one finds nothing more.
local function in_bites(self, sql, ...)
  local total, values = 0, table.pack(...)
  repeat
    local op = self.group:run {
      write = function(op, batch, now)
        op.rows = batch:query(sql, now, table.unpack(values, 1, values.n))
      end,
      read = function(op, rows) op.n = rows[op.rows] and #rows[op.rows] or 0 end,
    }
    total = total + op.n
  until op.n < 1000
  return total
end

local RETRY = "UPDATE job SET moved = NULL, state = " .. settle.WAITING .. [[, attempts = 0,
  error = NULL, ended = NULL, started = NULL, expires = NULL, time = NULL
  WHERE seq IN (%s) AND ?1 > 0 RETURNING seq]]
local RETRY_ONE = RETRY:format "SELECT seq FROM job WHERE id = ?2 AND state IN (7, 8, 9)"
local RETRY_KIND = RETRY:format [[SELECT seq FROM job WHERE state = 7
  AND kind = (SELECT id FROM kind WHERE name = ?2) LIMIT 1000]]
local CLEAR = "UPDATE mark SET crashes = 0, losses = 0, cancel = 0 WHERE seq IN "
local CLEAR_ONE = CLEAR .. "(SELECT seq FROM job WHERE id = ? AND state IN (7, 8, 9))"
local CLEAR_KIND = CLEAR .. "(SELECT seq FROM job WHERE state = 7 AND kind = "
  .. "(SELECT id FROM kind WHERE name = ?))"

--- Puts a job that has not ended well back, or all failed ones of a kind.
---@param what string|{ kind: string }
---@return integer n how many
function Store:retry(what)
  if type(what) == "string" then
    self.group:run {
      write = function(_, batch) batch:add(CLEAR_ONE, what) end,
      read = function() end,
    }
    return in_bites(self, RETRY_ONE, what)
  end
  self.group:run {
    write = function(_, batch) batch:add(CLEAR_KIND, what.kind) end,
    read = function() end,
  }
  return in_bites(self, RETRY_KIND, what.kind)
end

-- What a flow still waits for has no `time`, and stays.
local PURGE = "DELETE FROM job WHERE seq IN (SELECT seq FROM job WHERE state IN (%s)%s "
  .. "AND ended <= ?1 - ?2 AND time IS NOT NULL LIMIT 1000) RETURNING seq"
local PURGE_LIVE = "UPDATE job SET moved = NULL, state = 8, ended = ?1, time = ?1 "
  .. "WHERE seq IN (SELECT seq FROM job WHERE state IN (%s)%s AND put <= ?1 - ?2 LIMIT 1000) "
  .. "RETURNING seq"

--- Removes jobs that have ended, or cancels those that have not begun: of a state, a kind,
--- older than so many seconds.
---@param what { state?: string, kind?: string, older?: number }
---@return integer n
function Store:purge(what)
  local state = what.state
  local numbers = state and read.states[state] or "6, 7, 8, 9"
  local live = state == "scheduled" or state == "waiting" or state == "blocked"
  local of = what.kind and " AND kind = (SELECT id FROM kind WHERE name = ?3)" or ""
  local sql = (live and PURGE_LIVE or PURGE):format(numbers, of)
  local age = put.micros(what.older or 0)
  if what.kind then return in_bites(self, sql, age, what.kind) end
  return in_bites(self, sql, age)
end

-- ---- cron ----

local TICK = [[INSERT INTO cron (name, last) VALUES (?, ?) ON CONFLICT (name)
  DO UPDATE SET last = excluded.last WHERE excluded.last > last]]

--- Puts the jobs of ticks, each at most once, whoever comes first: a list of { name, minute, job };
--- one without a job is only noted.
---@param ticks table[]
---@return table outcomes as of `put`; false for a tick that was there already
function Store:cron(ticks)
  local outcomes, refused = {}, {}
  local names = {}
  for _, tick in ipairs(ticks) do
    if tick.job then names[tick.job.kind] = true end
  end
  self:ensure(names)
  self.group:run {
    write = function(op, batch, now)
      op.guard, op.puts = {}, {}
      for i, tick in ipairs(ticks) do
        if not refused[i] then
          op.guard[i] = batch:guard(TICK, tick.name, tick.minute)
          if tick.job then
            op.puts[i] = put.new({ tick.job }, self.ids)
            op.puts[i]:write(batch, now)
          end
        end
      end
    end,
    refuse = function(op, guards)
      for i, number in pairs(op.guard) do
        if guards[number] then refused[i] = true end
      end
    end,
    read = function(op, rows)
      for i in ipairs(ticks) do
        if op.puts[i] then op.puts[i]:read(rows) end
        outcomes[i] = not refused[i] and (not op.puts[i] or op.puts[i].outcomes[1])
      end
    end,
  }
  return outcomes
end

---@param name string
---@return integer|nil minute of the latest tick
function Store:cron_last(name)
  local row = self.db:first("SELECT last FROM cron WHERE name = ?", name)
  return row and row.last
end

return Store
