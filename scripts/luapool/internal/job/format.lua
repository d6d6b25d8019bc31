-- internal.job.format: results as bytes of a file, by the ending of its name. Each format has a
-- `begin`, an `add` for each result and a `finish`, which return bytes. Formats with `rows` get
-- rows (luapool.internal.job.row), the others a line of JSON. Runs in main only.

local csv_format = require "luapool.internal.csv_format"
local gzip = require "luapool.gzip.core"
local screen = require "luapool.term.core"

local M = {}

---@class luapool.job.format
---@field rows boolean
---@field appends boolean|nil  results can be added to a file that has some
---@field lines boolean|nil    a file that was cut needs a line end before the next result
---@field begin fun(self): string
---@field add fun(self, result: any): string
---@field finish fun(self): string
---@field flush nil|fun(self): string  what has been held back
---@field cut nil|fun(self): string    what makes the file whole so far
---@field state fun(self): table       what another process needs to go on behind what there is
---@field restore fun(self, state: table)

-- ---- JSON ----

local Lines = { rows = false, appends = true, lines = true }
Lines.__index = Lines

--- A file of lines begins with its first one.
function Lines.begin() return "" end

--- One line for each result.
function Lines.add(_, line) return line .. "\n" end

--- Nothing ends it.
function Lines.finish() return "" end

--- Each line stands for itself.
function Lines.state() return {} end

--- There is nothing to go on with.
function Lines.restore() end

-- One list.
local Array = { rows = false, appends = false }
Array.__index = Array

--- The list is opened,
function Array.begin() return "[" end

--- has a result on each line,
function Array:add(line)
  local before = self.some and ",\n" or "\n"
  self.some = true
  return before .. line
end

--- and is closed.
function Array:finish() return self.some and "\n]\n" or "]\n" end

--- Whether there is one before the next.
function Array:state() return { some = self.some } end

--- Goes on behind them.
function Array:restore(state) self.some = state.some end

-- ---- CSV ----

local Csv = { rows = true, appends = true, lines = true }
Csv.__index = Csv

local function header(columns)
  local places = {}
  for i in ipairs(columns) do places[i] = i end
  return csv_format.record(columns, places, ",") .. "\n"
end

--- The names of the columns, when they are known before the first row.
function Csv:begin()
  if not self.columns or self.continues then return "" end
  return header(self.columns)
end

--- Says once that there is a field which no column has.
---@param row table
---@param known table<string, any> columns by their names
---@param name? fun(name: string): string how names are compared
function M.warn_of_others(self, row, known, name)
  if self.warned then return end
  for key in pairs(row) do
    if type(key) == "string" and not known[name and name(key) or key] then
      self.warned = true
      screen.print(("luapool: %s has no column '%s': such fields are left out (a job's 'columns' "
        .. "names all)\n"):format(self.path, key))
      return
    end
  end
end

local function set_of(list)
  local set = {}
  for _, name in ipairs(list) do set[name] = true end
  return set
end

-- A list is written by its places.
local function list_record(row, columns)
  local places, n = {}, columns and #columns or 0
  for place in pairs(row) do
    if math.type(place) == "integer" and place > n then n = place end
  end
  for i = 1, n do places[i] = i end
  return csv_format.record(row, places, ",") .. "\n"
end

--- A row, behind the names of the columns when it is the first one.
function Csv:add(row)
  if row[1] ~= nil then return list_record(row, self.columns) end
  local before = ""
  if not self.columns then
    self.columns = csv_format.names(row)
    before = self.continues and "" or header(self.columns)
  end
  self.known = self.known or set_of(self.columns)
  M.warn_of_others(self, row, self.known)
  return before .. csv_format.record(row, self.columns, ",") .. "\n"
end

--- Nothing ends it.
function Csv.finish() return "" end

--- The columns, whose names stand in the file.
function Csv:state() return { columns = self.columns } end

--- Goes on behind the names.
function Csv:restore(state)
  self.columns, self.continues = state.columns, state.columns ~= nil
end

-- ---- compressed ----

-- Compresses what another format makes.
local Gzip = {}
Gzip.__index = function(self, key) return Gzip[key] or key == "rows" and self.inner.rows end

--- Begins a member of the file; one that is added to has several.
function Gzip:begin()
  self.deflater = gzip.deflater()
  return self.deflater:write(self.inner:begin())
end

--- What is ready of the compressed bytes.
function Gzip:add(result)
  self.some = true
  return self.deflater:write(self.inner:add(result))
end

--- The rest of them.
function Gzip:flush() return self.deflater:write("", "flush") end

--- Ends the member, and begins another one.
function Gzip:cut()
  if not self.some then return "" end
  local bytes = self.deflater:write("", "finish")
  self.deflater, self.some = gzip.deflater(), false
  return bytes
end

--- What is compressed goes on; the member does not.
function Gzip:state() return self.inner:state() end

--- Goes on with another member.
function Gzip:restore(state)
  self.inner:restore(state)
  self.deflater = gzip.deflater()
end

--- Ends the member.
function Gzip:finish() return self.deflater:write(self.inner:finish(), "finish") end

-- ---- by ending ----

local formats = {
  json = function() return setmetatable({}, Array) end,
  csv = function(path, columns) return setmetatable({ path = path, columns = columns }, Csv) end,
}

--- The format of a file. Any name that ends otherwise holds lines of JSON.
---@param path string|nil
---@param columns string[]|nil
---@return luapool.job.format
function M.of(path, columns)
  local name = (path or ""):lower()
  local plain = name:gsub("%.gz$", "")
  local make = formats[plain:match "%.(%a+)$"]
  local format = make and make(path, columns) or setmetatable({}, Lines)
  if plain == name then return format end
  return setmetatable({ inner = format, appends = format.appends }, Gzip)
end

return M
