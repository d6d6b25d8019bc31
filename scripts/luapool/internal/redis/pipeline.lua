-- internal.redis.pipeline: commands that are collected and sent together: see Client:pipeline and
-- Client:transaction in luapool.redis.
--@whole

local commands = require "luapool.internal.redis.commands"
local core = require "luapool.redis.core"
local errors = require "luapool.error.core"
local links = require "luapool.internal.net.link"
local usage = require "luapool.internal.usage"

local M = {}

-- The field of a collector, or of a client, that holds what is inside: all others are commands.
M.INSIDE = 1

--- Raises where a command changes the connection.
---@param where string
---@param name string in capitals
---@param args table
function M.check(where, name, args)
  local refused, second = commands.refused[name], args[2]
  if name == "CLIENT" and type(second) == "string" and second:upper() == "REPLY" then
    refused = "every command has its reply"
  end
  if refused then usage.raise(where, "%s cannot be used: %s", name, refused) end
end

--- Collects the commands of a pipeline: each command of Redis is a method, as of a client.
---@within redis
---@class luapool.redis.Pipeline
local Pipeline = { __name = "luapool.redis.Pipeline" }

function Pipeline.__refer() return nil, "commands for Redis that are being collected" end

local function add(self, where, given, ...)
  if getmetatable(self) ~= Pipeline then errors.not_self(where, Pipeline.__name, self) end
  local inside = rawget(self, M.INSIDE)
  if inside.ended then usage.raise(where, "the pipeline has been sent") end
  if given == 0 then usage.argument(where, 1, (...), "string") end
  local bytes = core.encode(where, given, ...)
  local name = (...):upper()
  M.check(where, name, { ... })
  local i = #inside.names + 1
  inside.bytes[i], inside.names[i] = bytes, name
  return inside, i
end

--- Adds a command.
---
--- ```lua
--- local client <close> = redis.connect(redis_url)
--- print(client:pipeline(function(p) p:command("ECHO", "a") end)[1]) --> a
--- ```
---@param ... string|number|table its words, as of `Client:command`
function Pipeline:command(...) add(self, "Pipeline:command", 0, ...) end

--- A method of a class for any command of Redis: `fn(self, where, given, ...)` gets the words
--- of the command, of which the user has not written the first `given`.
---@param class string
---@param name any the name of the method
---@param fn function
---@return function|nil
function M.method(class, name, fn)
  if type(name) ~= "string" or not name:find "^%l[%l%d_]*$" then return nil end
  local first, second = commands.words(name)
  local where = class .. ":" .. name
  if second then
    return function(self, ...) return fn(self, where, 2, first, second, ...) end
  end
  return function(self, ...) return fn(self, where, 1, first, ...) end
end

local methods, made = { command = Pipeline.command }, {}
Pipeline.command = nil

local function make_method(name)
  local method = made[name] or M.method("Pipeline", name, function(self, where, given, ...)
    local inside, i = add(self, where, given, ...)
    local words = given == 1 and (...) or table.concat({ ... }, " ", 1, 2)
    inside.convert[i] = commands.convert[words]
  end)
  made[name] = method
  return method
end

function Pipeline.__index(_, name) return methods[name] or make_method(name) end

--- Calls fn with a collector and returns what it has collected, or nil when that is nothing.
---@param fn function
---@param ... any more arguments for fn
---@return table|nil
function M.collect(fn, ...)
  local inside = { bytes = {}, names = {}, convert = {} }
  fn(setmetatable({ [M.INSIDE] = inside }, Pipeline), ...)
  inside.ended = true
  return #inside.names > 0 and inside or nil
end

--- An error that a command was answered with.
---@param where string
---@param name string of the command
---@param text string
---@return luapool.Error
function M.error(where, name, text)
  local code = text:match "^%S+"
  local message = ("%s: %s%s"):format(where, where:lower():find(name:lower(), 1, true) and ""
    or name .. ": ", text)
  return errors.new("redis", message, { code = code, command = name })
end

--- Raises it, at the user's line.
---@param where string
---@param name string
---@param text string
function M.raise(where, name, text)
  local e = M.error(where, name, text)
  errors.raise(e.kind, e.message, { code = e.code, command = e.command })
end

local function only_reads(names)
  for _, name in ipairs(names) do
    if not commands.reads[name] then return false end
  end
  return true
end

--- The call of collected commands.
---@param where string
---@param inside table
---@return luapool.internal.net.Call
function M.call(where, inside)
  local call = links.call(where, table.concat(inside.bytes), inside.names)
  call.reads = only_reads(inside.names)
  return call
end

local BEGIN, END = core.encode("", 0, "MULTI"), core.encode("", 0, "EXEC")

--- The call of collected commands between MULTI and EXEC.
---@param where string
---@param inside table
---@return luapool.internal.net.Call
function M.transaction(where, inside)
  local names = { "MULTI", table.unpack(inside.names) }
  table.insert(names, "EXEC")
  local call = links.call(where, BEGIN .. table.concat(inside.bytes) .. END, names)
  call.atomic = true
  return call
end

--- The results of a pipeline: the replies and, with `return_errors`, the errors; else it raises the
--- first error.
---@param where string
---@param inside table
---@param replies table the replies, and at n + i the text of the error of i
---@param return_errors boolean|nil
---@return table replies, table|nil errors
function M.results(where, inside, replies, return_errors)
  local n, list, failed = #inside.names, {}, {}
  list.n = n
  for i = 1, n do
    local value, text, convert = replies[i], replies[n + i], inside.convert[i]
    if text then
      if not return_errors then M.raise(where, inside.names[i], text) end
      failed[i] = M.error(where, inside.names[i], text)
    end
    list[i] = convert and convert(value) or value
  end
  if return_errors then return list, failed end
  return list
end

return M
