-- Another process at a queue, which a spec drives line by line:
--     local other <close> = queue_process.start(url, kinds)
--     other:ask "claim 3"      --> ids
--     other:kill()
-- The process is this file, run by luapool with arguments. Commands: "claim N", "take" (waits for a
-- job), "wait" (the same; answers the CPU seconds that it took), "put KIND JSON", "done" (ends all
-- that it has), "cancelled" (ids that are to be), "close".

local clock = require "tests.support.clock"
local json = require "luapool.json"
local process = require "luapool.process"
local queue = require "luapool.queue"
local socket = require "socket"
local task = require "luapool.task"
local worker = require "tests.support.queue_worker"

-- ---- the other process ----

local commands = {}

local function claimed(self, list)
  local ids = {}
  for i, job in ipairs(list) do
    ids[i] = job.id
    table.insert(self.mine, job)
  end
  return table.concat(ids, " ")
end

function commands.claim(self, n)
  return claimed(self, worker.now(self.q, tonumber(n), self.kinds))
end

function commands.take(self) return claimed(self, worker.take(self.q, 1, self.kinds)) end

function commands.wait(self)
  local before = os.clock()
  commands.take(self)
  return os.clock() - before
end

function commands.put(self, kind, args) return self.q:put(kind, json.decode(args)) end

function commands.done(self)
  local settled = {}
  for i, job in ipairs(self.mine) do settled[i] = tostring(worker.done(self.q, job, self.kinds)) end
  self.mine = {}
  return table.concat(settled, " ")
end

function commands.cancelled(self) return table.concat((self.q.store:renew()), " ") end

local function serve(port, url, kinds)
  local line <close> = assert(socket.connect("127.0.0.1", tonumber(port)))
  local self = { q = queue.open(url), kinds = json.decode(kinds), mine = {} }
  line:send(io.open("/proc/self/stat"):read "n" .. "\n")
  for text in function() return (line:receive "*l") end do
    if text == "close" then break end
    local name, first, rest = text:match "^(%a+) ?(%S*) ?(.*)$"
    line:send(commands[name](self, first, rest) .. "\n")
  end
  self.q:close()
  line:send "closed\n"
end

if (...) == "serve" then return serve(select(2, ...)) end

-- ---- this one ----

local M = {}

local Other = {}
Other.__index = Other

--- Starts it; it has opened the queue when this returns. Its clock may be so many seconds fast.
function M.start(url, kinds, ahead)
  local server <close> = assert(socket.bind("127.0.0.1", 0))
  local port = select(2, server:getsockname())
  local self = setmetatable({}, Other)
  self.run = task.spawn(process.exec, { "setpriv", "--pdeathsig", "KILL",
    clock.ahead(ahead or 0, os.getenv "LUAPOOL", "run", "tests/support/queue_process.lua", "--",
      "serve", tostring(port), url, json.encode(kinds)) })
  self.line = assert(server:accept())
  self.pid = assert(self.line:receive "*l")
  return self
end

--- Sends a command and returns the answer.
function Other:ask(command)
  assert(self.line:send(command .. "\n"))
  return assert(self.line:receive "*l")
end

--- Ends it as the kernel does, and waits until it is gone.
function Other:kill()
  if not self.run then return end
  process.exec { "kill", "-9", self.pid }
  self.run:result()
  self.run = nil
  self.line:close()
end

Other.__close = Other.kill

return M
