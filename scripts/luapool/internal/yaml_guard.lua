-- internal.yaml_guard: what lyaml would read wrongly is kept from it. It cuts a string at a zero
-- byte, and takes the key "<<" for the one that merges a mapping although it is quoted. So both are
-- replaced by characters that the text does not hold, and put back into what was read.

local libyaml = require "yaml"

local M = {}

local function same(value) return value end

-- Characters for private use that the text neither holds nor names by an escape.
local function unused(text, n)
  local found, lower = {}, text:lower()
  for code = 0xE000, 0xF8FF do
    local char = utf8.char(code)
    local taken = text:find(char, 1, true) or lower:find(("%04x"):format(code), 1, true)
    if not taken then found[#found + 1] = char end
    if #found == n then return table.unpack(found) end
  end
end

-- The markup of a double-quoted string, with `mark` for each zero byte.
local function without_zeros(raw, mark)
  return (raw:gsub("\\(.)(%x*)", function(kind, hex)
    local width = kind == "0" and 0 or kind == "x" and 2 or kind == "u" and 4 or kind == "U" and 8
    if width and hex:sub(1, width) == ("0"):rep(width) then return mark .. hex:sub(width + 1) end
  end))
end

-- What stands in place of a scalar's markup, or nil when it can stay.
local function substitute(event, raw, zero, merge)
  local quoted = event.style == "DOUBLE_QUOTED" or event.style == "SINGLE_QUOTED"
  if quoted and event.value == "<<" then return (raw:gsub("..<.$", '"' .. merge .. '"')) end
  if event.style == "DOUBLE_QUOTED" then return without_zeros(raw, zero) end
end

-- The text with all substitutes. Raises where it is no YAML.
local function rewrite(text, zero, merge)
  local parts, byte, char, copied = {}, 1, 0, 1
  local function place(index) -- libyaml counts characters
    byte, char = utf8.offset(text, index - char + 1, byte), index
    return byte
  end
  for event in libyaml.parser(text) do
    if event.type == "STREAM_END" then break end
    local value = event.type == "SCALAR" and event.start_mark
    if value then
      local from, to = place(event.start_mark.index), place(event.end_mark.index) - 1
      local new = substitute(event, text:sub(from, to), zero, merge)
      if new then
        table.insert(parts, text:sub(copied, from - 1) .. new)
        copied = to + 1
      end
    end
  end
  return table.concat(parts) .. text:sub(copied)
end

-- Puts back in all strings of a value what the marks stand for.
local function restorer(zero, merge)
  local seen = {}
  local function restore(value)
    if type(value) == "string" then
      return value == merge and "<<" or (value:gsub(zero, "\0"))
    end
    if type(value) ~= "table" or seen[value] then return value end
    seen[value] = true
    local pairs_of = {}
    for k, v in pairs(value) do pairs_of[#pairs_of + 1] = { k, v } end
    for _, pair in ipairs(pairs_of) do value[pair[1]] = nil end
    for _, pair in ipairs(pairs_of) do value[restore(pair[1])] = restore(pair[2]) end
    return value
  end
  return restore
end

--- A text that lyaml reads rightly, and a function that makes of what it has read what the text
--- means.
---@param text string
---@return string text
---@return fun(value: any): any restore
function M.text(text)
  local zero = text:find("\\0", 1, true) or text:find "\\[xuU]00"
  local merge = text:find "[\"']<<[\"']"
  if not (zero or merge) or not utf8.len(text) then return text, same end
  text = text:gsub("^\u{FEFF}", "")
  local zero_mark, merge_mark = unused(text, 2)
  if not merge_mark then return text, same end
  local ok, safe = pcall(rewrite, text, zero_mark, merge_mark)
  if not ok then return text, same end
  return safe, restorer(zero_mark, merge_mark)
end

return M
