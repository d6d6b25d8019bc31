-- internal.sync.limiter: at most `rate` in `per` seconds: a bucket that holds `burst` and is
-- filled evenly. Those who wait are served in line; the first of them sleeps until there is enough.
--@whole

local class = require "luapool.internal.sync.class"
local core = require "luapool.sync.core"
local options = require "luapool.internal.options"
local task = require "luapool.task.core"

local M = {}

local OPTIONS = { rate = "number", per = "number", burst = "number" }

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

---@class luapool.sync.Limiter
local Limiter = class.new("limiter", { waits = { acquire = would_wait } })

--- Waits until n (1 unless said) more may be done.
---@param n? number
function Limiter:acquire(n)
  class.check_self(self, Limiter, "acquire")
  n = n == nil and 1 or n
  if not (math.type(n) and n >= 0 and n < math.huge) then
    core.raise(nil, "bad argument #1 to 'acquire' (a finite number expected, not negative)")
  end
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

--- Makes a limiter: `rate` in `per` seconds (1 unless said), of which `burst` (1 unless said)
--- may come at once.
---@param opts { rate: number, per: number?, burst: number? }
---@return luapool.sync.Limiter
function M.new(opts)
  opts = options.check("limiter", opts, OPTIONS)
  local rate, per, burst = opts.rate, opts.per or 1, opts.burst or 1
  local most = math.huge
  if not (rate and rate > 0 and rate < most and per > 0 and per < most and burst > 0) then
    core.raise(nil, "limiter: 'rate' must be given, and 'rate', 'per' and 'burst' be above 0")
  end
  local self = { speed = rate / per, burst = burst, level = burst, since = task.now() }
  self.waiters, self.busy = core.waiters "limiter", false
  self.turn = setmetatable({ self }, Turn)
  return setmetatable(self, Limiter)
end

return M
