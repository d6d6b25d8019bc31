-- luapool.fs: files and folders, waiting on libuv's threads (bindings/fs/fs.c). Everything raises
-- kind `fs` with `path`, `code` ("ENOENT") and a message that says what was attempted. A path
-- is a string, or what tempdir returned. A cancelled call returns at once; what its thread had
-- begun is still done. Lua's own `io.*` blocks the whole process, as in stock Lua.

local core = require "luapool.fs.core"
local error_core = require "luapool.error.core"
local options = require "luapool.internal.options"
local usage = require "luapool.internal.usage"

--- Files and folders. Every call waits on libuv's threads, so other tasks run meanwhile; Lua's own
--- `io.*` blocks the whole process, except for stdin in main. A path is a string, or what
--- `fs.tempdir` returned. A cancelled call returns at once; what its thread has begun is still
--- done.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- fs.write(dir .. "/a.txt", "hello")
--- print(fs.read(dir .. "/a.txt"), fs.list(dir)[1]) --> hello a.txt
--- ```
---@kind fs the system refused it; fields `path` and `code` ("ENOENT")
---@class luapool.fs
local M = {
  read = core.read,
  write = core.write,
  append = core.append,
  list = core.list,
  stat = core.stat,
  rename = core.rename,
}

-- How many bytes of a file are read at once.
local PART = 256 << 10

--- Returns the lines of a file, one after the other, without their ends. The file is read bit by
--- bit, and is closed behind its last line or at the end of the loop.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- fs.write(dir .. "/urls.txt", "one\ntwo\n")
--- for line in fs.lines(dir .. "/urls.txt") do print(line) end --> one
---                                                             --> two
--- ```
---@async
---@param path string
---@return fun(): string? lines waits, too; with it comes what a `for` loop needs to end it
---@raises fs
function M.lines(path)
  local file = core.open(path)
  local buffer, at = "", 1
  local function line()
    local from, stop = at, buffer:find("\n", at, true)
    local parts = nil
    while not stop and file do -- a line of many parts is put together once
      local part = core.part(file, PART, tostring(path))
      if part == "" then
        core.shut(file)
        file = nil
      end
      parts = parts or {}
      table.insert(parts, buffer:sub(from))
      buffer, from = part, 1
      stop = buffer:find("\n", 1, true)
    end
    local last = buffer:sub(from, stop and stop - 1)
    at = stop and stop + 1 or #buffer + 1
    if parts then last = table.concat(parts) .. last end
    if stop or last ~= "" then return last end
  end
  return line, nil, nil, file
end

local check_mkdir = options.define("fs.mkdir", { parents = "boolean" })
local check_remove = options.define("fs.remove", { recursive = "boolean" })

---@class luapool.fs.MkdirOptions
---@field parents? boolean make the folders above it too; one that is there already is no error

--- Makes a folder.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- fs.mkdir(dir .. "/a/b", { parents = true })
--- print(select(2, pcall(fs.mkdir, dir .. "/a")).code) --> EEXIST
--- ```
---@async
---@param path string|luapool.Tempdir
---@param opts? luapool.fs.MkdirOptions
---@raises fs
function M.mkdir(path, opts)
  core.mkdir(path, check_mkdir(opts).parents)
end

---@class luapool.fs.RemoveOptions
---@field recursive? boolean remove a folder with all that is in it

--- Removes a file or an empty folder. Links are removed, not followed.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- fs.mkdir(dir .. "/a")
--- fs.write(dir .. "/a/b", "")
--- print(select(2, pcall(fs.remove, dir .. "/a")).code) --> ENOTEMPTY
--- fs.remove(dir .. "/a", { recursive = true })
--- ```
---@async
---@param path string|luapool.Tempdir
---@param opts? luapool.fs.RemoveOptions
---@raises fs
function M.remove(path, opts)
  core.remove(path, check_remove(opts).recursive)
end

--- A folder that is removed with all that is in it when it is closed: see `fs.tempdir`. `dir ..
--- "/name"` is a path in it.
---@operator concat(string): string
---@class luapool.Tempdir
---@field path string
local Tempdir = { __name = "luapool.Tempdir" }
Tempdir.__index = Tempdir

--- Removes the folder with all that is in it.
---
--- ```lua
--- local dir = fs.tempdir()
--- dir:close()
--- print(pcall(fs.list, dir) == false) --> true
--- ```
---@async
function Tempdir:close()
  usage.self(self, Tempdir, "Tempdir:close")
  if self.closed then return end
  self.closed = true
  local ok, e = pcall(core.remove, self.path, true)
  if not ok and e.code ~= "ENOENT" then error(e, 0) end
end

Tempdir.__close = Tempdir.close

function Tempdir:__tostring() return self.path end

Tempdir.__concat = error_core.concat

--- Makes a new, empty folder below $TMPDIR (or /tmp), which only this user can enter. It is removed
--- by `close` or at the end of the scope of a `<close>` variable, not by the collector.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- print(#fs.list(dir), fs.stat(dir.path).type) --> 0 directory
--- ```
---@async
---@return luapool.Tempdir
function M.tempdir()
  local path = core.tempdir((os.getenv "TMPDIR" or "/tmp") .. "/luapool-XXXXXX")
  return setmetatable({ path = path, closed = false }, Tempdir)
end

return M
