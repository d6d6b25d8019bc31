-- internal.http.body: the options that are the body of a request, as fields of its plan. What comes
-- piece by piece is a *feed*: upload.lua makes a source of it each time the request is sent.

local allow = require("luapool.sandbox.core").allow
local core = require "luapool.http.core"
local errors = require "luapool.error"
local fs = require "luapool.fs"
local headers = require "luapool.internal.http.headers"
local options = require "luapool.internal.options"
local text = require "luapool.internal.http.text"
local usage = require "luapool.internal.usage"

local M = {}

---@class luapool.http.feed
---@field where string the call, for messages
---@field what string the option
---@field make fun(): fun(): string? what gives the pieces of one sending
---@field once boolean the pieces can be had only once
---@field length? integer of all pieces

-- --- feeds ---

---@return luapool.http.feed
local function feed_of(where, what, fn)
  return { where = where, what = what, once = true, make = function() return fn end }
end

local PIECE = 64 * 1024

local function feed_of_text(bytes)
  return { once = false, make = function()
    local at = 1
    return function()
      local piece = bytes:sub(at, at + PIECE - 1)
      at = at + PIECE
      return piece ~= "" and piece or nil
    end
  end }
end

local function open(path)
  allow("read", path)
  local file, why = io.open(path, "rb")
  return file or error(errors.new("system", why), 0)
end

local function feed_of_file(path)
  return { once = false, make = function()
    local file = open(path)
    return function()
      local piece = file:read(PIECE)
      if not piece then file:close() end
      return piece
    end
  end }
end

-- The pieces of a feed, compressed.
local function compressed(feed)
  local function make()
    local pieces, gzip, ended = feed.make(), core.gzip_new(), false
    return function()
      while not ended do
        local piece = pieces()
        ended = piece == nil
        if not ended and type(piece) ~= "string" then return piece end
        local bytes = gzip:push(piece or "", ended)
        if bytes ~= "" then return bytes end
      end
    end
  end
  return { where = feed.where, what = feed.what, once = feed.once, make = make }
end

-- --- the options ---

-- What can be sent without a look at it while it is sent: curl does not say why it cannot read.
local function check_file(where, what, path)
  if type(path) ~= "string" then
    usage.raise(where, "%s: file must be a string, got %s", what, usage.describe(path))
  end
  text.safe(where, what .. ": file", path)
  local there, stat = pcall(fs.stat, path)
  if not there and not errors.is(stat, "fs") then error(stat, 0) end
  if there and stat.type ~= "file" then
    error(errors.new("system", ("%s: %s is a %s"):format(what, path, stat.type)), 0)
  end
  open(path):close()
end

-- Each sets the body, and returns its content type: false for none, nil where curl says it.
local bodies = {}

function bodies.body(plan, value, where)
  if type(value) == "string" then
    plan.body = value
  elseif usage.callable(value) then
    plan.feed = feed_of(where, "option 'body'", value)
  else
    local problem = options.problem(value, { file = "string" }, "field")
    if problem then usage.raise(where, "option 'body': %s", problem) end
    check_file(where, "option 'body'", value.file)
    plan.file = value.file
  end
  return false
end

function bodies.json(plan, value)
  plan.body = require("luapool.json").encode(value)
  return "application/json"
end

function bodies.form(plan, value, where)
  plan.body = text.query(where, "option 'form'", value)
  return "application/x-www-form-urlencoded"
end

local part_spec = { data = "any", body = "callable", headers = "table" }
for name in ("name file filename content_type type"):gmatch("%S+") do part_spec[name] = "string" end

-- Fields of a part that stand in its head.
local IN_HEAD = { "name", "filename", "type" }

-- How many of these fields a part has.
local function count(value, ...)
  local n = 0
  for _, name in ipairs { ... } do n = n + (value[name] ~= nil and 1 or 0) end
  return n
end

local function part(where, name, value)
  if type(value) ~= "table" then value = { data = value } end
  local what = ("option 'multipart': '%s'"):format(name)
  local problem = options.problem(value, part_spec, "field")
  if not problem and count(value, "data", "file", "body") ~= 1 then
    problem = "one of data, file and body expected"
  elseif not problem and count(value, "content_type", "type") == 2 then
    problem = "content_type and type are the same"
  end
  if problem then usage.raise(where, "%s: %s", what, problem) end
  local made = { name = name, file = value.file, filename = value.filename,
    type = value.content_type or value.type }
  for _, field in ipairs(IN_HEAD) do
    if made[field] then text.safe(where, what .. ": " .. field, made[field]) end
  end
  if value.file then check_file(where, what, value.file) end
  if value.data ~= nil then made.data = text.of(where, what, value.data) end
  if value.body then made.feed = feed_of(where, what, value.body) end
  if value.headers then
    made.headers = headers.add(where, what .. ": headers", {}, {}, value.headers)
    for i, line in ipairs(made.headers) do made.headers[i] = line:gsub(";$", ":") end
  end
  return made
end

function bodies.multipart(plan, value, where)
  local parts = {}
  if #value > 0 then -- a list of parts, in order
    for i, v in ipairs(value) do
      parts[i] = part(where, type(v) == "table" and v.name or tostring(i), v)
    end
  else
    for name, v in text.sorted(where, "option 'multipart'", value) do
      parts[#parts + 1] = part(where, name, v)
    end
  end
  plan.multipart = parts
  return nil
end

-- --- what goes with a body ---

local function compress(plan, where)
  local feed = plan.feed or plan.file and feed_of_file(plan.file)
    or plan.body and feed_of_text(plan.body)
  if not feed then usage.raise(where, "option 'compress' goes with body, json and form") end
  if plan.content_length then
    usage.raise(where, "options 'compress' and 'content_length': the length is not known")
  end
  feed = compressed(feed)
  if plan.body then
    local parts = {}
    for piece in feed.make() do parts[#parts + 1] = piece end
    plan.body = table.concat(parts)
  else
    plan.feed, plan.file = feed, nil
  end
end

local function set_length(plan, length, where)
  if not plan.feed then
    usage.raise(where, "option 'content_length' goes with a body that is a function")
  end
  plan.content_length = options.size(length)
  plan.feed.length = plan.content_length
end

local function is_fed(plan)
  if plan.feed then return plan.feed.once end
  for _, p in ipairs(plan.multipart or {}) do
    if p.feed then return true end
  end
  return false
end

-- Methods that announce an empty body when there is none.
local BODIED = { POST = true, PUT = true, PATCH = true }

--- Sets the body that the options name. `plan.once` is true for one that cannot be sent twice.
---@param plan table
---@param method string
---@param opts table
---@param where string the call, for messages
---@return string|false|nil content_type false for none, nil where curl says it
function M.set(plan, method, opts, where)
  local found, content_type
  for name, set in pairs(bodies) do
    local value = opts[name]
    if value ~= nil then
      if found then usage.raise(where, "options '%s' and '%s' are both a body", found, name) end
      found = name
      content_type = set(plan, value, where)
    end
  end
  if opts.content_length then set_length(plan, opts.content_length, where) end
  if opts.compress then compress(plan, where) end
  if found then
    plan.once = is_fed(plan)
    return content_type
  end
  if BODIED[method] then plan.body = "" end
  return BODIED[method] and false or nil
end

--- Whether the options have a body that can be sent only once.
---@param opts table
---@return boolean
function M.is_once(opts)
  if usage.callable(opts.body) then return true end
  for _, p in pairs(opts.multipart or {}) do
    if type(p) == "table" and p.body ~= nil then return true end
  end
  return false
end

--- Puts the text of `json` or `form` in place of the value, and its type among the headers, for the
--- hooks of a client.
---@param opts table
---@param where string
function M.flatten(opts, where)
  local plan = {}
  for _, name in ipairs { "json", "form" } do
    if opts[name] ~= nil and opts.body == nil then
      local content_type = bodies[name](plan, opts[name], where)
      opts.body, opts[name] = plan.body, nil
      for header in pairs(opts.headers) do
        if tostring(header):lower() == "content-type" then content_type = nil end
      end
      if content_type then opts.headers["Content-Type"] = content_type end
    end
  end
end

--- Takes the body out of a plan.
---@param plan table
function M.drop(plan)
  plan.body, plan.file, plan.feed, plan.multipart = nil, nil, nil, nil
  plan.content_length, plan.once = nil, nil
end

return M
