-- internal.lock.class: the class of locks that processes share. What makes a lock exclusive is its
-- engine: file.lua, redis.lua, etcd.lua. Here: whose turn it is within this process, who holds
-- what, and what becomes of a scope whose lease is lost.
--
-- An engine has
--   title, name          "lock.file", and what messages call the lock
--   shared               several may hold it at once
--   plain                no server has a part in it: give_back does not wait, take not beyond `due`
--   take(grant, due, try)  takes the lock. Sets grant.token when it is held; when `try` is set and
--                        somebody else holds it, or `due` has passed, the token stays nil
--   give_back(grant)     gives back what is held or, with grant.asked, may be; false when it was
--                        not held
--   renew(grant)         extends the lease; false when it is gone (engines with leases)
--   refer()              what it travels as: see remote.lua; or nil and why it does not
--@whole

local core = require "luapool.task.core"
local errors = require "luapool.error.core"
local holders = require "luapool.internal.sync.class"
local json = require "luapool.json"
local sync = require "luapool.sync.core"
local task = require "luapool.task"
local usage = require "luapool.internal.usage"
require "luapool.internal.sync.remote" -- it tells when a task has ended

local M = {}

--- A lock that processes share: see `lock.file`, `lock.redis` and `lock.etcd`. The task that has
--- acquired it holds it until it releases it, or ends.
---@within lock
---@class luapool.lock.Lock
---@field token? integer the fencing token of the calling task; nil while it does not hold the lock
local Lock = { __name = "luapool.lock.Lock" }

local function own_grant(self)
  return core.current() and self.grants[sync.holder()] or nil
end

function Lock.__index(self, key)
  if key ~= "token" then return Lock[key] end
  local grant = own_grant(self)
  return grant and grant.token
end

function Lock.__refer(self)
  local engine, about = self.engine:refer()
  if not engine then return nil, about end
  return "luapool.internal.lock.remote", engine .. " " .. json.encode(about), 0
end

-- ---- losing and giving back ----

-- The leases that the task of a holder has: holder -> grant -> true.
local leases = setmetatable({}, { __mode = "k" })

--- The lease of a grant is lost: the task that holds it is cancelled up to the end of the scope.
---@param grant table
---@param why string
function M.lose(grant, why)
  if grant.lost or grant.over then return end
  grant.lost = ("%s is lost: %s"):format(grant.engine.name, why)
  if grant.held then core.cancel_scope(grant.task, grant.lost) end
end

-- Gives it back in the background: whoever had it is about to end.
local function abandon(grant)
  local engine = grant.engine
  if engine.plain then return engine:give_back(grant) end
  core.mark_awaited(core.spawn(pcall, engine.give_back, engine, grant))
end

-- The next task of this process has its turn.
local function pass_on(self)
  if not self.engine.shared then self.busy = self.line:wake() end
end

-- The lease is renewed no longer.
local function end_keeper(grant)
  grant.over = true
  if grant.keeper then grant.keeper:cancel() end
end

-- The grant ends. Where the server cannot be told so, the lease ends by itself.
local function give_back(self, grant)
  self.grants[grant.who] = nil
  holders.drop(grant.who, self)
  end_keeper(grant)
  local engine, ok, held = grant.engine, false, nil
  if not grant.lost then ok, held = pcall(core.shield, engine.give_back, engine, grant) end
  if ok and not held then
    grant.lost = engine.name .. " is lost: it ran out, or somebody else has ended it"
  elseif not ok then
    abandon(grant)
  end
  pass_on(self)
end

-- The end of the scope that held the grant, whose error is `e`.
local function leave(grant, e)
  local mine = leases[grant.who]
  if mine then mine[grant] = nil end
  if not grant.lost then return end
  if core.current() == grant.task and core.uncancel() and e ~= nil then return end
  for other in pairs(mine or {}) do
    if other.lost then core.cancel_scope(other.task, other.lost) end
  end
  if e == nil or errors.is(e, "cancelled") then
    errors.raise("lost", grant.lost, { token = grant.token })
  end
end

-- A task has ended that did not release it.
local function orphan(self, who)
  local grant = self.grants[who]
  if not grant then return end
  self.grants[who] = nil
  end_keeper(grant)
  abandon(grant)
  pass_on(self)
end

holders.info[Lock] = { orphan = orphan }

-- ---- acquiring ----

local function raise_timeout(engine, timeout)
  errors.raise("timeout", ("%s was not free within %g s"):format(engine.name, timeout))
end

-- The turn of this task among those of this process; false when `try` is set and it has to wait.
local function line_up(self, timeout, try)
  if self.busy then
    if try then return false end
    local ok, e = pcall(self.line.wait, self.line, timeout)
    if not ok and errors.is(e, "timeout") then raise_timeout(self.engine, timeout) end
    if not ok then error(e, 0) end
  end
  self.busy = true
  return true
end

-- A server that does not answer must not hold up the task beyond `due`.
local function take(engine, grant, due, try)
  if not due or engine.plain then return engine:take(grant, due, try) end
  local left = math.max(0, due - task.now())
  local ok, e = pcall(task.timeout, left, engine.take, engine, grant, due, try)
  if not ok and not (errors.is(e, "timeout") and e.seconds == left) then error(e, 0) end
end

local function note_held(self, grant)
  local who = grant.who
  grant.held, self.grants[who] = true, grant
  holders.hold(who, self)
  if grant.keeper then
    local mine = leases[who] or {}
    leases[who], mine[grant] = mine, true
    if grant.lost then core.cancel_scope(grant.task, grant.lost) end -- on its way here
  end
  return grant
end

local function acquire(self, where, timeout, try)
  local who, engine = sync.holder(), self.engine
  if self.grants[who] then
    usage.raise(where, "this task holds %s already", engine.name)
  end
  local due = timeout and timeout < math.huge and task.now() + timeout or nil
  if not engine.shared and not line_up(self, due and timeout, try) then return nil end
  local grant = { engine = engine, who = who, task = core.current() }
  local ok, e = pcall(take, engine, grant, due, try)
  if ok and grant.token then return note_held(self, grant) end
  end_keeper(grant)
  if grant.asked then abandon(grant) end
  pass_on(self)
  if not ok then error(e, 0) end
  if not try then raise_timeout(engine, timeout) end
  return nil
end

local function check_acquire(self, timeout, where)
  usage.self(self, Lock, where)
  if timeout ~= nil then usage.argument(where, 1, timeout, "seconds") end
end

--- Waits until the lock is free and takes it. Returns the fencing token.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local one, other = lock.file(dir .. "/lock"), lock.file(dir .. "/lock")
--- local token = one:acquire()
--- print(select(2, pcall(other.acquire, other, 0.01)).kind) --> timeout
--- one:release()
--- print(other:acquire() == token + 1) --> true
--- other:release()
--- ```
---@async
---@param timeout? number seconds
---@return integer token
---@raises timeout
---@raises lock fields `code` and `path`
---@raises etcd field `code`
---@raises connect as what else the engine raises
function Lock:acquire(timeout)
  check_acquire(self, timeout, "Lock:acquire")
  return acquire(self, "Lock:acquire", timeout, false).token
end

--- Takes the lock if it is free, and returns the fencing token; else nil.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local one, other = lock.file(dir .. "/lock"), lock.file(dir .. "/lock")
--- print(one:try_acquire(), other:try_acquire()) --> 1 nil
--- one:release()
--- ```
---@async
---@return integer? token
function Lock:try_acquire()
  check_acquire(self, nil, "Lock:try_acquire")
  local grant = acquire(self, "Lock:try_acquire", nil, true)
  return grant and grant.token
end

--- Gives the lock back.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local mine = lock.file(dir .. "/lock")
--- print(select(2, pcall(mine.release, mine)).kind) --> not_held
--- ```
---@async
---@raises not_held this task does not hold it
---@raises lost somebody else may have held it meanwhile; field `token`
function Lock:release()
  usage.self(self, Lock, "Lock:release")
  local grant = self.grants[sync.holder()]
  if not grant then
    errors.raise("not_held", ("%s is not held by this task"):format(self.engine.name))
  end
  give_back(self, grant)
  leave(grant)
end

--- A lock that is held: see `Lock:hold`.
---@within lock
---@class luapool.lock.Held
---@field token integer the fencing token, which stays the same
local Held = { __name = "luapool.lock.Held" }
Held.__index = Held

function Held.__refer() return nil, "a lock that a task holds" end

local function close_held(self, e)
  local grant = self.grant
  self.grant = nil
  if not grant then return end
  if self.lock.grants[grant.who] == grant then give_back(self.lock, grant) end
  leave(grant, e)
end

Held.__close = close_held

--- Gives the lock back, as leaving the scope of `<close>` does. Twice is safe.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local held = lock.file(dir .. "/lock"):hold()
--- held:close()
--- held:close()
--- ```
---@async
---@raises lost field `token`
function Held:close()
  usage.self(self, Held, "Held:close")
  close_held(self)
end

--- Acquires the lock until the scope of a `<close>` variable is left. When the lease is lost
--- before that, what waits in the scope is cancelled, and the end of the scope raises `lost`;
--- behind it the task goes on as usual.
---
--- ```lua
--- local client <close> = redis.connect(redis_url)
--- local mine = lock.redis(client, "shop", { ttl = 0.2 })
--- local ok, e = pcall(function()
---   local held <close> = mine:hold()
---   client:del "lock:{shop}" -- as if the lease had run out
---   task.sleep(60) -- is cancelled
--- end)
--- print(ok, e.kind) --> false lost
--- task.sleep(0)
--- ```
---@async
---@param timeout? number seconds
---@return luapool.lock.Held
---@raises timeout
---@raises lost by the end of the scope; field `token`
function Lock:hold(timeout)
  check_acquire(self, timeout, "Lock:hold")
  local grant = acquire(self, "Lock:hold", timeout, false)
  return setmetatable({ lock = self, grant = grant, token = grant.token }, Held)
end

--- Makes a function that holds the lock while `fn` runs.
---
--- ```lua
--- local dir <close> = fs.tempdir()
--- local guarded = lock.file(dir .. "/lock"):wrap(function(a, b) return a + b end)
--- print(guarded(1, 2)) --> 3
--- ```
---@param fn function
---@return function guarded
function Lock:wrap(fn)
  usage.self(self, Lock, "Lock:wrap")
  fn = usage.to_function(fn, "Lock:wrap", 1)
  return function(...)
    local _ <close> = self:hold()
    return fn(...)
  end
end

--- A lock over an engine.
---@param engine table
---@return luapool.lock.Lock
function M.new(engine)
  return setmetatable({
    engine = engine, grants = {}, busy = false, line = sync.waiters(engine.title),
  }, Lock)
end

return M
