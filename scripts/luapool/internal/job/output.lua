-- internal.job.output: where the results of a job go, as JSON lines: to stdout, into a file that
-- takes the place of the old one at the end (luapool.internal.beside), behind what a file holds
-- (--append), or into what is no regular file, such as a pipe. All have the same three methods:
-- `write` raises when it cannot, `close` ends the writing, `path` names the file. The list of
-- failed items stands in luapool.internal.job.failed. Runs in main only.

local beside = require "luapool.internal.beside"
local fs = require "luapool.fs"
local screen = require "luapool.term.core"

local M = {}

---@class luapool.job.output
---@field path string|nil the regular file, or nil: then the failed list is named after the job
---@field write fun(self: luapool.job.output, line: string)
---@field close fun(self: luapool.job.output, whole: boolean): boolean, string?

local Stream = { __name = "luapool.job.stream" }
Stream.__index = Stream

--- Writes a line.
function Stream:write(line)
  local ok, why = self.print(line .. "\n")
  if not ok then error(beside.cannot("stdout", why), 0) end
end

--- Leaves the stream open.
function Stream.close() return true end

local New = { __name = "luapool.job.new" }
New.__index = New

--- Writes a line into the file beside.
function New:write(line)
  local ok, message = self.file:write(line)
  if not ok then error(message, 0) end
end

--- Lets the new file take the place of the old one. A run that was stopped keeps what it has; one
--- without any result leaves the old file alone, unless it has run to its end.
function New:close(whole) return self.file:keep(whole) end

local Direct = { __name = "luapool.job.direct" }
Direct.__index = Direct

--- Writes a line behind what the file holds.
function Direct:write(line)
  local ok, why = self.file:write(self.before .. line .. "\n")
  if not ok then error(beside.cannot(self.name, why), 0) end
  self.before = ""
end

--- Closes the file. One that was made for results which never came is removed.
function Direct:close(whole)
  local size = self.file:seek "end"
  local ok, why = self.file:close()
  if self.made and not whole and size == 0 then os.remove(self.path) end
  return ok or false, not ok and beside.cannot(self.name, why) or nil
end

-- A line at the end of the file that a killed run or a full disk has cut needs a newline.
local function newline_before(path)
  local file <close> = io.open(path, "rb")
  if not file or not file:seek("end", -1) then return "" end
  return file:read(1) == "\n" and "" or "\n"
end

-- Opens a file whose lines are written behind what it holds. `kind` is its type, nil for a new one.
local function direct(path, kind)
  local regular = not kind or kind == "file"
  local before = regular and newline_before(path) or ""
  local file, why = io.open(path, "ab")
  if not file then return nil, beside.cannot(path, why) end
  file:setvbuf "no"
  return setmetatable({
    path = regular and path or nil,
    name = path,
    file = file,
    before = before,
    made = not kind,
  }, Direct)
end

local function new(path)
  local file = beside.new(path)
  local ok, message = file:probe()
  if not ok then return nil, message end
  return setmetatable({ path = path, file = file, left = file.left and file.part or nil }, New)
end

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

--- Opens an output.
---@param path string|nil nil, "-" and "/dev/stdout" are stdout
---@param append boolean add to a regular file instead of replacing it
---@param print fun(text: string): boolean?, string? writes to stdout
---@return luapool.job.output|nil output
---@return string? message
function M.open(path, append, print)
  if not path or stdout_names[path] then return setmetatable({ print = print }, Stream) end
  if stderr_names[path] then return setmetatable({ print = to_stderr }, Stream) end
  if path == "" then return nil, "the output has no name: '' was given" end
  local there, stat = pcall(fs.stat, path)
  local kind = there and stat.type or nil
  if is_descriptor(path) then return direct(path, "descriptor") end
  if append or kind and kind ~= "file" then return direct(path, kind) end
  return new(path)
end

return M
