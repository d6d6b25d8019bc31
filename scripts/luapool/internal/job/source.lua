-- internal.job.source: where a job's items come from. There are three places: the job's `items`,
-- the items that ctx:add and ctx:follow have added, which wait in the frontier, and the items that
-- wait for their next attempt. While all three have nothing that may begin but items are in flight,
-- next() waits, because those may add some. Memory does not grow with the input; of what is added
-- the most goes to the disk. Runs in main only.
--@whole

local frontiers = require "luapool.internal.job.frontier"
local inputs = require "luapool.internal.job.input"
local job_core = require "luapool.job.core"
local options = require "luapool.internal.options"
local order = require "luapool.internal.sync.order"
local task = require "luapool.task"
local usage = require "luapool.internal.usage"

local now = task.now

-- How many items of the input may wait for their hosts before no more is read.
local PARKED = 10000

---@class luapool.job.source
---@field totals table<string, integer> how many items of each kind there have been
---@field limited boolean|nil there is a limit of items, errors or time
---@field given table<string, integer> how many of each kind next() has given, where it is limited
---@field input luapool.job.input the job's `items`
---@field frontier luapool.job.frontier what was added, and what waits for its host
---@field later table heap of the entries that wait for their next attempt, by their time
---@field in_flight integer how many entries next() has given that have not ended
---@field turn integer how many entries next() has given
---@field places integer how many items the workers can run at once
---@field seen userdata|nil the keys that were seen, where items are dropped
---@field numbers table<string, integer> the kinds as numbers
---@field begun integer how many of all kinds
---@field most number how many items are given at most
---@field until_time number|nil no item is given after it
---@field stopped boolean|nil nothing more is given out
---@field limit string|nil the limit that has ended the crawl: "max_items", …
---@field resized boolean what known() returns may have changed; who has asked it sets it to false
---@field news luapool.Promise|nil next() waits for it
---@field journal luapool.job.journal|nil of a run with --resume
local Source = { __name = "luapool.job.source" }
Source.__index = Source

local M = {}

-- Wakes next(), if it waits.
local function ring(self)
  local promise = self.news
  self.news = nil
  if promise then promise:resolve() end
end

-- Waits until there is news, for so many seconds at most when they are given. One task at a time
-- waits.
local function wait(self, seconds)
  local promise = task.promise()
  self.news = promise
  task.wait({ promise }, { timeout = seconds })
end

-- Raises because this is no key of an item. Items with the same key are the same item. A key must
-- be a value that is equal after it has travelled, because workers add items, too.
local function refuse_key(self, key)
  local what = key == nil and "nil" or key ~= key and "nan" or "a " .. type(key)
  if self.key then
    error(("the function 'key' returned %s: a string or a number expected"):format(what), 0)
  end
  error(("items are dropped when seen before (crawl), but %s is no key: say with the field 'key' "
    .. "what counts as the same"):format(what), 0)
end

-- Counts the item and returns true, or returns false when it was seen before. `exact` says that a
-- URL has its normal form.
local function admit(self, kind, item, exact)
  local seen = self.seen
  if seen then
    local key = item
    if self.key then key, exact = self.key(item), true end
    local new = seen:add(self.numbers[kind], key, exact)
    if new == nil then refuse_key(self, key) end
    self.resized = true
    if not new then return false end
  end
  local totals = self.totals
  totals[kind] = totals[kind] + 1
  return true
end

local function new_entry(item, kind, depth)
  return { item = item, kind = kind, depth = depth, turn = 0, referrer = nil, meta = nil,
    priority = nil, host = nil }
end

-- The next entry of the input that may begin now.
local function from_input(self, at)
  local frontier, input = self.frontier, self.input
  while frontier.parked < PARKED do
    local entry = input:next()
    if not entry then return nil end
    if frontier:admit(entry, at) then return entry end
  end
  return nil
end

-- The next retry that may begin now.
local function from_later(self, at)
  local later = self.later
  while later.n > 0 and later[1][2] <= at do
    local entry = later:pop()
    if self.frontier:admit(entry, at, true) then return entry end
  end
  return nil
end

-- Whether the workers have enough to do: what watched hosts are sent begins at once, so that their
-- rates hold.
local function is_full(self) return self.frontier.watching and self.in_flight >= self.places end

-- The next entry that may begin now, or nil. Retries and added items come first, so that few items
-- are open at a time.
local function take(self)
  local frontier = self.frontier
  if not frontier.watching and self.later.n == 0 then -- most jobs
    local entry = frontier:take(0)
    if entry then return entry end
    return self.input:next()
  end
  if is_full(self) then return nil end
  local at = now()
  return from_later(self, at) or frontier:take(at) or from_input(self, at)
end

-- Whether no entry can come any more, but for those of the next depth.
local function exhausted(self)
  if self.in_flight > 0 or self.later.n > 0 then return false end
  return not self.input:is_open() and self.frontier:is_empty()
end

-- Seconds until next() has to look again, nil when that depends on entries in flight.
local function patience(self)
  local at, first = now(), self.until_time or math.huge
  if not is_full(self) then
    local retry = self.later.n > 0 and self.later[1][2] or math.huge
    first = math.min(first, retry, self.frontier:next_at(at) or math.huge)
  end
  return first < math.huge and math.max(0, first - at) or nil
end

-- Counts an entry that is given out.
local function count(self, entry)
  local first, turn = entry.turn == 0, self.turn + 1
  self.in_flight = self.in_flight + 1
  self.turn, entry.turn = turn, turn
  if not first or not self.limited or entry.internal then return end
  self.given[entry.kind] = self.given[entry.kind] + 1
  self.begun = self.begun + 1
  if self.begun >= self.most then self:finish "max_items" end
end

--- The next entry, or nil when none can come any more. It may wait. pool:map calls it.
---@return luapool.job.entry|nil
function Source:next()
  while not self.stopped do
    if self.until_time and now() >= self.until_time then
      self:finish "max_time"
      self:stop()
      return nil
    end
    local entry = take(self)
    if entry then
      count(self, entry)
      return entry
    end
    if not exhausted(self) then
      wait(self, patience(self))
    elseif not self.frontier:advance() then
      return nil
    end
  end
  return nil
end

local function check_add(self, where, item, kind)
  if not self.totals[kind] then
    usage.raise(where, "unknown kind '%s'%s", kind, options.hint(kind, self.totals))
  end
  if item == nil then usage.expected(where, 1, "an item", item) end
end

--- Adds an item of the job's own, such as one of main's ctx:add. Returns false when it was seen
--- before.
---@param item any
---@param kind? string
---@return boolean added
function Source:add(item, kind)
  kind = kind or self.start
  check_add(self, "ctx:add", item, kind)
  local journal = self.journal
  if journal and journal.settling == 0 and journal:adds_again(self.seen ~= nil) then return true end
  return self:add_of(nil, item, kind, false)
end

--- Adds an item that an entry has led to. Returns false when it was seen before, or when a limit
--- has ended the crawl.
---@param parent luapool.job.entry|nil
---@param item any
---@param kind string
---@param how false|true|{ priority: integer?, meta: any } false: of ctx:add; else it is a URL in
--- normal form
---@return boolean added
function Source:add_of(parent, item, kind, how)
  if kind == "(sitemap)" then return self:add_sitemap(item, true, parent.referrer) end
  if self.limit or not admit(self, kind, item, how) then return false end
  local entry = new_entry(item, kind, 0)
  if parent then
    local referrer = parent.item
    entry.depth = parent.internal and parent.depth or parent.depth + 1
    if type(referrer) == "string" then entry.referrer = referrer end
    if type(how) == "table" then entry.priority, entry.meta = how.priority, how.meta end
  end
  if self.journal then self.journal:added(entry) end
  self.resized = true
  self.frontier:add(entry)
  if self.news then ring(self) end
  return true
end

--- Adds a sitemap, which is an item of luapool's own.
---@param url string
---@param listed boolean robots.txt or another sitemap has named it
---@param origin string the host that it is of
function Source:add_sitemap(url, listed, origin)
  if self.limit or not self.seen:add(self.numbers["(sitemap)"], url) then return end
  local entry = { item = url, kind = "(sitemap)", depth = 0, referrer = origin, meta = listed,
    internal = true }
  if self.journal then self.journal:added(entry) end
  self.frontier:add(entry)
  ring(self)
end

--- Takes the reply to an entry that has asked for a robots.txt.
---@param entry luapool.job.entry
---@param reply table|nil
---@param e any the error, where there is no reply
function Source:robots_came(entry, reply, e)
  local failed = not reply or reply.failed
  self.frontier:robots_came(entry, not failed and reply[2] or nil,
    failed and (reply and reply.error or e) or nil, now())
  self:settle(entry)
end

-- An entry that next() gave is under way no more.
local function come_back(self, entry, refused)
  self.in_flight = self.in_flight - 1
  local frontier = self.frontier
  if frontier.watching then frontier:ended(entry, now(), refused) end
  if self.in_flight == 0 or frontier.watching then ring(self) end
end

--- Tells the source that an entry which next() gave has ended.
---@param entry luapool.job.entry
---@param refused? boolean its host has refused it
function Source:settle(entry, refused)
  if self.journal then self.journal:ends(entry) end
  come_back(self, entry, refused)
end

--- Takes back an entry that next() gave and whose attempt has failed: next() gives it again after
--- `seconds`.
---@param entry luapool.job.entry
---@param seconds number
---@param paused? number the seconds for which the host is paused that has refused it
function Source:again(entry, seconds, paused)
  if self.journal then self.journal:again(entry) end
  come_back(self, entry, paused ~= nil)
  if paused and paused >= seconds then
    self.frontier:give_back(entry, now())
  else
    self.later:push(entry, now() + seconds)
  end
  ring(self)
end

--- Sets who is called when an item is dropped because of a rule, and when one fails that no worker
--- has got.
---@param on_drop fun(rule: string, host: string)
---@param on_fail fun(entry: luapool.job.entry, e: any)
function Source:listen(on_drop, on_fail) self.on_drop, self.on_fail = on_drop, on_fail end

--- Pauses a host. Returns whether the refusal was the entry's own fault: false when the entry began
--- before another one was refused.
---@param entry luapool.job.entry
---@param host string
---@param seconds number
---@return boolean
function Source:refused(entry, host, seconds)
  return self.frontier:refused(entry, host, seconds, self.turn, self.in_flight, now())
end

--- Ends the crawl, because a limit is reached: no new item is given. Items that were given may have
--- further attempts. What was not given counts nowhere.
---@param limit string
function Source:finish(limit)
  if self.limit then return end
  self.limit = limit
  self.input:drop()
  self.frontier:clear()
  for kind, given in pairs(self.given) do self.totals[kind] = given end
  self.resized = true
  ring(self)
end

--- From now on next() returns nil. What is left of a list is counted, so that the summary shows it
--- as cancelled.
function Source:stop()
  self.stopped, self.resized = true, true
  local left = self.input:stop()
  if self.journal then left = math.max(0, left - self.journal:left()) end
  if not self.seen then self.totals[self.start] = self.totals[self.start] + left end
  ring(self)
end

--- Ends the reading of the iterator.
function Source:close()
  self:stop()
  self.input:close()
  self.frontier:close()
end

--- How many items of a kind there will be as far as can be told, or nil while an iterator of them
--- goes on.
---@param kind string
---@return integer|nil
function Source:known(kind)
  local known = self.totals[kind]
  if kind ~= self.start or self.stopped then return known end
  local left = self.input:left()
  if left and self.journal then left = left - self.journal:left() end
  return left and known + left
end

-- How the frontier of a checked job works.
local function frontier_of(self, spec)
  local crawl = spec.rules or {}
  return frontiers.new {
    breadth = crawl.order == "breadth",
    lifo = crawl.order == "depth",
    limits = { interval = crawl.interval or 0, burst = crawl.burst or 1, target = crawl.target },
    watch_all = crawl.interval or crawl.target or crawl.robots or crawl.sitemaps,
    robots = crawl.robots,
    sitemaps = crawl.sitemaps,
    on_drop = function(entry, rule, host)
      self.totals[entry.kind] = self.totals[entry.kind] - 1
      self.resized = true
      if self.on_drop then self.on_drop(rule, host) end
      if self.journal then self.journal:ends(entry) end
    end,
    on_fail = function(entry, e)
      local journal = self.journal
      if journal then journal:settles() end
      if self.on_fail then self.on_fail(entry, e) end
      if not journal then return end
      journal:ends(entry)
      journal:settled()
    end,
    on_sitemap = function(...) self:add_sitemap(...) end,
  }
end

-- An entry for an item that the input gives, nil when it was seen before, or when an earlier run
-- has ended it.
local function read(self, item)
  local journal, start = self.journal, self.start
  if journal and journal:is_rereading() then
    local place, attempt = journal:read_again(item)
    if not place then return nil end
    local entry = new_entry(item, start, 0)
    entry.id = -place
    if attempt then
      entry.attempts, entry.elapsed, entry.waited = attempt.n, attempt.elapsed, attempt.waited
    end
    return entry
  end
  local entry = admit(self, start, item, false) and new_entry(item, start, 0) or nil
  if journal then journal:read(item, entry) end
  return entry
end

-- Goes on where an earlier run was, but for the items of the input, which come again.
local function restore(self, ended, until_time)
  local journal, frontier = self.journal, self.frontier
  for kind, of in pairs(ended.kinds or {}) do
    self.totals[kind] = of.success + of.failure
    self.begun = self.begun + self.totals[kind]
    self.given[kind] = self.totals[kind]
  end
  for _ in pairs(journal.open) do self.totals[self.start] = self.totals[self.start] + 1 end
  frontier.depth = ended.depth or 0
  journal:each_added(function(entry)
    if not entry.internal then self.totals[entry.kind] = self.totals[entry.kind] + 1 end
    frontier:add(entry)
  end)
  self.until_time = until_time and until_time - (ended.elapsed or 0)
end

--- Opens the source of a checked job. The job's `items` function may wait.
---@param spec table see luapool.job.spec
---@param ctx table passed to `items`
---@param places? integer how many items the workers can run at once
---@param journal? luapool.job.journal of a run with --resume
---@return luapool.job.source
function M.open(spec, ctx, places, journal)
  local totals, given, numbers, crawl = {}, {}, { ["(sitemap)"] = 0 }, spec.rules
  for i, name in ipairs(spec.names) do totals[name], given[name], numbers[name] = 0, 0, i end
  local self = setmetatable({
    start = spec.start,
    key = spec.key,
    journal = journal,
    limited = crawl and (crawl.max_items or crawl.max_time or crawl.max_errors) and true,
    numbers = numbers,
    totals = totals,
    given = given,
    begun = 0,
    most = crawl and crawl.max_items or math.huge,
    until_time = crawl and crawl.max_time and now() + crawl.max_time,
    places = places or math.huge,
    in_flight = 0,
    turn = 0,
    resized = true,
    later = order.priority(),
  }, Source)
  self.frontier = frontier_of(self, spec)
  if spec.once then
    local fragments = crawl and crawl.fragments
    self.seen = journal and journal:open_seen(fragments) or job_core.seen(fragments)
  end
  if journal then restore(self, journal.earlier, self.until_time) end
  rawset(ctx, "source", self)
  self.input = inputs.open(spec.items, ctx, {
    entry = function(item) return read(self, item) end,
    on_end = function()
      if journal then journal:check_end() end
    end,
    on_news = function(ended)
      if ended then self.resized = true end
      ring(self)
    end,
  })
  if journal and self.input.list and #self.input.list < journal.before then
    journal.reread = #self.input.list
    journal:check_end()
  end
  return self
end

return M
