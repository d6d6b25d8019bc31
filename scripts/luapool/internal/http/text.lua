-- internal.http.text: what users give as text of a request: checked, so that nothing of it is read
-- by the server as another header, and escaped for URLs and forms.

local number = require "luapool.internal.number"
local usage = require "luapool.internal.usage"

local M = {}

--- Raises unless the text may stand in a header: a line break would begin another header, and a
--- zero byte would cut the text.
---@param where string the call, for messages
---@param what string "option 'bearer'"
---@param text string
---@return string text
function M.safe(where, what, text)
  if text:find("[\r\n\0]") then usage.raise(where, "%s holds a line break or a zero byte", what) end
  return text
end

local PLAIN = { string = true, number = true, boolean = true }

--- A value of params, a form, a header or a cookie as text.
---@param where string
---@param what string "option 'params': 'page'"
---@param value any
---@return string
function M.of(where, what, value)
  if not PLAIN[type(value)] then
    local hint = type(value) == "userdata" and " (leave it out, or say which text it is)" or ""
    usage.raise(where, "%s: a string, number or boolean expected, got %s%s", what,
      usage.describe(value), hint)
  end
  return number.tostring(value)
end

--- The fields of a table whose names are strings, in the order of the names.
---@param where string
---@param what string "option 'params'"
---@param fields table
---@return fun(): string?, any
function M.sorted(where, what, fields)
  local names = {}
  for name in pairs(fields) do
    if type(name) ~= "string" then
      usage.raise(where, "%s: names are strings, got %s", what, usage.describe(name))
    end
    names[#names + 1] = name
  end
  table.sort(names)
  local i = 0
  return function()
    i = i + 1
    return names[i], fields[names[i]]
  end
end

--- The values of a field that may be a list of them.
---@param value any
---@return any[]
function M.values(value)
  return type(value) == "table" and value or { value }
end

local function percent(c)
  return ("%%%02X"):format(c:byte())
end

local function escape(text)
  return (text:gsub("[^0-9A-Za-z%-._~]", percent))
end

--- Returns name=value&name=value; a list gives its name several times.
---@param where string
---@param what string
---@param fields table
---@return string
function M.query(where, what, fields)
  local parts = {}
  for name, values in M.sorted(where, what, fields) do
    local of = ("%s: '%s'"):format(what, name)
    for _, value in ipairs(M.values(values)) do
      parts[#parts + 1] = escape(name) .. "=" .. escape(M.of(where, of, value))
    end
  end
  return table.concat(parts, "&")
end

return M
