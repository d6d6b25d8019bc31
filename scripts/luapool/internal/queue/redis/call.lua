-- internal.queue.redis.call: functions of the library lp1 are called: again where the answer
-- has not come, and the library is loaded where the server has lost it.

local errors = require "luapool.error.core"
local task = require "luapool.task.core"

local M = {}

-- Seconds: how long a call is tried unless said otherwise; between two tries.
local PATIENCE, FIRST_PAUSE, LONGEST_PAUSE = 30, 0.02, 1

local away_kinds = { connect = true, dns = true, timeout = true, aborted = true }
local away_codes = { LOADING = true, READONLY = true, MASTERDOWN = true, CLUSTERDOWN = true,
  TRYAGAIN = true, BUSY = true, NOREPLICAS = true, MISCONF = true }

--- Whether an error says that the server cannot be reached, or cannot be used just now.
---@param e any
---@return boolean
function M.is_away(e)
  return errors.is(e) and (away_kinds[e.kind] or e.kind == "redis" and away_codes[e.code]) or false
end

--- Sets up what calls need.
---@param self luapool.queue.RedisStore
function M.prepare(self)
  self.number, self.low, self.open = 0, 1, {}
  self.lease_micros = math.floor(self.lease * 1000000)
end

local function is_unknown(e)
  return errors.is(e, "redis") and e.message:find("Function not found", 1, true) ~= nil
end

local function try(self, command, name, args)
  if self.replica and name == "lp1_put" then
    local replies = self.client:pipeline(function(p)
      p:command(command, name, 1, self.prefix, args)
      p:wait(1, 1000)
    end)
    if replies[2] > 0 then return replies[1] end
    errors.raise("queue", "the jobs are stored, but no replica has confirmed them within 1 s",
      { code = "replica" })
  end
  return self.client:command(command, name, 1, self.prefix, args)
end

-- Tries until there is an answer, or `patience` is at its end.
local function run(self, command, name, args, patience)
  local late, pause = task.now() + (patience or PATIENCE), FIRST_PAUSE
  while true do
    local ok, reply = pcall(try, self, command, name, args)
    if ok then return reply end
    if self.closed and name ~= "lp1_leave" then error(reply, 0) end
    if is_unknown(reply) then
      require("luapool.internal.queue.redis.server").load(self)
    elseif not M.is_away(reply) or task.now() >= late then
      error(reply, 0)
    else
      task.sleep(pause * (0.5 + math.random() / 2))
      pause = math.min(LONGEST_PAUSE, pause * 2)
    end
  end
end

--- Calls a function for which it does not matter how often it is done.
---@param self luapool.queue.RedisStore
---@param name string
---@param args table
---@param patience? number
---@return any reply
function M.call(self, name, args, patience) return run(self, "FCALL", name, args, patience) end

--- Calls a function that changes nothing.
---@param self luapool.queue.RedisStore
---@param name string
---@param args table
---@return any reply
function M.read(self, name, args) return run(self, "FCALL_RO", name, args) end

-- The number below which all calls have their answers.
local function lowest(self)
  while self.low < self.number and not self.open[self.low] do self.low = self.low + 1 end
  return self.low
end

--- Calls a function that the server does once, however often it gets the call: behind the name
--- of the store stand the number of the call, and below which number all have been answered.
---@param self luapool.queue.RedisStore
---@param name string
---@param args table
---@param patience? number
---@return any reply
function M.once(self, name, args, patience)
  local number = self.number + 1
  self.number, self.open[number] = number, true
  self.registered = self.registered or name == "lp1_settle"
  table.move(args, 1, #args, 4)
  args[1], args[2], args[3] = self.id, number, lowest(self)
  local ok, reply = pcall(run, self, "FCALL", name, args, patience)
  self.open[number] = nil
  if not ok then error(reply, 0) end
  return reply
end

return M
