-- internal.queue.remote: queues in workers: each method asks the main process.

local core = require "luapool.sync.core"
local errors = require "luapool.error.core"

local M = {}

-- Errors keep their fields: they come as values. A wait that was withdrawn ends as such.
local function answer(ok, ...)
  if not ok and errors.is((...), "cancelled") then error((...), 0) end
  return ok, ...
end

local function unwrap(ok, ...)
  if not ok then error((...), 0) end
  return ...
end

local function always() return true end

--- Gives the class of queues what it does in workers: see internal.sync.class.
---@param Queue table
---@param about table
function M.open(Queue, about)
  about.proxy = { close = function() end, __close = function() end }
  for _, name in ipairs { "put", "put_all", "flow", "status", "result", "list", "stats", "cancel",
    "pause", "resume", "retry", "purge" } do
    local method = Queue[name]
    about.remote[name] = function(self, _, ...) return answer(pcall(method, self, ...)) end
    about.waits[name] = always
    about.proxy[name] = function(self, ...)
      if type(self) ~= "table" or not self.number then
        errors.not_self("Queue:" .. name, about.title, self)
      end
      return unwrap(core.ask(self.number, 0, name, ...))
    end
  end
end

return M
