-- luapool.fs: files and folders, waiting on libuv's threads (bindings/fs/fs.c). Everything raises
-- kind `fs` with `path`, `code` ("ENOENT") and a message that says what was attempted. A path
-- is a string, or what tempdir returned. A cancelled call returns at once; what its thread had
-- begun is still done. Lua's own `io.*` blocks the whole process, as in stock Lua.

local core = require "luapool.fs.core"
local err = require "luapool.error"
local options = require "luapool.internal.options"

local M = {
  read = core.read,
  write = core.write,
  append = core.append,
  list = core.list,
  stat = core.stat,
  rename = core.rename,
}

-- Raises at the user's line what bindings/fs/fs.c would raise at ours.
local function check_path(path, where)
  if type(path) == "string" or type(path) == "number" then return end
  if type(path) == "table" and type(path.path) == "string" then return end
  err.wrong("bad argument #1 to '%s' (string expected, got %s)", where, err.type(path))
end

local MKDIR = { parents = "boolean" }
local REMOVE = { recursive = "boolean" }

--- Makes a folder. With `parents` also those above it, and one that is there already is no error.
---@param path string
---@param opts? { parents: boolean? }
function M.mkdir(path, opts)
  check_path(path, "mkdir")
  core.mkdir(path, options.check("fs.mkdir", opts, MKDIR).parents)
end

--- Removes a file or an empty folder; with `recursive` a folder with all that is in it. Links
--- are removed, not followed.
---@param path string
---@param opts? { recursive: boolean? }
function M.remove(path, opts)
  check_path(path, "remove")
  core.remove(path, options.check("fs.remove", opts, REMOVE).recursive)
end

---@class luapool.Tempdir
---@field path string
local Tempdir = { __name = "luapool.Tempdir" }
Tempdir.__index = Tempdir

--- Removes the folder with all that is in it. Safe twice, and when somebody has removed it before.
function Tempdir:close()
  err.check_self(self, Tempdir, "close")
  if self.closed then return end
  self.closed = true
  local ok, e = pcall(core.remove, self.path, true)
  if not ok and e.code ~= "ENOENT" then error(e, 0) end
end

Tempdir.__close = Tempdir.close

function Tempdir:__tostring() return self.path end

function Tempdir.__concat(a, b) return tostring(a) .. tostring(b) end

--- Makes a new, empty folder of one's own below $TMPDIR (or /tmp): `local dir <close> =
--- fs.tempdir()`, then `dir.path`, or `dir .. "/name"`. It is removed by `close`, not by the
--- collector.
---@return luapool.Tempdir
function M.tempdir()
  local path = core.tempdir((os.getenv "TMPDIR" or "/tmp") .. "/luapool-XXXXXX")
  return setmetatable({ path = path, closed = false }, Tempdir)
end

return M
