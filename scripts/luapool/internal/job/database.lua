-- internal.job.database: a table of a database as the output of a job. Rows go into the table
-- "NAME.part", whose name becomes NAME at the end, in one transaction, in place of the old
-- table; so a run that never starts, or is killed, leaves the old one alone. With --append they
-- go into NAME itself. Rows are gathered for up to a second, and written in one transaction. No
-- other table is touched. While a run lasts the file is claimed as other outputs are. Runs in
-- main only.

local beside = require "luapool.internal.beside"
local core = require "luapool.fs.core"
local csv_format = require "luapool.internal.csv_format"
local formats = require "luapool.internal.job.format"
local fs = require "luapool.fs"
local later = require "luapool.internal.job.later"
local sqlite = require "luapool.sqlite"
local sync = require "luapool.sync"

local M = {}

-- So many rows are gathered at most; a statement has so many values at most.
local GATHER, VALUES = 500, 900

---@class luapool.job.database
---@field path string
---@field rows boolean
---@field left string|nil      a table that a run which was killed has left
---@field name string          of the table
---@field into string          of the table that is written
---@field db luapool.sqlite.Db
---@field claim file*          it keeps other runs away
---@field gathered table[]     rows that have not been written
---@field columns string[]|nil of the table that is written, once there is one
---@field known table<string, string>  its columns by their names in lower case
---@field fixed boolean        the job has named the columns
---@field passed integer       how many rows there have been
---@field kept boolean|nil     the table has got its name in an earlier run
local Database = { __name = "luapool.job.database", rows = true }
Database.__index = Database

local function quoted(name) return '"' .. name:gsub('"', '""') .. '"' end

local function list_of(names)
  local list = {}
  for i, name in ipairs(names) do list[i] = quoted(name) end
  return table.concat(list, ", ")
end

-- ---- columns ----

local function set_columns(self, columns)
  self.columns, self.known = columns, {}
  for _, name in ipairs(columns) do self.known[name:lower()] = name end
end

-- Makes the table with the columns of the first row, or with those of the job.
local function create(self, row)
  local columns = self.wanted or csv_format.names(row)
  if not columns[1] then
    for i = 1, math.max(#row, 1) do columns[i] = "column" .. i end
  end
  if self.into ~= self.name then self.db:exec("DROP TABLE IF EXISTS " .. quoted(self.into)) end
  self.db:exec(("CREATE TABLE %s (%s)"):format(quoted(self.into), list_of(columns)))
  set_columns(self, columns)
end

-- SQLite does not tell upper from lower case in names.
local function add_columns(self, row)
  for _, name in ipairs(csv_format.names(row)) do
    if not self.known[name:lower()] then
      if self.fixed then return formats.warn_of_others(self, row, self.known, string.lower) end
      self.db:exec(("ALTER TABLE %s ADD COLUMN %s"):format(quoted(self.into), quoted(name)))
      table.insert(self.columns, name)
      self.known[name:lower()] = name
    end
  end
end

-- The values of a row in the order of the columns. NaN has no form in SQLite.
local function add_values(self, values, row)
  local by_name = {}
  for key, value in pairs(row) do
    local name = type(key) == "string" and self.known[key:lower()] or self.columns[key]
    if name and value == value then by_name[name] = value end
  end
  for _, name in ipairs(self.columns) do
    local value = by_name[name]
    table.insert(values, value == nil and sqlite.null or value)
  end
end

-- ---- rows ----

local function insert(self, values, n)
  if n == 0 then return end
  local one = "(" .. ("?, "):rep(#self.columns - 1) .. "?)"
  local sql = ("INSERT INTO %s (%s) VALUES %s%s"):format(quoted(self.into), list_of(self.columns),
    one, (", " .. one):rep(n - 1))
  self.db:exec(sql, table.unpack(values))
end

local function write_all(self, rows)
  if not self.columns then create(self, rows[1]) end
  local values, n = {}, 0
  for _, row in ipairs(rows) do
    local before = #self.columns
    for key in pairs(row) do
      if type(key) == "string" and not self.known[key:lower()] then
        insert(self, values, n)
        values, n = {}, 0
        add_columns(self, row)
        break
      end
    end
    if (n + 1) * #self.columns > VALUES or #self.columns ~= before then
      insert(self, values, n)
      values, n = {}, 0
    end
    add_values(self, values, row)
    n = n + 1
  end
  insert(self, values, n)
end

-- Raises the message of an error of SQLite; the columns are read again when they are needed,
-- because what has been made for them is taken back.
local function protected(self, fn, ...)
  local columns = self.columns and table.move(self.columns, 1, #self.columns, 1, {})
  local ok, e = pcall(self.db.transaction, self.db, fn, ...)
  if ok then return end
  if columns then set_columns(self, columns) else self.columns = nil end
  error(beside.cannot(self.path, e.message or tostring(e)), 0)
end

local function flush(self)
  local _ <close> = self.lock:hold()
  local rows = self.gathered
  if not rows[1] then return end
  self.gathered = {}
  protected(self, function() write_all(self, rows) end)
  self.some = true
end

--- Writes a row.
function Database:write(row)
  table.insert(self.gathered, row)
  self.passed = self.passed + 1
  if #self.gathered >= GATHER then
    self.flusher:stop()
    flush(self)
  else
    self.flusher:arm()
  end
end

-- ---- the end ----

-- Puts the new table in place of the old one. One without rows has the columns of the old one, when
-- nobody has named them.
local function swap(self)
  if not self.columns and not self.wanted then
    local old = self.db:first("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?",
      self.name)
    if old then self.db:exec("DELETE FROM " .. quoted(self.name)) end
    return
  end
  if not self.columns then create(self, {}) end
  self.db:exec("DROP TABLE IF EXISTS " .. quoted(self.name))
  self.db:exec(("ALTER TABLE %s RENAME TO %s"):format(quoted(self.into), quoted(self.name)))
end

local function finish(self, whole)
  if self.kept then return end
  self.flusher:stop()
  if self.flusher.failed then error(self.flusher.failed, 0) end
  flush(self)
  if self.into ~= self.name and (self.some or whole) then
    protected(self, function() swap(self) end)
  end
end

--- Lets the new table take the place of the old one, as other outputs do.
function Database:close(whole)
  local ok, message = pcall(finish, self, whole)
  self.db:close()
  if self.made and fs.stat(self.path).size == 0 then os.remove(self.path) end
  self.claim:close()
  return ok, not ok and message or nil
end

-- ---- runs with --resume ----

local function columns_of(db, name)
  local columns = {}
  for row in db:rows("SELECT name FROM pragma_table_info(?)", name) do
    table.insert(columns, row.name)
  end
  return columns[1] and columns or nil
end

--- Rows are numbered by SQLite as they come, so their number is the mark. Those that have come
--- since may be written, too: they are cut off.
function Database:mark()
  local mark = { rows = self.passed, columns = self.columns, sealed = self.sealed }
  return function()
    flush(self)
    mark.columns = mark.columns or self.columns
    return mark
  end
end

--- Writes what has been gathered.
function Database:seal()
  flush(self)
  self.sealed = true
end

--- Closes the file, in which the table keeps its name: another run goes on with it.
function Database:leave()
  self.flusher:stop()
  self.db:close()
  self.claim:close()
end

-- Goes on behind the mark of an earlier run.
local function continue(self, mark)
  local there = columns_of(self.db, self.into)
  self.kept = not there and mark.sealed
  self.sealed, self.passed, self.left = mark.sealed, mark.rows, nil
  if not there and not mark.sealed and mark.rows > 0 then
    error(("table '%s' of %s is missing: it belongs to this run"):format(self.into, self.path), 0)
  end
  if not there then return end
  local table = quoted(self.into)
  self.db:exec(("DELETE FROM %s WHERE _rowid_ > ?"):format(table), mark.rows)
  local last = self.db:first(("SELECT ifnull(max(_rowid_), 0) AS n FROM %s"):format(table)).n
  if last < mark.rows then
    error(("table '%s' of %s has %d rows, but should have %d"):format(self.into, self.path, last,
      mark.rows), 0)
  end
  set_columns(self, there)
  self.some = last > 0
end

-- ---- the beginning ----

--- The file and the table that an output names, or nil when it is no database.
---@param path string
---@return string? file
---@return string? name
function M.place(path)
  local rest = path:match "^sqlite:(.+)$"
  local file, name = (rest or path):match "^(.-)#([^#]*)$"
  file = file or rest or path
  local ending = file:lower():match "%.(%w+)$"
  if not rest and ending ~= "sqlite" and ending ~= "sqlite3" then return nil end
  return file, name or "results"
end

-- What stands in the file already, by a database that is open.
local function look(self, append)
  self.db:exec "PRAGMA legacy_alter_table = on" -- views of the old table do not hinder its renaming
  local there = columns_of(self.db, self.into)
  if not there then return end
  if append then
    set_columns(self, there)
  elseif self.db:first("SELECT 1 FROM " .. quoted(self.into)) then
    self.left = ("table '%s' of %s"):format(self.into, self.path)
  end
end

--- Opens a table as an output.
---@param file string
---@param name string of the table
---@param append boolean
---@param columns string[]|nil
---@param mark? table of a run with --resume: {}, or where an earlier run was
---@return luapool.job.database|nil
---@return string? message
function M.open(file, name, append, columns, mark)
  if name == "" or name:lower():find "^sqlite_" then
    return nil, ("the output has no table: '%s' is no name for one"):format(name)
  end
  local path = core.realpath(file) or file
  local made = not core.realpath(file)
  local claim, size = core.claim(path)
  if not claim then return nil, beside.cannot(file, size) end
  local self = setmetatable({
    path = file, name = name, into = append and name or name .. ".part", made = made,
    claim = claim, gathered = {}, passed = 0, wanted = columns, fixed = columns ~= nil,
    lock = sync.lock(),
  }, Database)
  self.flusher = later.new(function() flush(self) end)
  local ok, e = pcall(function()
    self.db = sqlite.open(path)
    look(self, append)
    if mark and mark.rows then continue(self, mark) end
  end)
  if ok then return self end
  if self.db then self.db:close() end
  if made then os.remove(path) end
  claim:close()
  return nil, type(e) == "string" and e or beside.cannot(file, e.message or tostring(e))
end

return M
