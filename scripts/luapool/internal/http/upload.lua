-- internal.http.upload: bodies that functions make while the request runs. A task of its own calls
-- them, one after another, and puts what they return into sources, which curl reads.

local core = require "luapool.http.core"
local errors = require "luapool.error"
local log = require "luapool.log"
local task = require "luapool.task"
local usage = require "luapool.internal.usage"

local M = {}

local function wrong(feed, text, ...)
  usage.raise(feed.where, "%s: %s", feed.what, text:format(...))
end

-- Puts all pieces of a feed into its source. Returns false when the transfer has ended.
local function feed_all(feed, source)
  local length, most = 0, feed.length or math.huge
  for piece in feed.make() do
    if type(piece) ~= "string" then
      wrong(feed, "the function must return a string or nil, got %s", usage.describe(piece))
    end
    length = length + #piece
    if length > most then wrong(feed, "more bytes than content_length, %d", most) end
    if piece ~= "" and not source:put(piece) then return false end
  end
  if feed.length and length < feed.length then
    wrong(feed, "only %d bytes, content_length is %d", length, feed.length)
  end
  source:finish()
  return true
end

local function run(feeds, state)
  for _, one in ipairs(feeds) do
    local ok, result = pcall(feed_all, one.feed, one.source)
    if not ok then
      if not errors.is(result, "cancelled") then state.error = result end
      one.source:fail()
      if state.detached then log.warn("the body of a request broke off: %s", result) end
    end
    if not ok or not result then return end
  end
end

local function copy(t)
  local new = {}
  for name, value in pairs(t) do new[name] = value end
  return new
end

-- A copy of the plan with a source in place of each feed; and the list of both.
local function with_sources(plan)
  local feeds = {}
  local function tie(of)
    of = copy(of)
    of.source = core.source_new()
    feeds[#feeds + 1] = { feed = of.feed, source = of.source }
    return of
  end
  if plan.feed then return tie(plan), feeds end
  plan = copy(plan)
  plan.multipart = copy(plan.multipart)
  for i, part in ipairs(plan.multipart) do
    if part.feed then plan.multipart[i] = tie(part) end
  end
  return plan, feeds
end

--- Whether a plan has a body of this kind.
---@param plan table
---@return boolean
function M.is_fed(plan)
  return plan.feed ~= nil or plan.once == true
end

--- As `request`, for a plan whose body is fed. What a function raises is raised here.
---@param request function core.request, or one that calls it
---@param client userdata
---@param method string
---@param url string
---@param plan table
---@return luapool.http.Response, boolean?, string?
function M.request(request, client, method, url, plan)
  local feeds
  plan, feeds = with_sources(plan)
  local state = {}
  local feeder = task.spawn(run, feeds, state)
  local ok, res, redirected, set = pcall(request, client, method, url, plan)
  if ok and rawget(res, "stream") then -- the body may be on its way still
    state.detached = true
    return res, redirected, set
  end
  feeder:cancel()
  if ok then return res, redirected, set end
  if state.error ~= nil and not errors.is(res, "cancelled") then error(state.error, 0) end
  error(res, 0)
end

return M
