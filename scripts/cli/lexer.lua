-- cli.lexer: cuts Lua source into tokens, for `luapool check`. The source compiles, so nothing is
-- checked here. A token's kind is "name", "value" (a string or a number), or the text itself of a
-- keyword or symbol; "end of file" is the last.

local M = {}

local keywords = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat
  return then true until while]]):gmatch("%a+") do
  keywords[word] = true
end

-- Behind a long bracket that opens at `at`, or nil when none does.
local function long_bracket(source, at)
  local level = source:match("^%[(=*)%[", at)
  if not level then return nil end
  local _, last = source:find("]" .. level .. "]", at, true)
  return (last or #source) + 1
end

local function comment(source, at)
  if source:sub(at, at + 1) ~= "--" then return nil end
  return long_bracket(source, at + 2) or source:find("\n", at, true) or #source + 1
end

local function quoted(source, at)
  local quote = source:match("^[\"']", at)
  if not quote then return nil end
  local i = at + 1
  while source:sub(i, i) ~= quote and i <= #source do
    i = i + (source:sub(i, i) == "\\" and 2 or 1)
  end
  return i + 1
end

local function number(source, at)
  if source:match("^0[xX]", at) then
    return source:match("^0[xX][%x.]*[pP]?[+-]?%x*()", at)
  end
  return source:match("^%.?%d[%d.]*[eE][+-]?%d+()", at) or source:match("^%.?%d[%d.]*()", at)
end

local symbols = { "...", "..", "==", "~=", "<=", ">=", "//", "::", "<<", ">>" }

local function symbol(source, at)
  for _, text in ipairs(symbols) do
    if source:sub(at, at + #text - 1) == text then return text end
  end
  return source:sub(at, at)
end

-- The token at `at`: kind, text and what follows it; nil kind for a comment.
local function token(source, at)
  local after = comment(source, at)
  if after then return nil, nil, after end
  after = quoted(source, at) or long_bracket(source, at) or number(source, at)
  if after then return "value", nil, after end
  local word = source:match("^[%a_][%w_]*", at)
  if word then return keywords[word] and word or "name", word, at + #word end
  local text = symbol(source, at)
  return text, text, at + #text
end

--- The tokens of a source: a list of { kind=, text=, line= }.
---@param source string
---@return table[]
function M.tokens(source)
  local list, at, line, counted = {}, 1, 1, 1
  while true do
    at = source:find("%S", at)
    if not at then break end
    local kind, text, after = token(source, at)
    for _ in source:sub(counted, at - 1):gmatch("\n") do line = line + 1 end
    counted = at
    if kind then list[#list + 1] = { kind = kind, text = text, line = line } end
    at = after
  end
  list[#list + 1] = { kind = "end of file", line = line }
  return list
end

return M
