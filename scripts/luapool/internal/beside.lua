-- internal.beside: a file that is written beside the one whose place it takes at the end. What is
-- written goes to PATH.part, in the same folder, which is opened for the first line and renamed to
-- PATH by `keep`. So PATH is whole at any time: the old one or the new one. Each call is one write,
-- so who follows PATH.part sees whole lines. A process that is killed leaves PATH.part; two
-- processes cannot write the same one (bindings/fs/claim.c). A run that goes on where an earlier
-- one was (`--resume`) finds what that one has written in PATH.part, and cuts it to the length
-- that it knows. Used by the output of jobs. It blocks, but for `mark`.

local core = require "luapool.fs.core"
local fs = require "luapool.fs"

local M = {}

---@class luapool.beside
---@field path string the file, as the user has named it
---@field target string the file itself, where `path` is a link
---@field part string where it is written
---@field left boolean whether `part` holds what a process that was killed had written
---@field file file*|nil while it is written
---@field length integer how many bytes it has
---@field broken boolean a write has failed
local Beside = { __name = "luapool.beside" }
Beside.__index = Beside

--- "cannot write PATH: why". Messages of io.open and os.rename begin with the path.
---@param path string
---@param why string
---@return string
function M.cannot(path, why)
  if why:sub(1, #path + 2) == path .. ": " then why = why:sub(#path + 3) end
  return ("cannot write %s: %s"):format(path, why)
end

-- The file that a link leads to, or the path itself when it is no link.
local function target_of(path)
  local folder, name = path:match "^(.-)([^/]*)$"
  local real, parent = core.realpath(path), core.realpath(folder == "" and "." or folder)
  local is_link = real and parent and real ~= parent:gsub("/$", "") .. "/" .. name
  return is_link and real or path
end

-- The permission bits of the file that is to be replaced, or nil when there is none.
local function mode_of(path)
  local ok, stat = pcall(fs.stat, path)
  return ok and stat.mode or nil
end

-- Opens the file beside, emptied.
local function open(self)
  local file, why = core.claim(self.part, true, mode_of(self.target))
  if not file then return nil, M.cannot(self.part, why) end
  file:setvbuf "no"
  self.file = file
  return file
end

--- Finds out whether the file can be written, and changes nothing.
---@return boolean ok
---@return string? message
function Beside:probe()
  local file, bytes = core.claim(self.part)
  if not file then return false, M.cannot(self.path, bytes) end
  if bytes == 0 then os.remove(self.part) end
  file:close()
  self.left = bytes > 0
  return true
end

--- Writes a line.
---@param line string
---@return boolean ok
---@return string? message
function Beside:write(line) return self:put(line .. "\n") end

--- Writes bytes.
---@param bytes string
---@return boolean ok
---@return string? message
function Beside:put(bytes)
  if not self.file then
    local opened, message = open(self)
    if not opened then return false, message end
  end
  local ok, why = self.file:write(bytes)
  if ok then
    self.length = self.length + #bytes
    return true
  end
  self.broken = true
  return false, M.cannot(self.part, why)
end

--- Goes on with the file beside, which is cut to so many bytes. Returns nil and a message when it
--- has less, and false when it is not there.
---@param length integer
---@return boolean|nil there
---@return string? message
function Beside:continue(length)
  if not core.realpath(self.part) then return false end
  local file, bytes = core.claim(self.part)
  if not file then return nil, M.cannot(self.part, bytes) end
  file:close()
  if bytes < length then
    return nil, ("%s has %d bytes, but should have at least %d"):format(self.part, bytes, length)
  end
  if length == 0 then return true end
  file, bytes = core.claim(self.part, length)
  if not file then return nil, M.cannot(self.part, bytes) end
  file:setvbuf "no"
  file:seek "end"
  self.file, self.length = file, length
  return true
end

--- Returns a function that waits until what has been written so far is on the disk, and returns how
--- many bytes that are.
---@return fun(): integer
function Beside:mark()
  local length, file = self.length, self.file
  return function()
    if file and length ~= self.synced then
      core.sync(self.part)
      self.synced = length
    end
    return length
  end
end

--- Closes the file beside, and leaves it where it is.
function Beside:leave()
  if self.file then self.file:close() end
  self.file = nil
end

--- Ends the writing: what has been written takes the place of the old file. When nothing has, the
--- old file stays, unless `whole` is true: then an empty one takes its place. After a failed write
--- both files stay as they are.
---@param whole boolean
---@return boolean ok
---@return string? message
function Beside:keep(whole)
  local file, why = self.file, nil
  if not file then
    if not whole then return true end
    file, why = open(self)
    if not file then return false, why end
  end
  self.file = nil
  local ok = true
  if not self.broken then ok, why = os.rename(self.part, self.target) end
  file:close() -- the claim holds up to here
  return ok or false, not ok and M.cannot(self.target, why:gsub("^.-: ", "")) or nil
end

--- Removes the old file.
function Beside:remove() os.remove(self.target) end

--- A file to be written.
---@param path string
---@return luapool.beside
function M.new(path)
  local target = target_of(path)
  local self = { path = path, target = target, part = target .. ".part", left = false,
    broken = false, length = 0 }
  return setmetatable(self, Beside)
end

return M
