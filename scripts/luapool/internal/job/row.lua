-- internal.job.row: results as rows of a table: fields that are strings, numbers or booleans. Runs
-- in the workers, so that main only writes them.

local encode = require("luapool.json.core").encode
local json = require "luapool.json"

local M = {}

local PLAIN = { string = true, number = true, boolean = true }

local function is_blob(value)
  local meta = getmetatable(value)
  return type(meta) == "table" and meta.__name == "luapool.sqlite.Blob"
end

-- A table inside a row becomes JSON.
local function field(value)
  if value == json.null then return nil end
  if PLAIN[type(value)] or is_blob(value) then return value end
  return encode(value, nil, true)
end

--- The row of a result: by names, or a list when it is one. A result that is no table is a row with
--- the field `value`. Raises where something has no form in a table.
---@param value any
---@return table
function M.of(value)
  if type(value) ~= "table" or is_blob(value) then return { value = field(value) } end
  local row = {}
  for key, inner in pairs(value) do
    if type(key) ~= "string" and math.type(key) ~= "integer" then
      error(("a row has names for its columns, not a %s"):format(type(key)), 0)
    end
    row[key] = field(inner)
  end
  return row
end

return M
