-- internal.sync.limiter: at most `rate` in `per` seconds: a bucket that holds `burst` and is
-- filled evenly. Those who wait are served in line; the first of them sleeps until there is enough.
--@whole

local class = require "luapool.internal.sync.class"
local core = require "luapool.sync.core"
local options = require "luapool.internal.options"
local task = require "luapool.task.core"
local usage = require "luapool.internal.usage"

local M = {}

local check = options.define("sync.limiter", {
  rate = "positive", per = "positive", burst = "above0",
})

local function refill(self, most)
  local now = task.now()
  self.level = math.min(most, self.level + (now - self.since) * self.speed)
  self.since = now
end

-- Whose turn it is has had it: the next in line is first now.
local Turn = { __name = "luapool.sync.turn" }

function Turn.__close(turn)
  local self = turn[1]
  self.busy = self.waiters:wake()
end

local function would_wait(self, _, n)
  refill(self, self.burst)
  return self.busy or not math.type(n or 1) or self.level < (n or 1)
end

--- Lets so many things be done in a time. Tasks are served in the order in which they ask. See
--- `sync.limiter`.
---@within sync
---@class luapool.sync.Limiter
local Limiter = class.new("limiter", { waits = { acquire = would_wait } })

--- Waits until n more may be done. More than `burst` at once is allowed; it takes its time.
---
--- ```lua
--- local limiter = sync.limiter { rate = 100 }
--- limiter:acquire()
--- limiter:acquire(2) -- returns 0.02 s later
--- ```
---@async
---@param n? number default 1
function Limiter:acquire(n)
  class.check_self(self, Limiter, "limiter:acquire")
  n = n == nil and 1 or n
  usage.argument("limiter:acquire", 1, n, "amount")
  if self.busy then self.waiters:wait() end
  self.busy = true
  local _ <close> = self.turn
  local most = math.max(self.burst, n)
  refill(self, most)
  while self.level + 1e-9 < n do
    task.sleep((n - self.level) / self.speed)
    refill(self, most)
  end
  self.level = self.level - n
end

class.open(Limiter, "acquire")

---@within sync
---@class luapool.sync.LimiterOptions
---@field rate number how many in `per` seconds
---@field per? number seconds; default 1
---@field burst? number how many may come at once after a pause; default 1

--- Makes a limiter. Sent to workers, it holds for all processes together.
---
--- ```lua
--- local limiter = sync.limiter { rate = 10, per = 0.1, burst = 5 }
--- local began = task.now()
--- for _ = 1, 7 do limiter:acquire() end -- five at once, then one in 0.01 s
--- assert(task.now() - began > 0.015)
--- ```
---@function sync.limiter
---@param opts luapool.sync.LimiterOptions
---@return luapool.sync.Limiter
function M.new(opts)
  opts = check(opts)
  if not opts.rate then usage.raise("sync.limiter", "option 'rate' must be given") end
  local burst = opts.burst or 1
  local self = { speed = opts.rate / (opts.per or 1), burst = burst, level = burst }
  self.since, self.waiters, self.busy = task.now(), core.waiters "limiter", false
  self.turn = setmetatable({ self }, Turn)
  return setmetatable(self, Limiter)
end

return M
