-- internal.sync.remote: objects in other processes. Main keeps every object; a worker has a proxy
-- of the same class, whose methods ask main. Main runs them on behalf of the worker's task: at once
-- when they need not wait, else in a task of its own, which is cancelled when the request is
-- withdrawn or the worker dies.
--@whole

local class = require "luapool.internal.sync.class"
local core = require "luapool.sync.core"
local errors = require "luapool.error"
local prefetch = require "luapool.internal.sync.prefetch"
local queue = require "luapool.internal.sync.queue"
local sandbox = require "luapool.sandbox.core"
local task = require "luapool.task.core"
local usage = require "luapool.internal.usage"

local M = {}

local OK, ERROR, WITHDRAWN = 0, 1, 2

local objects = core.objects() -- number -> object, weak; of a worker: proxy
local numbers = setmetatable({}, { __mode = "k" }) -- object -> number
local latest = 0
-- What environments have sent to their workers: package.loaded of one -> object -> true. A worker
-- of theirs may ask for nothing else, as its scripts can make up numbers.
local sent = setmetatable({}, { __mode = "k" })
local in_worker = core.in_worker()

-- ---- travelling ----

local function sent_by_current()
  local _, loaded = sandbox.package()
  local own = sent[loaded] or setmetatable({}, { __mode = "k" })
  sent[loaded] = own
  return own
end

-- What an object travels as: see runtime/wire/wire.h.
local function refer(object)
  local about = class.info[getmetatable(object)]
  if in_worker then
    local text = "a %s made in a worker stays there: make it in the main process"
    return nil, text:format(about.title or "sync." .. about.name)
  end
  local number = numbers[object]
  if not number then
    number = latest + 1
    latest, numbers[object], objects[number] = number, number, object
  end
  if not sandbox.is_free() then sent_by_current()[object] = true end
  return "luapool.internal.sync.remote", about.name .. " " .. number, number
end

--- What stands here for the object of a reference.
---@param key string
---@return table
function M.receive(key)
  local name, number = key:match "^(%a+) (%d+)$"
  number = math.tointeger(number)
  local object = number and objects[number]
  if object then return object end
  local proxy = in_worker and name and M.proxy_class(name)
  if not proxy then errors.raise("owner_gone", "the object does not exist any more") end
  object = setmetatable({ number = number }, proxy)
  objects[number] = object
  core.hold(number)
  return object
end

-- ---- a worker: proxies ----

local function ask(proxy, method, full)
  return function(self, ...)
    usage.self(self, proxy, full)
    return core.ask(self.number, 0, method, ...)
  end
end

-- The same for what main must know the task for.
local function ask_as_holder(proxy, method, full)
  return function(self, ...)
    usage.self(self, proxy, full)
    local who = core.holder()
    who.asked = true
    return core.ask(self.number, who.id, method, ...)
  end
end

local function checked(proxy, full, fn)
  return function(self, ...)
    if getmetatable(self) ~= proxy then usage.self(self, proxy, full) end
    return fn(self, ...)
  end
end

local function make_proxy(name, about)
  local proxy = { __name = about.title or "luapool.sync." .. name }
  proxy.__index = proxy
  for method in pairs(about.remote) do
    local full, how = name .. ":" .. method, about.plain[method] and ask or ask_as_holder
    local asking = how(proxy, method, full)
    local ahead = about.ahead and about.ahead[method]
    proxy[method] = ahead and checked(proxy, full, ahead(asking)) or asking
  end
  for method, fn in pairs(about.proxy or {}) do
    proxy[method] = fn
  end
  function proxy:__gc() core.let_go(self.number) end
  function proxy:__refer()
    return "luapool.internal.sync.remote", name .. " " .. self.number, self.number
  end
  return proxy
end

local proxies = {} -- name of a class -> the class of its proxies
-- Where classes stand that are in no file of this folder.
local files = { durable = "luapool.queue", serve = "luapool.internal.serve.channel" }

--- The class of the proxies of a class, whose file is loaded when it is first needed.
---@param name string
---@return table|nil
function M.proxy_class(name)
  if not proxies[name] and pcall(require, files[name] or "luapool.internal.sync." .. name) then
    local about = class.named[name]
    proxies[name] = about and make_proxy(name, about)
  end
  return proxies[name]
end

-- ---- main: what a worker has and wants ----

---@class luapool.sync.Worker
---@field remote userdata
---@field name string for dumps of those who wait here on its behalf
---@field gone boolean
---@field process table holds slots of semaphores
---@field holders table<integer, table> its tasks that may hold something
---@field nobody table stands for a task that holds nothing
---@field waiting table<integer, table> request -> the task that waits here
---@field given integer answers that took something away, counted
---@field flying table<integer, table> those that it may not have yet: number -> {undo, object, ...}
---@field first integer the first number that may be in flying
---@field proxies table<integer, integer> number of an object -> how many proxies
---@field pinned table<integer, integer[]> request -> objects in its answer
---@field lanes table<integer, luapool.sync.Lane> weak: a lane is its queue's

local function new_worker(remote)
  local process = {}
  return {
    remote = remote,
    name = remote:name(),
    gone = false,
    process = process,
    holders = {},
    nobody = { process = process },
    waiting = {},
    given = 0,
    flying = {},
    first = 1,
    proxies = {},
    pinned = {},
    lanes = setmetatable({}, { __mode = "v" }),
  }
end

local function holder_of(worker, id)
  if id == 0 then return worker.nobody end
  local who = worker.holders[id]
  if not who then
    who = { process = worker.process }
    worker.holders[id] = who
  end
  return who
end

local function say(worker, request, status, taken, ...)
  if request == 0 then return end -- nobody waits for it
  local pinned = worker.remote:answer(request, status, taken, ...)
  if pinned then worker.pinned[request] = pinned end
end

local function say_error(worker, request, e)
  if errors.is(e, "cancelled") then
    say(worker, request, WITHDRAWN, 0)
  elseif errors.is(e) then
    say(worker, request, ERROR, 0, e.kind, e.message)
  else
    say(worker, request, ERROR, 0, "internal", tostring(e))
  end
end

-- Answers are taken in their order: those up to `taken` have arrived.
local function forget_arrived(worker)
  local taken = worker.remote:taken()
  for i = worker.first, taken do
    worker.flying[i] = nil
  end
  worker.first = math.max(worker.first, taken + 1)
end

-- An answer that takes something away: it is put back when it does not arrive.
local function give(worker, request, undo, object, who, value, ...)
  if worker.gone then return undo(object, who, value, ...) end
  forget_arrived(worker)
  local n = worker.given + 1
  local ok, e = pcall(say, worker, request, OK, n, value)
  if not ok then
    undo(object, who, value, ...)
    return say_error(worker, request, e)
  end
  worker.given = n
  worker.flying[n] = { undo, object, who, value, ... }
end

-- A method has ended: its results, or the error, go to who asked.
local function finish(worker, request, undo, object, who, ok, ...)
  worker.waiting[request] = nil
  if ok and undo and (...) ~= nil then
    give(worker, request, undo, object, who, ...)
    if object.ahead then prefetch.send(object, numbers[object], worker) end
    return
  end
  if worker.gone then return end
  if not ok then return say_error(worker, request, (...)) end
  local said, e = pcall(say, worker, request, OK, 0, ...)
  if not said then say_error(worker, request, e) end
end

local function wait(worker, request, undo, object, who, method, ...)
  finish(worker, request, undo, object, who, pcall(method, object, who, ...))
end

-- Who asks and gets no answer, for want of memory, would wait for ever.
local function surely(remote, fn, ...)
  if not pcall(fn, ...) then remote:give_up(false) end
end

local function start(worker, request, object, who, ok, name, ...)
  if not ok then return say_error(worker, request, name) end
  if not object then
    return say(worker, request, ERROR, 0, "owner_gone", "the object does not exist any more")
  end
  local about = class.info[getmetatable(object)]
  local method, undo, waits = about.remote[name], about.undo[name], about.waits[name]
  if waits and waits(object, who, ...) then
    local waiting =
      task.spawn(surely, worker.remote, wait, worker, request, undo, object, who, method, ...)
    waiting:name(worker.name)
    worker.waiting[request] = waiting
  else
    wait(worker, request, undo, object, who, method, ...)
  end
end

local heard = {}

-- Number 0 is nobody's reference: every worker may name the board of progress bars by it.
local function find(number)
  if number == 0 then return require("luapool.internal.progress.board").shared end
  local object = objects[number]
  if not object or sandbox.is_free() or sent_by_current()[object] then return object end
end

function heard.ask(worker, request, number, holder, place, length)
  local who, remote = holder_of(worker, holder), worker.remote
  start(worker, request, find(number), who, pcall(remote.values, remote, place, length))
end

function heard.withdraw(worker, request)
  local waiting = worker.waiting[request]
  if not waiting then return end -- the answer is on its way
  if waiting:status() == "pending" then
    worker.waiting[request] = nil
    say(worker, request, WITHDRAWN, 0)
  end
  waiting:cancel()
end

function heard.hold(worker, number)
  core.pin(number)
  worker.proxies[number] = (worker.proxies[number] or 0) + 1
end

function heard.let_go(worker, number)
  local n = worker.proxies[number]
  if not n then return end
  worker.proxies[number] = n > 1 and n - 1 or nil
  local lanes = objects[number] and objects[number].lanes
  if n == 1 and lanes and lanes[worker] then queue.close_lane(lanes[worker]) end
  core.unpin(number)
end

function heard.moved(worker, index)
  local lane = worker.lanes[index]
  if lane then queue.moved(lane) end
end

function heard.took(worker, request)
  for _, number in ipairs(worker.pinned[request] or {}) do
    core.unpin(number)
  end
  worker.pinned[request] = nil
end

function heard.ended(worker, id, normally)
  local who = worker.holders[id]
  worker.holders[id] = nil
  if who then class.ended(who, normally == 1 and "done" or "failed") end
end

-- Its waits vanish, then what its tasks held is given back, then what nobody there had taken,
-- then what had not reached it.
function heard.gone(worker)
  worker.gone = true
  for _, waiting in pairs(worker.waiting) do
    waiting:cancel()
  end
  for _, who in pairs(worker.holders) do
    class.ended(who, "died")
  end
  class.ended(worker.process, "died")
  for _, lane in pairs(worker.lanes) do
    queue.close_lane(lane)
    lane.queue.lanes[worker] = nil
  end
  forget_arrived(worker)
  for i = worker.given, worker.first, -1 do
    local undo, object, who, value, priority = table.unpack(worker.flying[i], 1, 5)
    undo(object, who, value, priority)
  end
  for number, n in pairs(worker.proxies) do
    for _ = 1, n do
      core.unpin(number)
    end
  end
  for request in pairs(worker.pinned) do
    heard.took(worker, request)
  end
end

local workers = setmetatable({}, { __mode = "k" }) -- remote -> worker

local function hear(remote, what, ...)
  if not what then return false end
  local worker = workers[remote] or new_worker(remote)
  workers[remote] = worker
  heard[what](worker, ...)
  return true
end

local function hear_next(remote) return hear(remote, remote:next()) end

--- The task that works off what a worker has said. When it fails, another one goes on once the
--- worker is dead.
---@param remote userdata
function M.serve(remote)
  local ok, more
  repeat
    ok, more = pcall(hear_next, remote)
  until not (ok and more)
  if not ok then remote:give_up(true) end
end

-- ---- both ----

-- A task that may have held something has ended.
local function ended(who, how)
  class.ended(who, how)
  if who.asked then core.ended(who.id, how == "done") end
end

class.refer = refer
core.on_end(ended)
core.serve(M.serve)

return M
