-- internal.job.frontier: the entries of a job that wait, and which of them may begin now. Entries
-- of hosts that are watched (the job bounds the rate of all, or the host has asked for a pause)
-- wait in a lane of their host, so that a slow or paused host holds up no other; all others pass
-- straight through. In breadth-first order the entries of the next depth wait until no entry of
-- this one is left, neither waiting nor under way: so a page is met by its shortest path, however
-- many workers there are. Runs in main only; all politeness is here, because main hands out the
-- items of all workers.
--@whole

local hosts = require "luapool.internal.job.host"
local order = require "luapool.internal.sync.order"
local robots = require "luapool.internal.job.robots"
local spool = require "luapool.internal.job.spool"
local normal = require("luapool.internal.url").normal

-- How many entries are looked at in one go for one that may begin; of how many hosts entries may
-- wait before no more are sought.
local BATCH, MOST_HOSTS = 1000, 2000

-- Seconds for which a robots.txt that could not be read stands for a refusal.
local TROUBLE = 60

---@class luapool.job.entry: an item under way
---@field item any
---@field kind string
---@field depth integer how many items stand between it and an item of the input
---@field referrer? string the item that added it, where that is a string
---@field priority? integer
---@field meta? any
---@field boxed? any[] `meta` in a list, in a run with --resume
---@field internal? boolean it is one of luapool's own, and counts nowhere
---@field turn integer the number of next()'s call that has given it last; 0: none has
---@field host? luapool.job.host the watched host that it is under way to
---@field attempts? integer how many there have been
---@field elapsed? number seconds since the first attempt began
---@field waited? number seconds of these that were spent waiting between attempts

---@class luapool.job.frontier.options
---@field breadth boolean|nil one depth after the other
---@field lifo boolean|nil what was added last comes first
---@field limits luapool.job.host.limits of each host
---@field watch_all boolean|nil all hosts are watched from the beginning
---@field robots boolean|nil robots.txt is asked for and obeyed
---@field sitemaps boolean|nil the sitemaps of the first items' hosts are read
---@field on_sitemap fun(url: string, listed: boolean, origin: string)
---@field on_drop fun(entry: luapool.job.entry, rule: string, host: string)
---@field on_fail fun(entry: luapool.job.entry, e: any)

---@class luapool.job.frontier
---@field options luapool.job.frontier.options
---@field spool luapool.job.spool
---@field depth integer in breadth-first order: of the entries that are worked on
---@field general luapool.job.lane what has not been looked at
---@field deeper luapool.job.lane the entries of the next depth
---@field errands table queue of the entries that ask for a robots.txt
---@field hosts table<string, luapool.job.host> those that are watched
---@field watching boolean whether there are any
---@field parked integer how many entries wait in the lanes of hosts
---@field crowd integer how many hosts have such entries
---@field ready table queue of the hosts of which an entry may begin
---@field asleep table heap of the hosts that wait for their time
local Frontier = { __name = "luapool.job.frontier" }
Frontier.__index = Frontier

local M = {}

--- An empty frontier.
---@param options luapool.job.frontier.options
---@return luapool.job.frontier
function M.new(options)
  local store = spool.new()
  return setmetatable({
    options = options,
    spool = store,
    depth = 0,
    general = store:lane(options.lifo),
    deeper = store:lane(options.lifo),
    errands = order.fifo(),
    hosts = {},
    watching = options.watch_all or false,
    parked = 0,
    crowd = 0,
    ready = order.fifo(),
    asleep = order.priority(),
  }, Frontier)
end

--- The host of an item: a URL, or a table with a field `url`. Returns nil for all others.
---@param item any
---@return string|nil name with the port, unless that is the scheme's own
---@return string|nil origin scheme and name
function M.host_of(item)
  if type(item) == "table" then item = rawget(item, "url") end
  if type(item) ~= "string" then return nil end
  local _, scheme, _, name = normal(item)
  if scheme ~= "http" and scheme ~= "https" then return nil end
  return name, scheme .. "://" .. name
end

-- Puts a host that has waiting entries where it is found when the next one may begin. One that
-- waits for the end of an entry is put there then.
local function place(self, host, now)
  if host.queued or host.lane.n == 0 then return end
  local at = host:when()
  if not at then return end
  if at <= now then
    host.queued = "ready"
    self.ready:push(host)
  else
    host.queued = "asleep"
    self.asleep:push(host, at)
  end
end

local function park(self, host, entry, now, in_front)
  local lane = host.lane
  if lane.n == 0 then self.crowd = self.crowd + 1 end
  self.parked = self.parked + 1
  if in_front then lane:back(entry) else lane:push(entry) end
  place(self, host, now)
end

local function unpark(self, host)
  local entry = host.lane:pop()
  self.parked = self.parked - 1
  if host.lane.n == 0 then self.crowd = self.crowd - 1 end
  return entry
end

-- Sends for the robots.txt of a host; its entries wait for that.
local function ask(self, host)
  host.asking, host.trouble = true, nil
  self.errands:push { kind = "(robots)", item = host.origin .. "/robots.txt", host_asked = host,
    depth = 0, turn = 0, internal = true }
end

local function add_sitemaps(self, host)
  local listed = host.robots and host.robots.sitemaps or {}
  for _, url in ipairs(listed) do self.options.on_sitemap(url, true, host.origin) end
  self.options.on_sitemap(host.origin .. "/sitemap.xml", false, host.origin)
end

local function watch(self, name, origin)
  local host = hosts.new(name, self.spool:lane(self.options.lifo), self.options.limits)
  host.origin = origin
  self.hosts[name] = host
  self.watching = true
  return host
end

-- The watched host of an entry, or nil.
local function host_of(self, entry)
  local name, origin = M.host_of(entry.item)
  if not name then return nil end
  local host, options = self.hosts[name], self.options
  if not host and options.watch_all then
    host = watch(self, name, origin)
    if options.robots or options.sitemaps then ask(self, host) end
  end
  if options.sitemaps and not host.mapped and not entry.referrer and not entry.internal then
    host.mapped = true
    if not host.asking then add_sitemaps(self, host) end
  end
  return host
end

-- Whether robots.txt lets the entry begin; where not, the entry has ended.
local function allowed(self, host, entry)
  if entry.internal or not self.options.robots then return true end
  if host.trouble then
    self.options.on_fail(entry, host.trouble)
    return false
  end
  local rules = host.robots
  if not rules or rules:allows(type(entry.item) == "table" and entry.item.url or entry.item) then
    return true
  end
  self.options.on_drop(entry, "robots", host.name)
  return false
end

local function begin(host, entry, now, waited)
  host:began(now, waited)
  entry.host = host
end

--- Whether an entry that is not in the frontier may begin now. If not, it waits here from now on,
--- or has been dropped.
---@param entry luapool.job.entry
---@param now number
---@param in_front boolean|nil it comes before what waits
---@return boolean
function Frontier:admit(entry, now, in_front)
  if not self.watching then return true end
  local host = host_of(self, entry)
  if not host then return true end
  if host.trouble and now >= host.trouble_until then ask(self, host) end
  local at = host.lane.n == 0 and host:when()
  if not at or at > now then
    park(self, host, entry, now, in_front)
    return false
  end
  if not allowed(self, host, entry) then return false end
  begin(host, entry, now, false)
  return true
end

--- Adds an entry.
---@param entry luapool.job.entry
function Frontier:add(entry)
  local later = self.options.breadth and entry.depth > self.depth
  local lane = later and self.deeper or self.general
  lane:push(entry)
end

--- Takes back an entry that was handed out and is to begin again, before others.
---@param entry luapool.job.entry
---@param now number
function Frontier:give_back(entry, now)
  if self.watching and not entry.internal then
    local host = host_of(self, entry)
    if host then return park(self, host, entry, now, true) end
  end
  self.general:back(entry)
end

-- The next entry of a host that was said to be ready.
local function from_host(self, host, now)
  host.queued = nil
  if host.trouble and now >= host.trouble_until then ask(self, host) end
  local at = host:when()
  while at and at <= now and host.lane.n > 0 do
    local entry = unpark(self, host)
    if allowed(self, host, entry) then
      begin(host, entry, now, true)
      place(self, host, now)
      return entry
    end
  end
  place(self, host, now)
  return nil
end

local function from_general(self, now)
  local general = self.general
  for _ = 1, BATCH do
    local entry = self.crowd < MOST_HOSTS and general:pop()
    if not entry then return nil end
    if self:admit(entry, now) then return entry end
  end
  return nil
end

--- The next entry that may begin now, or nil.
---@param now number
---@return luapool.job.entry|nil
function Frontier:take(now)
  if not self.watching then return self.general:pop() end
  if self.errands.n > 0 then return self.errands:pop() end
  local asleep, ready = self.asleep, self.ready
  while asleep.n > 0 and asleep[1][2] <= now do
    local host = asleep:pop()
    host.queued = "ready"
    ready:push(host)
  end
  while ready.n > 0 do
    local entry = from_host(self, ready:pop(), now)
    if entry then return entry end
  end
  return from_general(self, now) or self.errands.n > 0 and self.errands:pop() or nil
end

--- When the next call of take() may find an entry: a time, which may have passed; nil when that
--- depends on entries that are under way.
---@param now number
---@return number|nil
function Frontier:next_at(now)
  local some = self.general.n > 0 and self.crowd < MOST_HOSTS
  if some or self.errands.n > 0 or self.ready.n > 0 then return now end
  return self.asleep.n > 0 and self.asleep[1][2] or nil
end

--- Whether nothing waits, but for what is deeper.
---@return boolean
function Frontier:is_empty()
  return self.general.n == 0 and self.parked == 0 and self.errands.n == 0
end

--- Goes on with the next depth. Returns false when there is nothing.
---@return boolean
function Frontier:advance()
  if self.deeper.n == 0 then return false end
  self.depth = self.depth + 1
  self.general, self.deeper = self.deeper, self.general
  return true
end

--- Notes that an entry which was handed out has ended, or is handed out no more.
---@param entry luapool.job.entry
---@param now number
---@param refused boolean|nil
function Frontier:ended(entry, now, refused)
  local host = entry.host
  if not host then return end
  entry.host = nil
  host:ended(refused)
  place(self, host, now)
end

--- Pauses a host that has refused an entry. Returns whether that is the entry's own fault: it began
--- after the latest refusal.
---@param entry luapool.job.entry
---@param name string the host
---@param seconds number
---@param turn integer the latest turn of an entry
---@param under_way integer how many entries are
---@param now number
---@return boolean
function Frontier:refused(entry, name, seconds, turn, under_way, now)
  local host = self.hosts[name] or watch(self, name, nil)
  return host:refused(seconds, now, entry.turn, turn, under_way)
end

--- Takes what a host has answered to the question for its robots.txt.
---@param entry luapool.job.entry the question
---@param rules luapool.job.robots|nil as they have travelled
---@param trouble any the error, where it could not be read
---@param now number
function Frontier:robots_came(entry, rules, trouble, now)
  local host = entry.host_asked
  local obeyed = self.options.robots
  host.asking, host.robots = nil, rules and robots.open(rules)
  host.trouble, host.trouble_until = obeyed and trouble, now + TROUBLE
  if obeyed and rules and rules.delay then host:delay(rules.delay) end
  if host.mapped then add_sitemaps(self, host) end
  place(self, host, now)
end

--- Notes how long an answer of a host took.
---@param name string
---@param seconds number
---@param ok boolean
function Frontier:answered(name, seconds, ok)
  local host = self.hosts[name]
  if host then host:answered(seconds, ok) end
end

--- Drops what waits, but for entries that were handed out before.
function Frontier:clear()
  self.general:clear()
  self.deeper:clear()
  self.parked, self.crowd = 0, 0
  for _, host in pairs(self.hosts) do
    host.lane:clear()
    self.parked = self.parked + host.lane.n
    if host.lane.n > 0 then self.crowd = self.crowd + 1 end
  end
end

--- Gives the file back in which entries wait.
function Frontier:close() self.spool:close() end

return M
