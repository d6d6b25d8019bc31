-- internal.http.body: the options that are the body of a request, as fields of its plan.

local errors = require "luapool.error"
local options = require "luapool.internal.options"
local text = require "luapool.internal.http.text"
local usage = require "luapool.internal.usage"

local M = {}

-- Each sets the body, and returns its content type: false for none, nil where curl says it.
local bodies = {}

function bodies.body(plan, value)
  plan.body = value
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

local part_spec = {}
for name in ("name data file filename type"):gmatch("%S+") do part_spec[name] = "string" end

-- Fields of a part that stand in its head.
local IN_HEAD = { "name", "filename", "type" }

local function part(where, name, value)
  local what = ("option 'multipart': '%s'"):format(name)
  if type(value) ~= "table" then value = { data = text.of(where, what, value) } end
  local problem = options.problem(value, part_spec, "field")
  if not problem and (value.data == nil) == (value.file == nil) then
    problem = "one of data and file expected"
  end
  if problem then usage.raise(where, "%s: %s", what, problem) end
  local made = { data = value.data, file = value.file, filename = value.filename,
    type = value.type, name = name }
  for _, field in ipairs(IN_HEAD) do
    if made[field] then text.safe(where, what .. ": " .. field, made[field]) end
  end
  if value.file then -- curl opens it, but does not say why it cannot
    local file, why = io.open(value.file, "rb")
    if not file then error(errors.new("system", "multipart: " .. why), 0) end
    file:close()
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

-- Methods that announce an empty body when there is none.
local BODIED = { POST = true, PUT = true, PATCH = true }

--- Sets the body that the options name.
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
  if found then return content_type end
  if BODIED[method] then plan.body = "" end
  return BODIED[method] and false or nil
end

return M
