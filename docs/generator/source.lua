-- Reads the documentation out of source files: each comment with annotations is a *block*. In Lua
-- these are the `---` lines above a definition, in C the comments that hold `@function`, `@class`
-- or `@page`. Both are written alike:
--
--     text, in Markdown; its fenced blocks of Lua are examples
--     @tag text, which may go on in the lines below
--
-- Nothing here knows what the tags mean: docs/generator/book.lua does. Plain Lua 5.4.

local M = {}

---@class docs.Tag
---@field name string    "param"
---@field text string    what stands behind it, with the lines below joined by spaces
---@field line integer

---@class docs.Block
---@field path string
---@field line integer       the first line of the comment
---@field text string[]      the lines before the first tag
---@field tags docs.Tag[]
---@field code? string       Lua only: the first line below the comment

local function trim(text) return (text:gsub("^%s+", ""):gsub("%s+$", "")) end

local function new_block(path, line) return { path = path, line = line, text = {}, tags = {} } end

-- Adds a line of a comment, without its marks.
local function add_line(block, line, n)
  local name, rest = line:match("^@([%a_]+)%s*(.*)$")
  local last = block.tags[#block.tags]
  if name then
    table.insert(block.tags, { name = name, text = trim(rest), line = n })
  elseif last then
    last.text = trim(last.text .. " " .. trim(line))
  else
    table.insert(block.text, line)
  end
end

local function lua_blocks(path, lines)
  local blocks, block = {}, nil
  for n, line in ipairs(lines) do
    local text = line:match("^%-%-%-(.*)$")
    if text then
      if not block then
        block = new_block(path, n)
        table.insert(blocks, block)
      end
      add_line(block, (text:gsub("^ ", "")), n)
    elseif block then
      block.code, block = line, nil
    end
  end
  return blocks
end

local function has_tag(block, ...)
  for _, tag in ipairs(block.tags) do
    for _, name in ipairs { ... } do
      if tag.name == name then return true end
    end
  end
  return false
end

local function c_blocks(path, lines)
  local blocks, block = {}, nil
  for n, line in ipairs(lines) do
    if line:find("^/%*") then block = new_block(path, n) end
    if block then
      local text = line:gsub("^/%*+ ?", ""):gsub("%s*%*/%s*$", ""):gsub("^ %* ?", "")
      if text ~= "" or not line:find("%*/%s*$") then add_line(block, text, n) end
      if line:find("%*/") then
        if has_tag(block, "function", "class", "page") then table.insert(blocks, block) end
        block = nil
      end
    end
  end
  return blocks
end

--- The documentation blocks of a file, in its order.
---@param path string
---@return docs.Block[]
function M.blocks(path)
  local lines = {}
  for line in io.lines(path) do table.insert(lines, line) end
  return (path:find("%.lua$") and lua_blocks or c_blocks)(path, lines)
end

-- The end of the type that begins at `from`: spaces end it, but not inside brackets nor around `|`
-- and not behind a `:` or `,` of a `fun(): a, b`.
local function type_end(text, from)
  local depth, at, fun = 0, from, false
  while at <= #text do
    local c = text:sub(at, at)
    if c == '"' then
      at = text:find('"', at + 1, true) or #text
    elseif c:find("[%(%[{<]") then
      depth = depth + 1
      fun = fun or text:find("^fun%(", at - 3) ~= nil
    elseif c:find("[%)%]}>]") then
      depth = depth - 1
    elseif c:find("%s") and depth == 0 then
      local before, behind = text:sub(1, at - 1):match("(%S)%s*$"), text:match("^%s*(%S)", at)
      local goes_on = before == "|" or behind == "|" or fun and (before == ":" or before == ",")
      if not goes_on then return at - 1 end
    elseif c == "," and depth == 0 and not fun then
      return at - 1
    end
    at = at + 1
  end
  return #text
end

--- Splits "TYPE text" behind a tag.
---@param text string
---@return string type
---@return string rest
function M.split_type(text)
  local stop = type_end(text, 1)
  return trim(text:sub(1, stop)), trim(text:sub(stop + 1))
end

return M
