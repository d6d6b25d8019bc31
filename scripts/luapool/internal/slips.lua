-- internal.slips: errors of Lua itself that have one slip behind them as a rule: what it probably
-- was, to be put behind the message.

local M = {}

-- Whether the text of an error comes from below a loop that has only the place of a map in `name`.
local function in_loop_of_map(text, name)
  local path, last = text:match "^(.-):(%d+): "
  local file <close> = path and io.open(path)
  if not file then return false end
  local loop, n = "for%s+" .. name .. "%s+in%s+[^\n]*[.:]%a*map%s*%(", 0
  for line in file:lines() do
    n = n + 1
    if n <= tonumber(last) and line:find(loop) then return true end
  end
  return false
end

-- The place of a loop over a map, which is taken for the result: what is put in for %s is its name.
local LOOP = "a loop over a map gives the place, then the result: for i, %s in pool:map(...)"

local ROWS = {
  { "attempt to %l+ [%l ]-function value %(%l+ '([%w_]+)'%)",
    "'%s' is a function: was it to be called, as in res:text()?" },
  { "attempt to index a number value %(%l+ '([%w_]+)'%)", LOOP, in_loop_of_map },
  { "attempt to get length of a number value %(%l+ '([%w_]+)'%)", LOOP, in_loop_of_map },
}

--- An error with its hint behind it, where it has one.
---@param e any
---@return any
function M.explain(e)
  if type(e) ~= "string" or not e:find("attempt to ", 1, true) then return e end
  for _, row in ipairs(ROWS) do
    local name = e:match(row[1])
    if name and (not row[3] or row[3](e, name)) then
      return ("%s (%s)"):format(e, (row[2]:gsub("%%s", name)))
    end
  end
  return e
end

return M
