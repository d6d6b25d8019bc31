-- internal.cache.weight: about how many bytes of memory a value takes.
--@whole

local M = {}

-- Bytes of a string besides its characters, of a table, of one of its fields, of anything else
-- that is an object.
local STRING <const> = 25
local TABLE <const> = 56
local FIELD <const> = 32
local OBJECT <const> = 64

local function of_plain(value)
  local kind = type(value)
  if kind == "string" then return STRING + #value end
  if kind == "number" or kind == "boolean" or kind == "nil" then return 0 end
  return OBJECT
end

-- Tables are counted once, and not by recursion: they may be nested as deep as you like.
local function of_tables(first)
  local waiting, seen, bytes = { first }, { [first] = true }, 0
  local function count(value)
    if type(value) ~= "table" then
      bytes = bytes + of_plain(value)
    elseif not seen[value] then
      seen[value] = true
      waiting[#waiting + 1] = value
    end
  end
  while #waiting > 0 do
    bytes = bytes + TABLE
    for key, value in next, table.remove(waiting) do
      bytes = bytes + FIELD
      count(key)
      count(value)
    end
  end
  return bytes
end

--- About how many bytes a value takes, besides the place that refers to it.
---@param value any
---@return integer
function M.of(value)
  if type(value) == "table" then return of_tables(value) end
  return of_plain(value)
end

return M
