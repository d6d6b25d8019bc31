-- internal.job.output: where the results of a job go: to stdout, into a file that takes the
-- place of the old one at the end (luapool.internal.beside), behind what a file holds
-- (--append), or into what is no regular file, such as a pipe; a table of a database stands in
-- internal.job.database. All have the same methods: `write` raises when it cannot, `close` ends
-- the writing, `path` names the file. Those that a run with --resume can write to also have
-- `mark`, which returns a function that waits until all so far is on the disk and returns where
-- that is; `seal`, which writes the last bytes; `leave`, which stops in the middle. What the
-- bytes are, the ending of the name tells (internal.job.format). The list of failed items
-- stands in luapool.internal.job.failed. Runs in main only.

local beside = require "luapool.internal.beside"
local core = require "luapool.fs.core"
local csv = require "luapool.csv"
local database = require "luapool.internal.job.database"
local formats = require "luapool.internal.job.format"
local fs = require "luapool.fs"
local later = require "luapool.internal.job.later"
local screen = require "luapool.term.core"

local M = {}

-- Seconds between two marks of a compressed file, at least: each costs a member.
local CUT = 1

---@class luapool.job.output
---@field path string|nil the regular file, or nil: then the failed list is named after the job
---@field rows boolean results come as rows, not as lines of JSON
---@field pause number|nil seconds between two marks, at least
---@field write fun(self: luapool.job.output, result: any)
---@field close fun(self: luapool.job.output, whole: boolean): boolean, string?

local Stream = { __name = "luapool.job.stream", rows = false }
Stream.__index = Stream

--- Writes a line.
function Stream:write(line)
  local ok, why = self.print(line .. "\n")
  if not ok then error(beside.cannot("stdout", why), 0) end
end

--- Leaves the stream open.
function Stream.close() return true end

-- ---- files ----

-- Files of both sorts have a format, and a function `put` that writes bytes.
local File = {}

-- Writes bytes, before the first of them the beginning of the file.
local function put(self, bytes)
  if not self.begun then
    self.begun = true
    bytes = self.format:begin() .. bytes
  end
  if bytes ~= "" then self:put(bytes) end
end

-- What the format holds back is written within a second: who follows the file sees it, and a run
-- that is killed leaves it.
local function flush_later(self)
  if not self.format.flush then return end
  self.flusher = self.flusher or later.new(function() put(self, self.format:flush()) end)
  self.flusher:arm()
end

--- Writes a result.
function File:write(result)
  if not self.begun then put(self, "") end
  put(self, self.format:add(result))
  flush_later(self)
end

-- Ends what has been begun; with `whole`, also a file without results. Raises what the flusher has
-- raised, which nobody has seen.
local function finish(self, whole)
  if self.sealed then return end
  local flusher = self.flusher
  if flusher then
    flusher:stop()
    if flusher.failed then error(flusher.failed, 0) end
  end
  if not self.begun and not whole then return end
  put(self, "")
  put(self, self.format:finish())
end

local New = { __name = "luapool.job.new", write = File.write }
New.__index = New

--- Writes bytes into the file beside.
function New:put(bytes)
  local ok, message = self.file:put(bytes)
  if not ok then error(message, 0) end
end

--- Lets the new file take the place of the old one. A run that was stopped keeps what it has; one
--- without any result leaves the old file alone, unless it has run to its end.
function New:close(whole)
  local flusher = self.flusher
  local unseen = flusher and flusher.failed or not self.file.broken
  local ok, message = true, nil
  if unseen then ok, message = pcall(finish, self, whole) end
  local kept, why = self.file:keep(whole)
  return ok and kept, message or why
end

--- What the format holds back is written, so that the file is whole up to the mark.
function New:mark()
  if self.begun and not self.sealed and self.format.cut then put(self, self.format:cut()) end
  local wait = self.file:mark()
  local mark = { begun = self.begun, sealed = self.sealed, format = self.format:state() }
  return function()
    mark.length = wait()
    return mark
  end
end

--- Writes the end of the file. It gets its name by `close`.
function New:seal()
  finish(self, true)
  self.sealed = true
end

--- Closes the file, which keeps its name: another run goes on with it.
function New:leave()
  if self.flusher then self.flusher:stop() end
  self.file:leave()
end

-- Goes on behind the mark of an earlier run.
local function continue_new(self, mark)
  local there, message = self.file:continue(mark.length)
  if there == nil then return nil, message end
  if not there and mark.sealed and mark.length > 0 then
    self.close = function() return true end -- it has got its name
  elseif not there and mark.length > 0 then
    return nil, self.file.part .. " is missing: it belongs to this run"
  end
  self.begun, self.sealed, self.left = mark.begun, mark.sealed, nil
  self.format:restore(mark.format)
  return self
end

local Direct = { __name = "luapool.job.direct", write = File.write }
Direct.__index = Direct

--- Writes bytes behind what the file holds.
function Direct:put(bytes)
  local ok, why = self.file:write(self.before .. bytes)
  if not ok then error(beside.cannot(self.name, why), 0) end
  self.before = ""
end

--- Closes the file. One that was made for results which never came is removed.
function Direct:close(whole)
  local done, message = pcall(finish, self, whole)
  local size = self.file:seek "end"
  local ok, why = self.file:close()
  if self.made and not whole and size == 0 then os.remove(self.path) end
  if not done then return false, message end
  return ok or false, not ok and beside.cannot(self.name, why) or nil
end

-- A line at the end of the file that a killed run or a full disk has cut needs a newline.
local function newline_before(path)
  local file <close> = io.open(path, "rb")
  if not file or not file:seek("end", -1) then return "" end
  return file:read(1) == "\n" and "" or "\n"
end

-- A file of CSV that is added to has its columns. Returns a message when these are others than the
-- job's.
local function continue(format, path, columns)
  if not format.rows then return nil end
  if format.inner then
    format.inner.continues = true
    return not columns and ("--append to %s needs the job's 'columns'"):format(path) or nil
  end
  local there = csv.rows(path, { header = false })()
  if not there then return nil end
  if columns and table.concat(there, "\0") ~= table.concat(columns, "\0") then
    return ("--append: %s has other columns: %s"):format(path, table.concat(there, ", "))
  end
  format.columns, format.continues = there, true
end

-- Opens a file that is written behind what it holds. `kind` is its type, nil for a new one.
local function direct(path, kind, columns)
  local regular = not kind or kind == "file"
  local format = formats.of(path, columns)
  if kind == "file" then
    local size = fs.stat(path).size
    if size > 0 and not format.appends then
      return nil, ("--append cannot add to %s, which holds one list"):format(path)
    end
    local wrong = size > 0 and continue(format, path, columns)
    if wrong then return nil, wrong end
  end
  local before = regular and format.lines and newline_before(path) or ""
  local file, why = io.open(path, "ab")
  if not file then return nil, beside.cannot(path, why) end
  file:setvbuf "no"
  return setmetatable({
    path = regular and path or nil,
    name = path,
    file = file,
    format = format,
    rows = format.rows,
    before = before,
    made = not kind,
  }, Direct)
end

local function new(path, columns, mark)
  local file = beside.new(path)
  local ok, message = file:probe()
  if not ok then return nil, message end
  local format = formats.of(path, columns)
  local self = setmetatable({ path = path, file = file, left = file.left and file.part or nil,
    format = format, rows = format.rows, pause = format.cut and CUT or nil }, New)
  if mark then return continue_new(self, mark) end
  return self
end

-- An output of a run with --resume that nothing can be cut off from.
local Nowhere = { __name = "luapool.job.nowhere", rows = false }
Nowhere.__index = Nowhere

--- Drops it.
function Nowhere.write() end

--- There is no place.
function Nowhere.mark()
  return function() return {} end
end

--- Nothing ends it.
function Nowhere.seal() end

--- Nothing is left.
function Nowhere.leave() end

--- Nothing gets a name.
function Nowhere.close() return true end

local NO_FILE = "--resume needs an output that is a file: name one with -o, or in the job (what "
  .. "went to %s cannot be taken back; /dev/null takes what need not be kept)"

local function to_stderr(text)
  screen.print(text)
  return true
end

-- The names of this process's own descriptors. They may lead to regular files, which others write,
-- too: those are not replaced.
local stdout_names = { ["-"] = true, ["/dev/stdout"] = true, ["/dev/fd/1"] = true,
  ["/proc/self/fd/1"] = true }
local stderr_names = { ["/dev/stderr"] = true, ["/dev/fd/2"] = true, ["/proc/self/fd/2"] = true }

local function is_descriptor(path) return path:find "^/dev/fd/" or path:find "^/proc/" end

--- Opens an output that a run with --resume can go on with.
---@param path string|nil
---@param columns string[]|nil of the job
---@param mark table|nil where an earlier run was
---@return luapool.job.output|nil output
---@return string? message
function M.resume(path, columns, mark)
  if not path or stdout_names[path] then return nil, NO_FILE:format "stdout" end
  if path == "" then return nil, "the output has no name: '' was given" end
  if path == "/dev/null" then return M.nowhere() end
  local file, name = database.place(path)
  if file then return database.open(file, name, false, columns, mark or {}) end
  local there, stat = pcall(fs.stat, path)
  if is_descriptor(path) or there and stat.type ~= "file" then return nil, NO_FILE:format(path) end
  return new(path, columns, mark)
end

--- Whether an output and another file are the same.
---@param path string|nil
---@param other string
---@return boolean
function M.is_same(path, other)
  if not path then return false end
  path = database.place(path) or path
  return path == other or core.realpath(path) ~= nil and core.realpath(path) == core.realpath(other)
end

--- The output of a job that has none, in a run with --resume.
---@return luapool.job.output
function M.nowhere() return setmetatable({}, Nowhere) end

--- Opens an output.
---@param path string|nil nil, "-" and "/dev/stdout" are stdout
---@param append boolean add to a regular file instead of replacing it
---@param columns string[]|nil of the job
---@param print fun(text: string): boolean?, string? writes to stdout
---@return luapool.job.output|nil output
---@return string? message
function M.open(path, append, columns, print)
  if not path or stdout_names[path] then return setmetatable({ print = print }, Stream) end
  if stderr_names[path] then return setmetatable({ print = to_stderr }, Stream) end
  if path == "" then return nil, "the output has no name: '' was given" end
  local file, name = database.place(path)
  if file then return database.open(file, name, append, columns) end
  local there, stat = pcall(fs.stat, path)
  local kind = there and stat.type or nil
  if is_descriptor(path) then return direct(path, "descriptor", columns) end
  if append or kind and kind ~= "file" then return direct(path, kind, columns) end
  return new(path, columns)
end

return M
