-- internal.queue.envelope: what is put into a store: an id, a kind, arguments as JSON, options.
-- What a store could not carry is refused here, before it is asked.

local digest = require "luapool.digest.core"
local errors = require "luapool.error.core"
local json = require "luapool.json.core"
local options = require "luapool.internal.options"
local usage = require "luapool.internal.usage"

local M = {}

--- So many bytes the arguments or the result of a job may have as JSON, unless said otherwise.
M.LARGEST = 64 * 1024

M.options = {
  delay = "amount",
  priority = "priority",
  key = "string",
  unique = "string",
  unique_for = "amount",
  expires = "positive",
  result_ttl = "amount",
  id = "string",
}

local check_options = options.define("Queue:put", M.options)

-- The latest time that an id of this process holds, in units of 1/4096 ms; random bytes for the
-- next ids, and how many of them are used: each asks for eight, and the system is asked for
-- many at once.
local latest, bytes, used = 0, "", 0
local MANY = 2048
local unpack, uuid, clock = string.unpack, digest.uuid, digest.clock

--- Makes an id: a UUID of version 7. Those made later sort behind those made before.
---@return string
function M.new_id()
  local ms, part = clock()
  local time = ms << 12 | part
  if time <= latest then time = latest + 1 end
  latest = time
  if used == #bytes then bytes, used = digest.random(MANY), 0 end
  local chance = unpack("<I8", bytes, used + 1)
  used = used + 8
  return uuid(7, time >> 12 << 16 | time & 0xFFF, chance)
end

local function is_id(id)
  local hex = "%x%x%x%x"
  return id:find("^" .. hex .. hex .. "%-" .. hex .. "%-7%x%x%x%-[89ab]%x%x%x%-" .. hex .. hex
    .. hex .. "$") ~= nil and not id:find "%u"
end

local function fail(where, code, text, ...)
  errors.raise("queue", where .. ": " .. text:format(...), { code = code })
end

--- A value as JSON. Raises kind `queue`, code `no_json` or `too_large`.
---@param where string the call
---@param what string what the value is: "the arguments"
---@param value any
---@param largest? integer bytes
---@return string
function M.encode(where, what, value, largest)
  if value == nil then value = json.null end
  local ok, text = pcall(json.encode, value)
  if not ok then
    if errors.is(text, "memory") then error(text, 0) end
    fail(where, "no_json", "%s cannot be carried as JSON: %s", what,
      errors.is(text) and text.message or tostring(text))
  end
  largest = largest or M.LARGEST
  if #text > largest then
    fail(where, "too_large", "%s are %d bytes as JSON, at most %d are taken: put large things into "
      .. "a file or a database, and their name into the job", what, #text, largest)
  end
  return text
end

--- Checks the name of a kind.
---@param where string
---@param n integer which argument it is
---@param kind any
function M.check_kind(where, n, kind)
  if type(kind) ~= "string" or not kind:find "^[%w_][%w_.:-]*$" or #kind > 100 then
    usage.expected(where, n, "the name of a kind, of letters, digits, '_', '.', ':' and '-'", kind)
  end
end

--- Makes jobs of one kind of a list of arguments; they share their options.
---@param where string the call
---@param kind string
---@param list any[] the arguments of each
---@param n integer how many
---@param opts? luapool.queue.PutOptions
---@param largest? integer
---@return table[] jobs
function M.jobs(where, kind, list, n, opts, largest)
  M.check_kind(where, 1, kind)
  opts = opts and check_options(opts, where) or nil
  local unique, id
  if opts then
    unique, id = opts.unique, opts.id
    if id and (n > 1 or not is_id(id)) then
      usage.raise(where, "option 'id' is a UUID of version 7 in small letters, of one job")
    end
    if opts.unique_for and not unique then usage.raise(where, "'unique_for' needs 'unique'") end
    if unique and n > 1 then usage.raise(where, "'unique' is of one job: use q:put for each") end
  end
  local jobs = {}
  for i = 1, n do
    local job = { id = id or M.new_id(), kind = kind,
      args = M.encode(where, "the arguments", list[i], largest) }
    if opts then
      for name, value in pairs(opts) do
        if name ~= "id" then job[name] = value end
      end
    end
    jobs[i] = job
  end
  return jobs
end

return M
