-- internal.queue.sqlite.owner: whose the running jobs are. An owner is one incarnation of a
-- process: a file beside the database on which it has a shared lock, and each of its workers, too.
-- The kernel lets go of a lock when its process ends, however it ends; whoever gets the lock for
-- itself alone gives the jobs back: then nothing runs any more. No clock has a part in it.

local core = require "luapool.fs.core"
local digest = require "luapool.digest.core"
local errors = require "luapool.error.core"
local fs = require "luapool.fs"
local owner_file = require "luapool.internal.queue.sqlite.owner_file"
local schema = require "luapool.internal.queue.sqlite.schema"
local settle = require "luapool.internal.queue.sqlite.settle"

local M = {}

---@class luapool.queue.Owner
---@field id integer its row
---@field file string the name of its file, in the folder of the database
---@field lock userdata

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

-- Nobody's name of a file would begin so by chance.
local function prefix_of(path) return path .. "-owner-" end

-- The lock of a file for oneself alone; nil when somebody holds it.
local function try_lock(path)
  local file = core.claim(path, false)
  return file
end

local function let_go(path, lock)
  os.remove(path) -- while it is locked: nobody can have taken the name meanwhile
  lock:close()
end

-- Files that owners have left which were killed before they were known, or after they were
-- forgotten.
local function tidy(db, path)
  local folder, name = path:match "^(.-)([^/]*)$"
  local known, prefix = {}, prefix_of(name)
  for row in db:rows "SELECT file FROM owner" do known[row.file] = true end
  for _, file in ipairs(fs.list(folder == "" and "." or folder)) do
    local lock = file:sub(1, #prefix) == prefix and not known[file] and try_lock(folder .. file)
    if lock then let_go(folder .. file, lock) end
  end
end

--- Makes the owner of this process known. Waits.
---@param db luapool.sqlite.Db
---@param path string of the database
---@param now integer
---@return luapool.queue.Owner
function M.register(db, path, now)
  local file, lock, why
  repeat -- who tidies up at this moment may take it for one that was left
    file = prefix_of(path) .. hex(digest.random(8))
    lock, why = owner_file.share(file)
  until lock or why
  if not lock then
    local text = ("queue: cannot make '%s': %s"):format(file, why)
    errors.raise("queue", text, { code = "owner_file" })
  end
  local name = file:match "[^/]*$"
  local _, id = db:exec("INSERT INTO owner (file, since) VALUES (?, ?)", name, now)
  tidy(db, path)
  return { id = id, file = file, lock = lock }
end

-- What becomes of the jobs of an owner that is gone: those that may not run twice have failed,
-- those that have lost too many hosts too.
local LOSSES = [[INSERT INTO mark (seq, losses) SELECT seq, 1 FROM job WHERE state = 5 AND owner = ?
  ON CONFLICT (seq) DO UPDATE SET losses = losses + 1]]
local MARK = "UPDATE job SET marked = ifnull(marked, 0) | 1 WHERE state = 5 AND owner = ?"
local GONE = [[(SELECT lost_fails
  OR (SELECT losses FROM mark WHERE mark.seq = job.seq) > host_retries
  FROM kind WHERE kind.id = job.kind)]]
local DIED = [['{"kind":"worker_died","message":"the process that ran it is gone"}']]
local RECOVER = ([[UPDATE job SET moved = NULL,
  state = CASE WHEN %s THEN 8 WHEN %s THEN 7 ELSE %s END, owner = NULL,
  error = CASE WHEN %s THEN %s ELSE error END,
  ended = CASE WHEN %s OR %s THEN ?1 END,
  time = CASE WHEN %s THEN ?1 + %s WHEN %s THEN ?1 + %s ELSE expires END
  WHERE state = 5 AND owner = ?2]]):format(settle.FLAGGED, GONE, settle.WAITING, GONE, DIED,
  settle.FLAGGED, GONE, settle.FLAGGED, schema.KEPT_ENDED, GONE, schema.KEPT_FAILED)

--- Gives back what an owner had, in the transaction of a batch.
---@param batch userdata
---@param id integer
---@param now integer
function M.recover(batch, id, now)
  batch:add(LOSSES, id)
  batch:add(MARK, id)
  batch:add(RECOVER, now, id)
  batch:add("DELETE FROM owner WHERE id = ?", id)
end

--- Looks whether other owners are gone, and gives back what they had. Waits.
---@param store table
---@return boolean found
function M.look(store)
  local folder, found = store.path:match "^(.*/)" or "", false
  local others = {}
  for row in store.db:rows("SELECT id, file FROM owner WHERE id <> ?",
    store.owner and store.owner.id or 0) do
    others[#others + 1] = row
  end
  for _, other in ipairs(others) do
    local lock = try_lock(folder .. other.file)
    if lock then
      found = true
      local ok, e = pcall(store.group.run, store.group, {
        write = function(_, batch, now) M.recover(batch, other.id, now) end,
        read = function() end,
      })
      if not ok then
        lock:close()
        error(e, 0)
      end
      let_go(folder .. other.file, lock)
    end
  end
  return found
end

--- The owner ends: what it still has goes back, and its file goes. Waits.
---@param store table
function M.leave(store)
  local owner = store.owner
  if not owner then return end
  store.owner = nil
  local lock <close> = owner.lock -- whatever happens: then others give back what is left
  store.group:run {
    write = function(_, batch)
      batch:add("UPDATE job SET moved = NULL, state = " .. settle.WAITING
        .. ", owner = NULL, time = expires, attempts = attempts - 1 WHERE state = 5 AND owner = ?",
        owner.id)
      batch:add("DELETE FROM owner WHERE id = ?", owner.id)
    end,
    read = function() end,
  }
  let_go(owner.file, lock)
end

return M
