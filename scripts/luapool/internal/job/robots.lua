-- internal.job.robots: robots.txt by RFC 9309. A worker fetches and parses it (M.kind), main asks
-- the rules whether an item may begin. The rules travel as a plain table.

local errors = require "luapool.error"
local normal = require("luapool.internal.url").normal

local M = {}

-- How many bytes are read; seconds of a Crawl-delay that are obeyed.
local MOST_BYTES, MOST_DELAY = 500 * 1024, 300

---@class luapool.job.robots.rule
---@field allow boolean
---@field pattern string as it was written, with its escapes in normal form
---@field parts? string[] of a pattern with `*`: what stands between
---@field ends? boolean it ends with `$`

---@class luapool.job.robots
---@field rules luapool.job.robots.rule[] the longest pattern first
---@field delay? number
---@field sitemaps string[]
local Robots = { __name = "luapool.job.robots" }
Robots.__index = Robots

-- Escapes as the normal form of a URL has them, so that both sides can be compared.
local function unify(text)
  text = text:gsub("[^\x21-\x7E]", function(c) return ("%%%02X"):format(c:byte()) end)
  return (text:gsub("%%(%x%x)", function(digits)
    local c = string.char(tonumber(digits, 16))
    return c:find "[%w%-._~]" and c or "%" .. digits:upper()
  end))
end

local function new_rule(allow, text)
  local pattern = unify(text)
  local rule = { allow = allow, pattern = pattern }
  local body = pattern:gsub("%$$", "")
  rule.ends = body ~= pattern or nil
  if not body:find("*", 1, true) then
    rule.parts = rule.ends and { body } or nil
    return rule
  end
  rule.parts = {}
  for part in (body .. "*"):gmatch "(.-)%*" do table.insert(rule.parts, part) end
  return rule
end

-- Whether the parts stand in the path one behind the other, the first at its beginning, and, with
-- `ends`, the last at its end. It takes time in proportion to the length of both.
local function fits(rule, path)
  local parts = rule.parts
  if not parts then return path:sub(1, #rule.pattern) == rule.pattern end
  if path:sub(1, #parts[1]) ~= parts[1] then return false end
  local at, last = #parts[1] + 1, #parts
  if last == 1 then return #path == #parts[1] end
  for i = 2, rule.ends and last - 1 or last do
    local _, stop = path:find(parts[i], at, true)
    if not stop then return false end
    at = stop + 1
  end
  return not rule.ends or #path - #parts[last] + 1 >= at and path:sub(-#parts[last]) == parts[last]
    or parts[last] == ""
end

--- Whether a URL may be fetched. The longest pattern decides; of two that are equally long, the one
--- that allows.
---@param url string
---@return boolean
function Robots:allows(url)
  if not self.rules[1] then return true end
  local path = (normal(url) or url):match "^%a[%w+.-]*://[^/]*(.*)$"
  if not path or path == "/robots.txt" then return true end
  for _, rule in ipairs(self.rules) do
    if fits(rule, path) then return rule.allow end
  end
  return true
end

-- The records of the text: lists of agents with their lines, and the sitemaps.
local function read(text)
  local groups, sitemaps, group = {}, {}, nil
  for line in text:gsub("^\xEF\xBB\xBF", ""):gmatch "[^\r\n]+" do
    local name, value = line:gsub("#.*$", ""):match "^%s*([%a%-]+)%s*:%s*(.-)%s*$"
    name = name and name:lower()
    if name == "sitemap" then
      table.insert(sitemaps, value)
    elseif name == "user-agent" then
      if not group or group.lines[1] then
        group = { agents = {}, lines = {} }
        table.insert(groups, group)
      end
      group.agents[value:match("^[%a_%-]*"):lower()] = true
      if value:sub(1, 1) == "*" then group.agents["*"] = true end
    elseif name and group then
      table.insert(group.lines, { name, value })
    end
  end
  return groups, sitemaps
end

-- The lines of all groups of an agent.
local function lines_of(groups, agent)
  local found = nil
  for _, group in ipairs(groups) do
    if group.agents[agent] then
      found = found or {}
      table.move(group.lines, 1, #group.lines, #found + 1, found)
    end
  end
  return found
end

-- The longer pattern comes first; of two that are equally long, the one that allows.
local function before(a, b)
  if #a.pattern ~= #b.pattern then return #a.pattern > #b.pattern end
  return a.allow and not b.allow
end

--- The rules for an agent.
---@param text string the file
---@param agent string "name/version", of which the name counts
---@return luapool.job.robots
function M.parse(text, agent)
  local groups, sitemaps = read(text)
  local token = agent:match("^[%a_%-]*"):lower()
  local self = setmetatable({ rules = {}, sitemaps = sitemaps }, Robots)
  for _, line in ipairs(lines_of(groups, token) or lines_of(groups, "*") or {}) do
    local name, value = line[1], line[2]
    if (name == "allow" or name == "disallow") and value ~= "" then
      table.insert(self.rules, new_rule(name == "allow", value))
    elseif name == "crawl-delay" then
      local delay = tonumber(value)
      self.delay = delay and delay > 0 and math.min(delay, MOST_DELAY) or nil
    end
  end
  table.sort(self.rules, before)
  return self
end

--- Gives rules that have travelled their methods again.
---@param rules table
---@return luapool.job.robots
function M.open(rules) return setmetatable(rules, Robots) end

-- Fetches a robots.txt. One that is not there (400 to 499) allows everything; one that cannot be
-- had is an error.
local function fetch(url, ctx)
  local http = require "luapool.http"
  local agent = ctx.page.plan.rules.agent or require("luapool.http.core").agent
  local res <close> = http.get(url, { headers = { ["User-Agent"] = agent }, stream = true })
  if res.status == 429 or res.status >= 500 then
    error(errors.new("status", ("%s: %s"):format(url, res:reason()),
      { status = res.status, url = res.url, response = { headers = { ["retry-after"] =
        res.headers["retry-after"] } } }), 0)
  end
  local text = res.status < 300 and res:read(MOST_BYTES) or ""
  return setmetatable(M.parse(text, agent), nil)
end

--- The kind of the items that fetch a robots.txt.
M.kind = { fetch = fetch }

return M
