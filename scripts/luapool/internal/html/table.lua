-- internal.html.table: the rows of a table as a grid: a cell that spans columns or rows stands in
-- each place that it covers.

local errors = require "luapool.error"

local M = {}

-- What the HTML standard and common sense allow: a page may say colspan=1000 in each of its cells.
local WIDEST, PLACES <const> = 1000, 1000000

local function span_of(cell, name)
  local n = math.tointeger(tonumber((cell:attr(name) or ""):match "^%s*(%d+)")) or 1
  return math.min(n, WIDEST)
end

-- The rows of a table in the order in which they are shown, each with the number of its group.
local function rows_of(node)
  local head, body, foot, group = {}, {}, {}, 0
  local of = { thead = head, tbody = body, tfoot = foot }
  for _, child in ipairs(node:children()) do
    local name = child:name()
    local list = of[name]
    if list then
      group = group + 1
      for _, row in ipairs(child:children()) do
        if row:name() == "tr" then list[#list + 1] = { node = row, group = group } end
      end
    elseif name == "tr" then
      body[#body + 1] = { node = child, group = 0 }
    end
  end
  local rows = {}
  for _, list in ipairs { head, body, foot } do table.move(list, 1, #list, #rows + 1, rows) end
  return rows, #head
end

local function text_of(cell)
  return (cell:text():gsub("[ \t\n\r\f\u{A0}]+", " "):match "^ ?(.-) ?$")
end

-- Puts a cell into the next free places of a row, and notes how long it reaches down.
local function put(grid, row, at, cell, below)
  local text, wide, high = text_of(cell), span_of(cell, "colspan"), span_of(cell, "rowspan")
  if wide == 0 then wide = 1 end
  if high == 0 then high = below end
  grid.places = grid.places + wide - 1
  for column = at, at + wide - 1 do
    row[column] = text
    if high > 1 then grid.open[column] = { text = text, left = math.min(high, below) - 1 } end
  end
  if grid.places > PLACES then
    errors.raise("too_large", ("Node:table: its cells span more than %d places")
      :format(PLACES))
  end
  return at + wide
end

-- Fills what cells of earlier rows cover, from a column on; returns the first free column.
local function fill_covered(grid, row, at)
  local open = grid.open[at]
  while open do
    row[at] = open.text
    grid.places = grid.places + 1
    open.left = open.left - 1
    if open.left == 0 then grid.open[at] = nil end
    at = at + 1
    open = grid.open[at]
  end
  return at
end

local function last_open(grid)
  local last = 0
  for column in pairs(grid.open) do last = math.max(last, column) end
  return last
end

local function read_row(grid, source, below)
  local row, at = {}, 1
  for _, cell in ipairs(source.node:children()) do
    local name = cell:name()
    if name == "td" or name == "th" then
      at = fill_covered(grid, row, at)
      at = put(grid, row, at, cell, below)
    end
  end
  local last = last_open(grid)
  while at <= last do
    local next_at = fill_covered(grid, row, at)
    if next_at == at then
      row[at] = ""
      next_at = at + 1
    end
    at = next_at
  end
  return row
end

local function is_heading(source)
  local cells = source.node:children()
  for _, cell in ipairs(cells) do
    if cell:name() ~= "th" then return false end
  end
  return #cells > 0
end

-- The rows, each with as many places as the widest, and how many at the top are headings.
local function grid_of(node)
  local sources, heads = rows_of(node)
  local grid, rows, widest = { open = {}, places = 0 }, {}, 0
  for i, source in ipairs(sources) do
    local ends = i
    if i > 1 and source.group ~= sources[i - 1].group then grid.open = {} end
    while sources[ends + 1] and sources[ends + 1].group == source.group do ends = ends + 1 end
    rows[i] = read_row(grid, source, ends - i + 1)
    widest = math.max(widest, #rows[i])
  end
  for _, row in ipairs(rows) do
    for column = #row + 1, widest do row[column] = "" end
  end
  if heads == 0 and sources[1] and is_heading(sources[1]) then heads = 1 end
  return rows, heads
end

-- The name of each column: its headings, from the top, without those that repeat.
local function names_of(rows, heads)
  local names = {}
  for column = 1, #(rows[1] or {}) do
    local parts = {}
    for i = 1, heads do
      local text = rows[i][column]
      if text ~= "" and text ~= parts[#parts] then parts[#parts + 1] = text end
    end
    names[column] = table.concat(parts, " ")
  end
  return names
end

--- The rows of a table element.
---@param node luapool.html.Node
---@param header boolean each row as a table by the names of the columns
---@return table[] rows
---@return string[] names
function M.read(node, header)
  local rows, heads = grid_of(node)
  if header and heads == 0 and #rows > 0 then heads = 1 end
  local names = names_of(rows, heads)
  if not header then return rows, names end
  local list = {}
  for i = heads + 1, #rows do
    local row = {}
    for column = #names, 1, -1 do -- of two columns with one name the first counts
      if names[column] ~= "" then row[names[column]] = rows[i][column] end
    end
    list[#list + 1] = row
  end
  return list, names
end

return M
