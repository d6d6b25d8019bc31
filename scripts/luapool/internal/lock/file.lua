-- internal.lock.file: locks on a file. The kernel lets go of one when its process ends, however it
-- ends. The file holds the latest fencing token and stays for ever: whoever removed it would
-- split the lock in two.

local core = require "luapool.fs.core"
local errors = require "luapool.error.core"
local task = require "luapool.task.core"

local M = {}

local Engine = { title = "lock.file", plain = true }
Engine.__index = Engine

-- Tokens are given out up to a limit that is on the disk for certain. After a failure of power the
-- next one is above it.
local BLOCK = 1000

local RECORD = "luapool lock\ntoken %019d\nlimit %019d\nboot %-36s\n"
local PARTS = "^luapool lock\ntoken (%d+)\nlimit (%d+)\nboot (%S*) *\n"

-- Waiting: the file's times change when a lock on it ends. A death changes nothing, so that a look
-- now and then is the net.
local LOOK_FIRST, LOOK_LAST = 0.01, 0.25

local function fail(self, code, text, ...)
  errors.raise("lock", ("lock.file: '%s' %s"):format(self.path, text:format(...)),
    { code = code, path = self.path })
end

--- Raises where the locks of one machine do not count on another.
---@param path string
---@param type integer? the number of the file system
function M.check_place(path, type)
  local network = type and core.network_type(type)
  if not network then return end
  fail({ path = path }, "network_file_system", "lies on %s, where the locks of one machine do not "
    .. "count on another: use a disk of this machine, or lock.redis or lock.etcd", network)
end

local function open(self)
  local file, why, code = core.file_lock(self.path, self.shared)
  if file then
    M.check_place(self.path, file:type())
    return file
  end
  if code == "EISDIR" then fail(self, code, "is a folder: name a file in it") end
  if code == "EINVAL" then fail(self, code, "is no plain file") end
  if code == "ENOENT" then fail(self, code, "cannot be made: its folder is not there") end
  fail(self, code, "cannot be opened: %s", why)
end

-- Whether it is held now.
local function try_once(self, grant)
  local held, why, code = grant.file:try(self.path)
  while held == "moved" do -- somebody has removed or replaced it
    grant.file:close()
    grant.file = open(self)
    held, why, code = grant.file:try(self.path)
  end
  if held == nil then fail(self, code, "cannot be locked: %s", why) end
  return held
end

local function read(self, file)
  local bytes = file:read()
  if bytes == "" then return 0, 0, "" end
  local token, limit, boot = (bytes or ""):match(PARTS)
  if not token then
    fail(self, "not_a_lock", "holds something else than a lock: it is left as it is")
  end
  return math.tointeger(token), math.tointeger(limit), boot
end

-- Waits when the limit has to be raised.
local function next_token(self, file)
  local token, limit, boot = read(self, file)
  local now = core.boot_id()
  if boot ~= now then token = limit end -- what was written last may be lost
  token = token + 1
  local raised = token > limit
  if raised then limit = token + BLOCK end
  local ok, why, code = file:write(RECORD:format(token, limit, now))
  if not ok then fail(self, code, "cannot be written: %s", why) end
  if raised then core.sync(self.path) end
  return token
end

local function wait(self, grant, due)
  local ok, watch = pcall(core.watch, self.path) -- a sandbox may not be allowed to
  local look <close> = ok and watch or nil
  local pause = LOOK_FIRST
  repeat
    if try_once(self, grant) then return true end
    local left = due and due - task.now() or math.huge
    if left <= 0 then return false end
    local seconds = math.min(left, pause * (0.5 + math.random()))
    if look then look:wait(seconds) else task.sleep(seconds) end
    pause = math.min(pause * 2, LOOK_LAST)
  until false
end

--- See class.lua.
function Engine:take(grant, due, try)
  grant.file = open(self)
  local _ <close> = setmetatable({}, { __close = function()
    if not grant.token then grant.file:close() end
  end })
  if not try_once(self, grant) and (try or not wait(self, grant, due)) then return end
  grant.token = self.shared and read(self, grant.file) or next_token(self, grant.file)
end

--- See class.lua.
function Engine.give_back(_, grant)
  grant.file:close(true)
  return true
end

--- See class.lua.
function Engine:refer() return "file", { path = self.path, shared = self.shared } end

--- The engine of a lock on a file.
---@param path string
---@param shared? boolean
---@return table
function M.new(path, shared)
  local name = ("the lock '%s'"):format(path)
  return setmetatable({ path = path, shared = shared, name = name }, Engine)
end

--- The same of what `refer` has returned.
---@param about table
---@return table
function M.receive(about) return M.new(about.path, about.shared) end

return M
