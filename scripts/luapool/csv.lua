-- luapool.csv: rows of CSV files (RFC 4180), and such files written. A record is taken apart in
-- bindings/csv/; here: where records end, names of columns, files.

local core = require "luapool.csv.core"
local format = require "luapool.internal.csv_format"
local fs = require "luapool.fs"
local lp_error = require "luapool.error"
local options = require "luapool.internal.options"
local sync = require "luapool.sync"
local usage = require "luapool.internal.usage"

--- Tables as CSV (RFC 4180): fields in quotes may hold separators, line ends and doubled quotes.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- fs.write(dir .. "/a.csv", 'name,price\n"Tea, green",3.50\n')
--- for row in csv.rows(dir .. "/a.csv") do print(row.name, row.price) end --> Tea, green 3.50
--- ```
---@kind csv a quoted field has no end, or is larger than 64 MiB: field `line`, in which its record
--- begins
---@class luapool.csv
local M = {}

-- A quote that somebody forgot would take all that follows into memory.
local MOST = 64 << 20

local function fail(line, text)
  lp_error.raise("csv", ("csv.rows: line %d: %s"):format(line, text), { line = line })
end

-- ---- reading ----

-- A function that gives the text of each record, and nil at the end. A quoted field may go over
-- several lines.
local function records(next_line, separator)
  local number = 0
  return function()
    local line = next_line()
    number = number + 1
    if line and number == 1 then line = line:gsub("^\u{FEFF}", "") end
    if not line or not core.open(line, separator, false) then return line end
    local first, parts, size, open = number, { line }, #line, true
    while open do
      line = next_line()
      number = number + 1
      if not line then fail(first, "a quoted field has no end") end
      size = size + #line
      if size > MOST then fail(first, "a quoted field is larger than 64 MiB") end
      parts[#parts + 1] = line
      open = core.open(line, separator, true)
    end
    return table.concat(parts, "\n")
  end
end

-- The names of columns by their places. Those without a name, or with one that came before, have
-- none.
local function names_of(fields)
  local names, seen = {}, {}
  for i, name in ipairs(fields) do
    names[i] = name ~= "" and not seen[name] and name or false
    seen[name] = true
  end
  return names
end

local check_rows = options.define("csv.rows", { header = "boolean|table", separator = "separator" })

-- The lines of what csv.rows was given, and what closes them.
local function lines_of(source)
  if type(source) == "string" then
    local line, _, _, closing = fs.lines(source)
    return line, closing
  end
  if type(source) == "table" and not usage.callable(source) then
    local i = 0
    return function()
      i = i + 1
      return source[i]
    end
  end
  usage.argument("csv.rows", 1, source, "callable")
  return source
end

local function is_blank(record) return record == "" or record == "\r" end

---@class luapool.csv.RowsOptions
---@field header? boolean|string[] whether the first record names the columns; true unless said. A
--- list names them in its place
---@field separator? string one character; "," unless said

--- Returns the rows, one after the other. A row is a table by the names of the columns, all of it
--- strings; with `header = false` it is a list. Fields beyond the named columns stand at the
--- numbers of their places, missing ones are nil, empty lines are passed over. A byte order
--- mark and CR LF are no part of the fields.
---
--- The source is a path, a list of lines, or a function that gives a line at each call, without its
--- end, as `io.lines` and `res:lines()` do. It may wait.
---
--- ```lua
--- for row in csv.rows({ "id;name", '1;"say ""hi"""', "2" }, { separator = ";" }) do
---   print(row.id, row.name) --> 1 say "hi"
--- end                       --> 2 nil
--- local rows = csv.rows({ "1,2" }, { header = false })
--- print(rows()[2]) --> 2
--- print(csv.rows({ "1,2" }, { header = { "a", "b" } })().b) --> 2
--- ```
---@async
---@param source string|string[]|fun(): string?
---@param opts? luapool.csv.RowsOptions
---@return fun(): table? rows with it comes what a `for` loop needs to close the file
---@raises csv field `line`
---@raises fs
function M.rows(source, opts)
  opts = check_rows(opts)
  local separator, header = opts.separator or ",", opts.header
  local next_line, closing = lines_of(source)
  local next_record = records(next_line, separator)
  local names = type(header) == "table" and names_of(header) or nil
  local reads_names = header == nil or header == true
  local function row()
    local record = next_record()
    while record and is_blank(record) do record = next_record() end
    if not record then return nil end
    if not reads_names then return core.row(record, separator, names) end
    reads_names = false
    names = names_of(core.row(record, separator))
    return row()
  end
  return row, nil, nil, closing
end

--- Returns all rows of a text.
---
--- ```lua
--- print(csv.parse("a,b\r\n1,2\r\n")[1].b) --> 2
--- ```
---@param text string
---@param opts? luapool.csv.RowsOptions
---@return table[]
---@raises csv field `line`
function M.parse(text, opts)
  usage.argument("csv.parse", 1, text, "string")
  opts = check_rows(opts, "csv.parse")
  local list = {}
  for row in M.rows(text:gmatch "([^\n]*)\n?", opts) do list[#list + 1] = row end
  return list
end

-- ---- writing ----

--- A file of CSV that is being written: see `csv.writer`.
---@class luapool.csv.Writer
---@field private path string
---@field private separator string
---@field private keys any[]|nil    what the fields of a row stand at, in the order of the columns
---@field private parts string[]    what has not been written yet
---@field private size integer      bytes of it
---@field private lock luapool.sync.Lock  held by the task that writes to the file
---@field private closed boolean
local Writer = { __name = "luapool.csv.Writer" }
Writer.__index = Writer

-- So many bytes are gathered before they are written.
local GATHER = 64 << 10

local check_writer = options.define("csv.writer", { columns = "table", separator = "separator" })

---@class luapool.csv.WriterOptions
---@field columns? string[] the columns, in this order; unless said the names in the first row,
--- sorted, or none when that is a list
---@field separator? string one character; "," unless said

--- Begins a file; what it held before is gone. It is whole once the writer is closed.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- do
---   local writer <close> = csv.writer(dir .. "/a.csv", { columns = { "name", "size" } })
---   writer:write { name = "one, two", size = 3 }
---   writer:write { name = "three" }
--- end
--- print((fs.read(dir .. "/a.csv"):gsub("\n", ";"))) --> name,size;"one, two",3;three,;
--- local tabs <close> = csv.writer(dir .. "/b.csv", { separator = "\t" })
--- ```
---@async
---@param path string
---@param opts? luapool.csv.WriterOptions
---@return luapool.csv.Writer
---@raises fs
function M.writer(path, opts)
  opts = check_writer(opts)
  usage.argument("csv.writer", 1, path, "string")
  fs.write(path, "")
  local self = setmetatable({
    path = path, separator = opts.separator or ",", parts = {}, size = 0, lock = sync.lock(),
    closed = false,
  }, Writer)
  if opts.columns then self:_begin(opts.columns) end
  return self
end

local function add(self, record)
  self.parts[#self.parts + 1] = record .. "\n"
  self.size = self.size + #record + 1
end

-- Sets the columns and writes their names.
function Writer:_begin(columns)
  self.keys = columns
  local places = {}
  for i in ipairs(columns) do places[i] = i end
  add(self, format.record(columns, places, self.separator))
end

-- What the fields of a row stand at. A list needs no names of columns.
local function keys_of(self, row)
  if row[1] == nil then
    if not self.keys then self:_begin(format.names(row)) end
    return self.keys
  end
  local places = {}
  for i = 1, math.max(#row, self.keys and #self.keys or 0) do places[i] = i end
  self.keys = self.keys or places
  return places
end

--- Writes a row: a table by the names of the columns, of which other fields are left out, or a
--- list. nil and `json.null` are empty fields, a table in a field is written as JSON.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local writer <close> = csv.writer(dir .. "/a.csv")
--- writer:write { "a", 1, true, 2.5, { "x" } }
--- writer:flush()
--- print(fs.read(dir .. "/a.csv") == 'a,1,true,2.5,"[""x""]"\n') --> true
--- ```
---@async
---@param row table
---@raises fs
---@raises closed
function Writer:write(row)
  usage.self(self, Writer, "Writer:write")
  usage.argument("Writer:write", 1, row, "table")
  if self.closed then lp_error.raise("closed", "Writer:write: the writer is closed") end
  local record, key = format.record(row, keys_of(self, row), self.separator)
  if not record then
    usage.raise("Writer:write", "the value of %s has no form in CSV", usage.describe(key))
  end
  add(self, record)
  if self.size >= GATHER then self:flush() end
end

--- Writes to the file what has been gathered.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local writer <close> = csv.writer(dir .. "/a.csv", { columns = { "name" } })
--- writer:flush()
--- print(#fs.read(dir .. "/a.csv")) --> 5
--- ```
---@async
---@raises fs
function Writer:flush()
  usage.self(self, Writer, "Writer:flush")
  local _ <close> = self.lock:hold() -- in order, also when several tasks write
  local text = table.concat(self.parts)
  self.parts, self.size = {}, 0
  if text ~= "" then fs.append(self.path, text) end
end

--- Writes the rest. Safe twice.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local writer = csv.writer(dir .. "/a.csv")
--- writer:close()
--- print(pcall(writer.write, writer, { "a" }) == false) --> true
--- ```
---@async
---@raises fs
function Writer:close()
  usage.self(self, Writer, "Writer:close")
  if self.closed then return end
  self.closed = true
  self:flush()
end

Writer.__close = Writer.close

return M
