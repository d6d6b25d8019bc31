-- internal.sync.class: what the classes of luapool.sync share. A class has, besides its methods:
--   title    its name in messages, unless that is luapool.sync.NAME
--   remote   the methods as main runs them for a task of a worker: fn(object, who, ...)
--   waits    for those that may wait: would it wait now? fn(object, who, ...) -> bool
--   plain    those of them that need not know who asks
--   proxy    methods of its proxies that are more than asking
--   undo     for those that take something away: fn(object, who, ...) puts back what the method
--            returned
--   orphan   fn(object, who, how): `who` held it and has ended: "done", "failed" or "died"
-- `who` is a holder: a table that stands for a task (core.holder), here or in a worker.
--@whole

local errors = require "luapool.error.core"
local usage = require "luapool.internal.usage"

local M = { check_self = usage.self }

M.info = {} -- class -> its description
M.named = {} -- name of a class -> the same

-- Stands for this process, as a table of remote.lua does for a worker: slots of a semaphore
-- belong to it.
M.here = {}

--- Makes a class; `about` describes it as said above.
---@param name string
---@param about table
---@return table class
function M.new(name, about)
  local class = { __name = about.title or "luapool.sync." .. name }
  class.__index = class
  about.name = name
  about.remote = about.remote or {}
  about.plain = {}
  about.waits = about.waits or {}
  about.undo = about.undo or {}
  M.info[class], M.named[name] = about, about
  function class.__refer(object) return M.refer(object) end -- of remote.lua
  return class
end

--- Opens methods that need no holder to workers.
---@param class table
---@param ... string
function M.open(class, ...)
  local about = M.info[class]
  for _, name in ipairs { ... } do
    local method = class[name]
    about.remote[name] = function(object, _, ...) return method(object, ...) end
    about.plain[name] = true
  end
end

--- Notes that `who` holds something of the object.
---@param who table
---@param object table
function M.hold(who, object)
  local held = who.held
  if not held then
    held = {}
    who.held = held
  end
  held[object] = (held[object] or 0) + 1
end

--- Notes that it has given it back.
---@param who table
---@param object table
function M.drop(who, object)
  local held = who.held
  local n = held and held[object]
  if n then held[object] = n > 1 and n - 1 or nil end
end

--- A holder has ended: what it held is seen to by the objects.
---@param who table
---@param how string "done", "failed" or "died"
function M.ended(who, how)
  local held = who.held
  who.gone, who.held = how, nil
  for object in pairs(held or {}) do
    M.info[getmetatable(object)].orphan(object, who, how)
  end
end

--- Checks an optional number of seconds, the first argument.
---@param timeout number|nil
---@param where string the method
function M.check_timeout(timeout, where)
  if timeout ~= nil then usage.argument(where, 1, timeout, "seconds") end
end

--- What `hold` of a lock or a semaphore returns, for a `<close>` variable.
---@within sync
---@class luapool.sync.Held
local Held = { __name = "luapool.sync.held" }
Held.__index = Held

--- Releases what is held. Leaving the scope of `<close>` does it too; twice is safe.
---
--- ```lua
--- local lock = sync.lock()
--- local held = lock:hold()
--- held:close()
--- assert(lock:try_acquire())
--- lock:release()
--- ```
function Held:close()
  M.check_self(self, Held, "held:close")
  local object = self[1]
  self[1] = nil
  if object then object:release() end
end

Held.__close = Held.close

--- acquire, to be released when the scope is left: `local held <close> = lock:hold()`.
---@param object table a lock or semaphore
---@param timeout? number seconds
---@return luapool.sync.Held
function M.held(object, timeout)
  local class = getmetatable(object)
  if type(class) ~= "table" or class.hold ~= M.held then
    errors.not_self("lock:hold", "luapool.sync.lock or semaphore", object)
  end
  M.check_timeout(timeout, class.__name:match "%a+$" .. ":hold")
  object:acquire(timeout)
  return setmetatable({ object }, Held)
end

return M
