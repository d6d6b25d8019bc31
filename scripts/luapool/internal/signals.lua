-- internal.signals: who gets a signal: the handlers of scripts and the tasks that wait for it, else
-- the program, which stops a run, say. Process: main of the program luapool; anywhere else signals
-- are not luapool's.
--@whole

local core = require "luapool.core"
local sync = require "luapool.sync.core"
local task = require "luapool.task.core"

local M = {}

---@class luapool.internal.Signal
---@field name string
---@field handlers table<luapool.signal.Handler, integer> with the order in which they were made
---@field line userdata the tasks that wait for it
---@field waiting integer how many these are
---@field kept boolean a task has waited for it, and may do so again: none is lost until then
---@field pending boolean it has come since, and nobody has asked

local watch -- what the program catches signals with; nil where it does not
-- Who sends one of these wants the process to end, and is never kept waiting by a script that does
-- not listen just now.
local urgent = { INT = true, TERM = true, QUIT = true }

local wanted = {} -- name -> luapool.internal.Signal
local count = 0

--- Whether scripts can have signals here.
---@return boolean
function M.available() return watch ~= nil end

-- Catches the signal as long as a script wants it.
local function update(signal)
  if not watch then return end
  local listens = next(signal.handlers) ~= nil or signal.waiting > 0
  if listens or signal.kept then
    watch:catch(signal.name)
  else
    watch:release(signal.name)
    wanted[signal.name] = nil
  end
  watch:expect(signal.name, listens)
end

local function find(name)
  local signal = wanted[name]
  if not signal then
    signal = {
      name = name, handlers = {}, line = sync.waiters("signal " .. name), waiting = 0,
      kept = false, pending = false,
    }
    wanted[name] = signal
  end
  return signal
end

-- ---- handlers ----

--- Calls `fn(name)` in a task of its own whenever the signal comes.
---@param handler table stands for it
---@param name string
---@param fn function
function M.add(handler, name, fn)
  local signal = find(name)
  count = count + 1
  handler.fn, handler.signal, signal.handlers[handler] = fn, signal, count
  update(signal)
end

--- Safe twice.
---@param handler table
function M.remove(handler)
  local signal = handler.signal
  if not signal then return end
  handler.signal, signal.handlers[handler] = nil, nil
  update(signal)
end

-- ---- waiting ----

local Wait = {}

function Wait.__close(wait)
  local signal = wait[1]
  signal.waiting = signal.waiting - 1
  update(signal)
end

--- Waits until the signal comes; at once when it has come since somebody has waited for it last.
---@param name string
---@param timeout number|nil
function M.wait(name, timeout)
  local signal = find(name)
  if signal.pending then
    signal.pending = false
    return
  end
  signal.waiting, signal.kept = signal.waiting + 1, not urgent[name]
  local wait <close> = setmetatable({ signal }, Wait) -- luacheck: ignore
  update(signal)
  signal.line:wait(timeout)
end

-- ---- the program ----

local function call_handlers(signal)
  local list = {}
  for handler in pairs(signal.handlers) do table.insert(list, handler) end
  table.sort(list, function(a, b) return signal.handlers[a] < signal.handlers[b] end)
  for _, handler in ipairs(list) do
    task.spawn(handler.fn, signal.name):name("signal " .. signal.name)
  end
  return #list > 0
end

-- Gives a signal to the scripts that want it; false when none does.
local function deliver(name)
  local signal = wanted[name]
  if not signal then return false end
  local heard = call_handlers(signal)
  heard = signal.line:wake_all() > 0 or heard
  if heard then return true end
  signal.pending = signal.kept
  return signal.kept
end

local Served = {}

function Served.__close()
  watch:close()
  watch = nil
end

--- Catches signals until it is cancelled. Those that no script wants go to `act`.
---@param act fun(name: string)
function M.serve(act)
  watch = core.signals()
  local served <close> = setmetatable({}, Served) -- luacheck: ignore
  while true do
    local name = watch:wait()
    if not deliver(name) then act(name) end
  end
end

return M
