-- internal.job.worker: the half of a job that runs in the workers. M.carry(plan), which main calls,
-- makes the function that pool:map sends. `plan` holds the user's fetch, process and init, so they
-- travel in one snapshot and share their upvalues. What is done with them stands here and travels
-- by name. The reply to an item is one of these:
--
--     true                                     it has succeeded, without a result
--     [1]=, [2]=, rows=, attempts=             so it has; the items that were added, or false, and
--                                              the result: by turns item, kind (false: the same),
--                                              how (see Source:add_of); the results of ctx:emit,
--                                              if any; the attempts, if not one
--     failed=true, error=, attempts=,          the item has failed for good; place is "file:line"
--       place=, traceback=
--     again=, attempts=, elapsed=, waited=     another attempt is due in `again` seconds
--     fatal=true, error=, traceback=           init has failed
--
-- A table may also have `refused=, host=`: this host has answered the item with 429, or 503 and
-- Retry-After, and is to be left alone for so many seconds; and in a crawl `skipped=`, how many
-- links broke which rule, and `requests=`, what hosts have answered since the last reply: by turns
-- host, status (0: none), bytes, seconds.

local core = require "luapool.core"
local errors = require "luapool.error"
local encode = require("luapool.json.core").encode
local row = require "luapool.internal.job.row"
local explain = require("luapool.error.core").explain
local keep_trace = require("luapool.task.core").error_handler
local sleep_unref = require("luapool.task.core").sleep_unref
local follow = require "luapool.internal.job.follow"
local authority_of = require("luapool.internal.url").authority
local options = require "luapool.internal.options"
local Policy = require "luapool.internal.retry.policy"
local retry = require "luapool.retry"
local robots = require "luapool.internal.job.robots"
local sitemap = require "luapool.internal.job.sitemap"
local slips = require "luapool.internal.slips"
local task = require "luapool.task"
local traces = require "luapool.internal.trace"
local usage = require "luapool.internal.usage"

-- A wait between two attempts of more than so many seconds is left to main, so that another item
-- can use the slot meanwhile.
local SHORT = 1

local M = {}

-- The kinds of luapool's own items.
local INTERNAL = { ["(robots)"] = robots.kind, ["(sitemap)"] = sitemap.kind }
for _, kind in pairs(INTERNAL) do kind.retry = Policy.new() end

---@class luapool.job.page: an item in its worker
---@field item any
---@field kind string
---@field attempts? integer how many there have been before
---@field elapsed? number seconds since the first one began
---@field waited? number seconds of these that were spent waiting
---@field depth integer
---@field referrer? string
---@field meta? any
---@field internal? boolean
---@field base? string the URL that relative ones start from
---@field plan table see M.carry
---@field added? table see above
---@field rows? any[] what ctx:emit was given, encoded
---@field tried? integer how many attempts the fetch that has succeeded took
---@field skipped? table<string, integer> see above
---@field refused? number see above
---@field host? string see above

--- What the functions of a job get. What `init` stores in it is seen by all items of that worker.
---@within job
---@class luapool.job.Context
---@field config table the settings of `--config` or of the job's `config`; empty without
---@field args string[] the arguments behind `--`
---@field depth integer how many links the item is away from the first items
---@field referrer? string the item that added this one, where it is a string
---@field meta? any what the call of `ctx:follow` has given it; `{ lastmod = }` of a sitemap
local Ctx = { __name = "luapool.job.ctx" }

-- The page of a context, for a method that adds items of this kind or results.
local function page_of(self, method, kind)
  local page = rawget(self, "page")
  if kind ~= nil and page and not page.plan.kinds[kind] then
    usage.raise(method, "unknown kind '%s'%s", kind, options.hint(kind, page.plan.kinds))
  end
  if page then return page end
  local what = method == "ctx:emit" and "results" or "items"
  usage.raise(method, "only fetch and process add %s", what)
end

local function add(page, item, kind, how)
  local added = page.added
  if not added then
    added = {}
    page.added = added
  end
  local n = #added
  added[n + 1], added[n + 2] = item, kind ~= page.kind and kind or false
  added[n + 3] = how
end

--- Adds an item to the job. It counts once the item that is worked on has succeeded, so another
--- attempt adds nothing twice.
---
--- ```lua
--- return {
---   items = { 1 },
---   process = function(n, _, ctx)
---     if n < 3 then ctx:add(n + 1) end
---     return n
---   end,
--- }
--- --> 1
--- --> 2
--- --> 3
--- ```
---@param item any not nil
---@param kind? string one of the job's `kinds`; default: that of the item that is worked on
function Ctx:add(item, kind)
  if type(self) ~= "table" then usage.self(self, Ctx, "ctx:add") end
  if item == nil then usage.expected("ctx:add", 1, "an item", item) end
  local page = page_of(self, "ctx:add", kind)
  add(page, item, kind or page.kind, false)
end

-- What a result is made into for the output.
local encoders = {
  line = function(value) return encode(value, nil, true) end, -- its keys in order
  row = row.of,
}

-- A result as main gets it: a line of JSON, a row, or the value itself when main wants that.
local function encoded(value, plan)
  local encoder = encoders[plan.encode]
  return encoder and encoder(value) or value
end

--- Adds a result, for items that give several: each is a line of the output, as if it had been
--- returned. They count once the item has succeeded, before the value that `process` returns, so
--- another attempt writes nothing twice; with `--resume` the results of an item are kept together
--- or not at all.
---
--- ```lua
--- return {
---   items = { "a,b", "c" },
---   process = function(line, _, ctx)
---     for word in line:gmatch "[^,]+" do ctx:emit { word = word } end
---   end,
---   processes = 1, concurrency = 1,
--- }
--- --> {"word":"a"}
--- --> {"word":"b"}
--- --> {"word":"c"}
--- ```
---@param result any not nil
function Ctx:emit(result)
  if type(self) ~= "table" then usage.self(self, Ctx, "ctx:emit") end
  if result == nil then usage.expected("ctx:emit", 1, "a result", result) end
  local page = page_of(self, "ctx:emit")
  local rows = page.rows
  if not rows then
    rows = {}
    page.rows = rows
  end
  rows[#rows + 1] = encoded(result, page.plan)
end

---@within job
---@class luapool.job.FollowOptions
---@field priority? integer from -100 to 100: a small one comes first; default 0
---@field meta? any travels to the item's `ctx.meta`

--- Adds what a link leads to, if the rules of the job's `crawl` allow it: a URL, or a node with
--- `href` or `src`. A relative one starts from the page. The item is the URL in its normal form,
--- without a fragment. As with `ctx:add` it counts once the item that is worked on has succeeded,
--- and is dropped if it was seen before.
---
--- ```lua
--- return {
---   items = { url .. "/echo/start" },
---   crawl = { max_depth = 1, same_host = true },
---   fetch = function(address) return http.get(address):raise_for_status() end,
---   process = function(res, _, ctx)
---     if ctx.depth == 1 then return { from = ctx.referrer:match "/%w+$", meta = ctx.meta } end
---     local page = html.parse "<a href='next?#top'>go on</a>"
---     assert(ctx:follow(page:first "a", nil, { priority = -1, meta = "x" }))
---     assert(not ctx:follow "http://elsewhere.example/")
---   end,
---   processes = 1,
--- }
--- --> {"from":"/start","meta":"x"}
--- ```
---@param target luapool.html.Node|string
---@param kind? string one of the job's `kinds`; default: that of the item that is worked on
---@param opts? luapool.job.FollowOptions
---@return boolean allowed false when a rule does not allow it, or the node leads nowhere
function Ctx:follow(target, kind, opts)
  if type(self) ~= "table" then usage.self(self, Ctx, "ctx:follow") end
  if target == nil then usage.expected("ctx:follow", 1, "a URL or a node", target) end
  local page = page_of(self, "ctx:follow", kind)
  if not page.plan.rules then usage.raise("ctx:follow", "the job has no field 'crawl'") end
  local url = follow.follow(page, page.plan.rules, target, opts)
  if not url then return false end
  add(page, url, kind or page.kind, opts or true)
  return true
end

-- Makes the table that init gets and the metatable of the items' contexts. What init or an item
-- stores in its context is seen by all items of this worker.
local function ctx_class(plan)
  local shared = { config = plan.config, args = plan.args, add = Ctx.add, emit = Ctx.emit,
    follow = Ctx.follow, depth = 0 }
  return shared, { __name = Ctx.__name, __index = shared, __newindex = shared }
end

---@class luapool.job.worker: the state of a job in one worker
---@field plan table what main has sent, see M.carry
---@field shared table the context that init gets
---@field class table the metatable of the items' contexts
---@field starting luapool.Task|nil the task that runs init
---@field started boolean|nil whether init has succeeded
---@field ended integer|nil how many items have
---@field watching boolean|nil requests are noted
---@field requests table|nil see above
local Worker = {}
Worker.__index = Worker

-- Calls init, or waits for its end when another task has called it. Returns a fatal reply when init
-- has failed.
local function ready(self)
  local starting = self.starting
  if not starting then
    starting = task.spawn(self.plan.init, self.shared)
    starting:name "init"
    self.starting = starting
  end
  local ok, e = starting:result()
  self.started = ok
  if ok then return nil end
  return { fatal = true, error = explain(e), traceback = errors.traceback(e) }
end

-- How long a host is to be left alone that has answered like this, an error or a response; nil
-- where it has not refused the item. `pause` is the wait before the item's next attempt.
local function refusal(page, policy, cause, pause)
  local status = type(cause) == "table" and rawget(cause, "status")
  if status ~= 429 and status ~= 503 then return end
  local seconds = Policy.retry_after(cause) or status == 429 and pause
  if not seconds or seconds > policy.max_wait then return end
  local address = rawget(cause, "url") or page.item
  page.host = type(address) == "string" and authority_of(address) or nil
  page.refused = page.host and math.max(seconds, 0)
end

-- Calls the kind's `fetch` until it succeeds, fails for good, or must be called again after a long
-- wait or by a host that has refused it. Returns true and its value, or false and its error, or nil
-- and the seconds to wait; then the number of attempts, and the seconds since the first one began.
local function fetch(kind, page, ctx)
  local policy, n = kind.retry, page.attempts or 0
  local began = task.now() - (page.elapsed or 0)
  while true do
    n = n + 1
    local outcome, again, cause = retry.attempt(policy, kind.fetch, n, page.item, ctx)
    local elapsed = task.now() - began
    if outcome[1] and not again then
      refusal(page, policy, outcome[2])
      return true, outcome[2], n, elapsed
    end
    local seconds, why
    if again then seconds, why = policy:pause(n, cause, elapsed) end
    refusal(page, policy, cause, seconds)
    if not seconds then
      local figures = { attempts = n, waited = page.waited or 0, elapsed = elapsed, gave_up = why }
      local ok, value = pcall(retry.give_up, policy, outcome, figures)
      if not outcome[1] then page.rows = nil end -- on_giveup has made it a success
      return ok, value, n, elapsed
    end
    if policy.before_sleep then policy.before_sleep(n, not outcome[1] and cause or nil, seconds) end
    if seconds > SHORT or page.refused then return nil, seconds, n, elapsed end
    page.added, page.skipped, page.rows = nil, nil, nil -- this attempt adds nothing
    task.sleep(seconds)
    page.waited = (page.waited or 0) + seconds
  end
end

-- The traceback of an error of which only the line is known.
local LINE = "stack traceback:\n\t%s: in the function that begins here, which ended with the call"

-- The reply for an item that has failed by an error of `fn`, after so many attempts.
local function failure(e, fn, attempts)
  local trace = errors.traceback(e)
  local place, frames = traces.place(e, trace, fn), traces.of_user(trace)
  if place and not frames then frames = LINE:format(place) end
  return { failed = true, error = slips.explain(explain(e)), attempts = attempts, place = place,
    traceback = frames }
end

-- The reply for a result of `fn`.
local function reply_of(value, page, fn)
  if value ~= nil and not page.internal then
    local ok, made = pcall(encoded, value, page.plan)
    if not ok then return failure(made, fn, page.tried or 1) end
    value = made
  end
  local added, rows, attempts = page.added or false, page.rows, page.tried
  if attempts == 1 then attempts = nil end
  if rows or attempts then return { added, value, rows = rows, attempts = attempts } end
  if value == nil then return added and { added } or true end
  return { added, value }
end

-- Calls fetch and process. Returns the reply.
local function perform(kind, page, ctx)
  local value, attempts = page.item, 1
  if kind.fetch then
    local ok, elapsed
    ok, value, attempts, elapsed = fetch(kind, page, ctx)
    if ok == nil then
      return { again = value, attempts = attempts, elapsed = elapsed, waited = page.waited }
    end
    if not ok then return failure(value, kind.fetch, attempts) end
    page.tried = attempts
    if type(value) == "table" and type(value.url) == "string" then page.base = value.url end
  end
  if kind.process then
    local ok
    ok, value = xpcall(kind.process, keep_trace, value, page.item, ctx)
    if not ok then
      usage.place(value, kind.process)
      if errors.is(value, "cancelled") then error(value, 0) end
      return failure(value, kind.process, attempts)
    end
  end
  return reply_of(value, page, kind.process or kind.fetch)
end

-- Tells main what the oldest item waits for whenever nothing has ended for some time.
local function look_for_stalls(self)
  local board, seen = require "luapool.internal.progress.board", nil
  while true do
    sleep_unref(board.stall_interval)
    if self.ended == seen then board.stalled(core.dump) end
    seen = self.ended
  end
end

-- Notes what hosts answer from now on, for main.
local function watch(self)
  self.watching = true
  require("luapool.http").watch(function(url, res, seconds)
    local host = authority_of(url)
    if not host then return end
    local requests = self.requests or {}
    self.requests = requests
    local n = #requests
    requests[n + 1], requests[n + 2] = host, res and res.status or 0
    requests[n + 3], requests[n + 4] = res and res.body and #res.body or 0, seconds
  end)
end

-- Adds to the reply what main has to know of hosts.
local function tell_of_hosts(self, reply, page)
  if reply == true then reply = { false } end
  if page.refused then reply.refused, reply.host = page.refused, page.host end
  reply.skipped, reply.requests, self.requests = page.skipped, self.requests, nil
  return reply
end

--- Works on an item and returns the reply to it. The arguments are the fields of a
--- luapool.job.page.
---@return table reply
function Worker:perform(item, name, attempts, elapsed, waited, depth, referrer, meta)
  local fatal = self.plan.init and not self.started and ready(self)
  if fatal then return fatal end
  local plan, internal = self.plan, INTERNAL[name]
  local is_url = type(item) == "string"
  local page = { item = item, kind = name, plan = plan, depth = depth, referrer = referrer,
    internal = internal and true, base = is_url and item or nil, added = nil, rows = nil }
  if attempts then page.attempts, page.elapsed, page.waited = attempts, elapsed, waited end
  local ctx = setmetatable({ page = page, depth = depth, referrer = referrer, meta = meta },
    self.class)
  if plan.rules and is_url and not self.watching and item:find "^[hH][tT][tT][pP]" then
    watch(self)
  end
  if not self.ended then
    self.ended = 0
    task.spawn(look_for_stalls, self):name "stalls"
  end
  local reply = perform(internal or plan.kinds[name], page, ctx)
  self.ended = self.ended + 1
  if self.watching or page.refused or page.skipped then return tell_of_hosts(self, reply, page) end
  return reply
end

--- Makes the state of a job in this worker, once for each snapshot of the plan.
function M.open(plan)
  local shared, class = ctx_class(plan)
  return setmetatable({ plan = plan, shared = shared, class = class }, Worker)
end

--- Makes the function that travels. It takes the fields of an item and returns the reply to it.
---@param plan { kinds: table, init: function?, config: table, args: string[], rules: table?,
---  start: string, encode: "line"|"row"|false }
---@return fun(item: any, kind: string, ...: any): table|true
function M.carry(plan)
  local worker
  return function(...)
    worker = worker or M.open(plan)
    return worker:perform(...)
  end
end

return M
