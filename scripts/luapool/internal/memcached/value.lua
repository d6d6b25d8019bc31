-- internal.memcached.value: keys and values as memcached has them. The flags that it keeps with a
-- value tell what it was. 2 is what other clients (pylibmc, pymemcache) use for integers, too.
--@whole

local errors = require "luapool.error.core"
local json = require "luapool.json"
local usage = require "luapool.internal.usage"

local M = {}

local STRING, INTEGER, FLOAT, JSON = 0, 2, 256, 512
local LONGEST_KEY = 250
local MONTH = 30 * 24 * 3600 -- a longer time is a date for memcached

-- ---- keys ----

--- A key with its prefix. Raises unless memcached takes it.
---@param where string the method
---@param place integer of the argument
---@param key string
---@param prefix string
---@return string
function M.key(where, place, key, prefix)
  usage.argument(where, place, key, "string")
  local full = prefix .. key
  if #full <= LONGEST_KEY and key ~= "" and not key:find "[%c ]" then return full end
  if key == "" then usage.raise(where, "the key is empty") end
  local bad = key:match "[%c ]"
  if bad then
    usage.raise(where, "the key %q has %s, and memcached takes none in a key", key,
      bad == " " and "a space" or ("a control character (byte %d)"):format(bad:byte()))
  end
  local text = prefix == "" and "the key is %d bytes long, and memcached takes %d"
    or "the key is %d bytes long with its prefix, and memcached takes %d"
  usage.raise(where, text, #full, LONGEST_KEY)
end

-- ---- values ----

local function encode_float(value)
  if value ~= value then return "nan" end
  return ("%.17g"):format(value)
end

local numbers = { nan = 0 / 0, ["-nan"] = 0 / 0, inf = math.huge, ["-inf"] = -math.huge }

local function decode_number(text, convert)
  local trimmed = text:match "^%s*(.-)%s*$" -- decr leaves spaces behind
  return numbers[trimmed] or convert(tonumber(trimmed) or 0 / 0) or text
end

--- A value as flags and bytes. Raises where it has no such form.
---@param where string
---@param place integer
---@param value any
---@return integer flags
---@return string bytes
function M.encode(where, place, value)
  local kind = math.type(value) or type(value)
  if kind == "string" then return STRING, value end
  if kind == "integer" then return INTEGER, ("%d"):format(value) end
  if kind == "float" then return FLOAT, encode_float(value) end
  if kind == "table" or kind == "boolean" then return JSON, json.encode(value) end
  usage.expected(where, place, "a string, a number, a boolean or a table", value)
end

--- The value of flags and bytes. What others have stored with flags of theirs is a string.
---@param flags integer
---@param bytes string
---@return any
function M.decode(flags, bytes)
  if flags == STRING then return bytes end
  if flags == INTEGER then return decode_number(bytes, math.tointeger) end
  if flags == FLOAT then
    return decode_number(bytes, function(n) return n == n and n + 0.0 or nil end)
  end
  if flags == JSON then return json.decode(bytes) end
  return bytes
end

--- Seconds as memcached takes them: whole ones, 0 for ever, and a date when there are many.
---@param ttl number|nil
---@return integer
function M.time(ttl)
  if not ttl or ttl >= 1e9 then return 0 end
  local seconds = math.ceil(ttl)
  return seconds > MONTH and os.time() + seconds or seconds
end

-- ---- errors ----

--- Raises what a server has answered.
---@param where string
---@param place string the server
---@param text string "SERVER_ERROR object too large for cache"
function M.raise(where, place, text)
  local kind = text:find "too large" and "too_large" or "memcached"
  errors.raise(kind, ("%s: %s: %s"):format(where, place, text),
    { code = text:match "^%S+", server = place })
end

return M
