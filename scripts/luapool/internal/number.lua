-- internal.number: numbers as text that others read: in a file, in a request. A host may have set a
-- locale in which Lua writes 1,5.
--@whole

local M = {}

--- The text of a number, as Lua has made it, with a point in the place of whatever the locale has.
---@param text string
---@return string
function M.plain(text)
  return (text:gsub("[^0-9A-Za-z+-]+", "."))
end

--- As tostring.
---@param value any
---@return string
function M.tostring(value)
  local text = tostring(value)
  return math.type(value) == "float" and M.plain(text) or text
end

return M
