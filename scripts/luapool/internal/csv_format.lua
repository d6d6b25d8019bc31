-- internal.csv_format: rows as records of CSV. Used by luapool.csv and by the outputs of jobs.

local core = require "luapool.csv.core"
local json = require "luapool.json"

local M = {}

-- A value as the text of a field, or nil when it has none.
local function text_of(value)
  local kind = type(value)
  if kind == "string" then return value end
  if value == nil or value == json.null then return "" end
  if math.type(value) == "float" and value - value == 0 then return json.encode(value) end
  if kind == "number" or kind == "boolean" then return tostring(value) end
  if kind == "table" then
    local ok, text = pcall(json.encode, value, { sort_keys = true })
    return ok and text or nil
  end
end

--- A row as a record without a line end: its fields are those at `keys`. Returns nil and the key of
--- the field that has no form in CSV.
---@param row table
---@param keys any[]
---@param separator string
---@return string?
---@return any key
function M.record(row, keys, separator)
  local fields = {}
  for i, key in ipairs(keys) do
    fields[i] = text_of(row[key])
    if not fields[i] then return nil, key end
  end
  return core.line(fields, #keys, separator)
end

--- The names of a row's fields, sorted: its columns where nobody has named them.
---@param row table
---@return string[]
function M.names(row)
  local names = {}
  for name in pairs(row) do
    if type(name) == "string" then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

return M
