-- internal.job.follow: which links a crawl follows. What is decided by a link alone is decided
-- here, in the worker that has found it: the rules of the job's `crawl`. What depends on other
-- items (was it seen?) or on other hosts (robots.txt, rates) main decides. Runs in workers.

local html_core = nil -- luapool.html.core, when a node is first followed
local options = require "luapool.internal.options"
local url = require "luapool.internal.url"
local usage = require "luapool.internal.usage"

local authority_of, find, normal = url.authority, string.find, url.normal

local M = {}

-- Attributes of a node that lead somewhere.
local LINKS = { "href", "src", "data-src" }

-- A priority is one of few: each is a queue of its own.
local fields = { priority = "priority", meta = "any" }

local function matches(patterns, text)
  for i = 1, #patterns do
    if find(text, patterns[i]) then return true end
  end
  return false
end

-- Whether a host is one of these or below one of them. One that is written with its port is that
-- port alone.
local function belongs(domains, host, authority)
  for _, domain in ipairs(domains) do
    if domain == host or domain == authority then return true end
    if #host > #domain and host:sub(-#domain - 1) == "." .. domain then return true end
  end
  return false
end

-- Whether a host is that of the page: of the item, or, for an item of the input, of the URL that it
-- was redirected to. Otherwise redirections would lead away step by step.
local function is_at_home(page, authority)
  if not page.home then
    page.home = authority_of(page.internal and page.referrer or page.item) or ""
    page.moved = page.depth == 0 and page.base and authority_of(page.base) or page.home
  end
  return authority == page.home or authority == page.moved
end

-- The rule of the job that a URL breaks, or nil.
local function broken_rule(rules, page, text, scheme, host, authority)
  if not rules.schemes[scheme] then return "scheme" end
  if rules.same_host and not is_at_home(page, authority) then return "same_host" end
  if rules.domains and not belongs(rules.domains, host, authority) then return "domains" end
  if rules.exclude and matches(rules.exclude, text) then return "exclude" end
  if rules.include and not matches(rules.include, text) then return "include" end
  if rules.max_depth and page.depth >= rules.max_depth and not page.internal then
    return "max_depth"
  end
  return nil
end

--- Checks a URL against the rules. Returns its normal form, or nil and the rule that it breaks.
---@param rules table see luapool.job.crawl
---@param page table
---@param address string
---@param base? string the URL that `address` starts from where it is relative
---@return string|nil
---@return string? rule
function M.check(rules, page, address, base)
  local text, scheme, host, authority = normal(address, rules.fragments, base)
  if not text then return nil, "scheme" end
  local rule = broken_rule(rules, page, text, scheme, host, authority)
  if rule then return nil, rule end
  return text
end

local function is_node(value)
  html_core = html_core or require "luapool.html.core"
  local class = getmetatable(value)
  return class ~= nil and class.__name == "luapool.html.Node"
end

-- Where a node leads, absolute; nil where it has no link.
local function address_of(node)
  for _, name in ipairs(LINKS) do
    local value = node:attr(name)
    if value then return node:resolve(value) end
  end
  return nil
end

--- Adds what the rules allow to the items of the page. See luapool.job.Context:follow.
---@param page table
---@param rules table
---@param target any
---@param opts { priority: integer?, meta: any }|nil
---@return string|nil url in normal form; nil: it is not allowed, or the node leads nowhere
function M.follow(page, rules, target, opts)
  local address = target
  if type(target) ~= "string" then
    if type(target) ~= "userdata" or not is_node(target) then
      usage.expected("ctx:follow", 1, "a URL or a node", target)
    end
    address = address_of(target)
    if not address then return nil end
  end
  if opts ~= nil then
    options.check("ctx:follow", opts, fields)
  end
  local text, rule = M.check(rules, page, address, page.base)
  if not text then
    local skipped = page.skipped or {}
    page.skipped = skipped
    skipped[rule] = (skipped[rule] or 0) + 1
  end
  return text
end

return M
