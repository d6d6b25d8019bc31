-- internal.job.crawl: the field `crawl` of a job: its rules are checked and brought into one form.
-- Runs in main only; a part of the result travels to the workers (luapool.internal.job.follow).

local options = require "luapool.internal.options"

local M = {}

--- How a job follows links. With `crawl = true` items that were seen before are dropped, and
--- `ctx:follow` adds all links of http and https.
---
--- In breadth-first order, the default where `max_depth` is given, the items of one depth begin
--- when all of the depth before have ended: so each page is met by its shortest path, and the set
--- of the pages does not depend on the number of workers.
---
--- Rates, delays and robots.txt hold for each host, over all workers together. A host that answers
--- 429, or 503 with Retry-After, is paused for that time; then it gets one item at a time first.
---
--- ```lua
--- return {
---   items = { url .. "/echo/a" },
---   crawl = {
---     max_depth = 2, max_items = 100, max_errors = 10, max_time = 600,
---     same_host = true, schemes = { "http", "https" }, include = "/echo/", exclude = { "%.zip$" },
---     fragments = false, order = "breadth", robots = false, sitemaps = false,
---     rate = { per_host = 100, burst = 10 },
---   },
---   fetch = function(address) return http.get(address):raise_for_status() end,
---   process = function(res, address, ctx)
---     for _, node in ipairs(res:html():css "a") do ctx:follow(node) end
---     return { path = address:match "/%w+$", depth = ctx.depth }
---   end,
---   processes = 1, concurrency = 1,
--- }
--- --> {"depth":0,"path":"/a"}
--- ```
---
--- Other hosts:
---
--- ```lua
--- return {
---   items = { url .. "/echo" },
---   crawl = {
---     domains = { "127.0.0.1", "example.com" }, delay = 0.1, autothrottle = { target = 2 },
---   },
---   fetch = function(address) return http.get(address) end,
---   process = function(_, _, ctx) return ctx:follow "https://example.org/" end,
--- }
--- --> false
--- ```
---@within job
---@class luapool.job.Crawl
---@field max_depth? integer how many links a page may be away from the first items
---@field max_items? integer begin so many items, no more
---@field max_errors? integer end the crawl when so many items have failed
---@field max_time? number seconds after which no item begins
---@field same_host? boolean follow links to the host of their page alone
---@field domains? string[] follow links to these hosts and those below them alone; one with a port
--- is that port alone
---@field schemes? string[] follow these alone; default `http` and `https`
---@field include? string|string[] Lua patterns: follow only URLs in which one is found
---@field exclude? string|string[] Lua patterns: follow no URL in which one is found
---@field fragments? boolean URLs that differ behind `#` are different; default false
---@field order? "breadth"|"depth" one depth after the other; or what was added last first
---@field robots? boolean|string obey robots.txt; a string is the user agent that it is read for,
--- and asked for with
---@field sitemaps? boolean begin also with what the sitemaps of the first items' hosts list;
--- `ctx.meta.lastmod` is what they tell of the page
---@field rate? luapool.job.Rate how often each host is asked
---@field delay? number seconds between the beginnings of two items of a host
---@field autothrottle? luapool.job.Autothrottle set the delay by the latency of each host

--- How often each host is asked.
---
--- ```lua
--- return {
---   items = { url .. "/echo?1", url .. "/echo?2" },
---   crawl = { rate = { per_host = 50, burst = 2 } },
---   fetch = function(address) return http.get(address) end,
---   process = function(res) return res.status end,
--- }
--- --> 200
--- --> 200
--- ```
---@within job
---@class luapool.job.Rate
---@field per_host number items a second
---@field burst? integer how many may begin at once after a pause; default 1

--- A delay by the latency of each host: latency / target, so that about `target` items are under
--- way.
---
--- ```lua
--- return {
---   items = { url .. "/echo" },
---   crawl = { autothrottle = { target = 4 } },
---   fetch = function(address) return http.get(address) end,
---   process = function(res) return res.status end,
--- }
--- --> 200
--- ```
---@within job
---@class luapool.job.Autothrottle
---@field target number

local fields = {
  max_depth = "count0",
  max_items = "count",
  max_errors = "count",
  max_time = "seconds",
  same_host = "boolean",
  domains = "table",
  schemes = "table",
  include = "string|table",
  exclude = "string|table",
  fragments = "boolean",
  order = { "breadth", "depth" },
  robots = "boolean|string",
  sitemaps = "boolean",
  rate = "table",
  delay = "amount",
  autothrottle = "table",
}

local parts = {
  rate = { per_host = "positive", burst = "count" },
  autothrottle = { target = "positive" },
}

--- What each field may be. Tests walk over them.
M.fields = fields

-- A list of strings, of which each fits.
local function check_strings(list, name, fits)
  if type(list) == "string" then list = { list } end
  for i = 1, #list do
    local problem = type(list[i]) ~= "string" and "strings expected" or fits and fits(list[i])
    if problem then return nil, ("field '%s', item %d: %s"):format(name, i, problem) end
  end
  return list
end

local function pattern_problem(pattern)
  local ok, why = pcall(string.find, "", pattern)
  return not ok and "no Lua pattern: " .. why or nil
end

local function check_lists(crawl)
  for _, name in ipairs { "domains", "schemes", "include", "exclude" } do
    local is_pattern = name == "include" or name == "exclude"
    if crawl[name] then
      local list, problem = check_strings(crawl[name], name, is_pattern and pattern_problem)
      if not list then return problem end
    end
  end
  return nil
end

local function check_parts(crawl)
  for name, known in pairs(parts) do
    local problem = crawl[name] and options.problem(crawl[name], known, "field")
    if problem then return ("field '%s': %s"):format(name, problem) end
  end
  if crawl.rate and not crawl.rate.per_host then return "field 'rate': 'per_host' expected" end
  if crawl.autothrottle and not crawl.autothrottle.target then
    return "field 'autothrottle': 'target' expected"
  end
  if crawl.same_host and crawl.domains then
    return "field 'domains' stands in place of 'same_host': only one of them expected"
  end
  return nil
end

local function lower_all(list)
  local lower = {}
  for i, text in ipairs(list) do lower[i] = text:lower() end
  return lower
end

local function set_of(list)
  local set = {}
  for _, name in ipairs(lower_all(list)) do set[name] = true end
  return set
end

local function patterns(value)
  if type(value) == "string" then return { value } end
  return value
end

-- Seconds between two items of a host: the longest that a field asks for, or nil.
local function interval_of(crawl)
  local rate = crawl.rate and 1 / crawl.rate.per_host or 0
  local interval = math.max(rate, crawl.delay or 0)
  return interval > 0 and interval or nil
end

--- Checks the rules of a crawl. Returns them in one form, nil for `crawl = false` or none; or nil
--- and what is wrong.
---@param crawl table|boolean|nil
---@return table|nil rules
---@return string? problem
function M.check(crawl)
  if not crawl then return nil end
  if crawl == true then crawl = {} end
  local problem = options.problem(crawl, fields, "field")
  problem = problem or check_lists(crawl) or check_parts(crawl)
  if problem then return nil, problem end
  return {
    max_depth = crawl.max_depth,
    max_items = crawl.max_items,
    max_errors = crawl.max_errors,
    max_time = crawl.max_time,
    same_host = crawl.same_host or nil,
    domains = crawl.domains and lower_all(crawl.domains),
    schemes = set_of(crawl.schemes or { "http", "https" }),
    include = patterns(crawl.include),
    exclude = patterns(crawl.exclude),
    fragments = crawl.fragments or false,
    order = crawl.order or crawl.max_depth and "breadth" or nil,
    robots = crawl.robots and true or nil,
    agent = type(crawl.robots) == "string" and crawl.robots or nil,
    sitemaps = crawl.sitemaps or nil,
    interval = interval_of(crawl),
    burst = crawl.rate and crawl.rate.burst or 1,
    target = crawl.autothrottle and crawl.autothrottle.target,
  }
end

return M
