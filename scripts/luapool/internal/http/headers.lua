-- internal.http.headers: tables of headers as the lines that curl takes.

local text = require "luapool.internal.http.text"
local usage = require "luapool.internal.usage"

local M = {}

-- curl drops a header without a value unless it ends with a semicolon.
local function line(name, value)
  return value:find("%S") and name .. ": " .. value or name .. ";"
end

local function add(where, what, lines, name, value)
  what = ("%s: '%s'"):format(what, name)
  if name:find("[^%w!#$%%&'*+.^_`|~-]") or name == "" then
    usage.raise(where, "%s is no name of a header", what)
  end
  if value == false then -- curl's way to leave one out that it would send
    lines[#lines + 1] = name .. ":"
    return
  end
  for _, v in ipairs(text.values(value)) do
    lines[#lines + 1] = line(name, text.safe(where, what, text.of(where, what, v)))
  end
end

--- Adds headers to the list of lines, unless their lower-case names are in `seen`, where they are
--- noted. A list of values gives its name several times; false leaves a default header out.
---@param where string the call, for messages
---@param what string "option 'headers'"
---@param lines string[]
---@param seen table<string, true>
---@param headers? table<string, any>
---@return string[] lines
function M.add(where, what, lines, seen, headers)
  for name, value in text.sorted(where, what, headers or {}) do
    if not seen[name:lower()] then
      seen[name:lower()] = true
      add(where, what, lines, name, value)
    end
  end
  return lines
end

return M
