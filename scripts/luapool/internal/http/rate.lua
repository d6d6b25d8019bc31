-- internal.http.rate: how fast a client may ask one host. One limiter for each host, or one that
-- the user gives, for all hosts and, sent to workers, for all processes.
--@whole

local core = require "luapool.http.core"
local options = require "luapool.internal.options"
local sync = require "luapool.sync"
local task = require "luapool.task"
local usage = require "luapool.internal.usage"

local M = {}

local HOSTS = 1000 -- so many limiters may stay; then those that have nothing to remember go

local Rate = {}
Rate.__index = Rate

local function tidy(self)
  local now, idle = task.now(), self.opts.burst / self.opts.rate + 1
  self.count = 0
  for host, entry in pairs(self.hosts) do
    if entry.waiting == 0 and now - entry.used > idle then
      self.hosts[host] = nil
    else
      self.count = self.count + 1
    end
  end
  self.most = math.max(HOSTS, 2 * self.count)
end

local function entry_of(self, host)
  local entry = self.hosts[host]
  if not entry then
    if self.count >= self.most then tidy(self) end
    entry = { limiter = sync.limiter(self.opts), waiting = 0 }
    self.hosts[host] = entry
    self.count = self.count + 1
  end
  return entry
end

--- Waits until a request to this URL may begin.
---@param url string
function Rate:wait(url)
  local _, host = core.origin(url)
  if not host then return end -- the request tells what is wrong with it
  local entry = entry_of(self, host)
  entry.waiting = entry.waiting + 1
  local _ <close> = setmetatable({}, { __close = function()
    entry.waiting, entry.used = entry.waiting - 1, task.now()
  end })
  entry.limiter:acquire()
end

local Given = {}
Given.__index = Given

--- As Rate.wait.
function Given:wait() self.limiter:acquire() end

--- What the option `rate` means.
---@param value table
---@param where string
---@return { wait: fun(self: table, url: string) }
function M.new(value, where)
  if usage.callable(value.acquire) then return setmetatable({ limiter = value }, Given) end
  local problem = options.problem(value, { per_host = "positive", burst = "above0" }, "field")
  if not problem and not value.per_host then problem = "field 'per_host' must be given" end
  if problem then usage.raise(where, "option 'rate': %s", problem) end
  local opts = { rate = value.per_host, burst = value.burst or 1 }
  return setmetatable({ opts = opts, hosts = {}, count = 0, most = HOSTS }, Rate)
end

return M
